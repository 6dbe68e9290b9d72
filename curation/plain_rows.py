"""Rows of a table as Python objects, whatever its columns hold: a time beyond Python's years, in a zone that nobody knows or to the
nanosecond, or a struct with two fields of one name, is a text that says so.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

_NOT_PYTHON = (ArithmeticError, ValueError, LookupError, pa.ArrowException)


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """A dict for each row of `table`, as to_pylist gives."""
    columns = [values_of(table.column(name)) for name in table.column_names]
    return [dict(zip(table.column_names, row)) for row in zip(*columns)] if columns else [{}] * len(table)


def values_of(column: pa.ChunkedArray | pa.Array) -> list[Any]:
    """The values of `column`, as to_pylist gives."""
    try:
        return column.to_pylist()
    except _NOT_PYTHON:
        return [_value(scalar) for scalar in column]


def _value(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except _NOT_PYTHON:
        return f"{scalar.type} {_number(scalar)}"


def _number(scalar: pa.Scalar) -> str:
    """How many units of a time it is; of what holds one, nothing."""
    if not kinds.is_temporal(scalar.type):
        return "that has no Python value"
    return str(scalar.cast(pa.int32() if scalar.type.bit_width == 32 else pa.int64()).as_py())
