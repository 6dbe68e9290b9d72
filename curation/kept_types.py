"""The types in which columns of the input are kept: Parquet's own, which Arrow can filter and write.

What other tools write (polars: string views, categories of them) becomes the plain type of the same values; what has no place in
Parquet is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.types as kinds

TEXT = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary(), pa.string_view(): pa.binary_view()}  # bytes of the same layout
_KEPT = {
    pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary(), pa.time32("s"): pa.time32("ms"),
}  # fmt: skip


class NoPlace(TypeError):
    """A type that Parquet has no place for."""


def kept_type(data_type: pa.DataType) -> pa.DataType:
    """The type in which a column is kept. Raises NoPlace."""
    if kinds.is_run_end_encoded(data_type):
        return kept_type(data_type.value_type)
    if kinds.is_union(data_type) or kinds.is_interval(data_type) or (kinds.is_struct(data_type) and not data_type.num_fields):
        raise NoPlace(str(data_type))
    if kinds.is_timestamp(data_type) and data_type.unit == "s":
        return pa.timestamp("ms", data_type.tz)
    if kinds.is_list_view(data_type):
        return pa.list_(_field(data_type.value_field, kept_type))
    if kinds.is_large_list_view(data_type):
        return pa.large_list(_field(data_type.value_field, kept_type))
    return _KEPT.get(data_type) or _with_inner(data_type, kept_type)


def without_text(data_type: pa.DataType) -> pa.DataType:
    """The type of the same buffers with bytes where text is."""
    if kinds.is_list_view(data_type):
        return pa.list_view(_field(data_type.value_field, without_text))
    if kinds.is_large_list_view(data_type):
        return pa.large_list_view(_field(data_type.value_field, without_text))
    return TEXT.get(data_type) or _with_inner(data_type, without_text)


def _with_inner(data_type: pa.DataType, change: Callable[[pa.DataType], pa.DataType]) -> pa.DataType:
    """The type with every type in it changed."""
    if kinds.is_dictionary(data_type):
        return pa.dictionary(data_type.index_type, change(data_type.value_type), data_type.ordered)
    if kinds.is_struct(data_type):
        return pa.struct([_field(field, change) for field in data_type])
    if kinds.is_map(data_type):
        return pa.map_(_field(data_type.key_field, change), _field(data_type.item_field, change), data_type.keys_sorted)
    if kinds.is_fixed_size_list(data_type):
        return pa.list_(_field(data_type.value_field, change), data_type.list_size)
    if kinds.is_list(data_type):
        return pa.list_(_field(data_type.value_field, change))
    return pa.large_list(_field(data_type.value_field, change)) if kinds.is_large_list(data_type) else data_type


def _field(field: pa.Field, change: Callable[[pa.DataType], pa.DataType]) -> pa.Field:
    return pa.field(field.name, change(field.type), field.nullable, field.metadata)  # a name that is no UTF-8 is an error here
