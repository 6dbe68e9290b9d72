"""Which of many 64-bit keys, the hashes of n-grams, occur more than once, and how often.

Most occur once. A pass without branches over a table of bits sets those aside, so that a hash table has to count a few
only; it grows with the different keys that it finds. Takes 16 bytes of memory a key at most, and up to 36 more for each
different one that may repeat.
"""

from __future__ import annotations

import numpy as np

from rules.text.hash_sets import EMPTY, find_slot, first_slot, known_slot, slot_bits
from rules.text.kernels import Scratch, inlined, int64, kernel, unowned

MOST_SEEN_BITS = 28  # 256 MB; with more keys some that occur once are counted, too
FIRST_BITS = 16  # of a hash table, before it grows


@kernel
def key_scratch(most: int) -> Scratch:
    """Room for `count_keys` of up to `most` keys: bits seen, a hash table of keys, and their numbers."""
    bits = min(slot_bits(most), FIRST_BITS)
    return np.empty(1 << seen_bits(most), np.uint8), np.empty(1 << bits, np.uint64), np.empty(1 << bits, np.uint32)


@inlined
def seen_bits(keys: int) -> int:
    """log2 of the size of the table of bits for `keys` keys."""
    return min(slot_bits(keys) + 2, MOST_SEEN_BITS)


@kernel
def count_keys(keys: np.ndarray, count: int, scratch: Scratch) -> tuple[int, np.ndarray, np.ndarray, int]:
    """Count those of keys[:count] that may repeat: log2 of the size of a hash table, the table, numbers of its keys,
    and how many keys are not in it, because they occur once. (One that is in it may occur once, too, by chance.)
    """
    seen, table, numbers = scratch
    possible = mark_seen(keys, count, seen)
    bits, done, held = min(slot_bits(possible), FIRST_BITS), 0, 0
    table[: 1 << bits] = EMPTY
    numbers[: 1 << bits] = 0
    while done < count and possible > 0:
        done, held = insert_keys(keys, done, count, seen, table, numbers, bits, held)
        if done < count:
            table, numbers = grown_table(table, numbers, bits)
            bits += 2
    return bits, table, numbers, count - possible


@kernel
def mark_seen(keys: np.ndarray, count: int, seen: np.ndarray) -> int:
    """Note in `seen` which slots hold one key, and which more: how many keys are in slots that hold more."""
    keys, seen, bits, possible = unowned(keys), unowned(seen), seen_bits(count), 0
    seen[: 1 << bits] = 0
    for j in range(count):
        slot = first_slot(keys[np.uint64(j)], bits)
        seen[slot] = seen[slot] << 1 | 1
    for j in range(count):
        possible += int64(seen[first_slot(keys[np.uint64(j)], bits)] >> 1 & 1)
    return possible


@kernel
def insert_keys(
    keys: np.ndarray, done: int, count: int, seen: np.ndarray, table: np.ndarray, numbers: np.ndarray, bits: int,
    held: int,
) -> tuple[int, int]:
    """Count keys[done:count] until the table, with `held` keys, is two thirds full: how far, and how many it holds."""
    keys, seen, table, numbers = unowned(keys), unowned(seen), unowned(table), unowned(numbers)
    marks = seen_bits(count)
    while done < count and 3 * (held + 1) <= 2 << bits:
        key = keys[np.uint64(done)]
        if seen[first_slot(key, marks)] >> 1 & 1:
            slot, known = find_slot(table, bits, key)
            numbers[slot] += 1
            held += int64(not known)
        done += 1
    return done, held


@kernel
def grown_table(table: np.ndarray, numbers: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """A hash table of four times the size, with the same keys and numbers."""
    new_table, new_numbers = np.zeros(4 << bits, np.uint64), np.zeros(4 << bits, np.uint32)
    for slot in range(1 << bits):
        if numbers[slot] > 0:
            new_slot, _ = find_slot(new_table, bits + 2, table[slot])
            new_numbers[new_slot] = numbers[slot]
    return new_table, new_numbers


@inlined
def occurrences_of(key: np.uint64, bits: int, table: np.ndarray, numbers: np.ndarray) -> int:
    """How often `key`, one of those counted, occurs."""
    slot, known = known_slot(table, bits, key)
    return int64(numbers[slot]) if known else 1


@kernel
def repeated_keys(bits: int, numbers: np.ndarray) -> tuple[int, int, int, int]:
    """How many keys occur more than once, how often they all occur, the greatest number of one, and all keys in the table."""
    numbers, repeated, total, most, different = unowned(numbers), 0, 0, 1, 0
    for slot in range(1 << bits):
        number = int64(numbers[np.uint64(slot)])
        different += int64(number > 0)
        repeated += int64(number > 1)
        total += number if number > 1 else 0
        most = max(most, number)
    return repeated, total, most, different
