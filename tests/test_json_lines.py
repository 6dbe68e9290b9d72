"""JSON lines: any JSON comes back, types hold for the whole file, and what is wrong with a line costs that line."""

from __future__ import annotations

import bz2
import gzip
import json
import math
import random

import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from test_readers import causes, read, texts, write_jsonl

from curation.document import record_id
from curation.json_types import EXACT, arrow_type, kind_of, merge

surrogates = st.text(st.characters(categories=["Cs"]), max_size=2)
any_text = st.text(max_size=12) | st.builds(str.__add__, st.text(max_size=5), surrogates)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=6,
)
json_rows = st.fixed_dictionaries({"text": any_text}, optional={"a": json_values, "b": json_values, "é": json_values})


def clean(value):
    """What a value must come back as: no lone surrogates."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {clean(name): clean(item) for name, item in value.items()}
    return [clean(item) for item in value] if isinstance(value, list) else value


def same(found, expected) -> bool:
    """Whether a value of a column is what was written; a typed struct has null for what a row lacks."""
    if isinstance(found, dict) and isinstance(expected, dict):
        return all(same(found[name], expected.get(name)) for name in found) and set(expected) <= set(found)
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, float) and isinstance(found, (int, float)):
        return found == expected or (math.isnan(found) and math.isnan(expected))
    if isinstance(found, str) and not isinstance(expected, str):
        return found == json.dumps(expected, ensure_ascii=False)
    return found == expected


@settings(max_examples=150, deadline=None)
@given(st.lists(json_rows, min_size=1, max_size=6), st.booleans(), st.sampled_from([1, 50, 1 << 20]))
def test_any_json_comes_back(tmp_path_factory, values, ascii_only, batch_bytes):
    path = tmp_path_factory.mktemp("json") / "x.jsonl"
    lines = "".join(json.dumps(value, ensure_ascii=ascii_only) + "\n" for value in values)
    path.write_bytes(lines.encode("utf-8", "surrogatepass"))
    documents, quarantined, *_ = read(path, batch_bytes=batch_bytes)
    assert len(quarantined) == 0
    if ascii_only:  # surrogates written as bytes are broken UTF-8, three bytes each
        for found, value in zip(documents.to_pylist(), values):
            assert same({name: found.get(name) for name in map(clean, value)}, clean(value))
        whole = read(path)[0]  # `same`, because NaN is not equal to itself
        assert documents.schema == whole.schema and same(documents.to_pylist(), whole.to_pylist())
    documents.validate(full=True)
    pq.write_table(documents, path.with_suffix(".parquet"))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=40).map(lambda data: data.replace(b"\n", b"")), max_size=6))
def test_bad_lines_are_quarantined_one_by_one(tmp_path_factory, junk):
    path = tmp_path_factory.mktemp("junk") / "x.jsonl"
    good = [b'{"text": "%d"}' % n for n in range(len(junk) + 1)]
    path.write_bytes(b"\n".join(line for pair in zip(good, junk) for line in pair) + b"\n" + good[-1])
    documents, quarantined, *_ = read(path)
    assert documents["text"].to_pylist() == [str(n) for n in range(len(junk) + 1)]
    assert len(quarantined) == sum(not line.isspace() and line != b"" for line in junk)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (b'{"text": "torn', "json"), (b"not json", "json"), (b"null", "json-not-object"), (b"[1, 2]", "json-not-object"),
        (b'"text"', "json-not-object"), (b'{"text": 5}', "text-type"), (b'{"text": ["a"]}', "text-type"),
        (b'{"text": "a"} {"text": "b"}', "json"), (b"{'text': 'a'}", "json"), (b'{"text": "a",}', "json"),
        (b'{"text": "a", "n": ' + b"9" * 5000 + b"} x", "json"), (b'{"n": ' + b"9" * 5000, "json"),
        (b'{"a":' * 100_000, "json-too-deep"), (b'{"text": "a", "b": ' + b"[" * 5000 + b"]" * 5000 + b"}", "json-too-deep"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_line_is_said(tmp_path, line, cause):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"text": "before"}\n\n' + line + b'\n{"text": "after"}\n')
    documents, quarantined, *_ = read(path)
    assert documents["text"].to_pylist() == ["before", "after"]
    assert causes(quarantined) == [cause]
    (row,) = quarantined.to_pylist()
    assert (row["record"], row["offset"], row["raw"]) == (1, 20, line)
    assert row["error"].startswith("line 3: ")
    assert documents["id"].to_pylist() == [record_id("x.jsonl", 0), record_id("x.jsonl", 2)]


def test_a_torn_last_line_is_quarantined(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"text": "a"}\n{"text": "b')
    documents, quarantined, *_ = read(path)
    assert (len(documents), causes(quarantined)) == (1, ["json-torn"])
    path.write_bytes(b'{"text": "a"}\n{"text": "b"}')
    assert texts(path) == ["a", "b"]


def test_lone_surrogates_are_replaced_and_counted(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(
        rb'{"text": "a\ud800b", "k\udfff": ["\udc00"]}' + b"\n" + rb'{"text": "\ud83d\ude00 \\ud800"}' + b"\n"
    )
    documents, _, _, repaired = read(path)
    assert documents["text"].to_pylist() == ["a\ufffdb", "😀 \\ud800"]
    assert documents["k\ufffd"].to_pylist() == [["\ufffd"], None]
    assert repaired == {"lone-surrogate": 1}


def test_null_and_missing_texts_are_empty_documents(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"text": null, "a": 1}\n{"a": 2}\n{"text": "b"}\n')
    documents, _, _, repaired = read(path)
    assert documents["text"].to_pylist() == ["", "", "b"]
    assert repaired == {"null-text": 2}


def test_types_hold_for_the_whole_file(tmp_path):
    values = [{"text": "t", "n": 1, "m": 1, "s": {"a": 1}, "l": [], "big": 2**63, "huge": 1, "e": {}, "i": EXACT + 1}]
    values += [
        {"text": "t", "n": 1.5, "m": "one", "s": {"b": None}, "l": ["x"], "big": 0, "huge": 10**5000, "e": {}, "i": 0.5}
    ]
    path = tmp_path / "x.jsonl"
    sys_limit = (
        json.dumps(values[0]) + "\n" + json.dumps(values[1] | {"huge": 0}).replace('"huge": 0', '"huge": ' + "9" * 5000)
    )
    path.write_text(sys_limit)
    for size in (1, 1 << 20):
        documents, quarantined, *_ = read(path, batch_bytes=size)
        assert len(quarantined) == 0
        assert documents["n"].to_pylist() == [1.0, 1.5]
        assert documents["m"].to_pylist() == ["1", "one"]
        assert documents["s"].to_pylist() == [{"a": 1, "b": None}, {"a": None, "b": None}]
        assert documents["l"].to_pylist() == [[], ["x"]]
        assert documents["big"].to_pylist() == ["9223372036854775808", "0"]
        assert documents["huge"].to_pylist() == ["1", "9" * 5000]
        assert documents["e"].to_pylist() == ["{}", "{}"]
        assert documents["i"].to_pylist() == [str(EXACT + 1), "0.5"]


def test_thousands_of_fields_become_one_column(tmp_path):
    values = [
        {f"f{n}_{m}": m for m in range(400)} | {"text": str(n), "map": {f"{n}.{m}": m for m in range(200)}}
        for n in range(4)
    ]
    documents, *_ = read(write_jsonl(tmp_path / "x.jsonl", values))
    assert len(documents.schema) < 600
    assert json.loads(documents["input_more"][3].as_py()) == {f"f3_{m}": m for m in range(400)}
    assert json.loads(documents["map"][2].as_py()) == values[2]["map"]
    assert documents["text"].to_pylist() == ["0", "1", "2", "3"]


@given(json_values, json_values, json_values)
def test_kinds_merge_in_any_order(a, b, c):
    kinds = [kind_of(clean(value)) for value in (a, b, c)]
    left = merge(merge(kinds[0], kinds[1]), kinds[2])
    assert same_kind(left, merge(kinds[2], merge(kinds[1], kinds[0])))
    arrow_type(left)


def same_kind(left, right) -> bool:
    if isinstance(left, tuple) and isinstance(right, tuple) and left[0] == right[0] == "struct":
        return left[1].keys() == right[1].keys() and all(same_kind(left[1][name], right[1][name]) for name in left[1])
    if isinstance(left, tuple) and isinstance(right, tuple):
        return left[0] == right[0] and same_kind(left[1], right[1])
    return left == right


@pytest.mark.parametrize(
    "compress",
    [gzip.compress, bz2.compress, lambda data: zstandard.ZstdCompressor().compress(data)],
    ids=["gzip", "bzip2", "zstd"],
)
def test_compressed_jsonl_cut_anywhere_keeps_whole_lines(tmp_path, compress):
    source = random.Random(5)
    plain = b"".join(b'{"text": "%d %s"}\n' % (n, source.randbytes(30).hex().encode()) for n in range(20_000))
    data = compress(plain)
    path = tmp_path / "x.jsonl.gz"
    for cut in [1, 9, 20, *source.sample(range(20, len(data)), 8)]:
        path.write_bytes(data[:cut])
        documents, quarantined, *_ = read(path)
        kept = documents["text"].to_pylist()
        assert [int(text.split()[0]) for text in kept] == list(range(len(kept)))
        assert len(quarantined) == 1
    path.write_bytes(
        data[: len(data) // 2] + b"\0" * 64 + data[len(data) // 2 + 64 :] + compress(b'{"text": "-1 next member"}\n')
    )
    documents, quarantined, *_ = read(path)
    assert documents["text"].to_pylist()[-1] == "-1 next member"
    assert len(quarantined) >= 1
