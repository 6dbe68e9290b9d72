"""Broken and hostile input, run from end to end: each kind has a stated outcome (docs/inputs.md), and nothing is lost."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.explain import story, story_lines
from curation.id_hashes import id_hashes, repeated
from curation.inputs import InputError
from curation.job import load_job
from curation.run import run_job
from curation.verify import verify

WORDS = "The river ran past the old stone house and the people of the town came down to the water every summer evening"


def run(folder: Path, files: dict[str, bytes], more: str = "", pattern: str = "in") -> tuple[dict, Path]:
    """The report and output of a run over `files`."""
    (folder / "in").mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / "in" / name).write_bytes(data)
    (folder / "job.yaml").write_text(f"input: {json.dumps(pattern)}\noutput: out\nworkers: inline\n{more}", encoding="utf-8")
    report = run_job(load_job(folder / "job.yaml")).report
    assert report["in"] == report["kept"] + report["removed"] + report["quarantined"]
    assert verify(folder / "out").problems == []
    return report, folder / "out"


def table(output: Path, folder: str) -> pa.Table:
    parts = [pq.read_table(path) for path in sorted((output / folder).glob("*.parquet"))]
    return pa.concat_tables(parts, promote_options="permissive") if parts else pa.table({"id": [], "cause": [], "text": []})


def lines(*rows: object) -> bytes:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows).encode()


def parquet(**columns: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


# --- ids ---------------------------------------------------------------------------------------------------


def test_duplicate_ids_are_all_kept_counted_and_told(tmp_path):
    first = lines({"id": "a", "text": WORDS}, {"id": "b", "text": "two"}, {"id": "a", "text": "three"})
    report, output = run(tmp_path, {"1.jsonl": first, "2.jsonl": lines({"id": "a", "text": WORDS}, {"id": "c", "text": "five"})}, "exact: {}\n")
    assert (report["in"], report["kept"], report["removed"]) == (5, 4, 1)
    assert sorted(table(output, "clean")["id"].to_pylist()) == ["a", "a", "b", "c"]
    assert report["ids"] == {"repeated_ids": 1, "documents": 3, "examples": ["a"]}
    assert any("3 documents share their id" in warning for warning in report["warnings"])
    found = story(output, "a")
    assert sorted((same["fate"], same["source"]) for same in found["same_id"]) == [("kept", "1.jsonl"), ("kept", "1.jsonl"), ("removed", "2.jsonl")]
    assert any("3 documents have this id" in line for line in story_lines(found))


def test_the_same_file_under_two_names_is_two_files_with_ids_of_their_own(tmp_path):
    report, output = run(tmp_path, {"1.txt": WORDS.encode(), "2.txt": WORDS.encode()})
    assert report["ids"]["repeated_ids"] == 0 and len(set(table(output, "clean")["id"].to_pylist())) == 2


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 40), max_size=30), max_size=4), st.integers(1, 20))
def test_repeated_hashes_are_those_of_the_definition(tmp_path_factory, shards, most):
    folder = tmp_path_factory.mktemp("hashes")
    every = [number * 0x0F83E0F83E0F83E1 % 2**64 for shard in shards for number in shard]
    files, start = [], 0
    for number, shard in enumerate(shards):
        files.append(folder / str(number))
        np.array(every[start : start + len(shard)], np.uint64).tofile(files[-1])
        start += len(shard)
    hashes, counts = repeated(files, most)
    assert dict(zip(hashes.tolist(), counts.tolist())) == {value: every.count(value) for value in every if every.count(value) > 1}
    assert hashes.tolist() == sorted(hashes.tolist())


def test_id_hashes_tell_ids_apart():
    ids = pa.chunked_array([pa.array(["a", "A", "a ", "", "ä"]), pa.array(["a"])])
    hashes = id_hashes(ids).tolist()
    assert len(set(hashes)) == 5 and hashes[0] == hashes[5]


# --- JSONL -------------------------------------------------------------------------------------------------


def test_torn_lines_numbers_and_nulls(tmp_path):
    rows = lines(
        {"text": WORDS, "score": float("nan"), "count": 10**400}, {"text": None, "score": 1.5, "count": 2**63}, {"text": WORDS, "score": float("inf"), "count": 1},
        {"score": 2}, {"text": 7}, {"text": ["a list"]}, "[1, 2]", "nonsense",
    ) + b'{"text": "torn off in the mid'  # fmt: skip
    report, output = run(tmp_path, {"x.jsonl": rows})
    causes = sorted(table(output, "quarantine")["cause"].to_pylist())
    assert causes == ["json", "json-not-object", "json-torn", "text-type", "text-type"]
    assert report["input"]["repaired"] == {"null-text": 2} and report["removed"] == 2  # empty documents
    clean = table(output, "clean")
    assert clean["text"].to_pylist() == [WORDS, WORDS]
    assert clean["count"].to_pylist() == [str(10**400), "1"]  # nothing is rounded
    assert np.isnan(clean["score"][0].as_py()) and clean["score"][1].as_py() == float("inf")


def test_schema_drift_between_shards_and_inside_one(tmp_path):
    """Each shard has the types of its file; a dataset over clean/ reads them together; no value is lost."""
    files = {
        "1.jsonl": lines({"text": WORDS, "year": 2001, "tags": ["a"]}),
        "2.jsonl": lines({"text": WORDS, "year": "2002?", "tags": "b"}, {"text": WORDS, "year": 3, "only": True}),
        "3.parquet": parquet(text=[WORDS], year=pa.array([2003.5]), tags=pa.array([[1, 2]])),
    }
    report, output = run(tmp_path, files)
    assert report["kept"] == 4
    parts = [pq.read_table(path).to_pylist() for path in sorted((output / "clean").glob("*.parquet"))]
    assert [[row["year"] for row in part] for part in parts] == [[2001], ["2002?", "3"], [2003.5]]
    assert parts[1][1]["only"] is True and parts[1][0]["tags"] == "b"
    assert parts[2][0]["tags"] == [1, 2]


def test_columns_named_like_ours_stay_beside_them(tmp_path):
    """A column that cannot be what its name promises passes through under another name; none is overwritten."""
    rows = lines({"id": {"n": 1}, "text": WORDS, "url": 5, "source": ["s"], "lang": 1, "lang_score": "high", "reason": "mine", "stage": "mine", "kept_id": "k", "hits": 3, "cluster_size": 9, "input_url": "taken"})
    report, output = run(tmp_path, {"x.jsonl": rows, "y.jsonl": lines({"text": ""})}, "packs: [gopher_quality]\n")
    removed = table(output, "removed").filter(pc.equal(table(output, "removed")["source"], "x.jsonl")).to_pylist()
    (row,) = removed or table(output, "clean").to_pylist()
    assert row["text"] == WORDS and row["source"] == "x.jsonl" and len(row["id"]) == 16 and row["url"] is None
    values = [json.dumps(value) for value in row.values()]
    for value in ('{"n": 1}', "5", '["s"]', "1", '"high"', '"mine"', '"k"', "3", "9", '"taken"'):
        assert value in values or json.dumps(value) in values, (value, row)


# --- Parquet -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "column",
    [
        pa.array([WORDS.encode(), None], pa.large_binary()),
        pa.array([WORDS, None]).dictionary_encode(),
        pa.array([WORDS, None], pa.string_view()),
        pa.array([WORDS.encode() + b"\xff", None], pa.binary()),
    ],
)
def test_text_of_other_types_is_text(tmp_path, column):
    if column.type == pa.string_view():
        pytest.importorskip("pyarrow", "24", reason="Parquet of string views")
    report, output = run(tmp_path, {"x.parquet": parquet(text=column)})
    assert (report["in"], report["kept"], report["removed"], report["quarantined"]) == (2, 1, 1, 0)
    assert table(output, "clean")["text"][0].as_py().startswith(WORDS)


def test_every_other_type_passes_through(tmp_path):
    import datetime
    import decimal

    columns = {
        "day": pa.array([datetime.date(2020, 1, 2)]), "at": pa.array([datetime.datetime(2020, 1, 2)], pa.timestamp("us", "UTC")),
        "price": pa.array([decimal.Decimal("1.50")]), "map": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int32())),
        "nested": pa.array([{"a": [{"b": 1}]}]), "half": pa.array(np.array([1.5], np.float16)), "none": pa.nulls(1),
        "big": pa.array([2**64 - 1], pa.uint64()), "raw": pa.array([b"\x00\xff"]), "flag": pa.array([True]),
    }  # fmt: skip
    report, output = run(tmp_path, {"x.parquet": parquet(text=[WORDS], **columns)})
    assert report["kept"] == 1
    row = table(output, "clean").to_pylist()[0]
    assert {name: row[name] for name in columns} == {name: column.to_pylist()[0] for name, column in columns.items()}


def test_views_and_categories_as_other_tools_write_them(tmp_path):
    views = {"text": pa.array([WORDS, "x", WORDS], pa.string_view()), "tags": pa.array([["a"], None, ["b"]], pa.list_(pa.string_view()))}
    kinds = {name: pa.DictionaryArray.from_arrays(pa.array([0, 1, 0], pa.uint32()), pa.array(["en", "b"], pa.string_view())) for name in ("kind", "lang")}
    sink = io.BytesIO()
    with ipc.new_file(sink, pa.schema([(name, column.type) for name, column in (views | kinds).items()])) as file:
        file.write_table(pa.table(views | kinds))
    report, output = run(tmp_path, {"x.arrow": sink.getvalue()}, "exact: {}\n")
    assert (report["kept"], report["removed"]) == (2, 1)
    rows = table(output, "clean").to_pylist() + table(output, "removed").to_pylist()
    assert [(row["text"], row["tags"], row["kind"], row["lang"]) for row in rows] == [(WORDS, ["a"], "en", "en"), ("x", None, "b", "b"), (WORDS, ["b"], "en", "en")]


def test_a_column_that_parquet_has_no_place_for_is_refused_by_name(tmp_path):
    spans = pa.table({"text": [WORDS], "span": pa.array([(1, 2, 3)], pa.month_day_nano_interval())})
    sink = io.BytesIO()
    with ipc.new_file(sink, spans.schema) as file:
        file.write_table(spans)
    with pytest.raises(InputError, match="column 'span' of x.arrow holds month_day_nano_interval, which Parquet has no place for"):
        run(tmp_path, {"x.arrow": sink.getvalue()})


@pytest.mark.parametrize("column", [pa.array([1]), pa.array([["a"]]), pa.array([{"a": 1}]), pa.array([True])])
def test_a_text_column_without_text_is_refused_before_anything_is_done(tmp_path, column):
    with pytest.raises(InputError, match="'text' of x.parquet holds .*, not text; its columns are: text. Set read.text_column"):
        run(tmp_path, {"x.parquet": parquet(text=column)})


# --- pages -------------------------------------------------------------------------------------------------


def test_a_page_that_is_too_large_to_parse_is_quarantined_and_its_file_goes_on(tmp_path):
    def record(body: bytes) -> bytes:
        block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + body
        return b"WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http; msgtype=response\r\nContent-Length: %d\r\n\r\n%s\r\n\r\n" % (len(block), block)

    large = b"<html><body>" + b"<p>a line of it</p>" * (2 << 20) + b"</body></html>"  # 40 MB
    report, output = run(tmp_path, {"x.warc.gz": gzip.compress(record(b"<html>before</html>"), 1) + gzip.compress(record(large), 1) + gzip.compress(record(b"<html>after</html>"), 1)})
    assert table(output, "clean")["text"].to_pylist() == ["before", "after"]
    quarantined = table(output, "quarantine").to_pylist()
    assert [(row["cause"], row["record"], len(row["raw"])) for row in quarantined] == [("html-too-large", 1, 1 << 20)]


# --- files -------------------------------------------------------------------------------------------------


def test_names_with_spaces_and_unicode_and_bytes(tmp_path):
    names = [" leading and trailing .jsonl", "größe 日本語 🙂.jsonl", "quote'\".jsonl", "new\nline.jsonl", "[1]*?.jsonl", "\x1b[31mred.jsonl", "-rf.jsonl", "%41.jsonl"]
    report, output = run(tmp_path, {name: lines({"text": f"{WORDS} {number}"}) for number, name in enumerate(names)})
    assert report["kept"] == len(names) and sorted(table(output, "clean")["source"].to_pylist()) == sorted(names)
    assert all(path.name.isascii() for path in (output / "clean").iterdir())


def test_files_without_a_byte_and_without_a_record(tmp_path):
    files = {"a.jsonl": b"", "b.parquet": b"", "c.warc.gz": b"", "d.txt": b"", "e.jsonl": b"\n \n\n", "f.jsonl.gz": gzip.compress(b""), "g.parquet": parquet(text=pa.array([], pa.string())), "h.arrow": b""}
    report, output = run(tmp_path, files)
    assert (report["in"], report["quarantined"]) == (0, 0) and report["input"]["files"] == 8
    assert report["input"]["skipped"]["empty file"] == 5


def test_a_footer_that_contradicts_itself_costs_its_file(tmp_path):
    """Arrow ends the process that asks it where the columns of such a file lie: the levels of its histogram are not its schema's."""
    whole = parquet(text=[WORDS, WORDS + " again"], n=[1, 2])
    optional = b"\x25\x02\x18\x01n"  # of the schema: a repetition type, and the name n
    assert whole.count(optional) == 1
    lying = whole.replace(optional, b"\x25\x00" + optional[2:])
    report, output = run(tmp_path, {"a.parquet": lying, "b.jsonl": lines({"text": WORDS})})
    assert (report["in"], report["kept"], report["quarantined"]) == (3, 1, 2)
    assert all("histogram size mismatch" in error for error in table(output, "quarantine")["error"].to_pylist())
    (tmp_path / "in/a.parquet").touch()
    assert run_job(load_job(tmp_path / "job.yaml")).done_before and verify(output, inputs=True).problems == []


