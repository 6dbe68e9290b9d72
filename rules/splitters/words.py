"""Words of a text, straight from Arrow's UTF-8 bytes, in two definitions; other splitters rewrite the text for the first.

    space    what Python's str.split() gives: runs of characters that are not white space
    unicode  a run of letters and digits; each CJK letter by itself; of everything else visible, a run of one and the
             same character ("...", "--", "!"). A combining mark or joiner belongs to the word before it, and begins
             one after white space. So "don't" is three words, "e-mail..." four, "漢字kana" three.
    spacy    the tokens of spaCy's English tokenizer (rules/splitters/rewriting.py)
    jieba, fugashi, pythainlp  as `unicode`, but Chinese, Japanese or Thai by a dictionary (rules/splitters/dictionary_words.py)

Where words start and end is found 64 bytes at a time (word_edges.py). Words are spans of bytes, so nothing is copied; a
call of `take_spans` takes as many words as start in CHUNK_BYTES, which bounds memory whatever the text.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import pyarrow as pa

from rules.splitters.rewriting import rewritten
from rules.splitters.word_edges import no_word, word_edges
from rules.text.characters import character_classes
from rules.text.kernels import inlined, kernel, kernel_texts
from rules.text.masks import BLOCK, block_at, lowest_one, ones_in, without_lowest

Splitter = Literal["space", "unicode", "spacy", "jieba", "fugashi", "pythainlp"]

CHUNK_BYTES = 4096
SPAN_ROOM = CHUNK_BYTES + BLOCK


def splits_unicode(words: Splitter) -> bool:
    """True for `unicode`, False for `space` and for splitters that rewrite the text for it; ValueError for anything else."""
    if words not in get_args(Splitter):
        raise ValueError(f"words is {words!r}; it must be one of {', '.join(get_args(Splitter))}")
    return words == "unicode"


def split_words(text: str, words: Splitter = "unicode") -> list[str]:
    """The words of `text`, as the signals count them."""
    unicode_words = splits_unicode(words)
    offsets, data = kernel_texts(rewritten(pa.array([text], pa.large_string()), words))
    spans = all_spans(data, offsets[0], offsets[1], character_classes(), unicode_words)
    return [bytes(data[begin:end]).decode(errors="replace") for begin, end in spans]


@kernel
def all_spans(data: np.ndarray, i: int, end: int, classes: np.ndarray, unicode_words: bool) -> np.ndarray:
    """Where each word of data[i:end] begins and ends, int64 [words, 2]."""
    spans = span_scratch()
    found = np.empty((0, 2), np.int64)
    while i < end:
        filled, i = take_spans(data, i, end, classes, unicode_words, spans)
        found = np.concatenate((found, spans[: 2 * filled].reshape(-1, 2)))
    return found


# ---- chunks


@kernel
def span_scratch() -> np.ndarray:
    """Room for `take_spans` (int64), two for a word."""
    return np.empty(2 * SPAN_ROOM, np.int64)


@kernel
def take_spans(data: np.ndarray, i: int, end: int, classes: np.ndarray, unicode_words: bool, spans: np.ndarray) -> tuple[int, int]:
    """The words that start in the chunk of data[i:end] at i (i < end): how many, and where the next chunk starts.

    Word k is data[spans[2 * k]:spans[2 * k + 1]]. Call again, from where this call stopped, until that is `end`."""
    stop, state, begun, ended = i + CHUNK_BYTES, no_word(), 0, 0
    while i < end and i < stop or state[0]:
        starts, ends, state = word_edges(data, i, end, block_at(data, i, end), classes, unicode_words, state)
        if i >= stop and ends:  # the last word of the chunk ends here; what starts here is the next one's
            spans[np.uint64(2 * ended + 1)] = i + lowest_one(ends)
            return begun, i + lowest_one(ends)
        while starts:
            spans[np.uint64(2 * begun)] = i + lowest_one(starts)
            begun, starts = begun + 1, without_lowest(starts)
        while ends:
            spans[np.uint64(2 * ended + 1)] = i + lowest_one(ends)
            ended, ends = ended + 1, without_lowest(ends)
        i += BLOCK
    return begun, min(max(i + ones_in(state[1]), state[3]), end)  # after white space that reaches into the next block


@inlined
def span(spans: np.ndarray, k: int) -> tuple[int, int]:
    """Where word k begins and ends."""
    place = np.uint64(2 * k)
    return spans[place], spans[place + np.uint64(1)]
