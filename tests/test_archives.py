"""WARC, ARC and WET: every record is a document, skipped or quarantined, whatever is wrong with the file."""

from __future__ import annotations

import bz2
import gzip
import random
import zlib
from collections import Counter
from pathlib import Path

import brotli
import fastwarc
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.archive_headers import WARC
from curation.formats import file_codec
from curation.frames import RESYNC_BYTES, FrameReader
from curation.inputs import list_inputs, plan_shards
from curation.readers import ReadSettings, read_shard
from curation.streams import DecodedStream

SHARED = Path(__file__).parents[2] / "shared" / "data" / "warc"
PAGE = "<!doctype html><html><body><main><h1>Title {0}</h1><p>{1}</p></main></body></html>"


def http(body: bytes, status: str = "200 OK", content_type: str = "text/html; charset=utf-8", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *([f"Content-Type: {content_type}"] if content_type else [])]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def record(kind: str, block: bytes, length: int | str | None = None, content_type: str = "", url: str = "") -> bytes:
    content_type = content_type or (
        "application/http; msgtype=" + kind if kind in ("response", "request") else "text/plain"
    )
    lines = ["WARC/1.0", f"WARC-Type: {kind}", f"WARC-Record-ID: <urn:uuid:{zlib.crc32(block):08x}>"]
    lines += [f"WARC-Target-URI: {url}"] if url else []
    lines += ["WARC-Date: 2024-05-18T01:58:10Z", f"Content-Type: {content_type}"]
    lines += [f"Content-Length: {len(block) if length is None else length}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + block + b"\r\n\r\n"


def page(number: int, words: int = 40) -> bytes:
    """A response record; half of the words are random, so that it does not compress to nothing."""
    source = random.Random(number)
    text = " ".join(f"{source.getrandbits(40):010x} naïve" for _ in range(words // 2))
    return record("response", http(PAGE.format(number, text).encode()), url=f"http://example.org/{number}")


def pages(count: int) -> list[bytes]:
    return [record("warcinfo", b"software: hand\r\n"), *(page(number) for number in range(count))]


def read(path: Path, batch_bytes: int = 16 << 20, **choices) -> tuple[pa.Table, pa.Table, Counter, Counter]:
    """Documents, quarantined, skipped and repaired of one file."""
    (shard,) = plan_shards(list_inputs([str(path)], path.parent))
    batches = list(read_shard(shard, ReadSettings(**choices), batch_bytes))
    skipped = sum((Counter(batch.skipped) for batch in batches), Counter())
    repaired = sum((Counter(batch.repaired) for batch in batches), Counter())
    documents = pa.concat_tables([batch.documents for batch in batches])
    quarantined = pa.concat_tables([batch.quarantined for batch in batches])
    assert sum(batch.records for batch in batches) == len(documents) + len(quarantined) + skipped.total()
    return documents, quarantined, skipped, repaired


def read_bytes(folder: Path, data: bytes, name: str = "x.warc", **choices):
    path = folder / name
    path.write_bytes(data)
    return read(path, **choices)


def compressed(coding: str, body: bytes) -> bytes:
    if coding == "raw":
        squeeze = zlib.compressobj(wbits=-15)
        return squeeze.compress(body) + squeeze.flush()
    known = {"gzip": gzip.compress, "deflate": zlib.compress, "br": lambda data: brotli.compress(data, quality=5)}
    return known.get(coding, zstandard.ZstdCompressor().compress)(body)


def causes(quarantined: pa.Table) -> list[str]:
    return quarantined["cause"].to_pylist()


# --- what becomes a document ------------------------------------------------------------------------------


def test_each_kind_of_record_is_a_document_or_skipped_with_a_reason(tmp_path):
    records = [
        record("warcinfo", b"software: hand\r\n"),
        record("request", b"GET / HTTP/1.1\r\n\r\n"),
        record("response", http(PAGE.format(1, "grüße").encode()), url="http://example.org/a b"),
        record("response", http(b"", status="404 Not Found")),
        record("response", http(b"\x89PNG...", content_type="image/png")),
        record("response", http(b"plain text", content_type="text/plain")),
        record("response", http(b"<html><body><p>nobody says</p></body></html>", content_type="")),
        record("response", http(b"no type, no markup", content_type="")),
        record("response", http(b"%PDF-1.4 said to be html", content_type="text/html")),
        record("response", b"HTTX/1.1 200 OK\r\n\r\n"),
        record("resource", b"a resource", url="http://example.org/r.txt"),
        record("resource", b"log of wget", url="metadata://gnu.org/software/wget/warc/wget.log"),
        record("conversion", "λόγος".encode(), url="http://example.org/wet"),
        record("revisit", b""),
        record("metadata", b"{}", content_type="application/json"),
        record("nonsense", b""),
    ]
    documents, quarantined, skipped, _ = read_bytes(tmp_path, b"".join(records))
    assert documents["text"].to_pylist() == ["Title 1\n\ngrüße", "plain text", "nobody says", "a resource", "λόγος"]
    assert documents["url"][0].as_py() == "http://example.org/a%20b"
    assert documents["http_status"].to_pylist() == [200, 200, 200, None, None]
    assert documents["content_type"].to_pylist() == ["text/html", "text/plain", None, "text/plain", "text/plain"]
    assert documents["warc_date"][0].as_py() == "2024-05-18T01:58:10Z"
    assert set(documents["source"].to_pylist()) == {"x.warc"}
    assert len(set(documents["id"].to_pylist())) == 5
    assert causes(quarantined) == ["http"]
    assert quarantined["record"].to_pylist() == [9]
    assert skipped == {
        "warcinfo": 1, "request": 1, "status 404": 1, "content-type image/png": 1, "content-type missing": 1,
        "content-type text/html, but binary": 1, "resource about the crawl": 1, "revisit": 1, "metadata": 1,
        "unknown record type": 1,
    }  # fmt: skip


def test_offsets_are_those_of_fastwarc(tmp_path):
    for name, data in forms(pages(8)).items():
        if name.endswith((".warc", ".each.warc.gz")):
            documents, *_ = read_bytes(tmp_path, data, name)
            archive = fastwarc.ArchiveIterator(str(tmp_path / name), record_types=fastwarc.WarcRecordType.response)
            assert documents["offset"].to_pylist() == [found.stream_pos for found in archive]


def forms(records: list[bytes]) -> dict[str, bytes]:
    """The same records in every way a file can be compressed."""
    return {
        "x.warc": b"".join(records),
        "x.each.warc.gz": b"".join(map(gzip.compress, records)),
        "x.whole.warc.gz": gzip.compress(b"".join(records)),
        "x.warc.zst": b"".join(map(zstandard.ZstdCompressor().compress, records)),
        "x.warc.bz2": bz2.compress(b"".join(records)),
        "x.plain.warc.gz": b"".join(records),  # the name lies
        "x.unknown": gzip.compress(b"".join(records)),  # and here it says nothing
    }


def test_every_compression_gives_the_same_documents(tmp_path):
    expected, *_ = read_bytes(tmp_path, b"".join(pages(30)))
    for name, data in forms(pages(30)).items():
        documents, quarantined, skipped, repaired = read_bytes(tmp_path, data, name)
        assert documents["text"].equals(expected["text"]), name
        assert (len(quarantined), skipped, repaired) == (0, {"warcinfo": 1}, {}), name


@pytest.mark.parametrize("batch_bytes", [1, 1000, 1 << 30])
def test_batches_of_any_size_hold_the_same(tmp_path, batch_bytes):
    path = tmp_path / "x.warc.gz"
    path.write_bytes(b"".join(map(gzip.compress, pages(20))))
    assert read(path, batch_bytes)[0].equals(read(path)[0])


def test_pages_that_are_hostile_or_in_an_old_charset_stop_nothing(tmp_path):
    russian = PAGE.format("кот", "Проверка кодировки страницы")
    records = [
        record("response", http(b"<div>" * 100_000)),
        record("response", http(b"<p " + b" ".join(b"a%d" % n for n in range(20_000)) + b">")),
        record("response", http(russian.encode("cp1251"), content_type="text/html; charset=windows-1251")),
        record("response", http("grüße \0 ".encode() * 20 + b"\xff", content_type="text/plain")),
    ]
    documents, quarantined, _, repaired = read_bytes(tmp_path, b"".join(records))
    assert causes(quarantined) == ["html-too-deep", "html-too-many-attributes"]
    assert documents["text"].to_pylist() == ["Title кот\n\nПроверка кодировки страницы", "grüße \0 " * 20 + "\ufffd"]
    assert documents["html_charset"].to_pylist() == ["cp1251", "utf-8"]
    assert repaired == {"undecodable-bytes": 1}


# --- damaged files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.warc", "x.each.warc.gz", "x.whole.warc.gz", "x.warc.zst", "x.warc.bz2"])
def test_a_file_cut_anywhere_keeps_what_is_whole(tmp_path, name):
    records = pages(12)
    data = forms(records)[name]
    whole = read_bytes(tmp_path, data, name)[0]["text"].to_pylist()
    ends = [0]  # of each record in the file, where records are separate
    for one in records:
        ends.append(ends[-1] + len(gzip.compress(one) if "each" in name else one))
    for cut in random.Random(1).sample(range(1, len(data)), 60):
        documents, quarantined, *_ = read_bytes(tmp_path, data[:cut], name)
        kept = documents["text"].to_pylist()
        assert kept == whole[: len(kept)]
        if name in ("x.warc", "x.each.warc.gz"):
            complete = sum(end <= cut for end in ends[1:]) - 1
            assert len(kept) >= complete
            # a cut in the blank lines behind a record, or in a checksum, loses nothing
            assert len(quarantined) + len(kept) - complete <= 1 + (len(kept) > complete)


def test_a_broken_gzip_member_costs_its_record_and_no_other(tmp_path):
    members = [gzip.compress(one) for one in pages(12)]
    whole = read_bytes(tmp_path, b"".join(members), "x.warc.gz")[0]["text"].to_pylist()
    source = random.Random(2)
    for _ in range(60):
        victim = source.randrange(1, 12)
        member = bytearray(members[victim])
        member[source.randrange(12, len(member) - 4)] ^= 1 << source.randrange(8)
        data = b"".join([*members[:victim], bytes(member), *members[victim + 1 :]])
        documents, quarantined, *_ = read_bytes(tmp_path, data, "x.warc.gz")
        expected = whole[: victim - 1] + whole[victim:]
        kept = documents["text"].to_pylist()
        assert kept == expected or kept == whole  # a flipped bit in the padding of a block harms nobody
        assert set(causes(quarantined)) <= {"gzip-corrupt", "gzip-truncated"}
        assert len(quarantined) >= (kept == expected)


def test_a_lost_stretch_of_a_gzip_file_costs_the_records_in_it(tmp_path):
    members = [gzip.compress(one) for one in pages(12)]
    whole = read_bytes(tmp_path, b"".join(members), "x.warc.gz")[0]["text"].to_pylist()
    data = b"".join([*members[:4], members[4][:200], members[6][-150:], *members[7:]])
    documents, quarantined, *_ = read_bytes(tmp_path, data, "x.warc.gz")
    assert documents["text"].to_pylist() == whole[:3] + whole[6:]
    assert causes(quarantined)[0] == "gzip-corrupt"
    assert quarantined["offset"][0].as_py() == sum(map(len, members[:4]))
    assert quarantined["raw"][0].as_py().startswith(b"WARC/1.0\r\n")


def test_the_checksum_of_a_member_is_believed(tmp_path):
    members = [bytearray(gzip.compress(one)) for one in pages(3)]
    members[2][-8] ^= 1  # crc32
    documents, quarantined, *_ = read_bytes(tmp_path, b"".join(members), "x.warc.gz")
    assert [text[:7] for text in documents["text"].to_pylist()] == ["Title 0", "Title 2"]
    assert causes(quarantined) == ["gzip-corrupt"]


def test_garbage_between_and_after_records_is_quarantined_with_its_place(tmp_path):
    first, second, third = pages(2)
    junk = b"\x01garbage\xff" * 10
    documents, quarantined, *_ = read_bytes(tmp_path, first + second + junk + b"\r\n" + third + junk)
    assert [text[:7] for text in documents["text"].to_pylist()] == ["Title 0", "Title 1"]
    assert causes(quarantined) == ["warc-garbage", "warc-garbage"]
    assert quarantined["offset"][1].as_py() == len(first + second + junk + third) + 2
    members = [gzip.compress(one) for one in (first, second, third)]
    data = members[0] + members[1] + b"garbage" * 9 + members[2] + b"\0" * 5000  # NULs: padding, no damage
    documents, quarantined, *_ = read_bytes(tmp_path, data, "x.warc.gz")
    assert [text[:7] for text in documents["text"].to_pylist()] == ["Title 0", "Title 1"]
    assert causes(quarantined) == ["gzip-garbage"]
    assert quarantined["offset"].to_pylist() == [len(members[0] + members[1])]
    assert quarantined["raw"][0].as_py().startswith(b"garbage")


@pytest.mark.parametrize("wrong", [-300, -2, -1, 1, 2, 40, 5000, "", "many", "-1", 10**17])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_wrong_content_length_does_not_move_the_records_behind_it(tmp_path, wrong, compress):
    block = http(PAGE.format("wrong", "body " * 100).encode())
    length = len(block) + wrong if isinstance(wrong, int) and wrong < 10**9 else wrong
    records = [*pages(1), record("response", block, length), page(7), page(8)]
    documents, quarantined, _, repaired = read_bytes(tmp_path, b"".join(map(compress, records)))
    texts = documents["text"].to_pylist()
    assert [text[:7] for text in texts if "body" not in text] == ["Title 0", "Title 7", "Title 8"]
    if wrong == 10**17:
        assert causes(quarantined) == ["record-too-large"]
    else:
        assert texts[1] == "Title wrong\n\n" + "body " * 99 + "body"
        assert repaired == ({} if wrong in (1, 2) else {"content-length": 1})  # 1 and 2 reach into the blank lines


def test_a_missing_length_of_the_last_record_is_quarantined(tmp_path):
    documents, quarantined, *_ = read_bytes(tmp_path, page(1) + record("response", http(b"<p>end"), ""))
    assert (len(documents), causes(quarantined)) == (1, ["content-length"])


def test_a_header_without_end_is_passed_over(tmp_path):
    endless = b"WARC/1.0\r\nWARC-Type: response\r\n" + b"X: y\r\n" * 300_000
    documents, quarantined, *_ = read_bytes(tmp_path, endless + page(1))
    assert causes(quarantined) == ["warc-header"]
    assert len(documents) == 1


def test_the_archive_in_a_record_is_not_read_as_records(tmp_path):
    inner = page(5) + page(6)
    outer = record("resource", inner, content_type="application/warc")
    documents, _, skipped, _ = read_bytes(tmp_path, page(1) + outer + page(2))
    assert [text[:7] for text in documents["text"].to_pylist()] == ["Title 1", "Title 2"]
    assert skipped == {"content-type application/warc": 1}


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=3000), st.integers(0, 4))
def test_any_bytes_are_read_to_their_end(tmp_path_factory, junk, place):
    folder = tmp_path_factory.mktemp("any")
    records = pages(3)
    data = b"".join([*records[:place], junk, b"\r\n\r\n", *records[place:]])
    for name in ("x.warc", "x.arc"):
        documents, quarantined, skipped, _ = read_bytes(folder, data, name)
        if name == "x.warc":
            assert {f"Title {number}" for number in range(3)} >= {text[:7] for text in documents["text"].to_pylist()}
    read_bytes(folder, gzip.compress(b"".join(records)) + junk, "x.warc.gz")


# --- size -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.warc", "x.each.warc.gz", "x.whole.warc.gz", "x.warc.zst", "x.warc.bz2"])
def test_a_record_above_the_limit_is_quarantined_and_reading_goes_on(tmp_path, name):
    bomb = record("response", http(b"<p>" + b"0" * 9_000_000), url="http://example.org/bomb")
    data = forms([*pages(1), bomb, page(2)])[name]
    documents, quarantined, *_ = read_bytes(tmp_path, data, name, max_record_bytes=3 << 20)
    assert [text[:7] for text in documents["text"].to_pylist()] == ["Title 0", "Title 2"]
    assert causes(quarantined) == ["record-too-large"]
    assert len(quarantined["raw"][0].as_py()) == 1 << 20
    assert "max_record_bytes" in quarantined["error"][0].as_py()


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_body_that_grows_beyond_the_limit_is_quarantined(tmp_path, coding):
    body = compressed(coding, b"<p>" + b"0" * 40_000_000)
    bomb = record("response", http(body, Content_Encoding=coding))
    documents, quarantined, *_ = read_bytes(tmp_path, bomb + page(2), max_record_bytes=3 << 20)
    assert (len(documents), causes(quarantined)) == (1, ["record-too-large"])


def test_garbage_longer_than_the_window_is_passed_over(tmp_path):
    documents, quarantined, *_ = read_bytes(tmp_path, page(1) + b"x" * (RESYNC_BYTES + 12345) + b"\r\n\r\n" + page(2))
    assert [text[:7] for text in documents["text"].to_pylist()] == ["Title 1", "Title 2"]
    assert len(quarantined["raw"][0].as_py()) == 1 << 20


# --- real files -------------------------------------------------------------------------------------------

real_files = sorted(SHARED.glob("*")) if SHARED.is_dir() else []
real = pytest.mark.skipif(not real_files, reason=f"the test suites of other tools are not in {SHARED}")


@real
@pytest.mark.parametrize("path", real_files, ids=lambda path: path.name)
def test_at_least_the_records_that_warcio_reads_are_read(path):
    reader = pytest.importorskip("warcio.archiveiterator")
    documents, quarantined, skipped, _ = read(path)
    count, failed = 0, False
    with path.open("rb") as file:
        try:
            for _ in reader.ArchiveIterator(file):
                count += 1
        except Exception:
            failed = True
    ours = len(documents) + len(quarantined) + skipped.total()
    assert ours >= count if failed else ours == count


@real
@pytest.mark.parametrize("path", [path for path in real_files if ".arc" not in path.name], ids=lambda path: path.name)
def test_records_hold_the_bytes_that_fastwarc_reads(path):
    with path.open("rb") as raw:
        codec = file_codec(raw, path.name, lambda head: True)
        ours = {frame.offset: frame for frame in FrameReader(DecodedStream(raw, codec), WARC, 1 << 28)}
    compared = 0
    for found in fastwarc.ArchiveIterator(str(path), parse_http=False, quirks_mode=True):
        try:
            block = found.reader.read()
        except OSError:
            continue  # damaged; the comparison with warcio counts it
        frame = ours.get(found.stream_pos)
        if frame is not None and not frame.cause and not frame.repaired and len(ours) > 1:
            if frame.fields["warc-record-id"] == found.headers.get("WARC-Record-ID"):  # else one member holds several
                assert frame.block == block
                compared += 1
    assert compared or len(ours) == 1
