"""Counts over the characters of a text, and the ends of its sentences: one kernel.

A histogram of bytes gives all that concerns ASCII alone (0.4 ns a byte). A second scan, eight bytes at a time, stops
only at sentence marks and at characters outside ASCII, which it decodes and looks up (1 ns a byte, 4 ns a character).
"""

from __future__ import annotations

import numpy as np

from rules.characters import CLOSING, DECIMAL, TERMINAL, UPPER, WHITE, WIDE_TERMINAL
from rules.decode import HIGH_BITS, bytes_before, character_at, eight_at, equal_bytes, every_byte
from rules.kernels import inlined, kernel, unowned

CHARACTER_COUNTS = {
    "bytes": "bytes of UTF-8",
    "chars": "characters (code points)",
    "newlines": "line feeds",
    "hashes": "number signs, #",
    "ellipses": "three dots in a row, without overlap, and the character …",
    "curly_brackets": "opening curly brackets, {",
    "digit_chars": "decimal digits of any script (str.isdecimal)",
    "uppercase_chars": "upper-case letters (str.isupper)",
    "white_chars": "white space (str.isspace)",
    "sentence_ends": "sentence marks before white space, a closing mark and white space, or the end of the text",
}
(
    BYTES, CHARS, NEWLINES, HASHES, ELLIPSES, CURLY_BRACKETS, DIGIT_CHARS, UPPERCASE_CHARS, WHITE_CHARS, SENTENCE_ENDS,
) = range(len(CHARACTER_COUNTS))  # fmt: skip

FULL_STOP, EXCLAMATION_MARK, QUESTION_MARK = every_byte(ord(".")), every_byte(ord("!")), every_byte(ord("?"))
ELLIPSIS = ord("…")


@kernel
def count_characters(offsets, data, classes, out):
    """Fill `out` (int64 [docs, CHARACTER_COUNTS])."""
    histogram = np.empty((4, 256), np.int64)
    for d in range(offsets.size - 1):
        count_document(data, offsets[d], offsets[d + 1], classes, histogram, out[d])


@kernel
def count_document(data, begin, end, classes, histogram, out):
    """Fill `out` (int64 [CHARACTER_COUNTS]) for the text data[begin:end]."""
    data, classes, histogram, out = unowned(data), unowned(classes), unowned(histogram), unowned(out)
    out[BYTES] = end - begin
    fill_histogram(data, begin, end, histogram)
    count_ascii(histogram, out)
    count_marks(data, begin, end, classes, out)


@inlined
def fill_histogram(data, i, end, histogram):
    """How often each byte occurs in data[i:end]: the four rows together (four, so that equal neighbours do not wait)."""
    histogram[:] = 0
    while i + 4 <= end:
        for k in range(4):
            histogram[k, np.uint64(data[np.uint64(i + k)])] += 1
        i += 4
    while i < end:
        histogram[0, np.uint64(data[np.uint64(i)])] += 1
        i += 1


@inlined
def occurrences(histogram, first, last):
    """How many bytes lie between `first` and `last`, both included."""
    found = 0
    for row in range(4):
        for byte in range(first, last + 1):
            found += histogram[row, byte]
    return found


@inlined
def count_ascii(histogram, out):
    """The counts of a document as far as ASCII goes."""
    out[CHARS] = occurrences(histogram, 0, 127)
    out[NEWLINES] = occurrences(histogram, 10, 10)
    out[HASHES] = occurrences(histogram, 35, 35)
    out[CURLY_BRACKETS] = occurrences(histogram, 123, 123)
    out[DIGIT_CHARS] = occurrences(histogram, 48, 57)
    out[UPPERCASE_CHARS] = occurrences(histogram, 65, 90)
    out[WHITE_CHARS] = occurrences(histogram, 9, 13) + occurrences(histogram, 28, 32)


@inlined
def count_marks(data, i, end, classes, out):
    """Add what takes a look at single characters: ellipses, ends of sentences, and all characters outside ASCII."""
    chars = digits = upper = white = ellipses = ends = 0
    while i < end:
        eight = eight_at(data, i, end)
        marks = eight & HIGH_BITS
        marks |= equal_bytes(eight, FULL_STOP) | equal_bytes(eight, EXCLAMATION_MARK) | equal_bytes(eight, QUESTION_MARK)
        i += bytes_before(marks) if marks else 8
        flags = TERMINAL
        while marks and i < end and flags:  # a mark, or a run of characters outside ASCII
            first = i
            code, size = character_at(data, i, end)
            flags = np.int64(classes[np.uint64(code)])
            i += size
            if code == 46:
                while i < end and data[np.uint64(i)] == 46:
                    i += 1
                ellipses += (i - first) // 3
            elif code >= 0x80:
                chars += 1
                digits += flags & DECIMAL
                upper += flags & UPPER
                white += flags & WHITE
                ellipses += np.int64(code == ELLIPSIS)
            if flags & TERMINAL:
                ends += np.int64(ends_sentence(data, i, end, flags, classes))
            flags = np.int64(i < end and data[np.uint64(i)] >= 0x80)
    out[CHARS] += chars
    out[DIGIT_CHARS] += digits // DECIMAL
    out[UPPERCASE_CHARS] += upper // UPPER
    out[WHITE_CHARS] += white // WHITE
    out[ELLIPSES] = ellipses
    out[SENTENCE_ENDS] = ends


@inlined
def ends_sentence(data, i, end, mark, classes):
    """Does a sentence mark of class `mark`, which ends at i, end a sentence?

    It does before white space or the end of the text, with closing quotes and brackets between; a wide mark (。！？)
    before anything but another mark.
    """
    flags = CLOSING
    while i < end and flags & CLOSING:
        code, size = character_at(data, i, end)
        flags = np.int64(classes[np.uint64(code)])
        i += size
    return flags & CLOSING != 0 or flags & WHITE != 0 or (mark & WIDE_TERMINAL != 0 and flags & TERMINAL == 0)
