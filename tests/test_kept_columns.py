"""Columns of every shape as they are kept, beside what plain Python makes of their values: views, broken UTF-8, damaged buffers."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.batches import Losses, Unreadable
from curation.kept_columns import plain_values, valid
from curation.kept_types import NoPlace, kept_type

TEXTS = (pa.string(), pa.large_string(), pa.string_view())
BYTES = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary(), pa.string_view(): pa.binary_view()}
SHAPES = {
    "text": lambda text: text,
    "list": lambda text: pa.list_(text),
    "large list": lambda text: pa.large_list(text),
    "list view": lambda text: pa.list_view(text),
    "large list view": lambda text: pa.large_list_view(text),
    "two of them": lambda text: pa.list_(text, 2),
    "struct": lambda text: pa.struct([("a", text), ("n", pa.int64()), ("b", pa.list_(text))]),
    "map": lambda text: pa.map_(text, text),
    "lists of structs": lambda text: pa.list_(pa.struct([("m", pa.map_(pa.int32(), text))])),
}
VALUES = st.one_of(st.none(), st.binary(max_size=6), st.text(max_size=6).map(lambda text: text.encode()))


def values_of(data_type: pa.DataType) -> st.SearchStrategy:
    """Values of a type that has bytes where text will be; nothing is null but texts and what holds them."""
    if pa.types.is_struct(data_type):
        return st.one_of(st.none(), st.fixed_dictionaries({field.name: values_of(field.type) for field in data_type}))
    if pa.types.is_map(data_type):
        keys = st.integers(0, 9) if pa.types.is_int32(data_type.key_type) else VALUES.filter(lambda value: value is not None)
        return st.one_of(st.none(), st.lists(st.tuples(keys, values_of(data_type.item_type)), max_size=3))
    if pa.types.is_fixed_size_list(data_type):
        return st.one_of(st.none(), st.lists(values_of(data_type.value_type), min_size=2, max_size=2))
    if pa.types.is_nested(data_type):
        return st.one_of(st.none(), st.lists(values_of(data_type.value_type), max_size=3))
    return st.integers(-9, 9) if pa.types.is_integer(data_type) else VALUES


def decoded(value: Any) -> Any:
    """The definition: every text by itself."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, dict):
        return {name: decoded(inner) for name, inner in value.items()}
    return type(value)(map(decoded, value)) if isinstance(value, (list, tuple)) else value


