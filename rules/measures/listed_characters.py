"""Characters of a pack's list in texts: what share of a text is written in them.

With the characters that trusted text of a language uses, the share tells text of another language, as the histogram
filter of NLLB does (arXiv:2207.04672, section 5.1.3, and NeMo Curator's HistogramFilter): below 0.8 it is not that language.
White space at either end is not counted as listed. One look-up a character, 1 to 2 ns a byte.
"""

from __future__ import annotations

import functools

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rules.measures.signal import ratio
from rules.text.decode import character_at
from rules.text.kernels import int64, kernel, kernel_texts, unowned

CODES = 0x110000


@functools.lru_cache(maxsize=16)
def listed_table(entries: tuple[str, ...]) -> np.ndarray:
    """1 for each code point that occurs in an entry, uint8 [CODES]."""
    table = np.zeros(CODES, np.uint8)
    table[np.fromiter({ord(c) for entry in entries for c in entry}, np.int64)] = 1
    return table


def listed_char_frac(texts: pa.LargeStringArray, entries: tuple[str, ...]) -> np.ndarray:
    """Listed characters of each text without white space at its ends / all characters: float64 [docs], NaN without any."""
    table, chars = listed_table(entries), pc.utf8_length(texts).to_numpy(zero_copy_only=False)
    out = np.zeros(len(texts), np.int64)
    count_listed_characters(*kernel_texts(pc.utf8_trim_whitespace(texts)), table, out)
    return ratio(out, chars)


@kernel
def count_listed_characters(offsets: np.ndarray, data: np.ndarray, table: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` (int64 [docs]) with the characters of each text that `table` lists."""
    for d in range(offsets.size - 1):
        out[d] = listed_characters(data, offsets[d], offsets[d + 1], table)


@kernel
def listed_characters(data: np.ndarray, i: int, end: int, table: np.ndarray) -> int:
    data, table, found = unowned(data), unowned(table), 0
    while i < end:
        code, size = character_at(data, i, end)
        found += int64(table[np.uint64(code)])
        i += size
    return found
