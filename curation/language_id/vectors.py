"""Vectors of sixteen float32 as kernels hold them: in a register of the processor, from one addition to the next.

LLVM makes of them one register of AVX-512, two of AVX2, four of SSE2 or Neon. A row of an array is loaded whole, so
arrays have sixteen columns; models with fewer numbers have zeros after them.
"""

from __future__ import annotations

import mmap

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from rules.text.kernels import element_pointer

NUMBERS = 16
LARGE_PAGE, FEW_BYTES = 2 << 20, 256 << 10  # bytes
LINE_BYTES = 128  # two lines of the processor's cache, which it fetches as a pair
VECTOR = ir.VectorType(ir.FloatType(), NUMBERS)


def aligned_zeros(count: int, kind: type) -> np.ndarray:
    """Zeros that begin where a line of the cache does, so that no vector lies on two; large ones in the system's large pages,
    where it has some to give: looking up the address of a small page costs as much as the memory behind it."""
    size = np.dtype(kind).itemsize * count
    memory, line = (np.zeros(size + LINE_BYTES, np.uint8), LINE_BYTES) if size < FEW_BYTES else (_large_pages(size + LARGE_PAGE), LARGE_PAGE)
    begin = -memory.ctypes.data % line
    return memory[begin : begin + size].view(kind)


def _large_pages(size: int) -> np.ndarray:
    try:
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        memory.madvise(mmap.MADV_HUGEPAGE)
    except (OSError, AttributeError):  # none to give, or a system without them
        return np.zeros(size, np.uint8)
    return np.frombuffer(memory, np.uint8)


class Vector(types.Type):
    """Sixteen float32; lives in kernels only."""

    def __init__(self) -> None:
        super().__init__(name="Vector")


vector_type = Vector()


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, front_end_type) -> None:
        super().__init__(manager, front_end_type, VECTOR)


@intrinsic
def no_vector(typing_context):
    """Sixteen zeros."""
    return vector_type(), lambda context, builder, signature, arguments: ir.Constant(VECTOR, None)


@intrinsic
def load_vector(typing_context, numbers, place):
    """numbers[place:place + 16] (float32, one dimension), all of it there; place is a uint64."""

    def build(context, builder, signature, arguments):
        pointer = element_pointer(context, builder, signature.args[0], *arguments)
        return builder.load(builder.bitcast(pointer, VECTOR.as_pointer()), align=4)

    return vector_type(numbers, types.uint64), build


@intrinsic
def store_vector(typing_context, vector, numbers, place):
    """numbers[place:place + 16] becomes the vector."""

    def build(context, builder, signature, arguments):
        pointer = element_pointer(context, builder, signature.args[1], *arguments[1:])
        builder.store(arguments[0], builder.bitcast(pointer, VECTOR.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(vector_type, numbers, types.uint64), build


@intrinsic
def add_vectors(typing_context, left, right):
    """The sums of two vectors' numbers."""
    return vector_type(vector_type, vector_type), lambda context, builder, signature, arguments: builder.fadd(*arguments)


@intrinsic
def scaled_vector(typing_context, vector, factor):
    """The vector times a number (float32)."""

    def build(context, builder, signature, arguments):
        return builder.fmul(arguments[0], _everywhere(builder, arguments[1]))

    return vector_type(vector_type, types.float32), build


@intrinsic
def dot_product(typing_context, left, right):
    """The sum of the products of two vectors' numbers, float32, added in order."""

    def build(context, builder, signature, arguments):
        products = builder.fmul(*arguments)
        total = ir.Constant(ir.FloatType(), 0.0)
        for place in range(NUMBERS):
            total = builder.fadd(total, builder.extract_element(products, ir.Constant(ir.IntType(32), place)))
        return total

    return types.float32(vector_type, vector_type), build


def _everywhere(builder, number) -> ir.Value:
    """A vector of sixteen times the same number."""
    single = cgutils.get_null_value(VECTOR)
    single = builder.insert_element(single, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(single, ir.Constant(VECTOR, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), NUMBERS), None))