def broken(value: Any) -> int:
    """How many texts in `value` are no UTF-8."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").encode() != value
    inner = value.values() if isinstance(value, dict) else value
    return sum(map(broken, inner)) if isinstance(value, (dict, list, tuple)) else 0


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("text", TEXTS, ids=str)
@given(data=st.data())
def test_texts_are_repaired_wherever_they_stand(shape, text, data):
    kind, bare = SHAPES[shape](text), SHAPES[shape](BYTES[text])
    values = data.draw(st.lists(values_of(bare), max_size=8))
    before, after = (data.draw(st.integers(0, 2)) for _ in range(2))
    padding = data.draw(st.lists(values_of(bare), min_size=before + after, max_size=before + after))
    array = pa.array([*padding[:before], *values, *padding[before:]], bare).view(kind).slice(before, len(values))
    losses = Losses("x")
    found = valid(pa.chunked_array([array, array]), kept_type(kind), losses)
    found.validate(full=True)
    assert found.type == kept_type(kind)
    assert found.to_pylist() == decoded(values) * 2
    assert losses.repaired["undecodable-bytes"] == 2 * broken(values)


@pytest.mark.parametrize("text", TEXTS, ids=str)
def test_dictionaries_are_repaired_and_stay_dictionaries(text):
    kind = pa.dictionary(pa.int8(), text)
    array = pa.DictionaryArray.from_arrays(pa.array([1, 0, None, 1], pa.int8()), pa.array([b"\xff", b"a"], BYTES[text]).view(text))
    losses = Losses("x")
    found = valid(pa.chunked_array([array]), kept_type(kind), losses)
    assert (found.type, found.to_pylist(), losses.repaired["undecodable-bytes"]) == (kept_type(kind), ["a", "\ufffd", None, "a"], 1)
    found.validate(full=True)


@pytest.mark.parametrize("view", [pa.string_view(), pa.binary_view()], ids=str)
@pytest.mark.parametrize("offset", [0, 1])
def test_views_of_null_values_are_not_followed(view, offset):
    """Arrow does not check them."""
    views = np.array([[5, 1 << 40], [0, 0], [-(2**40), 1 << 60], [2**31 - 1, -1]], np.int64)
    views[1] = np.frombuffer(b"\x03\0\0\0abc" + bytes(9), np.int64)
    array = pa.Array.from_buffers(view, 4 - offset, [pa.py_buffer(b"\x02"), pa.py_buffer(views)], offset=offset)
    column = pa.chunked_array([array])
    found = valid(column, kept_type(view), Losses("x"))
    assert [value and bytes(value, "utf-8") if isinstance(value, str) else value for value in found.to_pylist()] == [None, b"abc", None, None][offset:]
    coded = pa.DictionaryArray.from_arrays(pa.array([1 - offset, 0]), array, safe=False)
    assert plain_values(pa.chunked_array([coded])).to_pylist() == [b"abc", None if not offset else b"abc"]


def test_what_is_whole_is_handed_on_as_it_is():
    column = pa.chunked_array([pa.array([["größe"], None])])
    assert valid(column, column.type, Losses("x")) is column


def test_numbers_beyond_their_dictionary_are_damage():
    array = pa.DictionaryArray.from_arrays(pa.array([0, 5]), pa.array(["a"]), safe=False)
    with pytest.raises(Unreadable, match="out of bounds"):
        valid(pa.chunked_array([array]), array.type, Losses("x"))


def test_lists_that_end_beyond_their_values_are_damage():
    offsets = pa.array([0, 9, 1], pa.int32()).buffers()[1]
    array = pa.Array.from_buffers(pa.list_(pa.string()), 2, [None, offsets], children=[pa.array(["a"])])
    with pytest.raises(Unreadable):
        valid(pa.chunked_array([array]), array.type, Losses("x"))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_are_those_that_parquet_holds(unit):
    column = pa.chunked_array([pa.array([5, None], pa.timestamp(unit, "UTC"))])
    assert valid(column, kept_type(column.type), Losses("x")).cast(pa.timestamp("ns", "UTC")).equals(column.cast(pa.timestamp("ns", "UTC")))
    with pytest.raises(Unreadable, match="out of bounds"):
        seconds = pa.chunked_array([pa.array([2**62], pa.timestamp("s"))])
        valid(seconds, kept_type(seconds.type), Losses("x"))


RUNS = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["a", None]))
UNION = pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])])


def test_runs_become_what_they_stand_for():
    assert valid(pa.chunked_array([RUNS]), kept_type(RUNS.type), Losses("x")).to_pylist() == ["a", "a", None]


@pytest.mark.parametrize("array", [UNION, pa.array([{}], pa.struct([])), pa.array([(1, 2, 3)], pa.month_day_nano_interval()), pa.ListArray.from_arrays([0, 2], UNION)], ids=lambda array: str(array.type)[:20])
def test_what_parquet_cannot_hold_is_told(array):
    with pytest.raises(pa.ArrowNotImplementedError):
        pq.write_table(pa.table({"x": array}), io.BytesIO())
    with pytest.raises(NoPlace):
        kept_type(array.type)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("text", TEXTS, ids=str)
def test_kept_types_are_filtered_written_and_read_as_they_are(shape, text):
    kind = kept_type(SHAPES[shape](text))
    table = pa.table({"x": pa.nulls(3, kind)}).filter(pa.array([True, False, True]))
    pq.write_table(table, file := io.BytesIO())
    assert pq.read_table(file).schema.field("x").type.equals(kind)
    assert kept_type(kind) == kind
