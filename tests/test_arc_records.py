"""ARC, what was written before WARC: its records are read, and what is none is not."""

from __future__ import annotations

import gzip

import pytest
from test_archives import PAGE, causes, http, read_bytes


def arc_record(url: str, block: bytes, length: int | str | None = None, version: int = 1) -> bytes:
    length = len(block) if length is None else length
    more = f"200 checksum - 0 x.arc {length}" if version == 2 else str(length)
    return f"{url} 10.0.0.1 20140216050221 text/html {more}\n".encode() + block + b"\n"


FILEDESC = arc_record("filedesc://x.arc", b"1 0 Test\nURL IP-address Archive-date Content-type Archive-length\n")


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_arc_records_are_read(tmp_path, version, compress):
    block = http(PAGE.format("arc", "text").encode())
    records = [
        FILEDESC,
        arc_record("http://example.org/a b", block, version=version),
        arc_record("http://example.org/short", block, len(block) - 7, version),
        arc_record("http://example.org/bad", block, "abc", version),
        arc_record("dns:example.org", http(b"x", content_type="text/dns"), version=version),
        arc_record("http://example.org/last", block, version=version),
    ]
    documents, quarantined, skipped, repaired = read_bytes(tmp_path, b"".join(map(compress, records)), "x.arc")
    assert documents["text"].to_pylist() == ["Title arc\n\ntext"] * 4
    assert documents["url"].to_pylist() == [f"http://example.org/{name}" for name in ("a%20b", "short", "bad", "last")]
    assert documents["warc_date"][0].as_py() == "2014-02-16T05:02:21Z"
    assert (len(quarantined), repaired) == (0, {"content-length": 2})
    assert skipped == {"filedesc": 1, "content-type text/dns": 1}


def test_headers_and_prose_are_no_arc_records(tmp_path):
    prose = "Date: Sun, 16 Feb 2014 05:02:20 GMT\nExpires: Sun, 23 Feb 2014 05:02:20 GMT\nnote: see 1.2.3 20140101 for more 7\n"
    short = arc_record("http://example.org/1", http(prose.encode(), content_type="text/plain"), 20)
    documents, *_ = read_bytes(tmp_path, FILEDESC + short + arc_record("http://example.org/2", http(b"")), "x.arc")
    assert documents["text"].to_pylist() == [prose.rstrip(), ""]


def test_an_arc_that_ends_inside_a_record_keeps_a_whole_response(tmp_path):
    body = PAGE.format("whole", "text").encode()
    whole = arc_record("http://example.org/1", http(body, Content_Length=str(len(body))), 99_999)
    documents, quarantined, _, repaired = read_bytes(tmp_path, FILEDESC + whole, "x.arc")
    assert (len(documents), len(quarantined), repaired) == (1, 0, {"content-length": 1})
    documents, quarantined, *_ = read_bytes(tmp_path, FILEDESC + whole[:-30], "x.arc")
    assert (len(documents), causes(quarantined)) == (0, ["arc-truncated"])
