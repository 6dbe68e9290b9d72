"""The lengths of the longest lines of a text: one kernel, about 1 ns a byte."""

from __future__ import annotations

import numpy as np

from rules.text.decode import characters_in
from rules.text.kernels import inlined, kernel, unowned

LONGEST_LINE_COUNTS = {
    "longest_row_chars": 'characters of the longest piece of str.split("\\n")',
    "third_longest_row_chars": 'characters of the third longest piece of str.split("\\n"); 0 where there are fewer than three',
}


@kernel
def count_longest_lines(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` (int64 [docs, LONGEST_LINE_COUNTS])."""
    for d in range(offsets.size - 1):
        measure_rows(data, offsets[d], offsets[d + 1], out[d])


@kernel
def measure_rows(data: np.ndarray, i: int, end: int, out: np.ndarray) -> None:
    """Fill `out` for the text data[i:end]."""
    data, out = unowned(data), unowned(out)
    first = second = third = 0
    start = i
    while start <= end:
        stop = row_end(data, start, end)
        size = characters_in(data, start, stop)
        if size >= first:
            first, second, third = size, first, second
        elif size >= second:
            second, third = size, second
        elif size > third:
            third = size
        start = stop + 1
    out[0], out[1] = first, third


@inlined
def row_end(data: np.ndarray, i: int, end: int) -> int:
    """Where the row that begins at i ends."""
    while i < end and data[i] != 10:
        i += 1
    return i