@pytest.mark.parametrize("pattern", ["in/*.nothing", "nowhere", "in/none/**/*.jsonl"])
def test_a_pattern_without_files_is_refused(tmp_path, pattern):
    with pytest.raises(InputError, match="matches no file"):
        run(tmp_path, {"x.jsonl": lines({"text": WORDS})}, pattern=pattern)
    assert not (tmp_path / "out").exists()


def test_compressed_files_cut_off_keep_their_whole_lines(tmp_path):
    data = lines(*({"text": f"{WORDS} {number} {number * 7919 % 104729:x}"} for number in range(400)))
    cut = {"a.jsonl.gz": gzip.compress(data)[:-200], "b.jsonl.zst": zstandard.ZstdCompressor().compress(data)[:-200]}
    report, output = run(tmp_path, cut)
    causes = table(output, "quarantine")["cause"].to_pylist()
    assert sorted(causes) == ["gzip-truncated", "zstd-truncated"] and report["kept"] > 300


def test_a_bomb_costs_one_record_and_little_memory(tmp_path):
    """300 MB in a line of 300 kB, in gzip and zstd: passed over in pieces, quarantined with its start."""
    import resource

    bomb = lines({"text": "x" * 1000}) + b'{"text": "' + b"a" * (300 << 20) + b'"}\n' + lines({"text": WORDS})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    files = {"a.jsonl.gz": gzip.compress(bomb, 1), "b.jsonl.zst": zstandard.ZstdCompressor().compress(bomb)}
    del bomb
    report, output = run(tmp_path, files, "read: {max_record_bytes: 1000000}\n")
    assert (report["kept"], report["quarantined"]) == (4, 2)
    quarantined = table(output, "quarantine")
    assert set(quarantined["cause"].to_pylist()) == {"record-too-large"} and "max_record_bytes is 1,000,000" in quarantined["error"][0].as_py()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < max(before, 600 << 10) + (400 << 10)
