"""Which files a job reads, what they are called, and how they are cut into shards."""

from __future__ import annotations

import gzip
import os
import pickle
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.formats import SUPPORTED, format_of_bytes, format_of_name
from curation.inputs import InputError, list_inputs, modified_of, plan_shards


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'{"text": "x"}\n')


def names(patterns: list[str] | str, folder: Path) -> list[str]:
    return [file.name for file in list_inputs([patterns] if isinstance(patterns, str) else patterns, folder)]


# --- listing ----------------------------------------------------------------------------------------------


def test_paths_globs_and_folders_are_relative_to_the_job(tmp_path):
    touch(tmp_path, "data/b.jsonl", "data/a.jsonl", "data/deep/c.jsonl", "data/deep/er/d.jsonl", "one.jsonl")
    assert names("one.jsonl", tmp_path) == ["one.jsonl"]
    assert names("./data/../one.jsonl", tmp_path) == ["one.jsonl"]
    assert names("data/*.jsonl", tmp_path) == ["a.jsonl", "b.jsonl"]
    assert (
        names("data", tmp_path) == names("data/", tmp_path) == ["a.jsonl", "b.jsonl", "deep/c.jsonl", "deep/er/d.jsonl"]
    )
    assert names("data/**/*.jsonl", tmp_path) == ["a.jsonl", "b.jsonl", "deep/c.jsonl", "deep/er/d.jsonl"]
    assert names("da*/deep", tmp_path) == ["data/deep/c.jsonl", "data/deep/er/d.jsonl"]
    assert names("data/[ab].jsonl", tmp_path) == ["a.jsonl", "b.jsonl"]
    assert names(str(tmp_path / "one.jsonl"), Path("/")) == ["one.jsonl"]
    assert names((tmp_path / "data/deep").as_uri() + "/*.jsonl", Path("/")) == ["c.jsonl"]


def test_a_file_is_read_once_however_often_it_matches(tmp_path):
    touch(tmp_path, "data/a.jsonl", "data/b.jsonl")
    assert names(["data/*.jsonl", "data/a.jsonl", "data", "./data/b.jsonl", str(tmp_path / "data")], tmp_path) == [
        "a.jsonl",
        "b.jsonl",
    ]


def test_names_do_not_depend_on_where_the_folder_lies(tmp_path):
    for place in ("here", "somewhere/else"):
        touch(tmp_path / place, "x/1.jsonl", "y/1.jsonl", "y/2.jsonl")
    patterns = ["x/*.jsonl", "y/*.jsonl"]
    found = [list_inputs(patterns, tmp_path / place) for place in ("here", "somewhere/else")]
    assert [file.name for file in found[0]] == [file.name for file in found[1]] == ["2.jsonl", "x/1.jsonl", "y/1.jsonl"]


@pytest.mark.parametrize(
    "name",
    ["with space.jsonl", "grüße 日本語.jsonl", "a[1].jsonl", "what?.jsonl", "100%.jsonl", "#1.jsonl", "{x}.jsonl"],
)
def test_any_file_name_is_found(tmp_path, name):
    touch(tmp_path, f"my data/{name}")
    assert names(f"my data/{name}", tmp_path) == [name]
    assert names("my data/*", tmp_path) == [name]
    assert names("my data", tmp_path) == [name]


def test_a_name_that_is_no_utf8_is_written_as_text(tmp_path):
    raw = os.fsencode(tmp_path) + b"/\xff.jsonl"
    with open(raw, "wb") as file:
        file.write(b'{"text": "x"}\n')
    (found,) = list_inputs(["*.jsonl"], tmp_path)
    assert found.name == "\\xff.jsonl"
    pa.array([found.name])
    assert open(found.path, "rb").read()


def test_hidden_files_and_markers_in_a_folder_are_left_out(tmp_path):
    touch(tmp_path, "d/a.jsonl", "d/.b.jsonl", "d/_SUCCESS", "d/.hidden/c.jsonl", "d/_temporary/d.jsonl")
    assert names("d", tmp_path) == ["a.jsonl"]


@pytest.mark.parametrize("pattern", ["nothing.jsonl", "none/*.parquet", "memory://nowhere/*", "[", "empty"])
def test_a_pattern_without_files_is_an_error_that_names_it(tmp_path, pattern):
    touch(tmp_path, "a.jsonl")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError) as error:
        list_inputs(["a.jsonl", pattern], tmp_path)
    assert repr(pattern) in str(error.value)
    assert isinstance(error.value, ValueError)


# --- formats ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.parquet", "parquet"), ("A.PARQUET", "parquet"), ("a.jsonl.gz", "jsonl"), ("a.json.zst", "jsonl"), ("a.ndjson.bz2", "jsonl"),
        ("a.warc.gz", "warc"), ("CC-MAIN.warc.wet.gz", "wet"), ("CC-MAIN.warc.wat.gz", "warc"), ("a.arc", "arc"), ("a.txt.gz", "text"),
        ("a.feather", "arrow"), ("a.warc.gz.bad", None), ("a.gz", None), ("a", None), ("a.csv", None), ("a.parquet.gz", None), ("jsonl", None),
    ],
)  # fmt: skip
def test_names_promise_formats(name, expected):
    assert format_of_name(name) == expected


