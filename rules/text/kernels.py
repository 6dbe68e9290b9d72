"""How kernels are compiled, and the arrays they take: one numba type for each, without an owner inside the hot loops.

numba counts references to each array that is passed to a function, atomically: 10 ns a call, more than most words take.
A kernel's loop over documents owns the arrays; the functions that it calls for each document begin with
`data = unowned(data)`, after which nothing is counted however often the array is passed on. Small functions are
`inlined`, so that dividing a kernel into them costs nothing at run time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeAlias, cast

import numpy as np
import pyarrow as pa
from llvmlite import ir
from numba import extending, njit, types
from numba.core.base import BaseContext
from numba.core.dispatcher import Dispatcher
from numba.core.typing.context import Context
from numba.core.typing.templates import Signature

from rules.text.buffers import string_buffers
from rules.text.compiled import Function, kernel

__all__ = ["Scratch", "element_pointer", "inlined", "int64", "intrinsic", "kernel", "kernel_bytes", "kernel_texts", "unowned"]

MOST_LOADED = 64  # bytes
INLINED: dict[str, Any] = {"nogil": True, "forceinline": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

if TYPE_CHECKING:
    int64: TypeAlias = int  # every int of a kernel is one of 64 bits
else:
    int64 = np.int64

Scratch: TypeAlias = tuple[np.ndarray, ...]  # arrays that a kernel makes once for all documents
Parameters = ParamSpec("Parameters")
Value: TypeAlias = Any  # of an intrinsic: a numba type where it is defined, a value of that type where it is called
Build: TypeAlias = Callable[[BaseContext, ir.IRBuilder, Signature, Sequence[ir.Value]], ir.Value]


def inlined(function: Function) -> Dispatcher[Function]:
    """`function` as a part of the kernels that use it."""
    compiled: Dispatcher[Function] = njit(**INLINED)(function)
    return compiled


def intrinsic(definition: Callable[Concatenate[Context, Parameters], tuple[Signature, Build] | None]) -> Callable[Parameters, Value]:
    """numba's `intrinsic`: a function of kernels whose instructions the `Build` writes that `definition` returns."""
    return cast(Callable[Parameters, Value], extending.intrinsic(definition))


def kernel_texts(texts: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (int64 [n + 1]) and bytes (uint8) of a string column, as `kernel_bytes` makes them."""
    return kernel_bytes(*string_buffers(texts))


def kernel_bytes(offsets: np.ndarray, data: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Read-only views, at least the 64 bytes long that a kernel loads at once (rules/text/masks.py).

    numba compiles a kernel once more for writable arrays, so all kernels get one kind."""
    if data.size < MOST_LOADED:
        data = np.concatenate([data, np.zeros(MOST_LOADED - data.size, np.uint8)])
    offsets, data = offsets.view(), data.view()
    offsets.flags.writeable = data.flags.writeable = False
    return offsets, data


@intrinsic
def unowned(typing_context: Context, array: Value) -> tuple[Signature, Build] | None:
    """The same array for a kernel to use while its caller holds it: without an owner whose references are counted.

    An array that the kernel itself made is to be `held` after that, or returned."""
    if not isinstance(array, types.Array):
        return None

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
        view = context.make_array(array)(context, builder, value=arguments[0])
        view.meminfo = ir.Constant(view.meminfo.type, None)
        return view._getvalue()

    return array(array), build


@intrinsic
def held(typing_context: Context, array: Value) -> tuple[Signature, Build] | None:
    """Nothing, at the end of a kernel: an array of its own that it worked on by `unowned` is freed here, and not where it was
    named for the last time, which may be before the work."""
    if not isinstance(array, types.Array):
        return None
    return types.none(array), lambda context, builder, signature, arguments: context.get_dummy_value()


def element_pointer(context: BaseContext, builder: ir.IRBuilder, array_type: types.Type, array: ir.Value, index: ir.Value) -> ir.Value:
    """LLVM's pointer to array[index], for intrinsics that load or store several elements at once."""
    return builder.gep(context.make_array(array_type)(context, builder, value=array).data, [index])
