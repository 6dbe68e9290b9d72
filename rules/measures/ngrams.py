"""Characters in repeated word n-grams: the top 2- to 4-grams and the duplicated 5- to 10-grams of Gopher (table A1).

Definitions are datatrove's. The top n-gram is the one that occurs most often, of several the first; its characters are
those of its words and the single spaces between them, times its occurrences. A duplicated n-gram is found by a scan
from left to right: an n-gram seen before counts its characters and is skipped over, any other moves the scan one word.
Two n-grams are the same there if their words, written without spaces between them, are the same: "ab c" is "a bc".

Most n-grams are unique, and cheap passes without branches (repeats.py) set those aside first, for top n-grams
(top_ngrams.py) and for duplicated ones (below). The words of a document lie in `joined` without white space, so an n-gram
is a slice of bytes, and one whose first or last 15 bytes start or end at no other word is unique. Those left (an eighth,
on 29 languages of software documentation) are looked up by a hash of their bytes that two sums give, whatever their
length. 10 to 15 ns a word, most of it in texts that do repeat.
"""

from __future__ import annotations

import numpy as np

from rules.measures.top_ngrams import TIMES, TOP_SIZES, look_up_pairs, top_ngram
from rules.splitters.word_keys import PADDING, fill_sums, slice_hash
from rules.splitters.word_places import chars_between
from rules.text.decode import load_eight
from rules.text.hash_sets import SIZE_STEP, find_slot, first_slot, slot_bits
from rules.text.kernels import Scratch, inlined, int64, kernel, unowned
from rules.text.masks import BLOCK, NONE, ONE, lowest_one, ones_in, without_lowest
from rules.text.repeats import LEAST_BITS, look_up, note_slot, often_bits

DUPLICATE_SIZES = (5, 6, 7, 8, 9, 10)
NGRAM_COUNTS = {
    **{f"top_{n}_gram_chars": f"characters of the most frequent {n}-gram of words, times its occurrences" for n in TOP_SIZES},
    **{f"dup_{n}_gram_chars": f"characters in {n}-grams of words seen before, without overlap" for n in DUPLICATE_SIZES},
}

WINDOW = 15  # bytes: exactly five CJK words


@kernel
def ngram_scratch(words: int) -> Scratch:
    """Room for `count_ngrams` of a document of `words` words: a hash table and what marks slots, then lists, then bits."""
    bits, blocks = slot_bits(words), words // BLOCK + 3
    table, seen = np.empty(2 << bits, np.uint64), np.empty(1 << bits + LEAST_BITS, np.uint8)
    slots, places, marks = np.empty(words + BLOCK, np.uint32), np.empty(words + BLOCK, np.uint32), np.empty(words + BLOCK, np.uint8)
    return table, seen, slots, marks, places, np.empty((ROWS, blocks), np.uint64)


@kernel
def count_ngrams(places: Scratch, keys: Scratch, found: int, scratch: Scratch, out: np.ndarray) -> None:
    """Fill `out` (int64 [NGRAM_COUNTS]) for the `found` words of a text at `places`, with `keys` (word_keys.py)."""
    if found >= TOP_SIZES[0]:
        count_all_top_ngrams(places, keys, found, scratch, out)
    if found >= DUPLICATE_SIZES[0]:
        count_all_duplicates(places, keys, found, scratch, out)


@kernel
def count_all_top_ngrams(places: Scratch, keys: Scratch, found: int, scratch: Scratch, out: np.ndarray) -> None:
    """Fill the first three of `out`."""
    begins, ends, visible_chars, chars_before = unowned(places[0]), unowned(places[1]), unowned(places[2]), unowned(places[3])
    hashes, out, table, seen = unowned(keys[0]), unowned(out), unowned(scratch[0]), unowned(scratch[1])
    slots, marks, possible, bits = unowned(scratch[2]), unowned(scratch[3]), unowned(scratch[4]), unowned(scratch[5])
    look_up_pairs(hashes, found, seen, slots, marks)
    for k in range(len(TIMES)):
        often_bits(marks, found - 1, TIMES[k], bits[k])
    for k in range(len(TOP_SIZES)):
        n = k + TOP_SIZES[0]
        if found >= n:
            count, first = top_ngram(hashes, n, found, bits, possible, table, slots)
            out[k] = count * (chars_between(begins[first], ends[first + n - 1], visible_chars, chars_before) + n - 1)


# ---- duplicated n-grams

# Bits of words: one starts like another, (before it) another ends so, its n-grams have few bytes, it lies in an n-gram that
# may be duplicated; then, for each n, those that begin such an n-gram.
STARTS, STOPS, SHORT, NEEDED, FIRST_WANTED = range(5)
ROWS = FIRST_WANTED + len(DUPLICATE_SIZES)


