"""Which word n-grams of a text occur most often, for n from 2 up, found from the hashes of its words.

A hash table counts the 2-grams whose hash came twice; a 3-gram can only repeat if both its 2-grams do, and so on, so there
are fewer places to look at with each n. A place in the table holds the hash of an n-gram, and its occurrences with its
first word in one number, so that whether an n-gram is new makes no branch.

Where only the top n-gram is wanted (`top_ngram`), those go first whose 2-grams all seem to occur eight times or more: if one
of them does, no other place matters; else four times, then two.
"""

from __future__ import annotations

import numpy as np

from rules.text.hash_sets import SIZE_STEP, first_slot, slot_bits
from rules.text.kernels import inlined, int64
from rules.text.masks import BLOCK, ONE, push_ones
from rules.text.repeats import LEAST_BITS, look_up, note_slot, often_bits

TOP_SIZES = (2, 3, 4)
TIMES = (8, 4, 2)
ONE_MORE = np.uint64(1 << 32)
LAST_WORD = np.uint64((1 << 32) - 1)


@inlined
def ngram_hash(hashes: np.ndarray, j: int | np.uint64, n: int) -> np.uint64:
    """The hash of the n words from word j."""
    state = hashes[np.uint64(j)]
    for k in range(1, n):
        state = state * SIZE_STEP + hashes[np.uint64(j + k)]
    return state ^ (state >> np.uint64(32))


@inlined
def look_up_pairs(hashes: np.ndarray, found: int, seen: np.ndarray, slots: np.ndarray, marks: np.ndarray) -> None:
    """marks (uint8): how often the 2-gram from each word but the last may occur (repeats.py)."""
    bits = slot_bits(found) + LEAST_BITS
    seen[: 1 << bits] = 0
    for j in range(found - 1):
        note_slot(first_slot(ngram_hash(hashes, j, 2), bits), j, seen, slots)
    look_up(slots, found - 1, seen, marks)


@inlined
def possible_places(
    hashes: np.ndarray, found: int, seen: np.ndarray, slots: np.ndarray, marks: np.ndarray, bits: np.ndarray,
    places: np.ndarray,
) -> int:
    """Fill `places` with the first words of 2-grams that may occur twice: how many. All others are unique."""
    look_up_pairs(hashes, found, seen, slots, marks)
    often_bits(marks, found - 1, 2, bits)
    return places_of(bits, found, 2, places)


@inlined
def places_of(bits: np.ndarray, found: int, n: int, places: np.ndarray) -> int:
    """Fill `places` with the first words of n-grams all of whose 2-grams have their bits set: how many."""
    possible = 0
    for k in range((found - 1) // BLOCK + 1):
        block = np.uint64(k)
        mask = bits[block]
        for shift in range(1, n - 1):
            mask &= bits[block] >> np.uint64(shift) | bits[block + ONE] << np.uint64(BLOCK - shift)
        possible += push_ones(places, possible, mask, BLOCK * k)
    return possible


@inlined
def top_ngram(
    hashes: np.ndarray, n: int, found: int, bits: np.ndarray, places: np.ndarray, table: np.ndarray, slots: np.ndarray,
) -> tuple[int, int]:
    """Occurrences of the top n-gram and the first word of its first occurrence: 1 and 0 if none occurs twice.

    `bits` (uint64 [TIMES, blocks]) are those of 2-grams that may occur as often as TIMES says."""
    for k in range(len(TIMES)):
        possible = places_of(bits[k], found, n, places)
        if possible >= TIMES[k]:
            count, first = count_ngrams_at(hashes, n, places, possible, table, slots)
            if count >= TIMES[k]:
                return count, first
    return 1, 0


@inlined
def count_top_ngrams(
    hashes: np.ndarray, n: int, places: np.ndarray, possible: int, table: np.ndarray, slots: np.ndarray,
    marks: np.ndarray, words: int,
) -> tuple[int, int]:
    """As `count_ngrams_at`, and `marks` (uint8) tells which words begin an n-gram that occurs twice."""
    count, first = count_ngrams_at(hashes, n, places, possible, table, slots)
    marks[: words + 1] = 0
    for k in range(possible):
        held = table[np.uint64(slots[np.uint64(k)]) << ONE | ONE]
        marks[np.uint64(places[np.uint64(k)])] = np.uint8(held >= ONE_MORE + ONE_MORE)
    return count, first


@inlined
def count_ngrams_at(hashes: np.ndarray, n: int, places: np.ndarray, possible: int, table: np.ndarray, slots: np.ndarray) -> tuple[int, int]:
    """Occurrences of the top n-gram of those at the first `possible` of `places`, and the first word of its first occurrence.

    No n-gram at another place occurs twice, so 1 and 0 if none does here. `table` holds hashes, each with
    occurrences << 32 | (2**32 - 1 - first word), of which the greatest is the answer; `slots` says where that of each place is.
    """
    bits = slot_bits(possible)
    last, best = np.uint64((1 << bits) - 1), ONE_MORE | LAST_WORD
    table[: 2 << bits] = 0
    for k in range(possible):
        j = np.uint64(places[np.uint64(k)])
        key = ngram_hash(hashes, j, n)
        slot = first_slot(key, bits)
        while table[slot << ONE | ONE] and table[slot << ONE] != key:
            slot = (slot + ONE) & last
        held = table[slot << ONE | ONE]
        held = (held if held else LAST_WORD - j) + ONE_MORE
        table[slot << ONE], table[slot << ONE | ONE] = key, held
        slots[np.uint64(k)] = slot
        best = max(best, held)
    return int64(best >> np.uint64(32)), int64(LAST_WORD - (best & LAST_WORD))


@inlined
def occurrences(j: int, slot: int, table: np.ndarray) -> int:
    """How often the n-gram of `slot` occurs if word j begins the first of them, else 0."""
    held = table[np.uint64(slot) << ONE | ONE]
    return int64(held >> np.uint64(32)) if LAST_WORD - (held & LAST_WORD) == np.uint64(j) else 0


@inlined
def next_places(places: np.ndarray, possible: int, marks: np.ndarray, following: int) -> int:
    """Keep of `places` those whose n-gram and the next one are marked, among the `following` first: how many."""
    kept = 0
    for k in range(possible):
        j = np.uint64(places[np.uint64(k)])
        places[np.uint64(kept)] = j
        kept += int64(marks[j] & marks[j + ONE]) & int64(int64(j) < following)
    return kept
