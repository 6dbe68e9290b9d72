"""Characters in repeated word n-grams: the top 2- to 4-grams and the duplicated 5- to 10-grams of Gopher (table A1).

Definitions are datatrove's. The top n-gram is the one that occurs most often, of several the first; its characters are
those of its words and the single spaces between them, times its occurrences. A duplicated n-gram is found by a scan
from left to right: an n-gram seen before counts its characters and is skipped over, any other moves the scan one word.
Two n-grams are the same there if their words, written without spaces between them, are the same: "ab c" is "a bc".

Most n-grams are unique, and cheap passes without branches (`mark_repeated`) set those aside first. Top n-grams: a
hash table counts the 2-grams whose hash came twice; a 3-gram can only repeat if both its 2-grams do, and so on.
Duplicated n-grams: the words of a document lie in `joined` without white space, so an n-gram is a slice of bytes, and
one whose first or last 15 bytes start or end at no other word is unique. Those left (an eighth, on 29 languages of
software documentation) are looked up by a hash of their bytes that two sums give, whatever their length.
25 to 30 ns a word, most of it in texts that do repeat.
"""

from __future__ import annotations

import numpy as np

from rules.decode import load_eight
from rules.hash_sets import SIZE_STEP, find_slot, first_slot, slot_bits, start_hash
from rules.kernels import inlined, kernel, unowned

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
EVEN_BYTES, EVEN_PAIRS, LOW_HALF = (np.uint64(n) for n in (0x00FF00FF00FF00FF, 0x0000FFFF0000FFFF, 0xFFFFFFFF))


@kernel
def ngram_scratch(words):
    """Room for `count_ngrams` of a document of `words` words: hash tables, then lists."""
    bits = slot_bits(words)
    keys, firsts, seen = np.empty(1 << bits, np.uint64), np.empty(1 << bits, np.uint32), np.empty(4 << bits, np.uint8)
    slots, marks = np.empty((2, words + 1), np.uint32), np.empty((2, words + 1), np.uint8)
    return keys, firsts, seen, slots, marks, np.empty(words + 1, np.uint32), np.empty(words + 1, np.uint32)


@kernel
def count_ngrams(words, found, scratch, out):
    """Fill `out` (int64 [NGRAM_COUNTS]) for the `found` words of a text, `words`: hashes, sums, ends, ends, bytes."""
    if found >= TOP_SIZES[0]:
        count_all_top_ngrams(words, found, scratch, out)
    if found >= DUPLICATE_SIZES[0]:
        count_all_duplicates(words, found, scratch, out)


@kernel
def count_all_top_ngrams(words, found, scratch, out):
    """Fill the first three of `out`."""
    hashes, char_ends, out, firsts = unowned(words[0]), unowned(words[3]), unowned(out), unowned(scratch[1])
    seen, slots, marks, places = unowned(scratch[2]), unowned(scratch[3]), unowned(scratch[4]), unowned(scratch[5])
    counts, bits = unowned(scratch[6]), slot_bits(found) + 2
    for j in range(found - 1):
        slots[0, j] = first_slot(ngram_hash(hashes, j, 2), bits)
    mark_repeated(slots, 0, found - 1, bits, seen, marks)
    possible = 0
    for j in range(found - 1):
        places[np.uint64(possible)] = j
        possible += np.int64(marks[0, j])
    for k in range(len(TOP_SIZES)):
        n = k + TOP_SIZES[0]
        if found >= n:
            count, first = count_top_ngrams(hashes, n, places, possible, firsts, counts, marks, found)
            out[k] = count * (np.int64(char_ends[first + n]) - np.int64(char_ends[first]) + n - 1)
            possible = next_places(places, possible, marks, found - n)


@kernel
def count_all_duplicates(words, found, scratch, out):
    """Fill the last six of `out`."""
    sums, byte_ends, char_ends, joined = unowned(words[1]), unowned(words[2]), unowned(words[3]), unowned(words[4])
    keys, seen, slots, marks = unowned(scratch[0]), unowned(scratch[2]), unowned(scratch[3]), unowned(scratch[4])
    places, kept, out, bits = unowned(scratch[5]), unowned(scratch[6]), unowned(out), slot_bits(found) + 2
    for j in range(found + 1):
        position = np.int64(byte_ends[j]) + PADDING
        slots[0, j], slots[1, j] = window_slot(joined, position, bits), window_slot(joined, position - WINDOW, bits)
    for side in range(2):
        mark_repeated(slots, side, found + 1, bits, seen, marks)
    possible = collect_candidates(byte_ends, found, marks, places)
    for k in range(len(DUPLICATE_SIZES)):
        n = k + DUPLICATE_SIZES[0]
        left = keep_candidates(byte_ends, found, n, places, possible, marks, kept)
        out[len(TOP_SIZES) + k] = count_duplicates(sums, byte_ends, char_ends, n, kept, left, keys)


