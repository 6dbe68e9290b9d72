"""What fastText adds up for a word: the row of the word itself, if the model knows it, and of each n-gram of `<word>`.

N-grams are of characters, found by hash: FNV-1a of their bytes modulo the number of buckets (Bojanowski et al. 2017,
"Enriching Word Vectors with Subword Information"). A pruned model has rows for few buckets, which are kept here in
order of bucket, so that a bitmap with counts says both whether there is a row and which (rank): 0.5 MB for two million
buckets, where a table of numbers would take 8 MB.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from curation.language_id.model_file import ModelFile
from curation.language_id.ngram_lanes import CLOSE, FNV_PRIME, FNV_START, OPEN
from curation.language_id.ownerless import ownerless
from curation.language_id.vectors import NUMBERS, add_vectors, aligned_zeros, load_vector, no_vector
from curation.language_id.word_memo import word_hash
from rules.text.decode import text_at
from rules.text.hash_sets import slot_bits
from rules.text.kernels import inlined, kernel
from rules.text.masks import bits_below, ones_in

SIGNED = np.uint32(0xFFFFFF00)  # fastText hashes bytes as signed numbers
END_OF_TEXT = b"</s>"
LABEL_PREFIX = b"__label__"
FREE = -1
ROOM = 1024  # buckets whose rows are added up together
SHORT = np.uint64(int.from_bytes(LABEL_PREFIX[:8], "little"))


class Rows(NamedTuple):
    """A model's rows and how to find them."""

    rows: np.ndarray  # float32 [(words + kept) * 16]: of words, then of n-grams in order of bucket
    ranks: np.ndarray  # uint64 [2, buckets / 64 + 1]: which buckets have a row, and how many have before each 64
    words: np.ndarray  # uint8: the words, one after the other, and zeros
    word_begins: np.ndarray  # int64 [words + 1]
    word_slots: np.ndarray  # int32 [2**bits]: a word by its hash, FREE for none
    shape: np.ndarray  # int64: buckets, least and most characters of an n-gram, how many words


def rows_of(model: ModelFile) -> Rows:
    """A model's rows, ready for kernels."""
    count, buckets = len(model.words), model.header.buckets
    kept = np.arange(buckets) if model.kept_buckets is None else model.kept_buckets[:, 0]
    rows = np.arange(buckets) if model.kept_buckets is None else model.kept_buckets[:, 1]
    order = np.argsort(kept, kind="stable")
    table = aligned_zeros((count + len(kept)) * NUMBERS, np.float32).reshape(-1, NUMBERS)
    table[:count, : model.header.numbers] = model.input[:count]
    table[count:, : model.header.numbers] = model.input[count + rows[order]]
    begins = np.concatenate([[0], np.cumsum([len(word) for word in model.words])]).astype(np.int64)
    words = np.frombuffer(b"".join(model.words) + bytes(64), np.uint8)
    slots = np.full(1 << slot_bits.py_func(max(count, 1)), FREE, np.int32)
    fill_word_slots(words, begins, slots)
    shape = np.array([buckets, max(model.header.least, 1), model.header.most, count], np.int64)
    return Rows(table.ravel(), _ranks(kept, buckets), words, begins, slots, shape)


