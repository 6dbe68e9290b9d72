"""Which of many 64-bit keys, the hashes of n-grams, occur more than once, and how often.

Most occur once. A pass without branches over a table of bits sets those aside, so that a hash table has to count a few
only. Takes 9 bytes of memory a key at most, and 12 more for each that may repeat.
"""

from __future__ import annotations

import numpy as np

from rules.hash_sets import EMPTY, SEED, find_slot, first_slot, slot_bits
from rules.kernels import inlined, kernel


@kernel
def key_scratch(most):
    """Room for `count_keys` of up to `most` keys: bits seen, a hash table of keys, and their numbers."""
    bits = slot_bits(most)
    return np.empty(4 << bits, np.uint8), np.empty(1 << bits, np.uint64), np.empty(1 << bits, np.uint32)


@inlined
def count_keys(keys, count, seen, table, numbers):
    """Count the keys[:count] that may repeat in table[:1 << bits] and numbers: bits, and how many keys are in none.

    A key that is in the table may still occur once, by chance."""
    seen_bits, possible = slot_bits(count) + 2, 0
    seen[: 1 << seen_bits] = 0
    for j in range(count):
        slot = first_slot(keys[np.uint64(j)], seen_bits)
        seen[slot] = seen[slot] << 1 | 1
    for j in range(count):
        possible += np.int64(seen[first_slot(keys[np.uint64(j)], seen_bits)] >> 1 & 1)
    bits = slot_bits(possible)
    table[: 1 << bits] = EMPTY
    numbers[: 1 << bits] = 0
    for j in range(count):
        key = keys[np.uint64(j)]
        if possible > 0 and seen[first_slot(key, seen_bits)] >> 1 & 1:
            slot, _ = find_slot(table, bits, key)
            numbers[slot] += 1
    return bits, count - possible


@inlined
def occurrences_of(key, bits, table, numbers):
    """How often `key`, one of those counted, occurs."""
    held = SEED if key == EMPTY else key
    slot, last = first_slot(held, bits), np.uint64((1 << bits) - 1)
    while table[slot] != held and table[slot] != EMPTY:
        slot = (slot + np.uint64(1)) & last
    return np.int64(numbers[slot]) if table[slot] == held else 1


@inlined
def repeated_keys(bits, numbers):
    """How many keys occur more than once, how often they all occur, and the greatest number of one."""
    repeated, total, most = 0, 0, 1
    for slot in range(1 << bits):
        number = np.int64(numbers[slot])
        repeated += np.int64(number > 1)
        total += number if number > 1 else 0
        most = max(most, number)
    return repeated, total, most
