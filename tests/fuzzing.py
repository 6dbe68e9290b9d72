"""Fuzzing of every reader, and of the loaders of packed data, rule packs and jobs: seeds, mutations, and what must hold for any bytes.

scripts/fuzz.py runs it for minutes, guided by coverage; tests/test_fuzzing.py for seconds.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import random
import shutil
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import zstandard
from fasttext_files import SOFTMAX, write_model

from curation.input_content import content_sha256
from curation.inputs import InputError, list_inputs, plan_shards
from curation.job import load_job
from curation.language_id.identifier import Identifier
from curation.language_id.judging import judge
from curation.language_id.models import load_model
from curation.readers import ReadSettings, read_shard
from rules.format.pack import find_pack, load_pack
from rules.models.fasttext_file import ModelFileError
from rules.places import Problems
from train.handoff import HandoffError, open_split, read_documents, read_manifest
from train.verify_packed import verify

ROOT = Path(__file__).parents[1]
SETTINGS = ReadSettings(max_record_bytes=1 << 20)
TOKENS = ("0", "-1", "99999999999", "NaN", "null", "{", "[[[[", '"', "\r\n\r\n", "\n", "WARC/1.0\r\n", "Content-Length: 5\r\n", "HTTP/1.1 200 OK\r\n", "Transfer-Encoding: chunked\r\n", "Content-Encoding: gzip\r\n", "<div>" * 50, "\x00" * 20, "\ud83d".encode("utf-16", "surrogatepass").decode("latin1"), "\xff\xfe", "PAR1", "ARROW1")


def pages() -> bytes:
    records = []
    for number in range(3):
        body = gzip.compress(b"<html><body><p>page</p></body></html>") if number == 1 else b"<html><body><p>page %d</p></body></html>" % number
        coding = b"Content-Encoding: gzip\r\n" if number == 1 else b""
        if number == 2:
            body, coding = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body), b"Transfer-Encoding: chunked\r\n"
        block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=latin-1\r\n" + coding + b"\r\n" + body
        records.append(b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:%d>\r\nWARC-Target-URI: http://a.example/\r\nContent-Type: application/http; msgtype=response\r\nContent-Length: %d\r\n\r\n%s\r\n\r\n" % (number, len(block), block))
    return b"".join(records)


def arc() -> bytes:
    version = b"1 0 Somebody\nURL IP-address Archive-date Content-type Archive-length\n"
    block = b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<html><p>words</html>"
    return b"filedesc://a.arc 0.0.0.0 20240101000000 text/plain %d\n%s\n" % (len(version), version) + b"http://a.example/ 1.2.3.4 20240101000000 text/html %d\n%s\n" % (len(block), block) * 3


def jsonl() -> bytes:
    rows = [{"id": "a", "text": "words", "n": 1}, {"text": None, "x": {"y": [1, 2.5]}}, {"text": "größe\ud83d", "n": "2", "deep": [[[[]]]]}]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def table() -> pa.Table:
    return pa.table({"id": ["a", "b", None], "text": ["words", None, "größe"], "lang_score": [0.5, None, 1.0], "list": [[1], [], None], "d": pa.array(["x", "y", "x"]).dictionary_encode()})


def views() -> pa.Table:
    """The types that polars writes, and lists, maps and structs of text."""
    text = pa.array(["words", None, "größe and more words"], pa.string_view())
    nested = {"list": pa.array([["a"], None, []], pa.list_(pa.string_view())), "map": pa.array([[("k", "v")], [], None], pa.map_(pa.string(), pa.string())), "struct": [{"a": "b"}, None, {"a": None}], "views": pa.array([["a"], None, ["b", "c"]], pa.list_view(pa.string()))}
    return pa.table({"text": text, "kind": pa.DictionaryArray.from_arrays(pa.array([0, 1, None], pa.uint32()), text.slice(0, 2)), "extra": text, **nested})


def arrow(writer: Callable, rows: pa.Table) -> bytes:
    sink = io.BytesIO()
    with writer(sink, rows.schema) as file:
        file.write_table(rows, max_chunksize=2)
    return sink.getvalue()


def parquet(**options: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table(), sink, row_group_size=2, **options)
    return sink.getvalue()


def seeds() -> dict[str, bytes]:
    """A valid file of every kind, by a name that tells its format."""
    each = b"".join(gzip.compress(record + b"\r\n\r\n") for record in pages().split(b"\r\n\r\n\r\n\r\n"))
    return {
        "x.warc": pages(), "x.warc.gz": gzip.compress(pages()), "y.warc.gz": each, "x.warc.zst": zstandard.ZstdCompressor().compress(pages()), "x.wet": pages().replace(b"response", b"conversion"),
        "x.arc": arc(), "x.arc.gz": gzip.compress(arc()), "x.jsonl": jsonl(), "x.jsonl.gz": gzip.compress(jsonl()), "x.jsonl.zst": zstandard.ZstdCompressor().compress(jsonl()),
        "x.jsonl.bz2": bz2.compress(jsonl()), "x.parquet": parquet(compression="snappy"), "y.parquet": parquet(compression="zstd", use_dictionary=False, data_page_version="2.0"),
        "x.arrow": arrow(ipc.new_file, table()), "y.arrow": arrow(ipc.new_stream, table()), "z.arrow": arrow(ipc.new_file, views()), "x.txt": "größe und so".encode("latin-1"), "x.txt.gz": gzip.compress(b"words"), "x.unknown": jsonl(),
    }  # fmt: skip


def mutated(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """`data` after one to four random changes."""
    for _ in range(rng.randint(1, 4)):
        at, size = rng.randint(0, len(data)), rng.choice((1, 2, 4, 8, 40, 400))
        kind = rng.randrange(7)
        if kind == 0 and data:
            at = min(at, len(data) - 1)
            data = data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        elif kind == 1:
            data = data[:at]
        elif kind == 2:
            data = data[:at] + data[at + size :]
        elif kind == 3:
            data = data[:at] + rng.randbytes(size) + data[at + size * rng.randrange(2) :]
        elif kind == 4:
            data = data[:at] + rng.choice(TOKENS).encode("utf-8", "surrogatepass") + data[at:]
        elif kind == 5:
            data = data[:at] + data[at : at + size] * rng.randint(2, 5) + data[at + size :]
        else:
            other = rng.choice(others)
            begin = rng.randint(0, len(other))
            data = data[:at] + other[begin : begin + size] + data[at:]
    return data[: 1 << 18]


def check_reader(name: str, data: bytes, folder: Path) -> None:
    """Any bytes under any name: every record is a document, skipped or quarantined, and documents are whole tables.

    Refusals that are made to be read (InputError) are fine; everything else that is raised is a bug."""
    path = folder / name
    path.write_bytes(data)
    try:
        shards = plan_shards(list_inputs([str(path)], folder))
        assert all(len(content_sha256(shard.file.path, shard.row_groups)) == 64 for shard in shards)
        batches = [batch for shard in shards for batch in read_shard(shard, SETTINGS, 1000)]
    except InputError:
        return
    for batch in batches:
        batch.documents.validate(full=True)
        batch.quarantined.validate(full=True)
        assert batch.documents["id"].null_count == batch.documents["text"].null_count == batch.documents["source"].null_count == 0
    schemas = {str(batch.documents.schema) for batch in batches if len(batch.documents)}
    assert len(schemas) <= 1


def check_packed(name: str, data: bytes, packed: Path, folder: Path) -> None:
    """A packed folder with `data` in the place of one file: opened or refused, in words; what passes can be read."""
    target = folder / "packed"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(packed, target)
    (target / name).write_bytes(data)
    try:
        manifest = read_manifest(target)
        read_documents(target)
        for split in manifest.splits:
            opened = open_split(target, split)
            for index in range(min(len(opened), 20)):
                opened.sequence(index)
        verify(target)
    except HandoffError as error:
        assert str(error)
        return
    for split in manifest.splits:
        opened = open_split(target, split)
        for index in range(len(opened)):
            tokens, lengths, refs = opened.sequence(index)
            assert lengths.sum() <= len(tokens) and len(lengths) == len(refs) and int(np.max(tokens, initial=0)) < manifest.vocab_size


def check_rules(name: str, data: bytes, folder: Path) -> None:
    """Any bytes as a rule pack or a job: loaded, or refused with every mistake at its place."""
    path = folder / name
    path.write_bytes(data)
    try:
        (load_job if name.startswith("job") else load_pack)(path)
    except Problems as found:
        assert found.problems and all(str(problem).startswith(str(folder)) for problem in found.problems)


def check_language_model(name: str, data: bytes, folder: Path) -> None:
    """Any bytes as a language model: refused, or texts are judged by kernels, or fastText loads it."""
    path = folder / name
    path.write_bytes(data)
    load_model.cache_clear()
    with np.errstate(all="ignore"):  # numbers of a damaged model may be any
        try:
            model = load_model(str(path))
        except ModelFileError as error:
            assert str(path) in str(error)
            return
        if isinstance(model, Identifier):
            assert len(judge(pa.array(["hello world abc", "", "größe \x00 abc"]), str(path), 2).languages) == 3


def model_seeds(folder: Path) -> dict[str, bytes]:
    kinds = {"plain": {}, "small": {"quantised": True, "norms": True, "output_quantised": True, "kept": 40}, "softmax": {"loss": SOFTMAX}, "long": {"numbers": 20, "quantised": True}}
    for name, kind in kinds.items():
        write_model(folder / name, ["</s>", "abc", "hello"], ["en", "de", "fr"], buckets=60, **kind)
    return {f"{name}.bin": (folder / name).read_bytes() for name in kinds}


def rule_seeds() -> dict[str, bytes]:
    packs = {f"{name}.yaml": find_pack(name, ROOT).read_bytes() for name in ("gopher_quality", "c4", "web_chrome", "fineweb")}
    job = b"input: x.jsonl\noutput: out\nlanguage: {keep: [en]}\npacks: [c4, {use: gopher_quality, set: {stop-words: tag}}]\nexact: {}\nnear: {bands: 14}\npack: {mixture: {by: source, weights: {a: 1}}}\n"
    return packs | {"job.yaml": job}


TARGETS = ("curation", "rules", "train/handoff.py", "train/verify_packed.py")


def reached(function: Callable[[], None]) -> set[tuple[str, int]]:
    """The lines of our readers that `function` runs through."""
    lines: set[tuple[str, int]] = set()
    prefixes = tuple(str(ROOT / target) for target in TARGETS)

    def local(frame: types.FrameType, event: str, _: object) -> object:
        if event == "line":
            lines.add((frame.f_code.co_filename, frame.f_lineno))
        return local

    def trace(frame: types.FrameType, event: str, _: object) -> object:
        return local if frame.f_code.co_filename.startswith(prefixes) else None

    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(None)
    return lines


def guided(check: Callable[[str, bytes], None], corpus: dict[str, list[bytes]], rng: random.Random) -> Iterator[tuple[str, bytes, int]]:
    """Inputs without end; one that reaches new lines joins the corpus. Yields the name, the input, and the lines reached so far.

    The input is yielded before it is tried, so that a caller can keep it."""
    known: set[tuple[str, int]] = set()
    names = sorted(corpus)
    everything = [data for inputs in corpus.values() for data in inputs]
    while True:
        name = rng.choice(names)
        data = mutated(rng.choice(corpus[name]), rng, everything)
        yield name, data, len(known)
        found = reached(lambda name=name, data=data: check(name, data))
        if not found <= known:
            known |= found
            corpus[name].append(data)
