"""Counts over the characters of a text by what they are: one kernel; and the names of all counts over characters.

A histogram of bytes gives all that concerns ASCII (0.4 ns a byte). Characters outside ASCII are decoded and looked up
(4 ns a character).
"""

from __future__ import annotations

import numpy as np

from rules.characters import DECIMAL, UPPER, WHITE
from rules.decode import HIGH_BITS, bytes_before, character_at, eight_at
from rules.kernels import inlined, kernel, unowned
from rules.mark_counts import MARK_COUNTS

CLASS_COUNTS = {
    "digit_chars": "decimal digits of any script (str.isdecimal)",
    "uppercase_chars": "upper-case letters (str.isupper)",
    "white_chars": "white space (str.isspace)",
}
DIGIT_CHARS, UPPERCASE_CHARS, WHITE_CHARS = range(len(CLASS_COUNTS))
CHARACTER_COUNTS = MARK_COUNTS | CLASS_COUNTS


@kernel
def count_classes(offsets, data, classes, out):
    """Fill `out` (int64 [docs, CLASS_COUNTS])."""
    histogram = np.empty((4, 256), np.int64)
    for d in range(offsets.size - 1):
        count_document(data, offsets[d], offsets[d + 1], classes, histogram, out[d])


@kernel
def count_document(data, begin, end, classes, histogram, out):
    """Fill `out` (int64 [CLASS_COUNTS]) for the text data[begin:end]."""
    data, classes, histogram, out = unowned(data), unowned(classes), unowned(histogram), unowned(out)
    fill_histogram(data, begin, end, histogram)
    out[DIGIT_CHARS] = occurrences(histogram, 48, 57)
    out[UPPERCASE_CHARS] = occurrences(histogram, 65, 90)
    out[WHITE_CHARS] = occurrences(histogram, 9, 13) + occurrences(histogram, 28, 32)
    count_wide(data, begin, end, classes, out)


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
def count_wide(data, i, end, classes, out):
    """Add the characters outside ASCII."""
    digits = upper = white = 0
    while i < end:
        wide = eight_at(data, i, end) & HIGH_BITS
        i += bytes_before(wide) if wide else 8
        while i < end and data[np.uint64(i)] >= 0x80:
            code, size = character_at(data, i, end)
            flags = np.int64(classes[np.uint64(code)])
            digits += flags & DECIMAL
            upper += flags & UPPER
            white += flags & WHITE
            i += size
    out[DIGIT_CHARS] += digits // DECIMAL
    out[UPPERCASE_CHARS] += upper // UPPER
    out[WHITE_CHARS] += white // WHITE
