"""How many characters, and how many of certain ASCII characters, bytes of UTF-8 hold, counted without decoding.

Loops over blocks of bytes that the compiler turns into vector instructions: 0.25 ns a byte in any script. A byte that
continues no character is not counted; that is right where the bytes are well formed, which the same loop checks. Where
they are not, characters are read one by one.
"""

from __future__ import annotations

import numpy as np

from rules.decode import characters_in
from rules.kernels import inlined, kernel, unowned

BLOCK_BYTES = 128  # counts of a block fit a byte
LINE_FEED, NUMBER_SIGN, CURLY_BRACKET = ord("\n"), ord("#"), ord("{")


@kernel
def count_bytes(data, begin, end):
    """Of data[begin:end]: characters (code points), line feeds, number signs, opening curly brackets."""
    data, counts, broken = unowned(data), (0, 0, 0, 0), np.uint8(0)
    i = min(begin + 3, end)  # from here on three bytes stand before each
    for j in range(begin, i):
        counts, broken = joined(counts, count_block(data, j, j + 1)), broken | breaks_at(data, j, begin, end)
    while end - i >= BLOCK_BYTES:
        counts, broken = joined(counts, count_block(data, i, i + BLOCK_BYTES)), broken | block_breaks(data, i, i + BLOCK_BYTES)
        i += BLOCK_BYTES
    counts, broken = joined(counts, count_block(data, i, end)), broken | block_breaks(data, i, end)
    for j in range(end, end + 3):
        broken |= breaks_at(data, j, begin, end)
    return (characters_in(data, begin, end) if broken else counts[0]), counts[1], counts[2], counts[3]


@inlined
def joined(counts, more):
    return counts[0] + more[0], counts[1] + more[1], counts[2] + more[2], counts[3] + more[3]


@inlined
def count_block(data, i, end):
    """Bytes of data[i:end], at most BLOCK_BYTES, that start a character, and the three that are looked for."""
    starts = feeds = signs = brackets = np.uint8(0)
    for j in range(np.uint64(i), np.uint64(end)):
        byte = data[j]
        starts = np.uint8(starts + np.uint8((byte & 0xC0) != 0x80))
        feeds = np.uint8(feeds + np.uint8(byte == LINE_FEED))
        signs = np.uint8(signs + np.uint8(byte == NUMBER_SIGN))
        brackets = np.uint8(brackets + np.uint8(byte == CURLY_BRACKET))
    return np.int64(starts), np.int64(feeds), np.int64(signs), np.int64(brackets)


@inlined
def block_breaks(data, i, end):
    """Is a byte of data[i:end] malformed where it stands? 1 or 0; three bytes of the text stand before it."""
    broken = np.uint8(0)
    for j in range(np.uint64(i), np.uint64(end)):
        broken = np.uint8(broken | breaks(data[j - np.uint64(3)], data[j - np.uint64(2)], data[j - np.uint64(1)], data[j]))
    return broken


@inlined
def breaks_at(data, j, begin, end):
    """Is the byte at j malformed where it stands in data[begin:end]? 1 or 0; outside stands ASCII."""
    third, second = byte_within(data, j - 3, begin, end), byte_within(data, j - 2, begin, end)
    return breaks(third, second, byte_within(data, j - 1, begin, end), byte_within(data, j, begin, end))


@inlined
def byte_within(data, j, begin, end):
    return data[np.uint64(j)] if begin <= j < end else np.uint8(0)


@inlined
def breaks(third, second, first, byte):
    """Is `byte` malformed after the bytes `third`, `second` and `first`? It continues a character if and only if one needs
    it, and not to an over-long form, a surrogate, or beyond U+10FFFF."""
    needed = (first >= 0xC0) | (second >= 0xE0) | (third >= 0xF0)
    broken = needed ^ ((byte & 0xC0) == 0x80)
    broken |= ((first == 0xE0) & (byte < 0xA0)) | ((first == 0xED) & (byte >= 0xA0))
    broken |= ((first == 0xF0) & (byte < 0x90)) | ((first == 0xF4) & (byte >= 0x90))
    return np.uint8(broken | (byte == 0xC0) | (byte == 0xC1) | (byte >= 0xF5))
