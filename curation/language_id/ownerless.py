"""Several arrays at once without the owners whose references numba counts: tuples of them, and tuples in tuples.

A function that takes arrays in tuples counts references to each of them for every small function that it calls, even where
its caller had taken their owners away: it cannot know. `ownerless` at its begin says so. Without it a word that the memo
holds took 60 ns, and takes 20.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def ownerless(typing_context, value):
    """`value` with every array in it, however deep in tuples, as rules/text/kernels.py's `unowned` gives it."""

    def build(context, builder, signature, arguments):
        return _without_owners(context, builder, value, arguments[0])

    return value(value), build


def _without_owners(context: Any, builder: ir.IRBuilder, kind: types.Type, value: ir.Value) -> ir.Value:
    if isinstance(kind, types.BaseTuple):
        parts = cgutils.unpack_tuple(builder, value, len(kind))
        parts = [_without_owners(context, builder, part_kind, part) for part_kind, part in zip(kind, parts)]
        return context.make_tuple(builder, kind, parts)
    if isinstance(kind, types.Array):
        view = context.make_array(kind)(context, builder, value=value)
        view.meminfo = ir.Constant(view.meminfo.type, None)
        return view._getvalue()
    return value
