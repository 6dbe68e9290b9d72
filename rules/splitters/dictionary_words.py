"""Words of scripts that put no spaces between them, found with dictionaries: Chinese, Japanese and Thai.

    jieba      runs of Han and kana as jieba cuts them, for Chinese
    fugashi    runs of Han and kana as MeCab cuts them with UniDic, through fugashi, for Japanese
    pythainlp  runs of Thai letters as PyThaiNLP's newmm cuts them

All else is as `unicode` has it. A run is cut by itself, in pieces of at most MOST_CHARACTERS, so words never reach over
punctuation, and time grows with a text as its size does. Each distinct run of a batch is cut once. These are libraries of
Python: 1 to 2 MB/s a core, less than a hundredth of `unicode`. Name one in packs for documents in its language.
"""

from __future__ import annotations

import functools
import logging
import os
import re
import tempfile
import threading
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from rules.splitters.words import span, span_scratch, take_spans
from rules.text.buffers import strings_from
from rules.text.characters import CJK, character_classes
from rules.text.kept_arrays import cache_folder
from rules.text.kernels import held, kernel, kernel_texts, unowned

MOST_CHARACTERS = 4096
THAI = "[\u0e01-\u0e3a\u0e40-\u0e4e]"
MARKS = "[\u3099\u309a\ufe00-\ufe0f]"
LEADING_MARKS = re.compile(f"{MARKS}*")

_lock = threading.Lock()  # none of the libraries is made for threads

Cut = Callable[[str], list[str]]


def chinese_words(texts: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    """The words of each text with single spaces between them, by jieba."""
    return _words(texts, cjk_runs(), _jieba)


def japanese_words(texts: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    """The words of each text with single spaces between them, by MeCab."""
    return _words(texts, cjk_runs(), _mecab)


def thai_words(texts: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    """The words of each text with single spaces between them, by PyThaiNLP."""
    return _words(texts, re.compile(f"({THAI}+)"), _newmm)


def _words(texts: pa.Array | pa.ChunkedArray, runs: re.Pattern[str], library: Callable[[], Cut]) -> pa.LargeStringArray:
    """Each text with its `runs` cut by a library, and what is between them by `unicode`."""
    pieces = [runs.split(text) for text in texts.cast(pa.large_string()).fill_null("").to_pylist()]  # others, run, others, ...
    others = iter(unicode_words(pa.array([other for parts in pieces for other in parts[::2]], pa.large_string())).to_pylist())
    with _lock:
        cut = library()
        known = {run: " ".join(_in_pieces(run, cut)) for run in {run for parts in pieces for run in parts[1::2]}}
    written = [" ".join(filter(None, [known[part] if k % 2 else next(others) for k, part in enumerate(parts)])) for parts in pieces]
    return pa.array(written, pa.large_string())


def _in_pieces(run: str, cut: Cut) -> list[str]:
    """The words of a run; a mark that a library takes for a word goes with the word before it."""
    pieces = [run[begin : begin + MOST_CHARACTERS] for begin in range(0, len(run), MOST_CHARACTERS)]
    words: list[str] = []
    for word in (word for piece in pieces for found in cut(piece) for word in found.split()):
        found_marks = LEADING_MARKS.match(word) if words else None
        marks = found_marks[0] if found_marks else ""
        if marks:
            words[-1] += marks
        words += [word[len(marks) :]] if len(word) > len(marks) else []
    return words


@functools.cache
def cjk_runs() -> re.Pattern[str]:
    """Runs of the characters that are each a word to `unicode`, with marks on them."""
    codes = np.flatnonzero(character_classes() & CJK)
    ends = np.flatnonzero(np.diff(codes) > 1)
    firsts, lasts = codes[np.concatenate([[0], ends + 1])], codes[np.concatenate([ends, [len(codes) - 1]])]
    letters = "".join(f"{chr(first)}-{chr(last)}" for first, last in zip(firsts, lasts))
    return re.compile(f"((?:[{letters}]{MARKS}*)+)")


# ---- libraries


@functools.cache
def _jieba() -> Cut:
    import jieba

    jieba.setLogLevel(logging.WARNING)
    tokenizer, folder = jieba.Tokenizer(), cache_folder()
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    tokenizer.tmp_dir = str(folder) if folder else tempfile.mkdtemp()  # not /tmp, where anybody could put what it reads
    return lambda run: list(tokenizer.cut(run))


@functools.cache
def _mecab() -> Cut:
    from fugashi import Tagger

    tagger = Tagger()
    return lambda run: [word.surface for word in tagger(run)]


@functools.cache
def _newmm() -> Cut:
    os.environ.setdefault("PYTHAINLP_READ_ONLY", "1")  # it would make a folder at home, for what is not asked of it
    from pythainlp.tokenize import word_tokenize

    return lambda run: word_tokenize(run, engine="newmm", keep_whitespace=False)


# ---- what is between the runs


def unicode_words(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """The `unicode` words of each text with single spaces between them."""
    offsets, data = kernel_texts(texts)
    size = int(offsets[-1] - offsets[0])
    new_offsets, out = np.zeros(len(offsets), np.int64), np.empty(2 * size + 1, np.uint8)  # a space for every byte, at most
    write_unicode(offsets, data, character_classes(), new_offsets, out)
    return strings_from(new_offsets, out[: new_offsets[-1]])


@kernel
def write_unicode(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, new_offsets: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` (uint8) with the words of all texts, and `new_offsets` (int64 [docs + 1]) with where each begins."""
    spans, filled = span_scratch(), 0
    text, table, places, written = unowned(data), unowned(classes), unowned(spans), unowned(out)
    for d in range(offsets.size - 1):
        i, end = offsets[d], offsets[d + 1]
        while i < end:
            found, i = take_spans(text, i, end, table, True, places)
            for k in range(found):
                begin, stop = span(places, k)
                if filled > new_offsets[d]:
                    written[filled] = 32
                    filled += 1
                for j in range(begin, stop):
                    written[filled] = text[j]
                    filled += 1
        new_offsets[d + 1] = filled
    held(spans)
