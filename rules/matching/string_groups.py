"""Where a short string may begin, told by four bytes at a time: 64 places in some forty instructions.

Strings are divided into eight groups. A byte that may stand at one of the first four places of a group's strings sets the
group's bit in two tables, one for the upper and one for the lower half of the byte; what both tables, at all four places,
have in common are the groups of which a string may begin there. This is the filter of Hyperscan's Teddy (Wang et al.,
NSDI 2019), which looks 16 halves up in one instruction. Groups are made so that few places of usual text are met: each
class of strings (two letters and two digits, say) is one at first; those that cost least are put together until eight are left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core.base import BaseContext
from numba.core.typing.context import Context
from numba.core.typing.templates import Signature

from rules.matching.pattern_literals import byte_chance, is_blurred
from rules.text.kernels import Build, Value, intrinsic

GROUPS, REACH = 8, 4  # groups, and bytes of a string that are looked at
LANES = 16  # places that one instruction looks at

_BYTE, _LANES = ir.IntType(8), ir.VectorType(ir.IntType(8), LANES)
_LOOKUPS = {"x86_64": "llvm.x86.ssse3.pshuf.b.128", "aarch64": "llvm.aarch64.neon.tbl1.v16i8", "arm64": "llvm.aarch64.neon.tbl1.v16i8"}


def group_tables(strings: Iterable[bytes]) -> np.ndarray:
    """For each place the lower and the upper halves of bytes: the groups that they allow (uint8 [REACH, 2, 16])."""
    groups = _joined(_classes(set(strings)))
    bits = np.uint8(1) << np.arange(len(groups), dtype=np.uint8)
    return (groups * bits[:, None, None, None]).sum(axis=0, dtype=np.uint8) if len(groups) else np.zeros((REACH, 2, LANES), np.uint8)


def _classes(strings: set[bytes]) -> np.ndarray:
    """The halves of bytes that each class of strings allows (bool [classes, REACH, 2, 16])."""
    classes: dict[bytes, set[bytes]] = {}
    for text in {text[:REACH] for text in strings}:
        kinds = text.translate(_KINDS)
        classes.setdefault(text[:1] + kinds if kinds.strip(b"a\x80") == b"" else kinds, set()).add(text)
    return np.array([_halves(texts) for _, texts in sorted(classes.items())])


def _kind(byte: int) -> int:
    if is_blurred(byte):
        return ord("a") if byte < 0x80 else 0x80
    return ord("0") if chr(byte).isdecimal() else byte


_KINDS = bytes(_kind(byte) for byte in range(256))
_CHANCES = np.array([byte_chance(byte) if byte < 0x80 else 0.002 for byte in range(256)])
_CHANCES[65:91] = _CHANCES[97:123] / 20
_CHANCES = (_CHANCES / _CHANCES.sum()).reshape(LANES, LANES)  # by the upper half of a byte and the lower


def _halves(texts: set[bytes]) -> np.ndarray:
    allowed = np.zeros((REACH, 2, LANES), bool)
    for text in texts:
        for place in range(REACH):
            for byte in _bytes_at(text, place):
                allowed[place, 0, byte & 15] = allowed[place, 1, byte >> 4] = True
    return allowed


def _bytes_at(text: bytes, place: int) -> Iterable[int]:
    """What may stand at a place of a blurred string: anything after its end."""
    if place >= len(text):
        return range(256)
    byte = text[place]
    return (byte, byte & ~0x20) if is_blurred(byte) else (byte,)


def _rates(groups: np.ndarray) -> np.ndarray:
    """About what share of places each group meets (float64 [groups])."""
    lower, upper = groups[:, :, 0].astype(float), groups[:, :, 1].astype(float)
    found: np.ndarray = ((upper @ _CHANCES) * lower).sum(axis=2).prod(axis=1)
    return found


def _joined(groups: np.ndarray) -> np.ndarray:
    """Not more than GROUPS: again and again the two whose union is met least beyond what they are met now."""
    rates = _rates(groups) if len(groups) else np.empty(0)
    costs = np.array([_costs(groups, rates, i) for i in range(len(groups))])
    while len(groups) > GROUPS:
        i, j = sorted(divmod(int(costs.argmin()), len(groups)))
        groups[i] |= groups[j]
        groups, rates, costs = np.delete(groups, j, 0), np.delete(rates, j), np.delete(np.delete(costs, j, 0), j, 1)
        rates[i] = _rates(groups[i : i + 1])[0]
        costs[i] = costs[:, i] = _costs(groups, rates, i)
    return groups


def _costs(groups: np.ndarray, rates: np.ndarray, i: int) -> np.ndarray:
    """What it costs to join each group with group i (float64 [groups])."""
    costs: np.ndarray = _rates(groups | groups[i]) - rates - rates[i]
    costs[i] = np.inf
    return costs


# ---- kernels


@intrinsic
def places_of_groups(typing_context: Context, data: Value, position: Value, tables: Value) -> tuple[Signature, Build]:
    """Bit k (of 64): a string of some group may begin at data[position + k]; data[position:position + 67] must be there."""

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
        text, halves = (context.make_array(kind)(context, builder, value=value).data for kind, value in zip(signature.args[::2], arguments[::2]))
        tables = [[_load(builder, halves, 2 * LANES * place + LANES * half) for half in range(2)] for place in range(REACH)]
        text, found = builder.gep(builder.bitcast(text, _BYTE.as_pointer()), [arguments[1]]), ir.Constant(ir.IntType(64), 0)
        for first in range(0, 64, LANES):
            places = builder.zext(_places(builder, text, first, tables), ir.IntType(64))
            found = builder.or_(found, builder.shl(places, ir.Constant(ir.IntType(64), first)))
        return found

    return types.uint64(data, types.int64, tables), build


def _places(builder: ir.IRBuilder, text: ir.Value, first: int, tables: list[list[ir.Value]]) -> ir.Value:
    """A bit for each of 16 places."""
    groups = ir.Constant(_LANES, [255] * LANES)
    for place, (lower, upper) in enumerate(tables):
        block = _load(builder, text, first + place)
        groups = builder.and_(groups, _look_up(builder, lower, builder.and_(block, ir.Constant(_LANES, [15] * LANES))))
        groups = builder.and_(groups, _look_up(builder, upper, builder.lshr(block, ir.Constant(_LANES, [4] * LANES))))
    return builder.bitcast(builder.icmp_unsigned("!=", groups, ir.Constant(_LANES, [0] * LANES)), ir.IntType(LANES))


def _load(builder: ir.IRBuilder, address: ir.Value, place: int) -> ir.Value:
    address = builder.gep(builder.bitcast(address, _BYTE.as_pointer()), [ir.Constant(ir.IntType(64), place)])
    return builder.load(builder.bitcast(address, _LANES.as_pointer()), align=1)


def _look_up(builder: ir.IRBuilder, table: ir.Value, numbers: ir.Value) -> ir.Value:
    """table[number] for each of 16 numbers below 16."""
    name = _LOOKUPS.get(binding.get_process_triple().split("-")[0])
    if name:
        return builder.call(builder.module.declare_intrinsic(name, (), ir.FunctionType(_LANES, [_LANES, _LANES])), [table, numbers])
    found = ir.Constant(_LANES, [0] * LANES)
    for lane in range(LANES):
        number = builder.zext(builder.extract_element(numbers, ir.Constant(ir.IntType(32), lane)), ir.IntType(32))
        found = builder.insert_element(found, builder.extract_element(table, number), ir.Constant(ir.IntType(32), lane))
    return found
