"""Every format gives the same documents; whatever is wrong with a record, it is counted and the rest is read."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import random
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import zstandard

from curation.document import DOCUMENT, record_id
from curation.inputs import InputError, list_inputs, plan_shards
from curation.readers import Batch, ReadSettings, read_shard

TEXTS = [
    "plain",
    "",
    "grüße 日本語 🙂",
    "two\nlines\r\nand\u2028more",
    "nul \0 byte",
    "x" * 5000,
    " spaces  \t",
    "e\u0301",
]


def batches_of(path: Path, batch_bytes: int = 16 << 20, shard_bytes: int = 64 << 20, **choices) -> list[Batch]:
    shards = plan_shards(list_inputs([str(path)], path.parent), shard_bytes)
    return [batch for shard in shards for batch in read_shard(shard, ReadSettings(**choices), batch_bytes)]


def read(path: Path, **choices) -> tuple[pa.Table, pa.Table, Counter, Counter]:
    """Documents, quarantined, skipped, repaired."""
    batches = batches_of(path, **choices)
    skipped = sum((Counter(batch.skipped) for batch in batches), Counter())
    repaired = sum((Counter(batch.repaired) for batch in batches), Counter())
    documents = pa.concat_tables([batch.documents for batch in batches])
    return documents, pa.concat_tables([batch.quarantined for batch in batches]), skipped, repaired


def texts(path: Path, **choices) -> list[str]:
    return read(path, **choices)[0]["text"].to_pylist()


def causes(quarantined: pa.Table) -> list[str]:
    return quarantined["cause"].to_pylist()


def rows(count: int = len(TEXTS)) -> list[dict]:
    return [
        {"id": f"d{n}", "text": TEXTS[n % len(TEXTS)], "url": f"http://e.org/{n}", "stars": n} for n in range(count)
    ]


def write_jsonl(path: Path, values: list[dict], **options) -> Path:
    path.write_text("".join(json.dumps(value, **options) + "\n" for value in values), encoding="utf-8")
    return path


def write_parquet(path: Path, table: pa.Table | list[dict], **options) -> Path:
    pq.write_table(pa.Table.from_pylist(table) if isinstance(table, list) else table, path, **options)
    return path


def write_ipc(path: Path, table: pa.Table, stream: bool = False, **options) -> Path:
    new = pa.ipc.new_stream if stream else pa.ipc.new_file
    with new(path, table.schema, **options) as writer:
        writer.write_table(table, max_chunksize=3)
    return path


# --- all formats ------------------------------------------------------------------------------------------


def test_every_format_gives_the_same_documents(tmp_path):
    table = pa.Table.from_pylist(rows())
    plain = write_jsonl(tmp_path / "a.jsonl", rows(), ensure_ascii=False).read_bytes()
    written = {
        "b.parquet": lambda path: write_parquet(path, table, row_group_size=3),
        "c.arrow": lambda path: write_ipc(path, table),
        "d.arrows": lambda path: write_ipc(path, table, stream=True),
        "e.feather": lambda path: write_ipc(path, table, options=pa.ipc.IpcWriteOptions(compression="zstd")),
        "f.jsonl.gz": lambda path: path.write_bytes(gzip.compress(plain)),
        "g.ndjson.zst": lambda path: path.write_bytes(zstandard.ZstdCompressor().compress(plain)),
        "h.json.bz2": lambda path: path.write_bytes(bz2.compress(plain)),
        "i.bad": lambda path: path.write_bytes(gzip.compress(plain)),
        "j.jsonl": lambda path: path.write_bytes(plain.replace(b"\n", b"\r\n\r\n").rstrip()),
        "k.jsonl": lambda path: path.write_bytes(b"\xef\xbb\xbf" + plain),
        "l.jsonl": lambda path: write_jsonl(path, rows()),
    }
    expected = read(tmp_path / "a.jsonl")[0]
    assert expected["text"].to_pylist() == TEXTS
    assert expected.schema.names == [*DOCUMENT.names, "stars"]
    for name, write in written.items():
        write(tmp_path / name)
        documents, quarantined, skipped, repaired = read(tmp_path / name)
        assert documents.drop(["source"]).equals(expected.drop(["source"])), name
        assert (len(quarantined), skipped, repaired) == (0, {}, {}), name
        assert set(documents["source"].to_pylist()) == {name}


@pytest.mark.parametrize("batch_bytes", [1, 100, 6000, 1 << 30])
@pytest.mark.parametrize("name", ["x.parquet", "x.arrow", "x.jsonl"])
def test_batches_of_any_size_hold_the_same(tmp_path, name, batch_bytes):
    values = [{key: value for key, value in row.items() if key != "id" or n % 3} for n, row in enumerate(rows(40))]
    table = pa.Table.from_pylist(
        values, pa.schema([("id", pa.string()), ("text", pa.string()), ("url", pa.string()), ("stars", pa.int64())])
    )
    path = tmp_path / name
    {"x.parquet": lambda: write_parquet(path, table, row_group_size=7), "x.arrow": lambda: write_ipc(path, table),
     "x.jsonl": lambda: write_jsonl(path, values)}[name]()  # fmt: skip
    expected = read(path)[0]
    batches = batches_of(path, batch_bytes, shard_bytes=1)
    assert pa.concat_tables([batch.documents for batch in batches]).equals(expected)
    assert expected["id"].to_pylist() == [record_id(name, n) if n % 3 == 0 else f"d{n}" for n in range(40)]
    sizes = [pc.sum(pc.binary_length(batch.documents["text"])).as_py() or 0 for batch in batches]
    assert all(size <= batch_bytes + 5000 for size in sizes)


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow", "x.jsonl", "x.jsonl.gz", "x.txt", "x.warc.gz", "x.arc"])
def test_a_file_without_a_byte_is_counted(tmp_path, name):
    (tmp_path / name).touch()
    (batch,) = batches_of(tmp_path / name)
    assert (len(batch.documents), len(batch.quarantined), batch.skipped) == (0, 0, {"empty file": 1})
    assert batch.documents.schema.equals(DOCUMENT)


def test_urls_of_fsspec_are_read(tmp_path):
    import fsspec

    system = fsspec.filesystem("memory")
    table = pa.Table.from_pylist(rows())
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    system.pipe(
        {
            "/bucket/a.parquet": buffer.getvalue(),
            "/bucket/b.jsonl": b'{"text": "in memory"}\n',
            "/bucket/c.txt.gz": gzip.compress(b"text"),
        }
    )
    try:
        found = list_inputs(["memory://bucket/*"], tmp_path)
        assert [file.name for file in found] == ["a.parquet", "b.jsonl", "c.txt.gz"]
        read_texts = [
            text
            for shard in plan_shards(found)
            for batch in read_shard(shard, ReadSettings())
            for text in batch.documents["text"].to_pylist()
        ]
        assert read_texts == [*TEXTS, "in memory", "text"]
    finally:
        system.rm("/bucket", recursive=True)
    write_jsonl(tmp_path / "z.jsonl", rows(2))
    (file,) = list_inputs([(tmp_path / "z.jsonl").as_uri()], Path("/"))
    assert [len(batch.documents) for batch in read_shard(plan_shards([file])[0], ReadSettings())] == [2]


# --- columns ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow", "x.jsonl"])
def test_a_missing_column_is_an_error_that_lists_the_others(tmp_path, name):
    table = pa.table({"content": ["a"], "n": [1]})
    path = tmp_path / name
    write_jsonl(path, table.to_pylist()) if "jsonl" in name else (write_parquet if "parquet" in name else write_ipc)(
        path, table
    )
    with pytest.raises(InputError, match=r"no column 'text'; its columns are: content, n. Set read.text_column"):
        batches_of(path)
    with pytest.raises(InputError, match=r"column 'n' of x.* holds int64, not text"):
        batches_of(path, text_column="n")
    with pytest.raises(InputError, match=r"no column 'key'.*read.id_column"):
        batches_of(path, text_column="content", id_column="key")
    assert texts(path, text_column="content") == ["a"]


TEXT_TYPES = [
    pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(),
    pa.dictionary(pa.int32(), pa.string()), pa.dictionary(pa.int8(), pa.large_string()),
]  # fmt: skip


@pytest.mark.parametrize("data_type", TEXT_TYPES, ids=str)
def test_text_of_any_string_type_is_read(tmp_path, data_type):
    values = pa.array([*TEXTS, None, "plain"], pa.large_string())
    values = values.dictionary_encode().cast(data_type) if pa.types.is_dictionary(data_type) else values.cast(data_type)
    path = write_ipc(tmp_path / "x.arrow", pa.table({"text": values}))
    documents, quarantined, _, repaired = read(path)
    assert documents["text"].to_pylist() == [*TEXTS, "", "plain"]
    assert documents.schema.field("text").type == pa.large_string()
    assert (len(quarantined), repaired) == (0, {"null-text": 1})


def test_parquet_text_is_not_copied_through_python(tmp_path, monkeypatch):
    path = write_parquet(tmp_path / "x.parquet", rows(2000))
    monkeypatch.setattr("curation.kept_columns._decoded", None)  # the only place where texts become Python strings
    assert len(read(path)[0]) == 2000


def test_columns_that_collide_keep_their_data(tmp_path):
    table = pa.table(
        {
            "id": [7, None], "body": ["a", "b"], "text": ["other", "text"], "url": [1, 2], "source": ["s", None],
            "lang": ["de", None], "lang_score": [0.5, 1.0], "input_url": ["taken", "x"], "extra": [[1], []],
        }
    )  # fmt: skip
    documents, *_ = read(write_parquet(tmp_path / "x.parquet", table), text_column="body")
    assert documents.to_pylist()[0] == {
        "id": "7", "text": "a", "url": None, "source": "s", "lang": "de", "lang_score": 0.5,
        "input_text": "other", "input_input_url": 1, "input_url": "taken", "extra": [1],
    }  # fmt: skip
    second = documents.to_pylist()[1]
    assert (second["id"], second["source"], second["lang"]) == (record_id("x.parquet", 1), "x.parquet", None)


@pytest.mark.parametrize(
    ("values", "ids"),
    [
        (pa.array([1, 2]), ["1", "2"]), (pa.array([2**63, 1], pa.uint64()), ["9223372036854775808", "1"]),
        (pa.array(["a", "b"]).dictionary_encode(), ["a", "b"]), (pa.array([b"a", b"\xff"]), ["a", "\ufffd"]),
        (pa.array([1.5, 2.0]), ["1.5", "2"]), (pa.array([True, False]), ["true", "false"]),
    ],
)  # fmt: skip
def test_ids_of_any_plain_type_become_text(tmp_path, values, ids):
    path = write_ipc(tmp_path / "x.arrow", pa.table({"key": values, "text": ["a", "b"]}))
    documents, *_ = read(path, id_column="key")
    assert documents["id"].to_pylist() == ids
    assert documents.schema.names == DOCUMENT.names


def test_columns_with_the_same_name_are_all_kept(tmp_path):
    table = pa.Table.from_arrays(
        [pa.array(["a"]), pa.array(["b"]), pa.array([1]), pa.array([2])], names=["text", "text", "n", "n"]
    )
    documents, *_ = read(write_ipc(tmp_path / "x.arrow", table))
    assert documents.to_pylist()[0] | {"id": ""} == {
        "id": "", "text": "a", "url": None, "source": "x.arrow", "lang": None, "lang_score": None, "input_text": "b", "n": 1, "input_n": 2,
    }  # fmt: skip


def test_broken_utf8_is_replaced_and_counted(tmp_path):
    broken = pa.array([b"a\xffb", b"fine", b"\xed\xa0\x80"])
    table = pa.table({"text": broken.cast(pa.binary()).view(pa.string()), "extra": broken.view(pa.string())})
    for path in (write_ipc(tmp_path / "x.arrow", table), write_parquet(tmp_path / "x.parquet", table)):
        documents, _, _, repaired = read(path)
        assert documents["text"].to_pylist() == ["a\ufffdb", "fine", "\ufffd" * 3]
        assert documents["extra"].to_pylist() == documents["text"].to_pylist()
        assert repaired == {"undecodable-bytes": 4}
        documents.validate(full=True)


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow", "x.jsonl", "x.jsonl.gz"])
def test_a_text_above_the_limit_is_quarantined(tmp_path, name):
    values = [{"id": "a", "text": "short"}, {"id": "b", "text": "long " * 600_000}, {"id": "c", "text": "end"}]
    path = tmp_path / name
    if "jsonl" in name:
        data = write_jsonl(path, values).read_bytes()
        path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    else:
        (write_parquet if "parquet" in name else write_ipc)(path, pa.Table.from_pylist(values))
    documents, quarantined, *_ = read(path, max_record_bytes=1 << 20)
    assert documents["id"].to_pylist() == ["a", "c"]
    assert (causes(quarantined), quarantined["record"].to_pylist()) == (["record-too-large"], [1])
    assert len(quarantined["raw"][0].as_py()) == 1 << 20


# --- damaged tables ---------------------------------------------------------------------------------------


def test_a_parquet_file_without_a_footer_is_one_quarantined_record(tmp_path):
    path = write_parquet(tmp_path / "x.parquet", rows())
    path.write_bytes(path.read_bytes()[:-20])
    documents, quarantined, *_ = read(path)
    assert (len(documents), causes(quarantined)) == (0, ["parquet"])


def test_a_damaged_row_group_costs_its_rows(tmp_path):
    path = write_parquet(
        tmp_path / "x.parquet", rows(30), row_group_size=10, write_page_checksum=True, compression="zstd"
    )
    chunk = pq.read_metadata(path).row_group(1).column(1)
    data = bytearray(path.read_bytes())
    data[chunk.data_page_offset - 20 : chunk.data_page_offset] = bytes(20)  # the end of the dictionary of the texts
    path.write_bytes(data)
    documents, quarantined, *_ = read(path)
    assert documents["id"].to_pylist() == [f"d{n}" for n in [*range(10), *range(20, 30)]]
    assert quarantined["record"].to_pylist() == list(range(10, 20))
    assert set(causes(quarantined)) == {"parquet"}


@pytest.mark.parametrize("stream", [False, True])
def test_an_arrow_file_cut_anywhere_never_raises(tmp_path, stream):
    path = write_ipc(tmp_path / "x.arrow", pa.Table.from_pylist(rows(30)), stream)
    data = path.read_bytes()
    for cut in random.Random(4).sample(range(8, len(data)), 40):
        path.write_bytes(data[:cut])
        documents, quarantined, *_ = read(path)
        kept = documents["id"].to_pylist()
        assert kept == [f"d{n}" for n in range(len(kept))]
        assert causes(quarantined) == ["arrow"] or (stream and len(kept) % 3 == 0)


@pytest.mark.parametrize("offsets", [(0, 5, 4_000_000), (0, 4_000_000, 11), (0, -7, 11), (9, 5, 11)])
@pytest.mark.parametrize("data_type", [pa.string(), pa.large_string(), pa.binary()], ids=str)
@pytest.mark.parametrize("column", ["text", "url", "extra"])
def test_offsets_that_point_outside_are_quarantined(tmp_path, offsets, data_type, column):
    code = "<3q" if data_type == pa.large_string() else "<3i"
    table = pa.table({"text": ["fine", "text"], column: pa.array(["hello", " world"], data_type)})
    path = write_ipc(tmp_path / "x.arrow", table)
    path.write_bytes(path.read_bytes().replace(struct.pack(code, 0, 5, 11), struct.pack(code, *offsets)))
    documents, quarantined, *_ = read(path)
    assert (len(documents), causes(quarantined)) == (0, ["arrow", "arrow"])


def test_row_groups_are_numbered_through_the_file(tmp_path):
    table = pa.table({"text": [f"text {n}" for n in range(25)]})
    path = write_parquet(tmp_path / "x.parquet", table, row_group_size=10)
    assert read(path, shard_bytes=1)[0]["id"].to_pylist() == [record_id("x.parquet", n) for n in range(25)]


def test_a_long_text_for_every_row_does_not_fill_the_memory(tmp_path):
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(100_000, np.int8)), pa.array(["x" * 10_000]))
    path = write_parquet(tmp_path / "x.parquet", pa.table({"text": text}))
    assert path.stat().st_size < 100_000
    before = pa.total_allocated_bytes()
    for shard in plan_shards(list_inputs([str(path)], tmp_path)):
        for batch in read_shard(shard, ReadSettings()):
            assert pa.total_allocated_bytes() - before < 400 << 20
            del batch


# --- text -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "text", "repaired"),
    [
        ("x.txt", "grüße\r\n\0".encode(), "grüße\r\n\0", {}), ("x.txt", "\ufeffmark".encode("utf-16"), "\ufeffmark", {}),
        ("x.txt.gz", gzip.compress(b"in gzip", mtime=0), "in gzip", {}), ("x.txt.zst", zstandard.ZstdCompressor().compress(b"z"), "z", {}),
        ("x.txt", b"\n", "\n", {}), ("x.txt", "déjà vu".encode() * 9 + b"\xff", "déjà vu" * 9 + "\ufffd", {"undecodable-bytes": 1}),
        ("x.txt", b"BZh is no compression here", "BZh is no compression here", {}),
    ],
)  # fmt: skip
def test_a_text_file_is_one_document(tmp_path, name, data, text, repaired):
    (tmp_path / name).write_bytes(data)
    documents, quarantined, _, found = read(tmp_path / name)
    assert (documents["text"].to_pylist(), len(quarantined), found) == ([text], 0, repaired)


@pytest.mark.parametrize(
    ("data", "cause"),
    [(gzip.compress(b"0" * 9_000_000), "record-too-large"), (gzip.compress(random.Random(6).randbytes(5000))[:-9], "gzip-truncated"),
     (b"not compressed", "gzip-garbage")],
)  # fmt: skip
def test_a_text_file_that_cannot_be_read_is_quarantined(tmp_path, data, cause):
    (tmp_path / "x.txt.gz").write_bytes(data)
    documents, quarantined, *_ = read(tmp_path / "x.txt.gz", max_record_bytes=1 << 20)
    assert (len(documents), causes(quarantined)) == (0, [cause])
