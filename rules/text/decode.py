"""UTF-8 text as kernels read it: eight bytes at a time, or one code point.

Malformed UTF-8 reads as U+FFFD, one for each byte that starts no character; no read goes past the end of a text, and no
code point past the end of a table. Positions are int64; they become uint64 where an array is indexed, so that numba
adds no check for negative numbers and the compiler makes one load of eight.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.base import BaseContext
from numba.core.typing.context import Context
from numba.core.typing.templates import Signature

from rules.text.characters import REPLACEMENT
from rules.text.kernels import Build, Value, element_pointer, inlined, int64, intrinsic

WORD = ir.IntType(64)

EVERY_BYTE = np.uint64(0x0101010101010101)
HIGH_BITS = np.uint64(0x8080808080808080)
LOW_BITS = np.uint64(0x7F7F7F7F7F7F7F7F)
CASE_BITS = np.uint64(0x2020202020202020)
ALL_BITS = np.uint64(0xFFFFFFFFFFFFFFFF)
CONTINUATION_BITS = np.uint64(0xC0C0C0C0C0C0C0C0)


def every_byte(number: int) -> np.uint64:
    """`number` (0 to 255) in each of the eight bytes."""
    return np.uint64(number * 0x0101010101010101)


FROM_LOWER_A, PAST_LOWER_Z = every_byte(128 - ord("a")), every_byte(127 - ord("z"))
FROM_ZERO, PAST_NINE = every_byte(128 - ord("0")), every_byte(127 - ord("9"))


# ---- eight bytes


@inlined
def load_eight(data: np.ndarray, position: int) -> np.uint64:
    """data[position:position + 8] as one little-endian uint64."""
    return load_word(data, np.uint64(position))


@inlined
def store_eight(data: np.ndarray, position: int, eight: np.uint64) -> None:
    """The inverse of `load_eight`."""
    store_word(data, np.uint64(position), eight)


def _little_endian(builder: ir.IRBuilder, eight: ir.Value) -> ir.Value:
    return builder.bswap(eight) if sys.byteorder == "big" else eight


@intrinsic
def load_word(typing_context: Context, data: Value, position: Value) -> tuple[Signature, Build]:
    """`load_eight`, as one load."""

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
        pointer = element_pointer(context, builder, signature.args[0], *arguments)
        return _little_endian(builder, builder.load(builder.bitcast(pointer, WORD.as_pointer()), align=1))

    return types.uint64(data, types.uint64), build


@intrinsic
def store_word(typing_context: Context, data: Value, position: Value, eight: Value) -> tuple[Signature, Build]:
    """`store_eight`, as one store."""

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
        pointer = element_pointer(context, builder, signature.args[0], *arguments[:2])
        builder.store(_little_endian(builder, arguments[2]), builder.bitcast(pointer, WORD.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.none(data, types.uint64, types.uint64), build


@inlined
def text_at(data: np.ndarray, i: int, end: int) -> np.uint64:
    """data[i:end] (not empty), at most eight bytes, as a little-endian uint64 padded with zeros; data holds eight."""
    start = min(i, data.size - 8)  # i, but for the last bytes of all
    return load_eight(data, start) >> np.uint64(8 * (i - start)) & ALL_BITS >> np.uint64(8 * (8 - min(end - i, 8)))


@inlined
def eight_at(data: np.ndarray, i: int, end: int) -> np.uint64:
    """`text_at` for scans, which mostly find eight bytes: a branch instead of arithmetic."""
    return load_eight(data, i) if end - i >= 8 else text_at(data, i, end)


@inlined
def equal_bytes(eight: np.uint64, pattern: np.uint64) -> np.uint64:
    """The high bit of every byte that equals that of `pattern`."""
    different = eight ^ pattern
    return ~(((different & LOW_BITS) + LOW_BITS) | different) & HIGH_BITS


@inlined
def letter_bytes(eight: np.uint64) -> np.uint64:
    """The high bit of every byte that is an ASCII letter."""
    lower = (eight & LOW_BITS) | CASE_BITS
    return (lower + FROM_LOWER_A) & ~(lower + PAST_LOWER_Z) & ~eight & HIGH_BITS


@inlined
def digit_bytes(eight: np.uint64) -> np.uint64:
    """The high bit of every byte that is an ASCII digit."""
    seven = eight & LOW_BITS
    return (seven + FROM_ZERO) & ~(seven + PAST_NINE) & ~eight & HIGH_BITS


@inlined
def bytes_before(marks: np.uint64) -> int:
    """How many bytes come before the lowest one whose high bit is set in `marks` (not zero, high bits only)."""
    below = ((marks & (~marks + np.uint64(1))) >> np.uint64(7)) - np.uint64(1)
    return int64(((below & EVERY_BYTE) * EVERY_BYTE) >> np.uint64(56))


# ---- one code point


@inlined
def are_continuations(eight: np.uint64, count: int) -> bool:
    """Are the `count` bytes after the first all UTF-8 continuation bytes (10xxxxxx)?"""
    after_first = (ALL_BITS >> np.uint64(64 - 8 * count)) << np.uint64(8)
    return eight & CONTINUATION_BITS & after_first == HIGH_BITS & after_first


@inlined
def six_bits(eight: np.uint64, k: int) -> int:
    return int64(eight >> np.uint64(8 * k) & np.uint64(0x3F))


@inlined
def code_point(eight: np.uint64) -> tuple[int, int]:
    """The code point (int64) that `eight` starts with and how many bytes it takes; U+FFFD and 1 where malformed.

    Malformed: stray or missing continuation bytes, over-long forms, surrogates, beyond U+10FFFF. The bytes after the
    end of the text must be zero, which continues nothing.
    """
    lead = int64(eight & np.uint64(0xFF))
    if lead < 0x80:
        return lead, 1
    if 0xC2 <= lead < 0xE0:
        if are_continuations(eight, 1):
            return (lead & 0x1F) << 6 | six_bits(eight, 1), 2
    elif 0xE0 <= lead < 0xF0:
        code = (lead & 0x0F) << 12 | six_bits(eight, 1) << 6 | six_bits(eight, 2)
        if are_continuations(eight, 2) and code >= 0x800 and code >> 11 != 0x1B:
            return code, 3
    elif 0xF0 <= lead < 0xF5:
        code = (lead & 0x07) << 18 | six_bits(eight, 1) << 12 | six_bits(eight, 2) << 6 | six_bits(eight, 3)
        if are_continuations(eight, 3) and 0x10000 <= code < 0x110000:
            return code, 4
    return int64(REPLACEMENT), 1


@inlined
def character_at(data: np.ndarray, i: int, end: int) -> tuple[int, int]:
    """The code point at data[i] (i < end) and its size in bytes."""
    first = data[np.uint64(i)]
    if first < 0x80:
        return int64(first), 1
    return code_point(text_at(data, i, end))


@inlined
def character_before(data: np.ndarray, begin: int, i: int) -> tuple[int, int]:
    """The code point that ends at i (begin < i) and its size in bytes."""
    for size in range(1, min(i - begin, 4) + 1):
        if data[np.uint64(i - size)] & 0xC0 != 0x80:
            code, taken = character_at(data, i - size, i)
            if taken == size:
                return code, size
            break
    return int64(REPLACEMENT), 1


@inlined
def characters_in(data: np.ndarray, i: int, end: int) -> int:
    """How many code points data[i:end] holds."""
    found = 0
    while i < end:
        eight = eight_at(data, i, end)
        high = eight & HIGH_BITS
        if high == np.uint64(0):
            size = min(end - i, 8)
            found += size
            i += size
        else:
            skipped = bytes_before(high)
            found += skipped + 1
            i += skipped
            i += character_at(data, i, end)[1]
    return found
