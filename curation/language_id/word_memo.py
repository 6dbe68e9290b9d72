"""A memo of words and the sums of their rows: every distinct word is computed once, from batch to batch.

An entry is 128 bytes, two lines of the processor's cache: the sum, how many rows went into it, and the word's bytes,
which are compared, so that a hash alone decides nothing. Words above MOST_BYTES hardly repeat and are not put in. A full
memo starts anew. Sums are the same whether they come from the memo or not, so results do not depend on what it holds.

Most of the price is waiting for memory, so words are looked up many at a time: all are hashed, all their slots are
loaded, and entries are asked for some words ahead of their use.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from curation.language_id.vectors import aligned_zeros, load_vector, store_vector
from rules.text.decode import load_eight, text_at
from rules.text.hash_sets import SEED, absorb, bytes_hash, start_hash
from rules.text.kernels import element_pointer, inlined

ENTRY_BITS = 17
PIECES = 16  # of eight bytes an entry: eight for the sum, one for sizes, seven for the word
SIZES, KEY = np.uint64(8), np.uint64(9)
MOST_BYTES, SHORT_BYTES = 56, 16
HALF, LOW_HALF, ONE = np.uint64(32), np.uint64(0xFFFFFFFF), np.uint64(1)


class WordMemo(NamedTuple):
    """The arrays of a memo; `pieces` and `numbers` are the same memory."""

    slots: np.ndarray  # uint64 [2 * entries]: upper half of the hash | number of an entry, from 1; zero where free
    pieces: np.ndarray  # uint64 [(entries + 1) * 16]
    numbers: np.ndarray  # float32 [(entries + 1) * 32]
    state: np.ndarray  # int64 [1]: how many entries there are


def empty_memo(entry_bits: int = ENTRY_BITS) -> WordMemo:
    pieces = aligned_zeros(((1 << entry_bits) + 1) * PIECES, np.uint64)
    return WordMemo(np.zeros(2 << entry_bits, np.uint64), pieces, pieces.view(np.float32), np.zeros(1, np.int64))


@inlined
def word_hash(data, i, end):
    """The hash of the word data[i:end] (not empty)."""
    size = end - i
    if size > SHORT_BYTES or i + SHORT_BYTES > data.size:
        return absorb(SEED, bytes_hash(data, i, end))
    low, high = short_word(data, i, size)
    return absorb(absorb(start_hash(size), low), high)


@inlined
def short_word(data, i, size):
    """The first 16 bytes at i, as two numbers, with zeros after `size` (1 to 16) of them; no branch."""
    low_bits, high_bits = np.uint64(8 * max(8 - size, 0)), np.uint64(4 * min(16 - size, 8))
    ones = np.uint64(0xFFFFFFFFFFFFFFFF)
    return load_eight(data, i) & ones >> low_bits, load_eight(data, i + 8) & ones >> high_bits >> high_bits


@inlined
def first_place(hashed, slots):
    """The slot where the search for a hash begins."""
    return (hashed >> np.uint64(16)) & np.uint64(slots.size - 1)


@inlined
def find_word(data, i, end, hashed, slots, pieces):
    """The entry of data[i:end], of at most MOST_BYTES: its number and slot; the number is 0 where it is not there."""
    last, slot = np.uint64(slots.size - 1), first_place(hashed, slots)
    while True:
        held = slots[slot]
        if held == np.uint64(0):
            return np.uint64(0), slot
        if (held ^ hashed) >> HALF == np.uint64(0) and is_word(data, i, end, pieces, (held & LOW_HALF) * np.uint64(PIECES)):
            return held & LOW_HALF, slot
        slot = (slot + ONE) & last


@inlined
def is_word(data, i, end, pieces, place):
    """Is data[i:end] the word of the entry at `place` (uint64)?"""
    size = end - i
    if pieces[place + SIZES] >> HALF != np.uint64(size):
        return False
    place += KEY
    if size <= SHORT_BYTES and i + SHORT_BYTES <= data.size:
        low, high = short_word(data, i, size)
        return (low ^ pieces[place]) | (high ^ pieces[place + ONE]) == np.uint64(0)
    while end - i > 8:
        if load_eight(data, i) != pieces[place]:
            return False
        i, place = i + 8, place + ONE
    return text_at(data, i, end) == pieces[place]


@inlined
def remember_word(data, i, end, hashed, slot, total, count, slots, pieces, numbers, state):
    """Put data[i:end] into the free `slot`, with the sum of its rows and their number."""
    if (state[0] + 2) * PIECES > pieces.size:
        slots[:] = 0
        state[0], slot = 0, first_place(hashed, slots)
    state[0] += 1
    place = np.uint64(state[0] * PIECES)
    slots[slot] = (hashed & ~LOW_HALF) | np.uint64(state[0])
    store_vector(total, numbers, place + place)
    pieces[place + SIZES] = np.uint64(count) | np.uint64(end - i) << HALF
    place += KEY
    pieces[place + ONE] = 0
    while end > i:
        pieces[place] = text_at(data, i, end)
        i, place = i + 8, place + ONE


@inlined
def recall_word(entry, pieces, numbers):
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
