"""64-bit hashes of byte strings and sets of them, for kernels: open addressing in one array, no object per key.

A hash is a fold over eight bytes at a time in two lanes, each step a bijection of its state: fold the upper half into
the lower, multiply by an odd number. Two texts that differ in one step never share a hash; others do with a chance of
2**-64 a pair, or 2**-40 where they differ in the highest byte of steps alone. Slots come from the top bits of
hash * MULTIPLIER, so that hashes which differ in any few bits spread. Sets are at most two thirds full; a key of zero marks an
empty slot.
"""

from __future__ import annotations

import numpy as np

from rules.text.decode import load_eight, text_at
from rules.text.kernels import inlined

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio
SEED = np.uint64(0x243F6A8885A308D3)  # first digits of pi
SIZE_STEP = np.uint64(0xD6E8FEB86659FD93)
EMPTY = np.uint64(0)


@inlined
def absorb(state: np.uint64, piece: np.uint64) -> np.uint64:
    """One step of the hash: a bijection of `state` for each piece, and of the piece for each state."""
    mixed = state ^ piece
    return (mixed ^ (mixed >> np.uint64(32))) * MULTIPLIER


@inlined
def start_hash(size: int) -> np.uint64:
    """The state before the first piece of a text of `size` bytes."""
    return SEED + np.uint64(size) * SIZE_STEP


@inlined
def bytes_hash(data: np.ndarray, i: int, end: int) -> np.uint64:
    """The hash of data[i:end], not empty."""
    state = start_hash(end - i)
    other = state
    while end - i > 16:  # two lanes, for the processor to work on both at once
        state, other = absorb(state, load_eight(data, i)), absorb(other, load_eight(data, i + 8))
        i += 16
    if end - i > 8:
        state = absorb(state, load_eight(data, i))
        i += 8
    return absorb(state + other * SIZE_STEP, text_at(data, i, end))


@inlined
def slot_bits(keys: int) -> int:
    """log2 of the size of a set for `keys` keys: at most two thirds full, at least 64 slots."""
    bits = 6
    while 2 << bits < 3 * keys:
        bits += 1
    return bits


@inlined
def first_slot(key: np.uint64, bits: int) -> np.uint64:
    return (key * MULTIPLIER) >> np.uint64(64 - bits)


@inlined
def find_slot(keys: np.ndarray, bits: int, key: np.uint64) -> tuple[np.uint64, bool]:
    """The slot of `key`, and whether it was there; it is afterwards. The set is keys[:1 << bits]."""
    if key == EMPTY:
        key = SEED
    last = np.uint64((1 << bits) - 1)
    slot = first_slot(key, bits)
    while True:
        held = keys[slot]
        if held == key:
            return slot, True
        if held == EMPTY:
            keys[slot] = key
            return slot, False
        slot = (slot + np.uint64(1)) & last


@inlined
def known_slot(keys: np.ndarray, bits: int, key: np.uint64) -> tuple[np.uint64, bool]:
    """The slot of `key` in the set keys[:1 << bits], and whether it is there; nothing is put in."""
    if key == EMPTY:
        key = SEED
    slot, last = first_slot(key, bits), np.uint64((1 << bits) - 1)
    while keys[slot] != key and keys[slot] != EMPTY:
        slot = (slot + np.uint64(1)) & last
    return slot, keys[slot] == key
