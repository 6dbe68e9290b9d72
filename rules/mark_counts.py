"""Counts over the characters of a text that need no look at most of them, and the ends of its sentences: one kernel.

Characters and single ASCII marks are counted in bytes (byte_counts.py). A second scan, eight bytes at a time, stops
only at bytes that may begin a sentence mark or an ellipsis, of which there is one in fifty in most scripts.
"""

from __future__ import annotations

import numpy as np

from rules.byte_counts import count_bytes
from rules.characters import CLOSING, TERMINAL, TERMINAL_PUNCTUATION, WHITE, WIDE_TERMINAL
from rules.decode import HIGH_BITS, LOW_BITS, bytes_before, character_at, eight_at, equal_bytes, every_byte
from rules.kernels import inlined, kernel, unowned

MARK_COUNTS = {
    "bytes": "bytes of UTF-8",
    "chars": "characters (code points)",
    "newlines": "line feeds",
    "hashes": "number signs, #",
    "ellipses": "three dots in a row, without overlap, and the character …",
    "curly_brackets": "opening curly brackets, {",
    "sentence_ends": "sentence marks before white space, a closing mark and white space, or the end of the text",
}
BYTES, CHARS, NEWLINES, HASHES, ELLIPSES, CURLY_BRACKETS, SENTENCE_ENDS = range(len(MARK_COUNTS))

FULL_STOP, EXCLAMATION_MARK, QUESTION_MARK = every_byte(ord(".")), every_byte(ord("!")), every_byte(ord("?"))
ELLIPSIS = ord("…")

# First bytes of marks outside ASCII: D6 to E3, EA, EF and what follows; not those of Latin, Greek, Cyrillic, Han, Hangul.
FROM_LEAD_D6, FROM_LEAD_E4, PAST_LEAD_EE, LEAD_EA = every_byte(128 - 0x56), every_byte(128 - 0x64), every_byte(127 - 0x6E), every_byte(0xEA)


def _mark_beginnings() -> np.ndarray:
    """1 where a mark outside ASCII begins with these two bytes: uint8 [4096], by the lower six bits of each."""
    beginnings = np.zeros(1 << 12, np.uint8)
    for character in TERMINAL_PUNCTUATION | {"…"}:
        first, second = (*character.encode(), 0)[:2]
        if first >= 0x80:
            beginnings[(first & 0x3F) << 6 | second & 0x3F] = 1
    return beginnings


MARK_BEGINNINGS = _mark_beginnings()


@kernel
def count_marks(offsets, data, classes, out):
    """Fill `out` (int64 [docs, MARK_COUNTS])."""
    for d in range(offsets.size - 1):
        begin, end = offsets[d], offsets[d + 1]
        out[d, BYTES] = end - begin
        out[d, CHARS], out[d, NEWLINES], out[d, HASHES], out[d, CURLY_BRACKETS] = count_bytes(data, begin, end)
        out[d, ELLIPSES], out[d, SENTENCE_ENDS] = ellipses_and_ends(data, begin, end, classes)


@kernel
def ellipses_and_ends(data, i, end, classes):
    """How many ellipses and how many ends of sentences data[i:end] holds."""
    data, classes, ellipses, ends = unowned(data), unowned(classes), 0, 0
    while i < end:
        marks, following = mark_bytes(eight_at(data, i, end)), i + 8
        while marks:
            place = i + bytes_before(marks)
            marks &= marks - np.uint64(1)
            if may_be_mark(data, place, end):
                following, more, ended = read_mark(data, place, end, classes)
                ellipses += more
                ends += ended
                marks = np.uint64(0)
        i = following
    return ellipses, ends


@inlined
def mark_bytes(eight):
    """The high bit of every byte that may begin a sentence mark or an ellipsis."""
    seven = eight & LOW_BITS
    leads = (seven + FROM_LEAD_D6) & ~((seven + FROM_LEAD_E4) & ~(seven + PAST_LEAD_EE)) & eight & HIGH_BITS
    ascii_marks = equal_bytes(eight, FULL_STOP) | equal_bytes(eight, EXCLAMATION_MARK) | equal_bytes(eight, QUESTION_MARK)
    return leads | equal_bytes(eight, LEAD_EA) | ascii_marks


@inlined
def may_be_mark(data, i, end):
    """Does a mark begin with data[i], one of `mark_bytes`, and the byte after it? Some others do, too."""
    first, second = np.uint64(data[np.uint64(i)]), np.uint64(data[np.uint64(min(i + 1, end - 1))])
    low = np.uint64(0x3F)
    return first < 0x80 or MARK_BEGINNINGS[(first & low) << np.uint64(6) | second & low] != 0


@inlined
def read_mark(data, i, end, classes):
    """The character at data[i], or the full stops: where it ends, how many ellipses it is, how many sentences it ends."""
    first, ended = i, 0
    code, size = character_at(data, i, end)
    i += size
    ellipses = np.int64(code == ELLIPSIS)
    if code == 46:
        while i < end and data[np.uint64(i)] == 46:
            i += 1
        ellipses = (i - first) // 3
    flags = np.int64(classes[np.uint64(code)])
    if flags & TERMINAL:
        ended = np.int64(ends_sentence(data, i, end, flags, classes))
    return i, ellipses, ended


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
