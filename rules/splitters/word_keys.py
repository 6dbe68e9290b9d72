"""What n-grams need of the words of a text: a hash of each, their bytes without the white space between words, and sums.

Sums are hashes of byte strings that compose. The sum of bytes b is the sum of b[k] * BASE ** (number of bytes after it),
modulo 2**64. It can be cut at any byte: sum(a + b) = sum(a) * BASE ** len(b) + sum(b). No byte of UTF-8 reaches BASE, so
eight bytes have a sum of their own. Only words of n-grams that may be duplicated need one.
"""

from __future__ import annotations

import numpy as np

from rules.text.decode import load_eight, store_eight, text_at
from rules.text.hash_sets import absorb, start_hash
from rules.text.kernels import Scratch, inlined, int64, kernel, unowned
from rules.text.masks import BLOCK, ONE, lowest_one, without_lowest

PADDING = 16  # bytes before and after the words in `joined`, so that a window may reach over either end
SHORT_BYTES = 16  # most words have no more: they are read and written in one go
BASE, SQUARE, FOURTH = np.uint64(251), np.uint64(251**2), np.uint64(251**4)
POWERS = np.array([pow(251, k, 1 << 64) for k in range(256)], np.uint64)
EVEN_BYTES, EVEN_PAIRS, LOW_HALF = (np.uint64(n) for n in (0x00FF00FF00FF00FF, 0x0000FFFF0000FFFF, 0xFFFFFFFF))


@kernel
def key_scratch(size: int) -> Scratch:
    """Room for the words of a text of `size` bytes: hashes; sums of, and number of, all bytes before each; the bytes."""
    joined = np.empty(size + 2 * PADDING + SHORT_BYTES, np.uint8)
    joined[:PADDING] = 0
    return np.empty(size, np.uint64), np.empty(size + 1, np.uint64), np.empty(size + 1, np.uint32), joined


@kernel
def keep_words(data: np.ndarray, begin: int, places: Scratch, found: int, keys: Scratch) -> None:
    """Fill `keys`, but for the sums, for the `found` words of the text at `begin`, which are at `places`."""
    data, begins, ends = unowned(data), unowned(places[0]), unowned(places[1])
    hashes, bytes_before, joined, before = unowned(keys[0]), unowned(keys[2]), unowned(keys[3]), 0
    for k in range(found):
        word, i = np.uint64(k), begin + int64(begins[k])
        size = begin + int64(ends[word]) - i
        bytes_before[word] = before
        if size <= SHORT_BYTES and i + SHORT_BYTES <= data.size:
            hashes[word] = keep_short(data, i, size, joined, PADDING + before)
        else:
            hashes[word] = keep_long(data, i, i + size, joined, PADDING + before)
        before += size
    bytes_before[np.uint64(found)] = before


@inlined
def keep_short(data: np.ndarray, i: int, size: int, joined: np.ndarray, position: int) -> np.uint64:
    """`keep_long` of a word of at most SHORT_BYTES, without a branch for its size; spoils up to 15 bytes after it."""
    low, high = load_eight(data, i), load_eight(data, i + 8)
    store_eight(joined, position, low)
    store_eight(joined, position + 8, high)
    low, high = last_bytes(low, min(size, 8)), last_bytes(high, max(size - 8, 0))
    return absorb(absorb(start_hash(size), low), high)


@inlined
def keep_long(data: np.ndarray, i: int, end: int, joined: np.ndarray, position: int) -> np.uint64:
    """Copy data[i:end] to joined[position:], where up to seven bytes after it are spoilt: its hash."""
    state, is_short = start_hash(end - i), end - i <= 8
    while i < end:
        eight, size = text_at(data, i, end), min(end - i, 8)
        store_eight(joined, position, eight)
        state = absorb(state, last_bytes(eight, size))
        i += 8
        position += 8
    return absorb(state, np.uint64(0)) if is_short else state


@inlined
def last_bytes(eight: np.uint64, size: int) -> np.uint64:
    """The first `size` (0 to 8) bytes of `eight` as the last ones, after zeros."""
    half = np.uint64(32 - 4 * size)
    return eight << half << half  # in two steps: one by 64 bits is undefined


@inlined
def fill_sums(bytes_before: np.ndarray, joined: np.ndarray, found: int, wanted: np.ndarray, sums: np.ndarray) -> None:
    """The sums of all bytes before each word and after it, for the words whose bits are set in `wanted`; a sum leaves out
    what comes before the last word that is not wanted."""
    total = np.uint64(0)
    for block in range((found + BLOCK - 1) // BLOCK):
        left = wanted[np.uint64(block)]
        while left:
            word = np.uint64(BLOCK * block + lowest_one(left))
            left = without_lowest(left)
            sums[word] = total
            i, end = int64(bytes_before[word]), int64(bytes_before[word + ONE])
            total = sum_through(joined, PADDING + i, min(end - i, SHORT_BYTES), total)
            while end - i > SHORT_BYTES:
                i += SHORT_BYTES
                total = sum_through(joined, PADDING + i, min(end - i, SHORT_BYTES), total)
            sums[word + ONE] = total


@inlined
def sum_through(joined: np.ndarray, position: int, size: int, total: np.uint64) -> np.uint64:
    """The sum of the `size` bytes (at most SHORT_BYTES) at `position` after bytes whose sum is `total`, without a branch."""
    low_size, high_size = min(size, 8), max(size - 8, 0)
    low = bytes_sum(last_bytes(load_eight(joined, position), low_size)) * POWERS[np.uint64(high_size)]
    return total * POWERS[np.uint64(size)] + (low + bytes_sum(last_bytes(load_eight(joined, position + 8), high_size)))


@inlined
def slice_hash(sums: np.ndarray, j: np.uint64, after: np.uint64, size: int) -> np.uint64:
    """The hash of the `size` bytes of words j to after - 1, from the sums of all bytes before each word."""
    return (sums[after] - sums[j] * power_of_base(size)) ^ start_hash(size)


@inlined
def power_of_base(exponent: int) -> np.uint64:
    """BASE ** exponent, modulo 2**64."""
    if exponent < POWERS.size:
        return POWERS[np.uint64(exponent)]
    return large_power(exponent)


@kernel
def large_power(exponent: int) -> np.uint64:
    """`power_of_base`, by squaring."""
    power, square = np.uint64(1), BASE
    while exponent:
        if exponent & 1:
            power *= square
        square *= square
        exponent >>= 1
    return power


@inlined
def bytes_sum(eight: np.uint64) -> np.uint64:
    """The sum of the eight bytes; zeros before the first one change nothing.

    Neighbours are added in pairs, pairs of pairs and so on: BASE < 2**8, SQUARE < 2**16 and FOURTH < 2**32 leave each
    the room it has.
    """
    pairs = (eight & EVEN_BYTES) * BASE + (eight >> np.uint64(8) & EVEN_BYTES)
    pairs = (pairs & EVEN_PAIRS) * SQUARE + (pairs >> np.uint64(16) & EVEN_PAIRS)
    return (pairs & LOW_HALF) * FOURTH + (pairs >> np.uint64(32))
