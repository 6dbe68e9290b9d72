"""Counts over words that NeMo Curator's filters need, where they differ from those of word_counts.py. 4 to 8 ns a byte."""

from __future__ import annotations

import numpy as np

from rules.families.nemo_characters import ALPHABETIC, ELLIPSIS_MARKS, nemo_classes
from rules.measures.word_counts import stop_word_bit
from rules.splitters.words import span, span_scratch, take_spans
from rules.text.decode import HIGH_BITS, character_at, letter_bytes, text_at
from rules.text.kernels import inlined, int64, kernel, unowned

NEMO_WORD_COUNTS = {
    "nemo_alpha_words": "words that have a character with Unicode's property Alphabetic",
    "nemo_symbol_words": "words that are an ellipsis, or have more runs of number signs than half their characters",
    "nemo_common_words": "occurrences of the eight stop words, in lower case",
}
ALPHA_WORDS, SYMBOL_WORDS, COMMON_WORDS = range(len(NEMO_WORD_COUNTS))

NUMBER_SIGN = ord("#")
MOST_MARK_BYTES = 7


def _mark_numbers() -> np.ndarray:
    """The ellipses that can be words: little-endian numbers of their bytes, with how many there are on top (uint64)."""
    marks = [mark.encode() for mark in ELLIPSIS_MARKS if not mark.startswith("read")]
    assert max(map(len, marks)) <= MOST_MARK_BYTES
    return np.array([int.from_bytes(mark, "little") | len(mark) << 56 for mark in marks], np.uint64)


MARK_NUMBERS = _mark_numbers()


def count_nemo_words(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, unicode_words: bool, out: np.ndarray) -> None:
    """Fill `out` (int64 [docs, NEMO_WORD_COUNTS])."""
    count_documents(offsets, data, classes, nemo_classes(), unicode_words, out)


@kernel
def count_documents(
    offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, nemo: np.ndarray, unicode_words: bool, out: np.ndarray,
) -> None:
    """`count_nemo_words`, with the table of characters."""
    spans = span_scratch()
    for d in range(offsets.size - 1):
        count_document(data, offsets[d], offsets[d + 1], classes, nemo, unicode_words, spans, out[d])


@kernel
def count_document(
    data: np.ndarray, i: int, end: int, classes: np.ndarray, nemo: np.ndarray, unicode_words: bool, spans: np.ndarray,
    out: np.ndarray,
) -> None:
    """Fill `out` (int64 [NEMO_WORD_COUNTS]) for the text data[i:end]."""
    data, classes, nemo, spans = unowned(data), unowned(classes), unowned(nemo), unowned(spans)
    out, alpha, symbols, common = unowned(out), 0, 0, 0
    while i < end:
        filled, i = take_spans(data, i, end, classes, unicode_words, spans)
        for k in range(filled):
            start, stop = span(spans, k)
            eight = text_at(data, start, stop)
            common += int64(stop_word_bit(eight, stop - start) != 0)
            alpha += int64(has_alphabetic(data, start, stop, eight, nemo))
            symbols += int64(is_symbol(data, start, stop, eight))
    out[ALPHA_WORDS], out[SYMBOL_WORDS], out[COMMON_WORDS] = alpha, symbols, common


@inlined
def has_alphabetic(data: np.ndarray, i: int, end: int, eight: np.uint64, nemo: np.ndarray) -> bool:
    """Has the word data[i:end], which starts with `eight`, an alphabetic character?"""
    while letter_bytes(eight) == np.uint64(0):
        if eight & HIGH_BITS == np.uint64(0):
            i += 8
        else:
            code, size = character_at(data, i, end)
            if nemo[np.uint64(code)] & ALPHABETIC:
                return True
            i += size
        if i >= end:
            return False
        eight = text_at(data, i, end)
    return True


@inlined
def is_symbol(data: np.ndarray, i: int, end: int, eight: np.uint64) -> bool:
    """Is the word data[i:end], which starts with `eight`, an ellipsis, or mostly number signs by their runs?"""
    if end - i <= MOST_MARK_BYTES:
        number = eight | np.uint64(end - i) << np.uint64(56)  # a word may end in NUL
        for k in range(MARK_NUMBERS.size):
            if MARK_NUMBERS[k] == number:
                return True
    if data[np.uint64(i)] != NUMBER_SIGN:  # more runs than half the characters: the first must be one
        return False
    runs = chars = before = 0
    while i < end:
        code, size = character_at(data, i, end)
        runs += int64(code == NUMBER_SIGN and before != NUMBER_SIGN)
        chars += 1
        before = code
        i += size
    return 2 * runs > chars
