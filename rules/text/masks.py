"""Sixty-four bytes of text at a time: one bit for each byte, set where the byte is of some kind.

A `Block` is a vector of the processor, loaded by `block_at`; comparing it gives a mask, a uint64 whose bit k says
something of byte k. Words, lines and marks are then found with shifts, sums and counts of bits, 64 bytes an instruction or
two. The vectors are LLVM's own, which makes of them what the processor has: AVX-512, AVX2, SSE2 or Neon.

No load reaches past the bytes that are there, and no mask past the end of a text: what a block has beyond it is zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.base import BaseContext
from numba.core.datamodel.manager import DataModelManager
from numba.core.typing.context import Context
from numba.core.typing.templates import Signature
from numba.extending import models, register_model

from rules.text.kernels import Build, Value, element_pointer, inlined, intrinsic

BLOCK = 64
ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
NONE, ONE, TWO, LAST = np.uint64(0), np.uint64(1), np.uint64(2), np.uint64(63)

I1, I8, I64 = ir.IntType(1), ir.IntType(8), ir.IntType(64)
BYTES = ir.VectorType(I8, BLOCK)
FLAGS = ir.VectorType(I1, BLOCK)


class Block(types.Type):
    """Sixty-four bytes; lives in kernels only."""

    def __init__(self) -> None:
        super().__init__(name="Block")


block_type = Block()


@register_model(Block)
class _BlockModel(models.PrimitiveModel):
    def __init__(self, manager: DataModelManager, front_end_type: types.Type) -> None:
        super().__init__(manager, front_end_type, BYTES)


# ---- loading


@inlined
def block_at(data: np.ndarray, i: int, end: int) -> Block:
    """data[i:end], at most 64 bytes, and zeros after them (i may be `end` or beyond)."""
    if end - i >= BLOCK:
        return load_block(data, np.uint64(i))
    return partial_block(data, i, end)


@inlined
def partial_block(data: np.ndarray, i: int, end: int) -> Block:
    """`block_at` for the end of a text."""
    size = max(end - i, 0)
    if size > 0 and i + BLOCK <= data.size:
        return first_bytes(load_block(data, np.uint64(i)), size)
    return copy_block(data, np.uint64(i), np.uint64(size))


@intrinsic
def load_block(typing_context: Context, data: Value, i: Value) -> tuple[Signature, Build]:
    """data[i:i + 64] (uint8), all of it there; i is a uint64."""

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
        pointer = element_pointer(context, builder, signature.args[0], *arguments)
        return builder.load(builder.bitcast(pointer, BYTES.as_pointer()), align=1)

    return block_type(data, types.uint64), build


@intrinsic
def copy_block(typing_context: Context, data: Value, i: Value, size: Value) -> tuple[Signature, Build]:
    """data[i:i + size] and zeros after it, byte by byte (size is at most 64); both are uint64."""

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
        room = cgutils.alloca_once(builder, BYTES)
        builder.store(ir.Constant(BYTES, None), room)
        source, target = element_pointer(context, builder, signature.args[0], *arguments[:2]), builder.bitcast(room, I8.as_pointer())
        with cgutils.for_range(builder, arguments[2], intp=I64) as loop:
            builder.store(builder.load(builder.gep(source, [loop.index])), builder.gep(target, [loop.index]))
        return builder.load(room)

    return block_type(data, types.uint64, types.uint64), build


@intrinsic
def store_block(typing_context: Context, block: Value, data: Value, i: Value) -> tuple[Signature, Build]:
    """data[i:i + 64] (uint8), for all of which there is room, becomes the block; i is a uint64."""

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
        pointer = element_pointer(context, builder, signature.args[1], *arguments[1:])
        builder.store(arguments[0], builder.bitcast(pointer, BYTES.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(block_type, data, types.uint64), build


@intrinsic
def kept_bytes(typing_context: Context, block: Value, mask: Value) -> tuple[Signature, Build]:
    """The block with zeros where `mask` (uint64) has none."""

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
        return builder.select(builder.bitcast(arguments[1], FLAGS), arguments[0], ir.Constant(BYTES, None))

    return block_type(block_type, types.uint64), build


@inlined
def first_bytes(block: Block, size: int) -> Block:
    """The block with zeros after its first `size` (1 to 64) bytes."""
    return kept_bytes(block, first_bits(size))


# ---- masks by comparison


def _comparison(build_flags: Callable[[ir.IRBuilder, ir.Value, ir.Value], ir.Value]) -> Callable[[Value, Value], Value]:
    """An intrinsic (block, byte) -> mask, whose bits `build_flags(builder, block, byte in all 64 places)` gives."""

    def typed(typing_context: Context, block: Value, byte: Value) -> tuple[Signature, Build]:
        def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
            return builder.bitcast(build_flags(builder, arguments[0], _everywhere(builder, arguments[1])), I64)

        return types.uint64(block_type, types.uint8), build

    return intrinsic(typed)


def _everywhere(builder: ir.IRBuilder, byte: ir.Value) -> ir.Value:
    """A vector of 64 times the same byte."""
    if isinstance(byte, ir.Constant):
        return ir.Constant(BYTES, [byte.constant] * BLOCK)
    single = builder.insert_element(ir.Constant(BYTES, ir.Undefined), byte, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(single, ir.Constant(BYTES, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), BLOCK), None))


equal_mask = _comparison(lambda builder, block, byte: builder.icmp_unsigned("==", block, byte))
at_least_mask = _comparison(lambda builder, block, byte: builder.icmp_unsigned(">=", block, byte))
at_most_mask = _comparison(lambda builder, block, byte: builder.icmp_unsigned("<=", block, byte))


@intrinsic
def equal_bytes_mask(typing_context: Context, block: Value, other: Value) -> tuple[Signature, Build]:
    """Where two blocks have the same byte."""

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
        return builder.bitcast(builder.icmp_unsigned("==", *arguments), I64)

    return types.uint64(block_type, block_type), build


@intrinsic
def less_bytes(typing_context: Context, block: Value, byte: Value) -> tuple[Signature, Build]:
    """The block with `byte` taken from each of its bytes, modulo 256."""

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
        return builder.sub(arguments[0], _everywhere(builder, arguments[1]))

    return block_type(block_type, types.uint8), build


@intrinsic
def with_bits(typing_context: Context, block: Value, bits: Value) -> tuple[Signature, Build]:
    """The block with the `bits` set in each of its bytes."""

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
        return builder.or_(arguments[0], _everywhere(builder, arguments[1]))

    return block_type(block_type, types.uint8), build


@inlined
def between_mask(block: Block, low: int, high: int) -> np.uint64:
    """Bytes from `low` to `high`, both included."""
    return at_most_mask(less_bytes(block, low), np.uint8(high - low))


# ---- masks by kind


@inlined
def white_mask(block: Block) -> np.uint64:
    """ASCII white space: tab to carriage return, file separator to space."""
    return between_mask(block, 9, 13) | between_mask(block, 28, 32)


@inlined
def letter_mask(block: Block) -> np.uint64:
    """ASCII letters."""
    return between_mask(with_bits(block, 0x20), 97, 122)


@inlined
def digit_mask(block: Block) -> np.uint64:
    """ASCII digits."""
    return between_mask(block, 48, 57)


@inlined
def high_mask(block: Block) -> np.uint64:
    """Bytes of characters outside ASCII."""
    return at_least_mask(block, 0x80)


@inlined
def continuation_mask(block: Block) -> np.uint64:
    """UTF-8 continuation bytes, 80 to BF."""
    return between_mask(block, 0x80, 0xBF)


@inlined
def wide_white_masks(data: np.ndarray, i: int, end: int, block: Block) -> tuple[np.uint64, np.uint64]:
    """Where white space outside ASCII starts in block_at(data, i, end): that of two bytes, and that of three.

    Malformed or not: the bytes that start such a character continue none."""
    second, third = block_at(data, i + 1, end), block_at(data, i + 2, end)
    two = equal_mask(block, 0xC2) & (equal_mask(second, 0x85) | equal_mask(second, 0xA0))
    on_80 = equal_mask(second, 0x80)
    separators = between_mask(third, 0x80, 0x8A) | between_mask(third, 0xA8, 0xA9) | equal_mask(third, 0xAF)
    three = equal_mask(block, 0xE2) & (on_80 & separators | equal_mask(second, 0x81) & equal_mask(third, 0x9F))
    three |= equal_mask(third, 0x80) & (equal_mask(block, 0xE3) & on_80 | equal_mask(block, 0xE1) & equal_mask(second, 0x9A))
    return two, three


@inlined
def may_be_wide_white(block: Block) -> np.uint64:
    """Bytes that white space outside ASCII may start with: C2, E1, E2, E3."""
    return equal_mask(block, 0xC2) | between_mask(block, 0xE1, 0xE3)


# ---- bits


@intrinsic
def ones_in(typing_context: Context, mask: Value) -> tuple[Signature, Build]:
    """How many bits are set, int64."""
    return types.int64(types.uint64), lambda context, builder, signature, arguments: builder.ctpop(arguments[0])


@intrinsic
def lowest_one(typing_context: Context, mask: Value) -> tuple[Signature, Build]:
    """The number of the lowest bit that is set, int64; 64 if none is."""
    return types.int64(types.uint64), lambda context, builder, signature, arguments: builder.cttz(arguments[0], ir.Constant(I1, 0))


@inlined
def first_bits(count: int) -> np.uint64:
    """The lowest `count` (1 to 64) bits."""
    return ALL >> np.uint64(BLOCK - count)


@inlined
def bits_below(k: int | np.uint64) -> np.uint64:
    """The bits below number k (0 to 63)."""
    return (ONE << np.uint64(k)) - ONE


@inlined
def bits_up_to(i: int, end: int) -> np.uint64:
    """The bits of block_at(data, i, end) that are bytes of the text."""
    return first_bits(min(end - i, BLOCK)) if i < end else NONE


@inlined
def push_ones(places: np.ndarray, filled: int, mask: np.uint64, first: int) -> int:
    """Write first + k to `places` from place `filled` on, for every bit k that is set, and spoil up to seven places after.

    Eight at a time: what a branch for each would cost is more than what is written in vain. How many bits there are."""
    ones = ones_in(mask)
    for done in range(0, ones, 8):
        for k in range(8):
            places[np.uint64(filled + done + k)] = first + lowest_one(mask)
            mask = without_lowest(mask)
    return ones


@inlined
def without_lowest(mask: np.uint64) -> np.uint64:
    """The mask without its lowest bit that is set."""
    return mask & (mask - ONE)
