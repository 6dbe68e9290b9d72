"""Line breaks as Python's str.splitlines() knows them, found eight bytes at a time in UTF-8.

They are the line feed, the carriage return (with a line feed after it, one break), vertical tab, form feed, the file,
group and record separators (1C to 1E), next line (U+0085), and the line and paragraph separators (U+2028, U+2029).
"""

from __future__ import annotations

import numpy as np

from rules.text.decode import HIGH_BITS, LOW_BITS, bytes_before, eight_at, equal_bytes, every_byte
from rules.text.kernels import inlined, int64
from rules.text.masks import Block, between_mask, equal_mask

FROM_SPACE, LEAD_C2, LEAD_E2, LINE_FEED = every_byte(128 - 32), every_byte(0xC2), every_byte(0xE2), every_byte(10)


@inlined
def next_break(data: np.ndarray, i: int, end: int) -> tuple[int, int]:
    """Where the next line break of data[i:end] starts and its bytes; `end` and 0 if there is none."""
    size = 0
    while i < end and size == 0:
        eight = eight_at(data, i, end)
        marks = ~((eight & LOW_BITS) + FROM_SPACE) & ~eight & HIGH_BITS  # control characters
        if eight & HIGH_BITS:
            marks |= equal_bytes(eight, LEAD_C2) | equal_bytes(eight, LEAD_E2)
        i = min(i + (bytes_before(marks) if marks else 8), end)
        if marks and i < end:
            size = break_size(data, i, end)
            i += int64(size == 0)
    return i, size


@inlined
def next_line_feed(data: np.ndarray, i: int, end: int) -> tuple[int, int]:
    """Where the next line feed of data[i:end] is, and 1; `end` and 0 if there is none."""
    size = 0
    while i < end and size == 0:
        marks = equal_bytes(eight_at(data, i, end), LINE_FEED)
        size = int64(marks != np.uint64(0))
        i = min(i + (bytes_before(marks) if marks else 8), end)
    return i, size


@inlined
def break_marks(block: Block) -> np.uint64:
    """Where line breaks may start in 64 bytes of text: most of what is marked is one."""
    return between_mask(block, 10, 13) | between_mask(block, 28, 30) | equal_mask(block, 0xC2) | equal_mask(block, 0xE2)


@inlined
def break_size(data: np.ndarray, i: int, end: int) -> int:
    """How many bytes of data[i:end] (not empty) are a line break at its start: 0 if none."""
    first = data[np.uint64(i)]
    second = data[np.uint64(min(i + 1, end - 1))]  # the last byte twice: no break ends like that
    third = data[np.uint64(min(i + 2, end - 1))]
    size = int64(10 <= first <= 13 or 28 <= first <= 30)
    if first == 13 and second == 10:
        size = 2
    elif first == 0xC2 and second == 0x85:
        size = 2
    elif first == 0xE2 and second == 0x80 and (third == 0xA8 or third == 0xA9):
        size = 3
    return size