@inlined
def mark_repeated(slots, row, count, bits, seen, marks):
    """marks[row, j] = 1 for those of slots[row, :count] that occur more than once, without branches.

    Things that share a slot by chance are marked, too; what is not marked is unique.
    """
    seen[: 1 << bits] = 0
    for j in range(count):
        slot = np.uint64(slots[row, j])
        seen[slot] = seen[slot] << 1 | 1
    for j in range(count):
        marks[row, j] = seen[np.uint64(slots[row, j])] >> 1 & 1


# ---- top n-grams


@inlined
def ngram_hash(hashes, j, n):
    """The hash of the n words from word j."""
    state = hashes[np.uint64(j)]
    for k in range(1, n):
        state = state * SIZE_STEP + hashes[np.uint64(j + k)]
    return state ^ (state >> np.uint64(32))


@inlined
def same_words(hashes, i, j, n):
    """Are the n words from word i those from word j?"""
    for k in range(n):
        if hashes[np.uint64(i + k)] != hashes[np.uint64(j + k)]:
            return False
    return True


@inlined
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


@inlined
def next_places(places, possible, marks, following):
    """Keep of `places` those whose n-gram and the next one are marked, among the `following` first: how many."""
    kept = 0
    for k in range(possible):
        j = np.uint64(places[np.uint64(k)])
        places[np.uint64(kept)] = j
        kept += np.int64(marks[0, j] & marks[0, j + np.uint64(1)]) & np.int64(np.int64(j) < following)
    return kept


# ---- duplicated n-grams


@inlined
def window_slot(joined, begin, bits):
    """Where the WINDOW bytes from `begin` on are counted."""
    return first_slot(load_eight(joined, begin) * SIZE_STEP + load_eight(joined, begin + WINDOW - 8), bits)


@inlined
def collect_candidates(byte_ends, words, marks, candidates):
    """First words of n-grams that may be duplicated, whatever n: how many. `candidates` holds their numbers."""
    found, shortest = 0, DUPLICATE_SIZES[0]
    for j in range(words - shortest + 1):
        candidates[np.uint64(found)] = j
        found += np.int64(marks[0, j] != 0 or np.int64(byte_ends[j + shortest]) - np.int64(byte_ends[j]) < WINDOW)
    return found


@inlined
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


@inlined
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


# ---- sums: hashes of byte strings that compose
#
# The sum of bytes b is the sum of b[k] * BASE ** (number of bytes after it), modulo 2**64. It can be cut at any byte:
# sum(a + b) = sum(a) * BASE ** len(b) + sum(b). No byte of UTF-8 reaches BASE, so eight bytes have a sum of their own.


@inlined
def slice_hash(sums, j, after, size):
    """The hash of the `size` bytes of words j to after - 1, from the sums of all bytes before each word."""
    return (sums[after] - sums[j] * power_of_base(size)) ^ start_hash(size)


@inlined
def joined_sum(total, following, size):
    """The sum of two byte strings joined, given their sums and the `size` of the second."""
    return total * power_of_base(size) + following


@inlined
def power_of_base(exponent):
    """BASE ** exponent, modulo 2**64."""
    if exponent < POWERS.size:
        return POWERS[np.uint64(exponent)]
    return large_power(exponent)


@kernel
def large_power(exponent):
    """`power_of_base`, by squaring."""
    power, square = np.uint64(1), BASE
    while exponent:
        if exponent & 1:
            power *= square
        square *= square
        exponent >>= 1
    return power


@inlined
def bytes_sum(eight, size):
    """The sum of the first `size` (1 to 8) bytes of `eight`.

    Neighbours are added in pairs, pairs of pairs and so on: BASE < 2**8, SQUARE < 2**16 and FOURTH < 2**32 leave each
    the room it has.
    """
    pairs = eight << np.uint64(8 * (8 - size))
    pairs = (pairs & EVEN_BYTES) * BASE + (pairs >> np.uint64(8) & EVEN_BYTES)
    pairs = (pairs & EVEN_PAIRS) * SQUARE + (pairs >> np.uint64(16) & EVEN_PAIRS)
    return (pairs & LOW_HALF) * FOURTH + (pairs >> np.uint64(32))