def _ranks(kept: np.ndarray, buckets: int) -> np.ndarray:
    """Which buckets are `kept`, and how many of them come before each 64, uint64 [2, buckets / 64 + 1]."""
    bits = np.zeros((buckets // 64 + 1) * 64, bool)
    bits[kept] = True
    packed = np.packbits(bits, bitorder="little").view("<u8").astype(np.uint64)
    before = np.concatenate([[0], np.cumsum(bits.reshape(-1, 64).sum(1))[:-1]]).astype(np.uint64)
    ranks = aligned_zeros(2 * len(packed), np.uint64).reshape(2, -1)
    ranks[0], ranks[1] = packed, before
    return ranks


# ---- words


@kernel
def fill_word_slots(words, begins, slots):
    """Give each word a slot."""
    last = np.uint64(slots.size - 1)
    for word in range(begins.size - 1):
        if begins[word + 1] > begins[word]:
            slot = word_hash(words, begins[word], begins[word + 1]) >> np.uint64(16) & last
            while slots[slot] != FREE:
                slot = (slot + np.uint64(1)) & last
            slots[slot] = word


@inlined
def word_number(data, i, end, hashed, words, begins, slots):
    """Which word of the model data[i:end] is, or FREE; `hashed`: its word_hash."""
    last = np.uint64(slots.size - 1)
    slot = hashed >> np.uint64(16) & last
    while slots[slot] != FREE:
        word = np.int64(slots[slot])
        if begins[word + 1] - begins[word] == end - i and same_text(data, i, words, begins[word], end - i):
            return word
        slot = (slot + np.uint64(1)) & last
    return np.int64(FREE)


@inlined
def same_text(data, i, other, j, size):
    for k in range(size):
        if data[i + k] != other[j + k]:
            return False
    return True


@inlined
def is_passed_over(data, i, end):
    """What fastText takes for the end of the text, or for a label: neither is a word."""
    if end - i == 4:
        return data[i] == 60 and data[i + 1] == 47 and data[i + 2] == 115 and data[i + 3] == 62
    return end - i >= 9 and text_at(data, i, end) == SHORT and data[i + 8] == 95


# ---- n-grams


@inlined
def fnv_step(state, byte):
    """One byte (uint8) of FNV-1a as fastText has it."""
    wide = np.uint32(byte)
    if byte >= 128:
        wide |= SIGNED
    return np.uint32((state ^ wide) * FNV_PRIME)


@inlined
def is_continuation(byte):
    return byte & np.uint8(0xC0) == np.uint8(0x80)


@inlined
def mark(data, i, end, marked):
    """Write the word data[i:end] between its marks: how many bytes that is."""
    size = end - i + 2
    marked[0], marked[np.uint64(size - 1)] = OPEN, CLOSE
    for k in range(end - i):
        marked[np.uint64(k + 1)] = data[np.uint64(i + k)]
    return size


@inlined
def push_marked(data, i, end, marked, ranks, shape, found, filled):
    """Write the buckets that have rows, of the n-grams of the word data[i:end], to `found` from place `filled` on."""
    size = mark(data, i, end, marked)
    for start in range(size):
        filled = push_buckets(marked, start, size, ranks, shape, found, filled)
    return filled


@inlined
def add_rows(found, first, last, rows):
    """The sum of the rows whose numbers are found[first:last]."""
    total = no_vector()
    for k in range(first, last):
        total = add_vectors(total, load_vector(rows, found[np.uint64(k)] * np.uint64(NUMBERS)))
    return total


@kernel
def word_sum(data, i, end, scratch, model):
    """The sum (Vector) of all rows of the word data[i:end], and how many they are.

    `scratch`: uint8, at least 2 longer than the word, for the word between its marks; uint64 [ROOM + most], for buckets."""
    data, scratch, model = ownerless((data, scratch, model))
    rows, ranks, words, begins, slots, shape = model
    marked, _ = scratch
    if is_passed_over(data, i, end):
        return no_vector(), 0
    size = mark(data, i, end, marked)
    total, count = ngrams_sum(size, scratch, rows, ranks, shape)
    word = word_number(data, i, end, word_hash(data, i, end), words, begins, slots)
    if word != FREE:
        total, count = add_vectors(total, load_vector(rows, np.uint64(word * NUMBERS))), count + 1
    return total, count


@inlined
def ngrams_sum(size, scratch, rows, ranks, shape):
    """The sum of the rows of the n-grams of a marked word of `size` bytes, and how many they are."""
    marked, found = scratch
    total, count, filled, start = no_vector(), 0, 0, 0
    while start < size:
        filled = push_buckets(marked, start, size, ranks, shape, found, filled)
        start += 1
        if filled >= ROOM or start == size:
            total, count, filled = add_vectors(total, buckets_sum(found, filled, rows, ranks, shape)), count + filled, 0
    return total, count


@inlined
def push_buckets(marked, start, size, ranks, shape, found, filled):
    """Write the buckets that have rows, of the n-grams that begin at `start`, to `found` from place `filled` on.

    Each bucket is written, and the place kept where it has a row: a branch that cannot be foretold would cost more."""
    buckets, least, most = np.uint32(shape[0]), shape[1], shape[2]
    inverse = np.uint64(0xFFFFFFFFFFFFFFFF) // np.uint64(buckets) + np.uint64(1)
    if is_continuation(marked[np.uint64(start)]):
        return filled
    state, position, characters = FNV_START, start, 0
    while position < size and characters < most:
        state = fnv_step(state, marked[np.uint64(position)])
        position += 1
        while position < size and is_continuation(marked[np.uint64(position)]):
            state = fnv_step(state, marked[np.uint64(position)])
            position += 1
        characters += 1
        if characters >= least and not (characters == 1 and (start == 0 or position == size)):
            bucket = modulo(state, buckets, inverse)
            found[np.uint64(filled)] = bucket
            filled += has_row(bucket, ranks)
    return filled


@inlined
def buckets_sum(found, filled, rows, ranks, shape):
    """The sum of the rows of found[:filled]."""
    total = no_vector()
    for k in range(filled):
        row = shape[3] + rank_of(found[np.uint64(k)], ranks)
        total = add_vectors(total, load_vector(rows, np.uint64(row * NUMBERS)))
    return total


@inlined
def modulo(number, divisor, inverse):
    """number % divisor (uint32), where inverse is 2**64 / divisor, rounded up: Lemire et al. 2019, two products."""
    return upper_product(inverse * np.uint64(number), np.uint64(divisor))


@intrinsic
def upper_product(typing_context, left, right):
    """The upper half of the product of two uint64."""

    def build(context, builder, signature, arguments):
        wide = ir.IntType(128)
        product = builder.mul(*(builder.zext(argument, wide) for argument in arguments))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), build


@inlined
def has_row(bucket, ranks):
    """Whether a bucket (uint64) has a row: 0 or 1."""
    return np.int64(ranks[0, bucket >> np.uint64(6)] >> (bucket & np.uint64(63)) & np.uint64(1))


@inlined
def rank_of(bucket, ranks):
    """How many buckets before this one have a row."""
    block = bucket >> np.uint64(6)
    return np.int64(ranks[1, block]) + ones_in(ranks[0, block] & bits_below(bucket & np.uint64(63)))
