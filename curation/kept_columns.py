"""Columns of the input as they are kept: in a type that Parquet holds, and with valid UTF-8 wherever text stands in them, in a
column, a dictionary, or in lists, structs and maps.

A column costs the check of its buffers (UTF-8 at 1 GB/s). Only the texts of one that fails it become Python objects: what is no
UTF-8 is replaced by U+FFFD and counted. Where not text is broken but the buffers that hold it, Unreadable is raised.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from curation.batches import Losses, Unreadable
from curation.kept_types import TEXT, without_text


def is_string(data_type: pa.DataType) -> bool:
    """Is this a type of text, not of bytes?"""
    return data_type in TEXT


def valid(column: pa.ChunkedArray, target: pa.DataType, losses: Losses) -> pa.ChunkedArray:
    """`column` in the type `target`, which is kept_type of its own: as it is where it can be, with its texts repaired where they
    must be. Raises Unreadable where its buffers are damaged, or a value has no place in `target`."""
    if column.type == target:
        try:
            column.validate(full=True)
            return column
        except pa.ArrowInvalid:
            pass
    data = as_bytes(column)
    try:
        return pa.chunked_array([_as(chunk, target, losses) for chunk in data.chunks], target)
    except pa.ArrowException as error:
        raise Unreadable("arrow", str(error)) from None


def as_bytes(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The same buffers, checked, with bytes where text is. Raises Unreadable where they are damaged, whatever the text is."""
    data_type = without_text(column.type)
    try:
        data = pa.chunked_array([chunk.view(data_type) for chunk in column.chunks], data_type)
        data.validate(full=True)
    except pa.ArrowException as error:
        raise Unreadable("arrow", str(error)) from None
    return data


def plain_values(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values of a column of numbers in a dictionary; texts as bytes. Raises Unreadable where its buffers are damaged."""
    data = as_bytes(column)
    return pa.chunked_array([_without_view(chunk.dictionary).take(chunk.indices) for chunk in data.chunks], _kept(data.type.value_type))


def text_of(column: pa.ChunkedArray, target: pa.DataType, losses: Losses) -> pa.ChunkedArray:
    """A column of bytes, which are whole, as text of type `target`."""
    return pa.chunked_array([_text(chunk, target, losses) for chunk in column.chunks], target)


def _kept(data_type: pa.DataType) -> pa.DataType:
    return pa.large_binary() if kinds.is_binary_view(data_type) else data_type


def _without_view(values: pa.Array) -> pa.Array:
    return _followed(values).cast(_kept(values.type))  # Arrow takes nothing from views


def _followed(values: pa.Array) -> pa.Array:
    """Views with those of null values set to nothing: nobody checks where they point, and casting follows them."""
    if not kinds.is_binary_view(values.type) or not values.null_count:
        return values
    validity, views, *data = values.buffers()
    numbers = np.frombuffer(views, np.int64)[: 2 * (values.offset + len(values))].reshape(-1, 2).copy()  # 16 bytes a view
    numbers[values.offset + np.flatnonzero(pc.is_null(values))] = 0
    return pa.Array.from_buffers(values.type, len(values), [validity, pa.py_buffer(numbers), *data], offset=values.offset)


def _as(data: pa.Array, target: pa.DataType, losses: Losses) -> pa.Array:
    """Values of which text is bytes, and which are whole, in the type `target`."""
    if data.type == target:
        return data
    if kinds.is_run_end_encoded(data.type):
        return _as(pc.run_end_decode(data), target, losses)
    if is_string(target):
        return _text(data, target, losses)
    if kinds.is_dictionary(target):
        return pa.DictionaryArray.from_arrays(data.indices, _as(data.dictionary, target.value_type, losses), ordered=target.ordered)
    if not kinds.is_nested(target):
        return _followed(data).cast(target)
    empty = pc.is_null(data)
    if kinds.is_struct(target):
        children = [_as(child, field.type, losses) for child, field in zip(data.flatten(), target)]
        return pa.StructArray.from_arrays(children, fields=list(target), mask=empty)
    if kinds.is_map(target):
        data = pa.concat_arrays([data])  # copied without what lies beside a slice
        keys, items = _as(data.keys, target.key_type, losses), _as(data.items, target.item_type, losses)
        return pa.MapArray.from_arrays(data.offsets, keys, items, type=target, mask=empty)
    if kinds.is_fixed_size_list(target):
        values = _as(pa.concat_arrays([data]).values, target.value_type, losses)
        return pa.FixedSizeListArray.from_arrays(values, type=target, mask=empty)
    return _list(data, target, empty, losses)


def _list(data: pa.Array, target: pa.DataType, empty: pa.Array, losses: Losses) -> pa.Array:
    """Lists of any layout, one after the other."""
    lengths = pc.fill_null(pc.list_value_length(data), 0).to_numpy()
    kind, width = (pa.LargeListArray, np.int64) if kinds.is_large_list(target) else (pa.ListArray, np.int32)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(width)
    return kind.from_arrays(pa.array(offsets), _as(data.flatten(), target.value_type, losses), type=target, mask=empty)


def _text(data: pa.Array, target: pa.DataType, losses: Losses) -> pa.Array:
    try:
        return _followed(data).cast(target)  # from bytes: this checks them
    except pa.ArrowInvalid:
        return _decoded(data, target, losses)


def _decoded(data: pa.Array, target: pa.DataType, losses: Losses) -> pa.Array:
    texts = []
    for value in data.to_pylist():
        text = None if value is None else value.decode("utf-8", "replace")
        losses.repair(text is not None and text.encode() != value, "undecodable-bytes")
        texts.append(text)
    return pa.array(texts, target)
