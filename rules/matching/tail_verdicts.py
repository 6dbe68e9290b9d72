"""Verdicts of RE2 on the last bytes of lines, asked for once for each ending.

A pattern such as "no full stop at the end" looks at every line, but only at its last few bytes, and most lines end as
others do. So what RE2 says of an ending is kept in a table, as much as there is room for; a line whose ending is not in
it is shown to RE2. An entry is one word, written at once, so that threads may share a table.
"""

from __future__ import annotations

import functools

import numpy as np

from rules.text.decode import text_at
from rules.text.kernels import inlined, kernel, unowned

MOST_BYTES = 7  # of an ending; the eighth byte of an entry holds how many, and the verdict
TABLE_BITS = 17  # 1 MiB a pattern
NO, YES, UNKNOWN = 0, 1, 2
VERDICT, SIZE_SHIFT = np.uint64(1 << 63), np.uint64(56)
SLOT_FACTOR, SLOT_SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(64 - TABLE_BITS)


@functools.lru_cache(256)
def tail_table(pattern: str) -> np.ndarray:
    """What is known of a pattern (uint64): an ending, its size and one more, and whether RE2 matches it."""
    return np.zeros(1 << TABLE_BITS, np.uint64)


@kernel
def look_up_tails(
    table: np.ndarray, data: np.ndarray, new_data: np.ndarray, begins: np.ndarray, versions: np.ndarray,
    offsets: np.ndarray,
) -> np.ndarray:
    """NO, YES or UNKNOWN (uint8 [lines]) of endings of at most MOST_BYTES, each offsets[k + 1] - offsets[k] bytes from
    begins[k] on, in the original texts or, where versions[k] is not negative, in the rewritten."""
    found = np.empty(begins.size, np.uint8)
    table, data, new_data, begins = unowned(table), unowned(data), unowned(new_data), unowned(begins)
    versions, offsets, verdicts = unowned(versions), unowned(offsets), unowned(found)
    for k in range(begins.size):
        key = key_of(data, new_data, begins, versions, offsets, k)
        entry = table[slot_of(key)]
        verdicts[k] = np.uint8(entry >> np.uint64(63)) if entry & ~VERDICT == key else UNKNOWN
    return found


@kernel
def note_tails(
    table: np.ndarray, data: np.ndarray, new_data: np.ndarray, begins: np.ndarray, versions: np.ndarray,
    offsets: np.ndarray, hit: np.ndarray,
) -> None:
    """Note verdicts (bool [lines]) of endings; those that stood in their places are forgotten."""
    for k in range(begins.size):
        key = key_of(data, new_data, begins, versions, offsets, k)
        table[slot_of(key)] = key | VERDICT if hit[k] else key


@inlined
def key_of(data: np.ndarray, new_data: np.ndarray, begins: np.ndarray, versions: np.ndarray, offsets: np.ndarray, k: int) -> np.uint64:
    """An ending and its size as one number that is not zero."""
    size = offsets[k + 1] - offsets[k]
    key = np.uint64(size + 1) << SIZE_SHIFT
    if size > 0:
        key |= text_at(new_data if versions[k] >= 0 else data, begins[k], begins[k] + size)
    return key


@inlined
def slot_of(key: np.uint64) -> np.uint64:
    return key * SLOT_FACTOR >> SLOT_SHIFT
