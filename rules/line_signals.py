"""Lines as line rules see them: where they begin and end, and what is measured of each.

`newline` lines are those of str.split at "\\n"; `unicode` lines those of str.splitlines. One scan over the bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numba import njit

from rules.characters import WHITE, character_classes
from rules.decode import character_at, kernel_bytes, kernel_texts
from rules.line_breaks import next_break, next_newline

LINE_SIGNALS = {
    "line_chars": "characters (code points) of the line",
    "line_words": "words of the line between white space",
    "line_longest_word_chars": "characters of the longest word between white space",
}


def split_lines(texts: pa.Array | pa.ChunkedArray, breaks: str = "newline") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the lines of all texts begin and end, and the first line of each text.

    starts, ends: int64 [lines], byte positions in the column's data, line breaks not included;
    first: int64 [texts + 1], so that the lines of text i are first[i]:first[i + 1].
    """
    offsets, data = kernel_texts(texts)
    unicode_breaks = breaks == "unicode"
    first = line_numbers(offsets, data, unicode_breaks)
    starts, ends = np.empty(first[-1], np.int64), np.empty(first[-1], np.int64)
    fill_lines(offsets, data, unicode_breaks, first, starts, ends)
    return starts, ends, first


@njit(nogil=True, cache=True)
def line_numbers(offsets, data, unicode_breaks):
    """int64 [texts + 1]: lines before each text."""
    first = np.zeros(offsets.size, np.int64)
    for d in range(offsets.size - 1):
        i, end, lines = offsets[d], offsets[d + 1], 0
        if unicode_breaks:
            while i < end:
                stop, size = next_break(data, i, end)
                i = stop + size
                lines += 1
        else:
            lines = 1
            for k in range(i, end):
                lines += 1 if data[k] == 10 else 0
        first[d + 1] = first[d] + lines
    return first


@njit(nogil=True, cache=True)
def fill_lines(offsets, data, unicode_breaks, first, starts, ends):
    for d in range(offsets.size - 1):
        i, end = offsets[d], offsets[d + 1]
        for line in range(first[d], first[d + 1]):
            if unicode_breaks:
                stop, size = next_break(data, i, end)
            else:
                stop, size = next_newline(data, i, end), 1
            starts[line], ends[line] = i, stop
            i = stop + size


def measure_lines(offsets: np.ndarray, data: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Line signals `names` of every line (offsets int64 [lines + 1] into data); int64 [lines] each."""
    out = np.empty((len(offsets) - 1, 3), np.int64)
    line_measures(*kernel_bytes(offsets, data), character_classes(), out)
    columns = dict(zip(LINE_SIGNALS, out.T))
    return {name: columns[name].copy() for name in names}


@njit(nogil=True, cache=True)
def line_measures(offsets, data, classes, out):
    """out[line] = characters, words, characters of the longest word."""
    for line in range(offsets.size - 1):
        i, end = offsets[line], offsets[line + 1]
        chars, words, longest, size = 0, 0, 0, 0
        while i < end:
            code, taken = character_at(data, i, end)
            i += taken
            chars += 1
            if classes[code] & WHITE:
                size = 0
            else:
                words += 1 if size == 0 else 0
                size += 1
                longest = max(longest, size)
        out[line, 0], out[line, 1], out[line, 2] = chars, words, longest
