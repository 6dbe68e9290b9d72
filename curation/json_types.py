"""Which Arrow type holds all the values that a field of a JSONL file has.

The type is a property of the whole file, so that every batch of it has the same columns. Kinds are merged value by value:
null < bool, integers, numbers, text, lists and structs of these. Where two kinds do not go together (text and numbers,
integers beyond 64 bits, a map with hundreds of keys), the column is kept as text: strings as they are, everything else as
the JSON that it was. Nothing is rounded and nothing is lost.

Price: about 0.1 microseconds per value; nested values more.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

EXACT = 2**53  # integers up to here are exact as float64
MAX_DEPTH = 16  # of lists and objects in a typed column
MAX_FIELDS = 256  # of an object in a typed column
MAX_COLUMNS = 512  # what more there is goes into one column as JSON
OVERFLOW = "input_more"

# A kind is one of these words, ("list", kind), or ("struct", {name: kind}).
Kind = str | tuple[str, Any]
_WORDS = {"null": pa.null(), "bool": pa.bool_(), "small": pa.int64(), "integer": pa.int64(), "number": pa.float64()}
_WORDS |= {"text": pa.string(), "json": pa.string()}


def kind_of(value: Any, depth: int = 0) -> Kind:
    """The kind of one JSON value."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "small" if -EXACT <= value <= EXACT else "integer" if -(2**63) <= value < 2**63 else "json"
    if isinstance(value, float):
        return "number"
    if depth >= MAX_DEPTH:
        return "json"
    return _list_kind(value, depth) if isinstance(value, list) else _struct_kind(value, depth)


def _list_kind(values: list[Any], depth: int) -> Kind:
    kind: Kind = "null"
    for value in values:
        kind = merge(kind, kind_of(value, depth + 1))
        if kind == "json":
            return "json"
    return ("list", kind)


def _struct_kind(values: dict[str, Any], depth: int) -> Kind:
    if not values or len(values) > MAX_FIELDS:  # Parquet has no struct without fields
        return "json"
    fields = {name: kind_of(value, depth + 1) for name, value in values.items()}
    return "json" if "json" in fields.values() else ("struct", fields)


def merge(left: Kind, right: Kind) -> Kind:
    """The kind that holds the values of both."""
    if left == right or right == "null":
        return left
    if left == "null":
        return right
    if isinstance(left, tuple) and isinstance(right, tuple) and left[0] == right[0]:
        return _merge_lists(left, right) if left[0] == "list" else _merge_structs(left, right)
    pair = {left, right} if isinstance(left, str) and isinstance(right, str) else set()
    if pair == {"small", "integer"}:
        return "integer"
    return "number" if pair == {"small", "number"} else "json"


def _merge_lists(left: Kind, right: Kind) -> Kind:
    values = merge(left[1], right[1])
    return "json" if values == "json" else ("list", values)


def _merge_structs(left: Kind, right: Kind) -> Kind:
    fields = dict(left[1])
    for name, kind in right[1].items():
        fields[name] = merge(fields.get(name, "null"), kind)
    return "json" if "json" in fields.values() or len(fields) > MAX_FIELDS else ("struct", fields)


def arrow_type(kind: Kind) -> pa.DataType:
    """The Arrow type of a kind."""
    if isinstance(kind, str):
        return _WORDS[kind]
    if kind[0] == "list":
        return pa.list_(arrow_type(kind[1]))
    return pa.struct([(name, arrow_type(field)) for name, field in kind[1].items()])


@dataclass
class FileKinds:
    """The kind of every field of a file, in the order in which they first occur."""

    always: tuple[str, ...] = ()  # fields that get a column however many there are
    kinds: dict[str, Kind] = field(default_factory=dict)
    overflows: bool = False  # there are more than MAX_COLUMNS fields
    _seen: set[tuple[str, type]] = field(default_factory=set)

    def add(self, row: dict[str, Any]) -> None:
        for name, value in row.items():
            seen = (name, type(value))
            if seen in self._seen:
                continue
            if name not in self.kinds and len(self.kinds) >= MAX_COLUMNS and name not in self.always:
                self.overflows = True
                continue
            if not isinstance(value, (int, list, dict)) or isinstance(value, bool):
                self._seen.add(seen)  # these kinds depend on the type alone
            self.kinds[name] = merge(self.kinds.get(name, "null"), kind_of(value))

    def schema(self) -> pa.Schema:
        fields = [pa.field(name, arrow_type(kind)) for name, kind in self.kinds.items()]
        return pa.schema([*fields, pa.field(OVERFLOW, pa.string())] if self.overflows else fields)

    def table(self, rows: list[dict[str, Any]]) -> pa.Table:
        """`rows` as a table of `schema`."""
        arrays = [self._array(name, kind, rows) for name, kind in self.kinds.items()]
        if self.overflows:
            rest = [{name: value for name, value in row.items() if name not in self.kinds} for row in rows]
            arrays.append(pa.array([as_text(more) if more else None for more in rest], pa.string()))
        return pa.Table.from_arrays(arrays, schema=self.schema())

    @staticmethod
    def _array(name: str, kind: Kind, rows: list[dict[str, Any]]) -> pa.Array:
        values = [row.get(name) for row in rows]
        if kind == "json":
            values = [as_text(value) for value in values]
        return pa.array(values, arrow_type(kind))


def as_text(value: Any) -> str | None:
    """A value of a column whose values go together in no other way."""
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
