"""A memo of words and the sums of their rows: every distinct word is computed once, from batch to batch.

An entry is 128 bytes, two lines of the processor's cache: the sum, how many rows went into it, and the word's bytes,
which are compared, so that a hash alone decides nothing. Words above MOST_BYTES hardly repeat and are not put in. A word
may be in one of WAYS entries, and takes the place of one that was not seen for a while. Sums are the same whether they
come from the memo or not, so results do not depend on what it holds.

Most of the price is waiting for memory, so words are looked up many at a time (word_sums.py).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from curation.language_id.ngram_lanes import MOST_BYTES
from curation.language_id.vectors import aligned_zeros, load_vector, store_vector
from rules.text.decode import load_eight, text_at
from rules.text.hash_sets import SEED, absorb, bytes_hash, start_hash
from rules.text.kernels import element_pointer, inlined

ENTRY_BITS = 17
WAYS = 4  # entries that a word may be in
PIECES = 16  # of eight bytes an entry: eight for the sum, one for sizes, seven for the word
SIZES, KEY = np.uint64(8), np.uint64(9)
SHORT_BYTES = 16
HALF, LOW_HALF, ONE = np.uint64(32), np.uint64(0xFFFFFFFF), np.uint64(1)
USED, SEEN = np.uint64(1), np.uint64(2)  # bits of a slot
SPARE = 1024  # entries for words of which the memo has none: more than there are looked up together


class WordMemo(NamedTuple):
    """The arrays of a memo; `pieces` and `numbers` are the same memory."""

    slots: np.ndarray  # uint64 [entries]: upper half of the hash | SEEN | USED; zero where the entry is free
    pieces: np.ndarray  # uint64 [(entries + 1 + SPARE) * 16]; entry number `entries` is of no word
    numbers: np.ndarray  # float32 [(entries + 1 + SPARE) * 32]
    state: np.ndarray  # int64 [1]: how many words were put in


def empty_memo(entry_bits: int = ENTRY_BITS) -> WordMemo:
    pieces = aligned_zeros(((1 << entry_bits) + 1 + SPARE) * PIECES, np.uint64)
    return WordMemo(aligned_zeros(1 << entry_bits, np.uint64), pieces, pieces.view(np.float32), np.zeros(1, np.int64))


@inlined
def word_hash(data, i, end):
    """The hash of the word data[i:end] (not empty)."""
    size = end - i
    if size > SHORT_BYTES:
        return absorb(SEED, bytes_hash(data, i, end))
    low, high = short_word(data, i, size)
    return absorb(absorb(start_hash(size), low), high)


@inlined
def short_word(data, i, size):
    """The first 16 bytes at i, as two numbers, with zeros after `size` (1 to 16) of them; but for the last bytes no branch."""
    if i + SHORT_BYTES > data.size:
        return text_at(data, i, i + min(size, 8)), text_at(data, i + 8, i + size) if size > 8 else np.uint64(0)
    low_bits, high_bits = np.uint64(8 * max(8 - size, 0)), np.uint64(4 * min(16 - size, 8))
    ones = np.uint64(0xFFFFFFFFFFFFFFFF)
    return load_eight(data, i) & ones >> low_bits, load_eight(data, i + 8) & ones >> high_bits >> high_bits


@inlined
def first_way(hashed, slots):
    """The first of the entries that a word of this hash may be in."""
    return (hashed >> np.uint64(16)) & np.uint64(slots.size - WAYS)


@inlined
def entry_of(hashed, slots):
    """The entry of the words of this hash, the number of entries where there is none; whether the word is in it, `is_word` says."""
    first, wanted, entry = first_way(hashed, slots), (hashed & ~LOW_HALF) | SEEN | USED, np.uint64(slots.size)
    for way in range(WAYS):
        if slots[first + np.uint64(way)] | SEEN == wanted:
            entry = first + np.uint64(way)
    return entry


@inlined
def is_word(data, i, end, pieces, entry):
    """Is data[i:end] the word of the entry?"""
    size, place = end - i, entry * np.uint64(PIECES)
    if pieces[place + SIZES] >> HALF != np.uint64(size) or size > MOST_BYTES:
        return False
    place += KEY
    if size <= SHORT_BYTES:
        low, high = short_word(data, i, size)
        return (low ^ pieces[place]) | (high ^ pieces[place + ONE]) == np.uint64(0)
    while end - i > 8:
        if load_eight(data, i) != pieces[place]:
            return False
        i, place = i + 8, place + ONE
    return text_at(data, i, end) == pieces[place]


@inlined
def write_entry(data, i, end, total, count, entry, pieces, numbers):
    """Fill an entry with the word data[i:end], the sum of its rows and their number; of a word above MOST_BYTES without its bytes."""
    place = entry * np.uint64(PIECES)
    store_vector(total, numbers, place + place)
    pieces[place + SIZES] = np.uint64(count) | np.uint64(end - i) << HALF
    place += KEY
    pieces[place + ONE] = 0
    while end > i and end - i <= MOST_BYTES:
        pieces[place] = text_at(data, i, end)
        i, place = i + 8, place + ONE


@inlined
def remember(entry, hashed, slots, numbers, state):
    """Copy the entry, of a word of this hash, to where the word is looked for."""
    to = free_way(hashed, slots, state)
    slots[to] = (hashed & ~LOW_HALF) | USED
    for half in range(2):
        part = np.uint64(half * PIECES)
        store_vector(load_vector(numbers, entry * np.uint64(2 * PIECES) + part), numbers, to * np.uint64(2 * PIECES) + part)


@inlined
def free_way(hashed, slots, state):
    """The entry to put a word into: that of its hash, or one that was not seen since all its neighbours were."""
    entry = entry_of(hashed, slots)
    if entry < np.uint64(slots.size):
        return entry
    first, begin = first_way(hashed, slots), state[0]
    state[0] += 1
    for k in range(WAYS):
        entry = first + np.uint64((begin + k) % WAYS)
        if slots[entry] & SEEN == np.uint64(0):
            return entry
    for k in range(WAYS):
        slots[first + np.uint64(k)] &= ~SEEN
    return first + np.uint64(begin % WAYS)


@inlined
def recall(entry, pieces, numbers):
    """The sum of an entry's rows, and how many they are."""
    place = entry * np.uint64(PIECES)
    return load_vector(numbers, place + place), np.int64(pieces[place + SIZES] & LOW_HALF)


@intrinsic
def ask_for(typing_context, array, place):
    """Have the line of array[place] (uint64) fetched into the cache, without waiting for it."""

    def build(context, builder, signature, arguments):
        pointer = builder.bitcast(element_pointer(context, builder, signature.args[0], *arguments), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer(), number, number, number])
        fetch = builder.module.globals.get("llvm.prefetch.p0") or ir.Function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(fetch, [pointer, ir.Constant(number, 0), ir.Constant(number, 3), ir.Constant(number, 1)])
        return context.get_dummy_value()

    return types.void(array, types.uint64), build
