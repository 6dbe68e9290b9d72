"""Which of many things may occur more than once, found by counting slots of a small table, without branches.

Things that share a slot by chance are marked, too; what is not marked is unique.
"""

from __future__ import annotations

import numpy as np

from rules.text.kernels import inlined
from rules.text.masks import BLOCK, NONE, at_least_mask, block_at

LEAST_BITS = 2  # there are 2**LEAST_BITS bytes in `seen` for each slot of a hash table of all things: few share one by chance


@inlined
def note_slot(slot: np.uint64, j: int, seen: np.ndarray, slots: np.ndarray) -> None:
    """Thing number j has this slot. `seen` (uint8) is zero before the first."""
    slots[np.uint64(j)] = slot
    seen[slot] = seen[slot] << 1 | 1


@inlined
def look_up(slots: np.ndarray, count: int, seen: np.ndarray, marks: np.ndarray) -> None:
    """marks[j] (uint8 [at least 64]): what `seen` says of thing j; it occurs as often as bits are set, or more, of all eight."""
    for j in range(count):
        marks[np.uint64(j)] = seen[np.uint64(slots[np.uint64(j)])]


@inlined
def often_bits(marks: np.ndarray, count: int, times: int, bits: np.ndarray) -> None:
    """bits (uint64 [blocks]): the bits of those things that may occur `times` (2 to 8) times, and a block of none after them."""
    for block in range(count // BLOCK + 1):
        bits[np.uint64(block)] = at_least_mask(block_at(marks, BLOCK * block, count), (1 << times) - 1)
    bits[np.uint64(count // BLOCK + 1)] = NONE