@kernel
def count_all_duplicates(places: Scratch, keys: Scratch, found: int, scratch: Scratch, out: np.ndarray) -> None:
    """Fill the last six of `out`."""
    begins, ends, visible_chars, chars_before = unowned(places[0]), unowned(places[1]), unowned(places[2]), unowned(places[3])
    sums, bytes_before, joined, out = unowned(keys[1]), unowned(keys[2]), unowned(keys[3]), unowned(out)
    table, seen, slots, marks, bits = unowned(scratch[0]), unowned(scratch[1]), unowned(scratch[2]), unowned(scratch[3]), unowned(scratch[5])
    mark_windows(bytes_before, joined, 0, found, seen, slots, marks, bits[STARTS])
    mark_windows(bytes_before, joined, -WINDOW, found, seen, slots, marks, bits[STOPS])
    mark_short(bytes_before, found, bits[SHORT])
    bits[NEEDED, : found // BLOCK + 2] = 0
    for k in range(len(DUPLICATE_SIZES)):
        mark_candidates(bytes_before, found, k + DUPLICATE_SIZES[0], bits, bits[FIRST_WANTED + k])
    fill_sums(bytes_before, joined, found, bits[NEEDED], sums)
    for k in range(len(DUPLICATE_SIZES)):
        n, chars, free, wanted = k + DUPLICATE_SIZES[0], 0, 0, bits[FIRST_WANTED + k]
        left = all_ones(wanted, found // BLOCK + 1)
        set_bits = slot_bits(left)
        table[: 1 << set_bits] = 0
        for block in range(found // BLOCK + 1 if left > 1 else 0):
            firsts = wanted[np.uint64(block)]
            while firsts:
                j = np.uint64(BLOCK * block + lowest_one(firsts))
                firsts = without_lowest(firsts)
                if int64(j) >= free:
                    after = j + np.uint64(n)
                    key = slice_hash(sums, j, after, int64(bytes_before[after]) - int64(bytes_before[j]))
                    if find_slot(table, set_bits, key)[1]:
                        chars += chars_between(begins[j], ends[after - ONE], visible_chars, chars_before)
                        free = int64(after)
        out[len(TOP_SIZES) + k] = chars


@inlined
def all_ones(bits: np.ndarray, blocks: int) -> int:
    found = 0
    for block in range(blocks):
        found += ones_in(bits[np.uint64(block)])
    return found


@inlined
def mark_windows(
    bytes_before: np.ndarray, joined: np.ndarray, shift: int, found: int, seen: np.ndarray, slots: np.ndarray,
    marks: np.ndarray, repeated: np.ndarray,
) -> None:
    """The bits of those places before, between and after words whose window, WINDOW bytes from `shift` bytes after it on, is
    that of another place, too."""
    bits = slot_bits(found) + LEAST_BITS
    seen[: 1 << bits] = 0
    for j in range(found + 1):
        position = int64(bytes_before[np.uint64(j)]) + (PADDING + shift)
        window = load_eight(joined, position) * SIZE_STEP + load_eight(joined, position + WINDOW - 8)
        note_slot(first_slot(window, bits), j, seen, slots)
    look_up(slots, found + 1, seen, marks)
    often_bits(marks, found + 1, 2, repeated)


@inlined
def mark_short(bytes_before: np.ndarray, found: int, marks: np.ndarray) -> None:
    """The bits of the words whose shortest n-gram has fewer bytes than a window."""
    n = DUPLICATE_SIZES[0]
    for block in range(found // BLOCK + 2):
        mask, first = NONE, BLOCK * block
        for j in range(first, min(first + BLOCK, found - n + 1)):
            size = bytes_before[np.uint64(j + n)] - bytes_before[np.uint64(j)]
            mask |= np.uint64(size < WINDOW) << np.uint64(j - first)
        marks[np.uint64(block)] = mask


@inlined
def mark_candidates(bytes_before: np.ndarray, found: int, n: int, bits: np.ndarray, wanted: np.ndarray) -> None:
    """`wanted`: the bits of the words whose n-gram may be duplicated: it starts and ends like another, or is short. All its
    words are needed."""
    up, down = np.uint64(n), np.uint64(BLOCK - n)
    for k in range(found // BLOCK + 1):
        block = np.uint64(k)
        stops = bits[STOPS, block] >> up | bits[STOPS, block + ONE] << down
        short = bits[SHORT, block]
        if short and n > DUPLICATE_SIZES[0]:
            short = still_short(bytes_before, found, n, BLOCK * k, short)
            bits[SHORT, block] = short
        wanted[block] = bits[STARTS, block] & stops | short
        for shift in range(n):
            bits[NEEDED, block] |= wanted[block] << np.uint64(shift)
        for shift in range(1, n):
            bits[NEEDED, block + ONE] |= wanted[block] >> np.uint64(BLOCK - shift)


@inlined
def still_short(bytes_before: np.ndarray, found: int, n: int, first: int, short: np.uint64) -> np.uint64:
    """Those of the bits whose n-gram has fewer bytes than a window."""
    left, mask = short, NONE
    while left:
        j = first + lowest_one(left)
        if j + n <= found and bytes_before[np.uint64(j + n)] - bytes_before[np.uint64(j)] < WINDOW:
            mask |= left & (~left + ONE)
        left = without_lowest(left)
    return mask
