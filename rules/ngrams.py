"""Characters in repeated word n-grams: the top 2- to 4-grams and the duplicated 5- to 10-grams of Gopher (table A1).

Definitions are datatrove's. The top n-gram is the one that occurs most often, of several the first; its characters are
those of its words and the single spaces between them, times its occurrences. A duplicated n-gram is found by a scan
from left to right: an n-gram seen before counts its characters and is skipped over, any other moves the scan one word.
Two n-grams are the same there if their words, written without spaces between them, are the same: "ab c" is "a bc".

Top n-grams are counted in a hash table of n-gram hashes; a 3-gram can only repeat if both its 2-grams do, and so on, so
later tables see few of them. For duplicated n-grams the words of a document lie in `joined` without white space, so the
key of an n-gram is a slice of bytes. Only a slice whose first 15 and last 15 bytes also start and end at other words
can be a duplicate, which two passes over small saturating counters tell; what is left (a tenth, in ordinary text) is
hashed. All of it costs 10 to 20 ns a word.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from rules.decode import load_eight
from rules.hash_sets import SEED, SIZE_STEP, absorb, find_slot, first_slot, slot_bits, start_hash

TOP_SIZES = (2, 3, 4)
DUPLICATE_SIZES = (5, 6, 7, 8, 9, 10)
NGRAM_COUNTS = {
    **{f"top_{n}_gram_chars": f"characters of the most frequent {n}-gram of words, times its occurrences" for n in TOP_SIZES},
    **{f"dup_{n}_gram_chars": f"characters in {n}-grams of words seen before, without overlap" for n in DUPLICATE_SIZES},
}

PADDING = 16  # bytes before and after the words in `joined`, so that a window may reach over either end
WINDOW = 15  # bytes: exactly five CJK words
ONE_MORE = np.uint64(1 << 32)
LAST_WORD = np.uint64((1 << 32) - 1)
BASE, SQUARE, FOURTH = np.uint64(251), np.uint64(251**2), np.uint64(251**4)
POWERS = np.array([pow(251, k, 1 << 64) for k in range(256)], np.uint64)
EVEN_BYTES, EVEN_PAIRS = np.uint64(0x00FF00FF00FF00FF), np.uint64(0x0000FFFF0000FFFF)


@njit(nogil=True, cache=True)
def ngram_scratch(words):
    """Room for `count_ngrams` of a document of `words` words."""
    bits = slot_bits(words)
    keys, firsts, seen = np.empty(1 << bits, np.uint64), np.empty(1 << bits, np.uint32), np.empty(1 << (bits - 3), np.uint64)
    windows, places, counts = np.empty((2, words + 1), np.uint64), np.empty(words + 1, np.uint32), np.empty(words + 1, np.uint32)
    return keys, firsts, seen, windows, places, counts, np.empty((2, words + 2), np.uint8)


@njit(nogil=True, cache=True, forceinline=True)
def count_ngrams(hashes, sums, byte_ends, char_ends, joined, words, scratch, out, d, column):
    """Fill out[d, column:] (NGRAM_COUNTS in order) for a document of `words` words."""
    keys, firsts, seen, windows, places, counts, marks = scratch
    bits = slot_bits(words) + 2
    for j in range(words - 1):
        windows[0, j] = ngram_hash(hashes, j, 2)
    mark_repeated(windows, 0, words - 1, bits, seen, marks)
    possible = 0
    for j in range(words - 1):
        places[np.uint64(possible)] = j
        possible += np.int64(marks[0, j])
    for n in range(TOP_SIZES[0], TOP_SIZES[-1] + 1):
        if words >= n:
            count, first = count_top_ngrams(hashes, n, places, possible, firsts, counts, marks, words)
            out[d, column] = count * (np.int64(char_ends[first + n]) - np.int64(char_ends[first]) + n - 1)
            possible = next_places(places, possible, marks, words - n)
        column += 1
    if words >= DUPLICATE_SIZES[0]:
        hash_windows(joined, byte_ends, words, windows)
        for side in range(2):
            mark_repeated(windows, side, words + 1, bits, seen, marks)
        possible = collect_candidates(byte_ends, words, marks, places)
        for n in range(DUPLICATE_SIZES[0], DUPLICATE_SIZES[-1] + 1):
            kept = keep_candidates(byte_ends, words, n, places, possible, marks, counts)
            out[d, column] = count_duplicates(sums, byte_ends, char_ends, n, counts, kept, keys)
            column += 1


@njit(nogil=True, cache=True, forceinline=True)
def mark_repeated(hashes, side, count, bits, seen, marks):
    """marks[side, j] = 1 for those of hashes[side, :count] that occur more than once, and a few others; no branches.

    Two bits of `seen` say whether a hash came once, and once more; hashes share them where they agree in their top bits.
    """
    seen[: 1 << (bits - 5)] = 0
    for j in range(count):
        place = first_slot(hashes[side, j], bits)
        shift, cell = np.uint64(2) * (place & np.uint64(31)), place >> np.uint64(5)
        once = seen[cell] >> shift & np.uint64(1)
        seen[cell] |= (np.uint64(1) | once << np.uint64(1)) << shift
    for j in range(count):
        place = first_slot(hashes[side, j], bits)
        marks[side, j] = seen[place >> np.uint64(5)] >> (np.uint64(2) * (place & np.uint64(31)) + np.uint64(1)) & np.uint64(1)


# ---- top n-grams


@njit(nogil=True, cache=True, forceinline=True)
def ngram_hash(hashes, j, n):
    """The hash of the n words from word j."""
    state = hashes[np.uint64(j)]
    for k in range(1, n):
        state = state * SIZE_STEP + hashes[np.uint64(j + k)]
    return state ^ (state >> np.uint64(32))


@njit(nogil=True, cache=True, forceinline=True)
def same_words(hashes, i, j, n):
    """Are the n words from word i those from word j?"""
    for k in range(n):
        if hashes[np.uint64(i + k)] != hashes[np.uint64(j + k)]:
            return False
    return True


@njit(nogil=True, cache=True, forceinline=True)
def count_top_ngrams(hashes, n, places, possible, firsts, counts, marks, words):
    """Occurrences of the top n-gram and the first word of its first occurrence.

    Only the n-grams at the first `possible` of `places` can occur twice; marks[0] will tell which do. `firsts` is a
    hash table of first occurrences, as word number + 1. The greatest of occurrences << 32 | (2**32 - 1 - first word)
    is the answer.
    """
    bits = slot_bits(possible)
    last = np.uint64((1 << bits) - 1)
    firsts[: 1 << bits] = 0
    marks[0, : words + 1] = 0
    best = ONE_MORE | LAST_WORD
    for k in range(possible):
        j = np.int64(places[np.uint64(k)])
        slot = first_slot(ngram_hash(hashes, j, n), bits)
        first = np.int64(firsts[slot])
        while first and not same_words(hashes, first - 1, j, n):
            slot = (slot + np.uint64(1)) & last
            first = np.int64(firsts[slot])
        if first:
            first -= 1
            counts[np.uint64(first)] += 1
            marks[0, np.uint64(first)] = marks[0, np.uint64(j)] = 1
            best = max(best, np.uint64(counts[np.uint64(first)]) << np.uint64(32) | (LAST_WORD - np.uint64(first)))
        else:
            firsts[slot] = j + 1
            counts[np.uint64(j)] = 1
    return np.int64(best >> np.uint64(32)), np.int64(LAST_WORD - (best & LAST_WORD))


@njit(nogil=True, cache=True, forceinline=True)
def next_places(places, possible, marks, following):
    """Keep of `places` those whose n-gram and the next one are marked, among the `following` first: how many."""
    kept = 0
    for k in range(possible):
        j = np.uint64(places[np.uint64(k)])
        places[np.uint64(kept)] = j
        kept += np.int64(marks[0, j] & marks[0, j + np.uint64(1)]) & np.int64(np.int64(j) < following)
    return kept


# ---- duplicated n-grams


@njit(nogil=True, cache=True, forceinline=True)
def hash_windows(joined, byte_ends, words, windows):
    """Hash the WINDOW bytes from each word on, windows[0, j], and those before it, windows[1, j]."""
    for j in range(words + 1):
        position = np.int64(byte_ends[j]) + PADDING
        windows[0, j] = window_hash(joined, position)
        windows[1, j] = window_hash(joined, position - WINDOW)


@njit(nogil=True, cache=True, forceinline=True)
def window_hash(joined, begin):
    """The hash of the WINDOW bytes from `begin` on."""
    return absorb(absorb(SEED, load_eight(joined, begin)), load_eight(joined, begin + WINDOW - 8))


@njit(nogil=True, cache=True, forceinline=True)
def collect_candidates(byte_ends, words, marks, candidates):
    """First words of n-grams that may be duplicated, whatever n: how many. `candidates` holds their numbers."""
    found, shortest = 0, DUPLICATE_SIZES[0]
    for j in range(words - shortest + 1):
        candidates[np.uint64(found)] = j
        found += np.int64(marks[0, j] != 0 or np.int64(byte_ends[j + shortest]) - np.int64(byte_ends[j]) < WINDOW)
    return found


@njit(nogil=True, cache=True, forceinline=True)
def keep_candidates(byte_ends, words, n, candidates, possible, marks, kept):
    """Copy to `kept` those candidates whose n-gram both starts and ends like another: how many."""
    found = 0
    while possible > 0 and np.int64(candidates[np.uint64(possible - 1)]) + n > words:
        possible -= 1
    for k in range(possible):
        j = np.uint64(candidates[np.uint64(k)])
        after = j + np.uint64(n)
        kept[np.uint64(found)] = j
        size = np.int64(byte_ends[after]) - np.int64(byte_ends[j])
        found += np.int64(marks[0, j] & marks[1, after]) | np.int64(size < WINDOW)
    return found


@njit(nogil=True, cache=True, forceinline=True)
def count_duplicates(sums, byte_ends, char_ends, n, kept, possible, keys):
    """Characters of duplicated n-grams that start at one of the first `possible` words of `kept`."""
    bits, chars, free = slot_bits(possible), 0, 0
    keys[: 1 << bits] = 0
    for k in range(possible):
        j = np.uint64(kept[np.uint64(k)])
        if np.int64(j) >= free:
            after = j + np.uint64(n)
            key = slice_hash(sums, j, after, np.int64(byte_ends[after]) - np.int64(byte_ends[j]))
            _, found = find_slot(keys, bits, key)
            if found:
                chars += np.int64(char_ends[after]) - np.int64(char_ends[j])
                free = np.int64(after)
    return chars


@njit(nogil=True, cache=True, forceinline=True)
def slice_hash(sums, j, after, size):
    """The hash of the `size` bytes of words j to after - 1."""
    power = POWERS[np.uint64(size)] if size < POWERS.size else power_of_base(size)
    return (sums[after] - sums[j] * power) ^ start_hash(size)


@njit(nogil=True, cache=True)
def power_of_base(exponent):
    """BASE ** exponent, modulo 2**64."""
    power, square = np.uint64(1), BASE
    while exponent:
        if exponent & 1:
            power *= square
        square *= square
        exponent >>= 1
    return power


@njit(nogil=True, cache=True, forceinline=True)
def append_sum(total, eight, size):
    """The sum of a text of which `total` is the sum, with `size` more bytes (1 to 8), those of `eight`.

    The sum of bytes b is the sum of b[i] * BASE ** (bytes after it), modulo 2**64, so it can be cut at any byte. Eight
    bytes are added in pairs: BASE < 2**8, BASE**2 < 2**16 and BASE**4 < 2**32 leave each pair its room.
    """
    pairs = eight << np.uint64(8 * (8 - size))
    pairs = (pairs & EVEN_BYTES) * BASE + (pairs >> np.uint64(8) & EVEN_BYTES)
    pairs = (pairs & EVEN_PAIRS) * SQUARE + (pairs >> np.uint64(16) & EVEN_PAIRS)
    pairs = (pairs & LAST_WORD) * FOURTH + (pairs >> np.uint64(32))
    return total * POWERS[np.uint64(size)] + pairs
