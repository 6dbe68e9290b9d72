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

from rules.decode import ALL_BITS, load_eight
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
LANES = tuple(map(np.uint64, (0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)))


@njit(nogil=True, cache=True)
def ngram_scratch(words):
    """Room for `count_ngrams` of a document of `words` words."""
    bits = slot_bits(words)
    keys, firsts, seen = np.empty(1 << bits, np.uint64), np.empty(1 << bits, np.uint32), np.empty((2, 2, 1 << (bits - 4)), np.uint64)
    windows, places, counts = np.empty((2, words + 1), np.uint64), np.empty(words + 1, np.uint32), np.empty(words + 1, np.uint32)
    return keys, firsts, seen, windows, places, counts, np.empty((2, words + 2), np.uint8)


@njit(nogil=True, cache=True, forceinline=True)
def count_ngrams(hashes, byte_ends, char_ends, joined, words, scratch, out, d, column):
    """Fill out[d, column:] (NGRAM_COUNTS in order) for a document of `words` words."""
    keys, firsts, seen, windows, places, counts, marks = scratch
    possible = max(words - 1, 0)
    for j in range(possible):
        places[j] = j
    for n in range(TOP_SIZES[0], TOP_SIZES[-1] + 1):
        if words >= n:
            count, first = count_top_ngrams(hashes, n, places, possible, firsts, counts, marks, words)
            out[d, column] = count * (np.int64(char_ends[first + n]) - np.int64(char_ends[first]) + n - 1)
            possible = next_places(places, possible, marks, words - n)
        column += 1
    if words >= DUPLICATE_SIZES[0]:
        bits = slot_bits(words) + 2
        mark_windows(joined, byte_ends, words, bits, seen, windows, marks)
        possible = collect_candidates(byte_ends, words, marks, places)
        for n in range(DUPLICATE_SIZES[0], DUPLICATE_SIZES[-1] + 1):
            kept = keep_candidates(byte_ends, words, n, places, possible, marks, counts)
            out[d, column] = count_duplicates(joined, byte_ends, char_ends, n, counts, kept, windows, keys)
            column += 1


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
def mark_windows(joined, byte_ends, words, bits, seen, windows, marks):
    """Hash the windows from each word on (windows[0, j]) and before it (windows[1, j]); mark those that occur twice.

    seen[side, 0] has a bit for hashes seen, seen[side, 1] for those seen twice: a mark may be wrong where two windows
    share a bit, an absent mark never is.
    """
    seen[:, :, : 1 << (bits - 6)] = 0
    for j in range(words + 1):
        position = np.int64(byte_ends[j]) + PADDING
        for side in range(2):
            window = window_hash(joined, position - side * WINDOW)
            windows[side, j] = window
            place = first_slot(window, bits)
            bit, row, cell = np.uint64(1) << (place & np.uint64(63)), np.uint64(side), place >> np.uint64(6)
            seen[row, np.uint64(1), cell] |= seen[row, np.uint64(0), cell] & bit
            seen[row, np.uint64(0), cell] |= bit
    for j in range(words + 1):
        for side in range(2):
            place = first_slot(windows[side, j], bits)
            marks[side, j] = seen[np.uint64(side), np.uint64(1), place >> np.uint64(6)] >> (place & np.uint64(63)) & np.uint64(1)


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
def count_duplicates(joined, byte_ends, char_ends, n, kept, possible, windows, keys):
    """Characters of duplicated n-grams that start at one of the first `possible` words of `kept`."""
    bits, chars, free = slot_bits(possible), 0, 0
    keys[: 1 << bits] = 0
    for k in range(possible):
        j = np.uint64(kept[np.uint64(k)])
        if np.int64(j) >= free:
            after = j + np.uint64(n)
            begin, end = np.int64(byte_ends[j]) + PADDING, np.int64(byte_ends[after]) + PADDING
            _, found = find_slot(keys, bits, slice_hash(joined, begin, end, windows[0, j], windows[1, after]))
            if found:
                chars += np.int64(char_ends[after]) - np.int64(char_ends[j])
                free = np.int64(after)
    return chars


@njit(nogil=True, cache=True, forceinline=True)
def slice_hash(joined, begin, end, first_window, last_window):
    """The hash of joined[begin:end], given those of its first and its last WINDOW bytes, which may overlap."""
    state = start_hash(end - begin)
    if end - begin < WINDOW:
        mask = ALL_BITS >> np.uint64(8 * (8 - min(end - begin, 8)))
        first_window, last_window = load_eight(joined, begin) & mask, load_eight(joined, max(begin, end - 8)) & mask
    elif end - begin > 2 * WINDOW:
        state = middle_hash(joined, begin + WINDOW, end - WINDOW, state)
    return absorb(absorb(state, first_window), last_window)


@njit(nogil=True, cache=True, forceinline=True)
def middle_hash(joined, begin, end, state):
    """`state` after joined[begin:end], 32 bytes at a time in four lanes, the last of which may overlap."""
    while end - begin > 32:
        state = absorb(state, block_hash(joined, begin, begin + 32))
        begin += 32
    return absorb(state, block_hash(joined, begin, end))


@njit(nogil=True, cache=True, forceinline=True)
def block_hash(joined, begin, end):
    """The hash of joined[begin:end], 1 to 32 bytes, without a branch on their number."""
    mask, total = ALL_BITS >> np.uint64(8 * (8 - min(end - begin, 8))), np.uint64(0)
    for k in range(4):
        piece = load_eight(joined, max(begin, min(begin + 8 * k, end - 8))) & mask
        total += (piece ^ (piece >> np.uint64(32))) * LANES[k]
    return total
