"""Where lines begin and end in UTF-8 bytes: newlines, the line breaks of str.splitlines, white space at their ends.

Eight bytes at a time where nothing is found in them.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from rules.characters import WHITE
from rules.decode import (
    HIGH_BITS,
    LOW_BITS,
    bytes_before,
    character_at,
    character_before,
    equal_bytes,
    every_byte,
    load_eight,
)

EIGHT_TABS, EIGHT_NEWLINES, EIGHT_C2, EIGHT_E2 = every_byte(9), every_byte(10), every_byte(0xC2), every_byte(0xE2)
PAST_30 = every_byte(128 - 31)
NOTHING = np.uint64(0)


@njit(nogil=True, cache=True, forceinline=True)
def break_size(data, i, end):
    """Bytes of the line break at data[i] that str.splitlines splits at (CRLF is one), 0 where there is none."""
    b = data[i]
    if b == 13:
        return 2 if i + 1 < end and data[i + 1] == 10 else 1
    if 10 <= b <= 12 or 28 <= b <= 30:
        return 1
    if b == 0xC2:
        return 2 if i + 1 < end and data[i + 1] == 0x85 else 0
    if b == 0xE2:
        return 3 if i + 2 < end and data[i + 1] == 0x80 and (data[i + 2] == 0xA8 or data[i + 2] == 0xA9) else 0
    return 0


@njit(nogil=True, cache=True, forceinline=True)
def next_break(data, i, end):
    """Where the next line break of str.splitlines begins, and its bytes; end and 0 where there is none."""
    while i < end:
        if end - i >= 8:
            eight = load_eight(data, i)
            low = ~((eight & LOW_BITS) + PAST_30) & ~eight & HIGH_BITS  # bytes up to 30
            marks = low | equal_bytes(eight, EIGHT_C2) | equal_bytes(eight, EIGHT_E2)
            if marks == NOTHING:
                i += 8
                continue
            i += bytes_before(marks)
        size = break_size(data, i, end)
        if size:
            return i, size
        i += 1
    return end, 0


@njit(nogil=True, cache=True)
def breaks_at_newlines_only(data, i, end):
    """No line break of str.splitlines but the newline: then lines are those between newlines, and counted with them."""
    while i < end:
        if end - i >= 8:
            eight = load_eight(data, i)
            low = ~((eight & LOW_BITS) + PAST_30) & ~eight & HIGH_BITS
            low &= ~(equal_bytes(eight, EIGHT_NEWLINES) | equal_bytes(eight, EIGHT_TABS))
            marks = low | equal_bytes(eight, EIGHT_C2) | equal_bytes(eight, EIGHT_E2)
            if marks == NOTHING:
                i += 8
                continue
            i += bytes_before(marks)
        if data[np.uint64(i)] != 10 and break_size(data, i, end):
            return False
        i += 1
    return True


@njit(nogil=True, cache=True, forceinline=True)
def next_newline(data, i, end):
    while end - i >= 8:
        marks = equal_bytes(load_eight(data, i), EIGHT_NEWLINES)
        if marks != NOTHING:
            return i + bytes_before(marks)
        i += 8
    while i < end and data[np.uint64(i)] != 10:
        i += 1
    return i


@njit(nogil=True, cache=True, forceinline=True)
def is_visible_ascii(byte):
    """True for bytes that settle a question about white space at once."""
    return (byte > 32) & (byte < 127)


@njit(nogil=True, cache=True, forceinline=True)
def skip_white(data, i, end, classes):
    """The first position from i on that is no white space, or end."""
    while i < end:
        code, size = character_at(data, i, end)
        if not classes[code] & WHITE:
            break
        i += size
    return i


@njit(nogil=True, cache=True, forceinline=True)
def skip_white_back(data, begin, i, classes):
    """The last position up to i that has no white space before it, or begin."""
    while i > begin:
        code, size = character_before(data, begin, i)
        if not classes[code] & WHITE:
            break
        i -= size
    return i
