"""Files exist whole or not at all, under one schema even when the input's schema drifts."""

from __future__ import annotations

import hashlib
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation import shards
from curation.shards import ShardWriter, Together, conform, joined_schema, whole_file, write_json


def test_whole_file_appears_only_when_complete(tmp_path):
    path = tmp_path / "a" / "b.txt"
    with pytest.raises(RuntimeError), whole_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert list(path.parent.iterdir()) == []
    with whole_file(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole" and list(path.parent.iterdir()) == [path]


def test_write_json(tmp_path):
    write_json(tmp_path / "x.json", {"a": "é"})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": "é"}


def test_writer_reports_rows_bytes_and_checksum(tmp_path):
    writer = ShardWriter(tmp_path / "x.parquet")
    table = pa.table({"id": ["a", "b"], "text": pa.array(["x", "y"], pa.large_string())})
    writer.write(table)
    writer.write(table.slice(0, 1))
    writer.write(table.slice(0, 0))
    assert not (tmp_path / "x.parquet").exists()
    entry = writer.close()
    data = (tmp_path / "x.parquet").read_bytes()
    assert entry == {"rows": 3, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    assert pq.read_table(tmp_path / "x.parquet")["id"].to_pylist() == ["a", "b", "a"]


def closed_together(tmp_path, names, files):
    for name in names:
        writer = ShardWriter(tmp_path / name / "x.parquet")
        writer.write(pa.table({"id": [name]}))
        writer.close(files)


@pytest.mark.parametrize("threads", [True, False])
def test_files_that_are_closed_together_appear_together(tmp_path, monkeypatch, threads):
    if not threads:
        monkeypatch.setattr("threading.Thread.start", lambda self: (_ for _ in ()).throw(RuntimeError("can't start new thread")))
    with Together() as files:
        closed_together(tmp_path, "ab", files)
        assert not list(tmp_path.rglob("x.parquet"))
    assert [pq.read_table(tmp_path / name / "x.parquet")["id"].to_pylist() for name in "ab"] == [["a"], ["b"]]
    assert len(list(tmp_path.rglob("*.*"))) == 2


def test_where_one_cannot_be_synced_none_appears(tmp_path, monkeypatch):
    def fail(path, real=shards.sync):
        if "/b/" in str(path):
            raise OSError(28, "No space left on device")
        real(path)

    monkeypatch.setattr(shards, "sync", fail)
    with pytest.raises(OSError, match="No space"), Together() as files:
        closed_together(tmp_path, "ab", files)
    assert not list(tmp_path.rglob("x.parquet"))


def test_nothing_written_is_no_file(tmp_path):
    assert ShardWriter(tmp_path / "x.parquet").close() is None


def test_abandoned_writer_leaves_nothing(tmp_path):
    writer = ShardWriter(tmp_path / "x.parquet")
    writer.write(pa.table({"id": ["a"]}))
    writer.abandon()
    assert list(tmp_path.iterdir()) == []


def test_same_batches_same_bytes(tmp_path):
    for name in ("a", "b"):
        writer = ShardWriter(tmp_path / name)
        for i in range(3):
            writer.write(pa.table({"id": [str(i)], "lang": ["en"], "x": [i]}))
        writer.close()
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_schema_drift_widens_and_keeps_every_value(tmp_path):
    writer = ShardWriter(tmp_path / "x.parquet")
    writer.write(pa.table({"id": ["a"], "n": [1]}))
    writer.write(pa.table({"id": ["b"], "n": [2.5], "new": ["x"]}))
    writer.write(pa.table({"id": ["c"], "n": [{"deep": [1]}]}))
    writer.write(pa.table({"id": ["d"]}))
    writer.close()
    table = pq.read_table(tmp_path / "x.parquet")
    assert table["id"].to_pylist() == ["a", "b", "c", "d"]
    assert table["n"].to_pylist() == ["1", "2.5", '{"deep": [1]}', None]
    assert table["new"].to_pylist() == [None, "x", None, None]


def test_joined_schema_and_conform():
    first, second = pa.schema([("a", pa.int32())]), pa.schema([("a", pa.int64()), ("b", pa.string())])
    assert joined_schema(first, second) == pa.schema([("a", pa.int64()), ("b", pa.string())])
    wide = pa.schema([("a", pa.large_string())])
    assert conform(pa.table({"a": [[1, 2], None]}), wide)["a"].to_pylist() == ["[1, 2]", None]
