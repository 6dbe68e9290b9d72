"""How kernels are compiled, and the arrays they take: one numba type for each, without an owner inside the hot loops.

numba counts references to each array that is passed to a function, atomically: 10 ns a call, more than most words take.
A kernel's loop over documents owns the arrays; the functions that it calls for each document begin with
`data = unowned(data)`, after which nothing is counted however often the array is passed on. Small functions are
`inlined`, so that dividing a kernel into them costs nothing at run time.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from rules.buffers import string_buffers
from rules.compiled import kernel

__all__ = ["element_pointer", "inlined", "kernel", "kernel_bytes", "kernel_texts", "unowned"]

MOST_LOADED = 64  # bytes

inlined = njit(nogil=True, forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)  # part of the kernels that use it


def kernel_texts(texts: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (int64 [n + 1]) and bytes (uint8) of a string column, as `kernel_bytes` makes them."""
    return kernel_bytes(*string_buffers(texts))


def kernel_bytes(offsets: np.ndarray, data: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Read-only views, at least the 64 bytes long that a kernel loads at once (rules/masks.py).

    numba compiles a kernel once more for writable arrays, so all kernels get one kind."""
    if data.size < MOST_LOADED:
        data = np.concatenate([data, np.zeros(MOST_LOADED - data.size, np.uint8)])
    offsets, data = offsets.view(), data.view()
    offsets.flags.writeable = data.flags.writeable = False
    return offsets, data


@intrinsic
def unowned(typing_context, array):
    """The same array for a kernel to use while its caller holds it: without an owner whose references are counted."""
    if not isinstance(array, types.Array):
        return None

    def build(context, builder, signature, arguments):
        view = context.make_array(array)(context, builder, value=arguments[0])
        view.meminfo = ir.Constant(view.meminfo.type, None)
        return view._getvalue()

    return array(array), build


def element_pointer(context, builder, array_type, array, index):
    """LLVM's pointer to array[index], for intrinsics that load or store several elements at once."""
    return builder.gep(context.make_array(array_type)(context, builder, value=array).data, [index])
