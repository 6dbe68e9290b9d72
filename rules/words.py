"""Words of a text, straight from Arrow's UTF-8 bytes, in two definitions; others rewrite the text for the first.

    space    what Python's str.split() gives: runs of characters that are not white space
    unicode  a run of letters and digits; each CJK letter by itself; of everything else visible, a run of one and the
             same character ("...", "--", "!"). A combining mark or joiner belongs to the word before it, and begins
             one after white space. So "don't" is three words, "e-mail..." four, "漢字kana" three.
    spacy    the tokens of spaCy's English tokenizer (rules/rewriting.py)

A chunk of text is first cut into segments of one kind of byte, eight bytes at a time and without branches. A segment of
ASCII is a word or white space; where other characters take part it goes character by character. Words are spans of
bytes, so nothing is copied; a call takes as many words as start in CHUNK_BYTES, which bounds memory whatever the text.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import pyarrow as pa

from rules.characters import ALPHA, CJK, LETTER, MARK, SYMBOL, VISIBLE, character_classes
from rules.decode import (
    HIGH_BITS,
    LOW_BITS,
    character_at,
    digit_bytes,
    eight_at,
    equal_bytes,
    every_byte,
    letter_bytes,
    text_at,
)
from rules.kernels import inlined, kernel, kernel_texts
from rules.rewriting import rewritten

Splitter = Literal["space", "unicode", "spacy"]

CHUNK_BYTES = 4096

FROM_TAB, PAST_RETURN = every_byte(128 - 9), every_byte(127 - 13)
FROM_FILE_SEPARATOR, PAST_SPACE = every_byte(128 - 28), every_byte(127 - 32)
FROM_LEAD_E1, PAST_LEAD_E3, LEAD_C2 = every_byte(128 - 0x61), every_byte(127 - 0x63), every_byte(0xC2)

HAS_ALPHA, HAS_NON_SYMBOL, ONE_CHARACTER = 1, 2, 4  # what is known of a word, in one number
BLANK, PLAIN, SPECIAL = range(3)  # a byte: white space; part of a word; part of a character that must be looked at


def _byte_kinds() -> np.ndarray:
    """The kind of each byte for `space` and for `unicode`, uint8 [2, 256]."""
    kinds = np.full((2, 256), PLAIN, np.uint8)
    kinds[:, [byte for byte in range(128) if chr(byte).isspace()]] = BLANK
    kinds[0, [0xC2, 0xE1, 0xE2, 0xE3]] = SPECIAL  # what white space outside ASCII starts with
    kinds[1, 128:] = SPECIAL
    return kinds


BYTE_KINDS = _byte_kinds()


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
def all_spans(data, i, end, classes, unicode_words):
    """Where each word of data[i:end] begins and ends, int64 [words, 2]."""
    edges, spans = span_scratch()
    found = np.empty((0, 2), np.int64)
    while i < end:
        filled, i = take_spans(data, i, end, classes, unicode_words, edges, spans)
        found = np.concatenate((found, spans[: 3 * filled].reshape(-1, 3)[:, :2]))
    return found


# ---- chunks


@kernel
def span_scratch():
    """Room for `take_spans`: edges (int64 [CHUNK_BYTES + 16]) and spans (int64), three for a word."""
    return np.empty(CHUNK_BYTES + 16, np.int64), np.empty(3 * CHUNK_BYTES + 48, np.int64)


@kernel
def take_spans(data, i, end, classes, unicode_words, edges, spans):
    """The words that start in the chunk of data[i:end] at i (i < end): how many, and where the next chunk starts.

    Word k is data[spans[3 * k]:spans[3 * k + 1]]; spans[3 * k + 2] is what `word_facts` says of it, or zero if nothing
    looked at its characters yet. Call again, from where this call stopped, until that is `end`.
    """
    stop, filled, row = min(i + CHUNK_BYTES, end), 0, np.uint64(unicode_words)
    segments = mark_segments(data, i, stop, unicode_words, edges)
    for k in range(segments):
        begin, close = edges[np.uint64(k)], edges[np.uint64(k + 1)]
        kind = BYTE_KINDS[row, np.uint64(data[np.uint64(begin)])]
        following = BYTE_KINDS[row, np.uint64(data[np.uint64(min(close, end - 1))])]
        cut = begin < i or (close == stop and stop < end)
        if kind != BLANK and (cut or kind == SPECIAL or following == SPECIAL):
            if i < close:
                begin = max(i, begin)
                filled, i = character_words(data, begin, close, end, classes, unicode_words, spans, filled)
        else:
            push_span(spans, filled, begin, close, 0)
            filled += np.int64(kind)
    return filled, max(i, stop)


@inlined
def mark_segments(data, i, stop, unicode_words, edges):
    """Where segments of one kind of byte start, and `stop`: how many segments. edges[k]:edges[k + 1] is segment k."""
    marked, before, first = 0, np.uint64(0), np.uint64(0x80)
    blank_before = letter_before = special_before = np.uint64(0)
    while i < stop:
        eight = eight_at(data, i, stop)
        blank, letter = white_bytes(eight), np.uint64(0)
        if unicode_words:
            special, letter = eight & HIGH_BITS, letter_bytes(eight) | digit_bytes(eight)
            turns = (letter ^ (letter << np.uint64(8) | letter_before)) | (
                ~(blank | letter | special | equal_bytes(eight, eight << np.uint64(8) | before)) & HIGH_BITS
            )
        else:
            special, turns = white_leads(eight), np.uint64(0)
        turns |= (blank ^ (blank << np.uint64(8) | blank_before)) | (special ^ (special << np.uint64(8) | special_before)) | first
        before, first = eight >> np.uint64(56), np.uint64(0)
        blank_before, letter_before, special_before = blank >> np.uint64(56), letter >> np.uint64(56), special >> np.uint64(56)
        for k in range(8):
            edges[np.uint64(marked)] = i + k
            marked += np.int64(turns >> np.uint64(8 * k + 7) & np.uint64(1))
        i += 8
    while marked > 0 and edges[np.uint64(marked - 1)] >= stop:
        marked -= 1
    edges[np.uint64(marked)] = stop
    return marked


@inlined
def white_bytes(eight):
    """The high bit of every byte that is ASCII white space."""
    seven = eight & LOW_BITS
    line = (seven + FROM_TAB) & ~(seven + PAST_RETURN)
    blank = (seven + FROM_FILE_SEPARATOR) & ~(seven + PAST_SPACE)
    return (line | blank) & ~eight & HIGH_BITS


@inlined
def white_leads(eight):
    """The high bit of every byte that can start white space outside ASCII: C2, and E1 to E3."""
    seven = eight & LOW_BITS
    return ((seven + FROM_LEAD_E1) & ~(seven + PAST_LEAD_E3) & eight & HIGH_BITS) | equal_bytes(eight, LEAD_C2)


# ---- characters


@inlined
def push_span(spans, filled, begin, end, facts):
    """Make data[begin:end] word number `filled`."""
    place = np.uint64(3 * filled)
    spans[place], spans[place + np.uint64(1)], spans[place + np.uint64(2)] = begin, end, facts


@inlined
def span(spans, k):
    """Where word k begins and ends, and its facts."""
    place = np.uint64(3 * k)
    return spans[place], spans[place + np.uint64(1)], spans[place + np.uint64(2)]


@inlined
def character_words(data, i, stop, end, classes, unicode_words, spans, filled):
    """The words that start in data[i:stop], character by character: how many spans, and where the last word ends."""
    begin, allowed, repeated, facts = np.int64(-1), 0, np.int64(-1), 0
    while i < end and (begin >= 0 or i < stop):
        code, size = character_at(data, i, end)
        flags = np.int64(classes[np.uint64(code)])
        if begin >= 0 and flags & allowed == 0 and code != repeated:
            push_span(spans, filled, begin, i, facts)
            filled, begin = filled + 1, np.int64(-1)
        if begin < 0 and i < stop and flags & VISIBLE:
            begin, facts, repeated = i, 0, np.int64(-1)
            allowed = continuing_flags(flags, unicode_words)
            if unicode_words and flags & (LETTER | CJK | MARK) == 0:
                repeated = code
        if begin >= 0:
            facts = (facts + ONE_CHARACTER) | character_facts(flags)
        if begin >= 0 or i < stop:
            i += size
    if begin >= 0:
        push_span(spans, filled, begin, i, facts)
        filled += 1
    return filled, i


@inlined
def continuing_flags(flags, unicode_words):
    """The flags that let a character go on with a word whose first character has `flags`."""
    if not unicode_words:
        return VISIBLE
    return LETTER | MARK if flags & (LETTER | MARK) else MARK


@inlined
def character_facts(flags):
    """HAS_ALPHA and HAS_NON_SYMBOL of a character."""
    return (HAS_ALPHA if flags & ALPHA else 0) | (0 if flags & SYMBOL else HAS_NON_SYMBOL)


@inlined
def ascii_facts(eight):
    """HAS_ALPHA and HAS_NON_SYMBOL of up to eight ASCII characters: all but letters and digits are symbols."""
    letters = letter_bytes(eight)
    return np.int64(letters != np.uint64(0)) | np.int64(letters | digit_bytes(eight) != np.uint64(0)) << 1


@inlined
def word_facts(data, i, end, classes):
    """The characters of the word data[i:end] << 2, and HAS_ALPHA and HAS_NON_SYMBOL if a character has them."""
    facts = 0
    while i < end:
        eight = text_at(data, i, end)
        if eight & HIGH_BITS == np.uint64(0):
            size = min(end - i, 8)
            facts = (facts + size * ONE_CHARACTER) | ascii_facts(eight)
        else:
            code, size = character_at(data, i, end)
            facts = (facts + ONE_CHARACTER) | character_facts(np.int64(classes[np.uint64(code)]))
        i += size
    return facts
