"""Where row groups lie, beside what Arrow says of the same footers; and footers that lie."""

from __future__ import annotations

import io
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.parquet_footer import MOST_DEPTH, FooterError, row_group_ranges


def ranges_by_arrow(file: io.BytesIO) -> list[tuple[int, int]]:
    """The definition: from the first page of a row group's columns to the end of the last of them."""
    footer = pq.read_metadata(file)
    ranges = []
    for group in map(footer.row_group, range(footer.num_row_groups)):
        columns = [group.column(number) for number in range(group.num_columns)]
        starts = [min(filter(None, (column.dictionary_page_offset, column.data_page_offset)), default=0) for column in columns]
        ranges.append((min(starts, default=0), max((start + column.total_compressed_size for start, column in zip(starts, columns)), default=0)))
    return ranges


def written(table: pa.Table, **options: object) -> io.BytesIO:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file


def columns(count: int, rows: int) -> pa.Table:
    made = {f"c{number}": [f"{number} {row % 7}" if number % 2 else None for row in range(rows)] for number in range(count)}
    nested = {"list": [[{"a": 1, "b": [2.5]}]] * rows, "map": pa.array([[("k", True)]] * rows, pa.map_(pa.string(), pa.bool_()))}
    return pa.table(made | nested)


@given(
    count=st.integers(0, 20),
    rows=st.integers(0, 60),
    options=st.fixed_dictionaries(
        {
            "row_group_size": st.integers(1, 50),
            "use_dictionary": st.booleans(),
            "write_statistics": st.booleans(),
            "write_page_index": st.booleans(),
            "compression": st.sampled_from(["none", "zstd", "snappy"]),
            "version": st.sampled_from(["1.0", "2.4", "2.6"]),
            "data_page_version": st.sampled_from(["1.0", "2.0"]),
            "store_schema": st.booleans(),
        }
    ),
)
def test_ranges_are_those_that_arrow_tells(count, rows, options):
    file = written(columns(count, rows), **options)
    ranges, footer = row_group_ranges(file)
    assert ranges == ranges_by_arrow(file)
    assert footer == len(file.getvalue()) - 8 - pq.read_metadata(file).serialized_size


def test_bloom_filters_sorting_columns_and_key_values_are_passed_over():
    table = columns(3, 50).replace_schema_metadata({"k": "v" * 1000, "empty": ""})
    file = written(table, row_group_size=7, sorting_columns=[pq.SortingColumn(1, descending=True, nulls_first=True)], column_encoding={"c1": "DELTA_BYTE_ARRAY"}, use_dictionary=False, write_page_index=True)
    assert row_group_ranges(file)[0] == ranges_by_arrow(file)


def with_footer(footer: bytes) -> io.BytesIO:
    return io.BytesIO(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")


DEEP = b"\x1c" * 5000  # struct in struct
LONG_LISTS = b"\x19\xf1" + b"\xff" * 9 + b"\x01"  # 2**64 - 1 booleans


@pytest.mark.parametrize("footer", [b"", DEEP, LONG_LISTS, b"\x15" + b"\xff" * 12, b"\x1e", b"\x18\xff\xff\xff\xff\x0f", b"\x1b\x05\x00", b"\x49\x15\x00\x00"])
def test_footers_that_are_none_are_refused_at_once(footer):
    with pytest.raises(FooterError):
        row_group_ranges(with_footer(footer))


def test_a_footer_as_deep_as_allowed_is_read():
    assert row_group_ranges(with_footer(b"\x1c" * MOST_DEPTH + b"\x00" * (MOST_DEPTH + 1)))[0] == []


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1\xff\xff\xff\x7fPAR1"])
def test_files_that_are_too_short_are_refused(data):
    with pytest.raises(FooterError):
        row_group_ranges(io.BytesIO(data))


@given(seed=st.integers(0, 2**32))
def test_any_change_of_a_footer_gives_ranges_or_a_refusal(seed):
    data = written(columns(3, 20), row_group_size=6).getvalue()
    length, rng = pq.read_metadata(io.BytesIO(data)).serialized_size, random.Random(seed)
    footer = bytearray(data[-8 - length : -8])
    for _ in range(rng.randint(1, 5)):
        footer[rng.randrange(length)] = rng.randrange(256)
    file = io.BytesIO(data[: -8 - length] + bytes(footer) + data[-8:])
    try:
        ranges, _ = row_group_ranges(file)
    except FooterError:
        return
    assert all(0 <= start <= stop for start, stop in ranges)
