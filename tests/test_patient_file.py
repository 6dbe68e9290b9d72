"""Reads that fail and work a moment later are waited for; what never works is an error that names the file."""

from __future__ import annotations

import errno
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import patient_file
from curation.inputs import InputError, list_inputs, plan_shards
from curation.patient_file import PatientFile, ReadFailed, system_failed
from curation.unchanged import unchanged


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(patient_file, "WAITS", (0.0, 0.0, 0.0))


class Flaky(io.BytesIO):
    """Fails where `failures` says: one entry for each read, of all the times it is opened."""

    def __init__(self, data: bytes, failures: list[bool]):
        super().__init__(data)
        self.failures = failures

    def read(self, size: int = -1) -> bytes:
        if self.failures and self.failures.pop(0):
            super().read(3)  # the place is lost with it
            raise OSError(errno.EIO, "Input/output error")
        return super().read(size)


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=200), st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=8), st.data())
def test_the_bytes_are_those_of_a_file_that_never_fails(data, acts, draws):
    failures = [fails for _ in range(len(acts) + 1) for fails in (*[True] * draws.draw(st.integers(0, 3)), False)]
    plain, patient = io.BytesIO(data), PatientFile(lambda: Flaky(data, failures), "x")
    for number, is_seek in acts:
        if is_seek:
            assert patient.seek(number) == plain.seek(number)
        else:
            assert patient.read(number) == plain.read(number)
        assert patient.tell() == plain.tell()


def test_a_file_that_never_works_is_named():
    file = PatientFile(lambda: Flaky(b"abc", [True] * 9), "there.gz")
    with pytest.raises(ReadFailed, match="there.gz at byte 0, tried 4 times: .*Input/output error") as caught:
        file.read(1)
    assert system_failed(caught.value) and not system_failed(pa.ArrowInvalid("x")) and not system_failed(OSError("bad footer"))


def test_a_missing_file_is_not_waited_for(monkeypatch, tmp_path):
    monkeypatch.setattr(patient_file, "WAITS", (1000.0,))
    with pytest.raises(FileNotFoundError):
        PatientFile(lambda: open(tmp_path / "x", "rb"), "x")


def test_the_error_comes_through_the_parquet_reader(tmp_path):
    """So that a failing disk is told from a damaged file."""
    pq.write_table(pa.table({"x": range(1000)}), tmp_path / "x.parquet")
    data = (tmp_path / "x.parquet").read_bytes()

    def read(failures: list[bool]) -> list[int]:
        return pq.read_table(pa.PythonFile(PatientFile(lambda: Flaky(data, failures), "x"), mode="r"))["x"].to_pylist()

    assert read([False, True, True, False, True]) == list(range(1000))
    with pytest.raises(ReadFailed):
        read([True] * 100)


def test_a_file_that_goes_or_changes_is_an_error(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "one"}\n')
    file = plan_shards(list_inputs([str(path)], Path()))[0].file
    with unchanged(file):
        pass
    with pytest.raises(InputError, match="a.jsonl' was changed while the run went on"), unchanged(file):
        path.write_text('{"text": "one"}\n{"text": "two"}\n')
    path.unlink()
    with pytest.raises(InputError, match="is gone; put it back, or leave it out"), unchanged(file):
        pass
