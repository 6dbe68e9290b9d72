"""What n-grams need of each word of a text: a hash, its bytes without the white space between words, and their sum.

Sums are hashes of byte strings that compose. The sum of bytes b is the sum of b[k] * BASE ** (number of bytes after it),
modulo 2**64. It can be cut at any byte: sum(a + b) = sum(a) * BASE ** len(b) + sum(b). No byte of UTF-8 reaches BASE, so
eight bytes have a sum of their own.
"""

from __future__ import annotations

import numpy as np

from rules.decode import load_eight, store_eight, text_at
from rules.hash_sets import absorb, start_hash
from rules.kernels import inlined, kernel, unowned

PADDING = 16  # bytes before and after the words in `joined`, so that a window may reach over either end
SHORT_BYTES = 16  # most words have no more: they are read and written in one go
BASE, SQUARE, FOURTH = np.uint64(251), np.uint64(251**2), np.uint64(251**4)
POWERS = np.array([pow(251, k, 1 << 64) for k in range(256)], np.uint64)
EVEN_BYTES, EVEN_PAIRS, LOW_HALF = (np.uint64(n) for n in (0x00FF00FF00FF00FF, 0x0000FFFF0000FFFF, 0xFFFFFFFF))


@kernel
def key_scratch(size):
    """Room for the words of a text of `size` bytes: hashes; sums of, and number of, all bytes before each; the bytes."""
    joined = np.empty(size + 2 * PADDING + SHORT_BYTES, np.uint8)
    joined[:PADDING] = 0
    return np.empty(size, np.uint64), np.empty(size + 1, np.uint64), np.empty(size + 1, np.uint32), joined


@kernel
def keep_words(data, begin, places, found, keys):
    """Fill `keys` for the `found` words of the text at `begin`, which are at `places`."""
    data, begins, ends = unowned(data), unowned(places[0]), unowned(places[1])
    hashes, sums, bytes_before, joined = unowned(keys[0]), unowned(keys[1]), unowned(keys[2]), unowned(keys[3])
    total, before = np.uint64(0), 0
    for k in range(found):
        word, i = np.uint64(k), begin + np.int64(begins[k])
        size = begin + np.int64(ends[word]) - i
        sums[word], bytes_before[word] = total, before
        if size <= SHORT_BYTES and i + SHORT_BYTES <= data.size:
            hashes[word], total = keep_short(data, i, size, joined, PADDING + before, total)
        else:
            hashes[word], total = keep_long(data, i, i + size, joined, PADDING + before, total)
        before += size
    sums[np.uint64(found)], bytes_before[np.uint64(found)] = total, before


@inlined
def keep_short(data, i, size, joined, position, total):
    """`keep_long` of a word of at most SHORT_BYTES, without a branch for its size; spoils up to 15 bytes after it."""
    low, high = load_eight(data, i), load_eight(data, i + 8)
    store_eight(joined, position, low)
    store_eight(joined, position + 8, high)
    low_size, high_size = min(size, 8), max(size - 8, 0)
    low <<= np.uint64(64 - 8 * low_size)
    half = np.uint64(32 - 4 * high_size)
    high = high << half << half  # in two steps: one by 64 bits is undefined
    total = total * POWERS[np.uint64(low_size)] + bytes_sum(low)
    total = total * POWERS[np.uint64(high_size)] + bytes_sum(high)
    return absorb(absorb(start_hash(size), low), high), total


@inlined
def keep_long(data, i, end, joined, position, total):
    """Copy data[i:end] to joined[position:], where up to seven bytes after it are spoilt; its hash, and the sum of it after
    bytes whose sum is `total`."""
    state, is_short = start_hash(end - i), end - i <= 8
    while i < end:
        eight, size = text_at(data, i, end), min(end - i, 8)
        store_eight(joined, position, eight)
        eight <<= np.uint64(64 - 8 * size)
        total = total * POWERS[np.uint64(size)] + bytes_sum(eight)
        state = absorb(state, eight)
        i += 8
        position += 8
    return absorb(state, np.uint64(0)) if is_short else state, total


@inlined
def slice_hash(sums, j, after, size):
    """The hash of the `size` bytes of words j to after - 1, from the sums of all bytes before each word."""
    return (sums[after] - sums[j] * power_of_base(size)) ^ start_hash(size)


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
def bytes_sum(eight):
    """The sum of the eight bytes; zeros before the first one change nothing.

    Neighbours are added in pairs, pairs of pairs and so on: BASE < 2**8, SQUARE < 2**16 and FOURTH < 2**32 leave each
    the room it has.
    """
    pairs = (eight & EVEN_BYTES) * BASE + (eight >> np.uint64(8) & EVEN_BYTES)
    pairs = (pairs & EVEN_PAIRS) * SQUARE + (pairs >> np.uint64(16) & EVEN_PAIRS)
    return (pairs & LOW_HALF) * FOURTH + (pairs >> np.uint64(32))
