"""Rows of any table as Python objects, also where a value has none."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.ipc as ipc
import pytest
from click.testing import CliRunner
from corpus import write_job

from curation.job import load_job
from curation.plain_rows import rows_of, values_of
from curation.run import run_job
from gristmill import gristmill

WORDS = "The river ran past the old stone house and the people of the town came down to the water. " * 5


def test_rows_are_those_of_arrow():
    table = pa.table({"a": [1, None], "b": [[1], []], "c": pa.array([5, None], pa.timestamp("s", "UTC"))})
    assert rows_of(table) == table.to_pylist()
    assert rows_of(table.select([])) == [{}, {}]


TIMES = [
    (pa.timestamp("ms"), 2**61, "timestamp[ms] 2305843009213693952"),
    (pa.timestamp("us", "Foo/Bar"), 7, "timestamp[us, tz=Foo/Bar] 7"),
    (pa.date32(), 2**30, "date32[day] 1073741824"),
    (pa.duration("s"), 2**62, "duration[s] 4611686018427387904"),
]


@pytest.mark.parametrize(("kind", "number", "told"), TIMES)
def test_times_that_python_lacks_are_told_as_numbers(kind, number, told):
    width = pa.int32() if kind.bit_width == 32 else pa.int64()
    with pytest.raises(Exception, match="."):
        pa.array([number], width).view(kind).to_pylist()
    assert values_of(pa.chunked_array([pa.array([number, None], width).view(kind)])) == [told, None]


def test_what_holds_such_a_time_is_told_by_its_type():
    column = pa.array([{"x": 2**61}, {"x": 0}, None], pa.struct([("x", pa.int64())])).view(pa.struct([("x", pa.timestamp("ms"))]))
    first, *rest = values_of(column)
    assert first == "struct<x: timestamp[ms]> that has no Python value"
    assert rest == [{"x": pa.scalar(0, pa.timestamp("ms")).as_py()}, None]


@pytest.mark.parametrize("column", [(kind, number) for kind, number, _ in TIMES], ids=lambda pair: str(pair[0]))
def test_such_documents_are_run_explained_and_shown(tmp_path, column):
    kind, number = column
    width = pa.int32() if kind.bit_width == 32 else pa.int64()
    (tmp_path / "in").mkdir()
    table = pa.table({"id": ["a", "b"], "text": [WORDS, "x"], "odd": pa.array([number, number], width).view(kind)})
    with ipc.new_file(tmp_path / "in/x.arrow", table.schema) as file:
        file.write_table(table)
    job = write_job(tmp_path / "job.yaml", tmp_path / "in")
    run_job(load_job(job), "inline")
    for command in (["why", str(tmp_path / "out"), "b"], ["why", str(tmp_path / "out"), "b", "--json"], ["inspect", str(tmp_path / "out"), "--print", "read", "b"]):
        result = CliRunner().invoke(gristmill, command)
        assert result.exit_code == 0, result.output