def test_unknown_suffixes_are_told_by_their_bytes(tmp_path):
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "p.bad")
    with pa.ipc.new_file(tmp_path / "f.bad", pa.schema([("text", pa.string())])):
        pass
    with pa.ipc.new_stream(tmp_path / "s.bad", pa.schema([("text", pa.string())])):
        pass
    (tmp_path / "w.bad").write_bytes(gzip.compress(b"WARC/1.0\r\n"))
    (tmp_path / "a.bad").write_bytes(b"filedesc://x")
    (tmp_path / "j.bad").write_bytes(b'\xef\xbb\xbf \n{"text"')
    found = {file.name[0]: file.format for file in list_inputs(["*.bad"], tmp_path)}
    assert found == {"p": "parquet", "f": "arrow", "s": "arrow", "w": "warc", "a": "arc", "j": "jsonl"}


def test_a_chosen_file_in_no_known_format_is_an_error(tmp_path):
    (tmp_path / "notes.csv").write_text("a,b\n")
    for pattern in ("notes.csv", "*.csv"):
        with pytest.raises(InputError, match="notes.csv.* no known format") as error:
            list_inputs([pattern], tmp_path)
        assert SUPPORTED in str(error.value)


def test_a_folder_may_hold_other_files(tmp_path, caplog):
    touch(tmp_path, "d/a.jsonl")
    (tmp_path / "d/NOTICE.md").write_text("# Notice\n")
    assert names("d", tmp_path) == ["a.jsonl"]
    assert "NOTICE.md" in caplog.text
    (tmp_path / "d/a.jsonl").unlink()
    with pytest.raises(InputError, match="no file in 'd' is in a known format"):
        list_inputs(["d"], tmp_path)


@pytest.mark.parametrize(
    "head",
    [b"", b"\x1f\x8b", b"\x1f\x8b\x08\0junkjunkjunk", b"BZh9junk", b"\x28\xb5\x2f\xfdjunk", b"\xff\xff", b"<html>"],
)
def test_other_bytes_promise_nothing(head):
    assert format_of_bytes(head) is None


def test_a_file_knows_its_size_and_time(tmp_path):
    touch(tmp_path, "a.jsonl")
    (file,) = list_inputs(["a.jsonl"], tmp_path)
    status = (tmp_path / "a.jsonl").stat()
    assert (file.size_bytes, file.modified) == (status.st_size, status.st_mtime)
    assert pickle.loads(pickle.dumps(file)) == file


# --- shards -----------------------------------------------------------------------------------------------


def test_parquet_is_cut_at_row_groups(tmp_path):
    pq.write_table(pa.table({"text": [f"{n:0100}" for n in range(100)]}), tmp_path / "b.parquet", row_group_size=10)
    touch(tmp_path, "a.jsonl", "c.jsonl")
    files = list_inputs(["*"], tmp_path)
    whole = plan_shards(files)
    assert [(shard.number, shard.file.name, shard.first_record) for shard in whole] == [
        (0, "a.jsonl", 0),
        (1, "b.parquet", 0),
        (2, "c.jsonl", 0),
    ]
    assert [shard.row_groups for shard in whole] == [None, tuple(range(10)), None]
    cut = plan_shards(files, shard_bytes=4500)
    assert [shard.number for shard in cut] == list(range(len(cut)))
    parts = [shard for shard in cut if shard.file.format == "parquet"]
    assert 3 <= len(parts) < 10
    assert [group for shard in parts for group in shard.row_groups] == list(range(10))
    assert all(shard.first_record == 10 * shard.row_groups[0] for shard in parts)
    assert [shard.row_groups for shard in plan_shards(files, 1) if shard.row_groups] == [(n,) for n in range(10)]


def test_a_parquet_file_of_some_size_becomes_several_shards_whatever_else_is_read(tmp_path):
    """Of 8 MB in eight row groups; what each shard reads adds up to the file."""
    texts = [random.Random(n).randbytes(500_000).hex() for n in range(8)]
    pq.write_table(pa.table({"text": texts}), tmp_path / "b.parquet", row_group_size=1, use_dictionary=False)
    (file,) = files = list_inputs(["b.parquet"], tmp_path)
    shards = plan_shards(files)
    assert [shard.row_groups for shard in shards] == [(0, 1, 2, 3), (4, 5, 6, 7)]
    assert sum(shard.size_bytes for shard in shards) == pytest.approx(file.size_bytes, abs=2)
    assert [(shard.first_record, shard.records) for shard in shards] == [(0, 4), (4, 4)]


def test_a_parquet_file_without_rows_is_one_shard(tmp_path):
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "a.parquet")
    (shard,) = plan_shards(list_inputs(["a.parquet"], tmp_path))
    assert (shard.number, shard.first_record) == (0, 0)


def test_an_unreadable_parquet_file_is_one_shard(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and nothing that follows")
    (tmp_path / "b.parquet").touch()
    assert [(shard.number, shard.row_groups) for shard in plan_shards(list_inputs(["*.parquet"], tmp_path))] == [
        (0, None),
        (1, None),
    ]


@pytest.mark.parametrize(
    ("info", "version"),
    [({"ETag": '"abc"', "LastModified": "2024"}, '"abc"'), ({"md5Hash": "m==", "mtime": 5.0, "updated": "2024"}, "m=="), ({"mtime": 5.0}, 5.0), ({"size": 3}, "")],
)
def test_a_checksum_of_the_store_tells_versions_before_a_date(info, version):
    assert modified_of(info) == version
