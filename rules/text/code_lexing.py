"""What lexers of code share: where a line, a quoted string or a bracketed region of data[i:end] ends. Inlined parts of kernels."""

from __future__ import annotations

import numpy as np

from rules.text.kernels import inlined, int64
from rules.text.line_breaks import next_line_feed

LINE_FEED, BACKSLASH, DOUBLE_QUOTE, SINGLE_QUOTE, BACKTICK = b"\n\\\"'`"


@inlined
def byte_at(data: np.ndarray, i: int, end: int) -> int:
    """data[i], or 0 past the end."""
    return int64(data[np.uint64(i)]) if i < end else int64(0)


@inlined
def line_end(data: np.ndarray, i: int, end: int) -> int:
    """Where the line that goes on at i ends: its line feed, or `end`."""
    return next_line_feed(data, i, end)[0]


@inlined
def quoted_end(data: np.ndarray, i: int, end: int, quote: int, size: int, over_lines: bool) -> tuple[int, int]:
    """Where the content of a string that starts at i ends, and past the `size` quotes (1 or 3) that close it.

    A backslash takes a byte with it. Unless it may go `over_lines`, a string that is not closed ends at its line feed."""
    while i < end:
        byte = data[np.uint64(i)]
        if byte == BACKSLASH:
            i += 1
        elif byte == quote and (size == 1 or (byte_at(data, i + 1, end) == quote and byte_at(data, i + 2, end) == quote)):
            return i, i + size
        elif byte == LINE_FEED and not over_lines:
            return i, i
        i += 1
    return end, end


@inlined
def mark_start(data: np.ndarray, i: int, end: int, first: int, second: int, third: int) -> int:
    """Where the bytes `first`, `second` and (if not 0) `third` first stand together from i on; `end` if nowhere."""
    while i < end:
        here = data[np.uint64(i)] == first and byte_at(data, i + 1, end) == second
        if here and (third == 0 or byte_at(data, i + 2, end) == third):
            return i
        i += 1
    return end
