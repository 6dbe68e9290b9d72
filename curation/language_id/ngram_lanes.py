"""The buckets of all n-grams of a short word: sixteen n-grams at a time, one of each of the characters that begin one.

    planes   byte k of character c of the marked word at k * PLANE + c, and how many bytes it has at SIZES_PLANE * PLANE + c
    lanes    sixteen hashes, of n-grams that begin at sixteen characters; a step adds the next character to each

A word of eight letters has some 24 n-grams, whose hashes depend on each other only within one. Of words with characters
of more than one byte, a step takes what bytes a lane's character has.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

from rules.text.kernels import element_pointer, inlined
from rules.text.masks import block_at, high_mask, store_block

LANES = 16
MOST_BYTES = 56  # of a word
STARTS = 64  # more than a marked word has characters
PLANE = 2 * STARTS + LANES
MOST_CHARACTER = 4  # bytes; malformed text may have more
SIZES_PLANE = MOST_CHARACTER
PLANES_BYTES = (MOST_CHARACTER + 1) * PLANE
OPEN, CLOSE = np.uint8(ord("<")), np.uint8(ord(">"))
FNV_START, FNV_PRIME = np.uint32(2166136261), np.uint32(16777619)
NUMBERS = ir.VectorType(ir.IntType(32), LANES)
WIDE = ir.VectorType(ir.IntType(64), LANES)
BYTES = ir.VectorType(ir.IntType(8), LANES)


class Lanes(types.Type):
    """Sixteen uint32; lives in kernels only."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


lanes_type = Lanes()


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, front_end_type) -> None:
        super().__init__(manager, front_end_type, NUMBERS)


def _everywhere(kind: ir.VectorType, number: int) -> ir.Constant:
    return ir.Constant(kind, [int(number)] * LANES)


def _spread(builder: ir.IRBuilder, number: ir.Value, kind: ir.VectorType) -> ir.Value:
    """A vector of sixteen times the same number."""
    single = builder.insert_element(ir.Constant(kind, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(single, ir.Constant(kind, ir.Undefined), ir.Constant(NUMBERS, [0] * LANES))


def _sixteen_bytes(context, builder, kind: types.Type, array: ir.Value, place: ir.Value) -> ir.Value:
    pointer = element_pointer(context, builder, kind, array, place)
    return builder.load(builder.bitcast(pointer, BYTES.as_pointer()), align=1)


@intrinsic
def new_lanes(typing_context):
    """Sixteen hashes of nothing."""
    return lanes_type(), lambda context, builder, signature, arguments: _everywhere(NUMBERS, FNV_START)


@intrinsic
def stepped(typing_context, lanes, data, place):
    """One byte of FNV-1a in each lane, from data[place:place + 16] (uint8; place is a uint64); fastText takes bytes as signed."""

    def build(context, builder, signature, arguments):
        numbers = builder.sext(_sixteen_bytes(context, builder, signature.args[1], *arguments[1:]), NUMBERS)
        return builder.mul(builder.xor(arguments[0], numbers), _everywhere(NUMBERS, FNV_PRIME))

    return lanes_type(lanes_type, data, types.uint64), build


@intrinsic
def chosen(typing_context, lanes, others, data, place, least):
    """`lanes` where data[place:place + 16] (uint8; place is a uint64) is `least` (uint8) or more, elsewhere the `others`."""

    def build(context, builder, signature, arguments):
        numbers = _sixteen_bytes(context, builder, signature.args[2], *arguments[2:4])
        return builder.select(builder.icmp_unsigned(">=", numbers, _spread(builder, arguments[4], BYTES)), *arguments[:2])

    return lanes_type(lanes_type, lanes_type, data, types.uint64, types.uint8), build


@intrinsic
def store_remainders(typing_context, lanes, divisor, inverse, to, place):
    """to[place:place + 16] (uint32) becomes the lanes modulo `divisor` (uint32): Lemire et al. 2019, with `inverse` (uint64)
    2**64 / divisor, rounded up."""

    def build(context, builder, signature, arguments):
        lanes, divisor, inverse, to, place = arguments
        low = builder.mul(_spread(builder, inverse, WIDE), builder.zext(lanes, WIDE))
        divisor, half = _spread(builder, builder.zext(divisor, ir.IntType(64)), WIDE), _everywhere(WIDE, 32)
        carried = builder.lshr(builder.mul(builder.and_(low, _everywhere(WIDE, 0xFFFFFFFF)), divisor), half)
        product = builder.lshr(builder.add(builder.mul(builder.lshr(low, half), divisor), carried), half)
        pointer = element_pointer(context, builder, signature.args[3], to, place)
        builder.store(builder.trunc(product, NUMBERS), builder.bitcast(pointer, NUMBERS.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(lanes_type, types.uint32, types.uint64, to, types.uint64), build


@inlined
def spread_characters(data, i, end, planes):
    """Write the characters of the marked word `<` data[i:end] `>`, of at most MOST_BYTES, to `planes`: how many they are, and
    the bytes of the longest; characters of more than MOST_CHARACTER bytes are not written."""
    block = block_at(data, i, end)
    planes[0] = OPEN
    store_block(block, planes, np.uint64(1))
    planes[np.uint64(end - i + 1)] = CLOSE
    if high_mask(block) == np.uint64(0):
        return end - i + 2, 1
    return spread_wide(end - i + 2, planes)


@inlined
def spread_wide(size, planes):
    """The first `size` bytes of `planes` as characters, in place: no character is written to before it is read."""
    count, longest, held = 0, 1, 0  # bytes of the character before
    for k in range(size):
        byte = planes[np.uint64(k)]
        if byte & np.uint8(0xC0) == np.uint8(0x80):
            if held < MOST_CHARACTER:
                planes[np.uint64(held * PLANE + count - 1)] = byte
            held += 1
        else:
            planes[np.uint64(count)] = byte
            count, held = count + 1, 1
        planes[np.uint64(SIZES_PLANE * PLANE + count - 1)] = held
        longest = max(longest, held)
    return count, longest


@inlined
def add_character(lanes, planes, place, longest):
    """Add the character at `place` to the first lane, the next to the next, and so on; the longest has `longest` bytes."""
    lanes = stepped(lanes, planes, np.uint64(place))
    for k in range(1, longest):
        more = stepped(lanes, planes, np.uint64(k * PLANE + place))
        lanes = chosen(more, lanes, planes, np.uint64(SIZES_PLANE * PLANE + place), np.uint8(k + 1))
    return lanes


@inlined
def write_buckets(planes, count, longest, shape, buckets):
    """Fill `buckets` (uint32): at (n - least) * STARTS + c the bucket of the n-gram that begins at character c of `count`, or
    the number of buckets, which is none, where there is no such n-gram."""
    divisor, least, most = np.uint32(shape[0]), shape[1], shape[2]
    inverse = np.uint64(0xFFFFFFFFFFFFFFFF) // np.uint64(divisor) + np.uint64(1)
    for first in range(0, count, LANES):
        lanes = new_lanes()
        for n in range(1, most + 1):
            lanes = add_character(lanes, planes, first + n - 1, longest)
            if n >= least:
                store_remainders(lanes, divisor, inverse, buckets, np.uint64((n - least) * STARTS + first))
    for n in range(least, most + 1):
        for c in range(max(count - n + 1, 0), count):
            buckets[np.uint64((n - least) * STARTS + c)] = divisor
    if least == 1 and most > 0:  # a mark alone is no n-gram
        buckets[np.uint64(0)] = buckets[np.uint64(count - 1)] = divisor
