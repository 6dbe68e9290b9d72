"""How often each row, or other piece, of a text occurs, counted by its hash: what dolma's and datamap's counts share.

A piece that occurs more than once counts with all its copies, where others leave out the first.
"""

from __future__ import annotations

import numpy as np

from rules.text.hash_sets import find_slot, slot_bits
from rules.text.kernels import inlined, int64, kernel

LINE_FEED = ord("\n")


@kernel
def copy_scratch(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Room to count the copies of up to `rows` rows: a set of hashes and, for each slot, a number."""
    slots = 1 << slot_bits(rows)
    return np.empty(slots, np.uint64), np.empty(slots, np.uint32)


@inlined
def full_rows_in(data: np.ndarray, begin: int, end: int) -> int:
    """How many rows of data[begin:end] are not empty."""
    found, before = 0, True
    for i in range(begin, end):
        feed = data[np.uint64(i)] == LINE_FEED
        found += int64(before and not feed)
        before = feed
    return found


@inlined
def forget_copies(keys: np.ndarray, copies: np.ndarray, bits: int) -> None:
    """Begin anew, with 2**bits slots."""
    keys[: 1 << bits] = copies[: 1 << bits] = 0


@inlined
def new_copies(keys: np.ndarray, copies: np.ndarray, bits: int, key: np.uint64) -> int:
    """Note one more occurrence of `key`: two copies with the second, which tells of the first, one with each later."""
    slot, _ = find_slot(keys, bits, key)
    copies[slot] += np.uint32(1)
    times = int64(copies[slot])
    return 2 if times == 2 else int64(times > 2)
