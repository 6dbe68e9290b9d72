"""HTTP responses of archives: encodings and chunks are undone, and what is broken keeps what is there."""

from __future__ import annotations

import gzip
import random

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_archives import PAGE, causes, compressed, http, read_bytes, record

from curation.http_message import HttpResponse, dechunk, decoded_body


def response(body: bytes, **headers: str) -> HttpResponse:
    return HttpResponse(200, {name.replace("_", "-"): value for name, value in headers.items()}, body)


TEXT = " ".join(f"{random.Random(n).getrandbits(60):x} word" for n in range(20_000)).encode()


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "raw", "br", "zstd", "GZIP"])
def test_content_encodings(coding):
    body = compressed(coding.lower().removeprefix("x-"), TEXT)
    said = "deflate" if coding == "raw" else coding
    assert decoded_body(response(body, content_encoding=said), 1 << 20) == (TEXT, [])
    cut, repaired = decoded_body(response(body[: len(body) // 2], content_encoding=said), 1 << 20)
    assert 1000 < len(cut) < len(TEXT) and TEXT.startswith(cut) and repaired == ["content-encoding"]
    assert decoded_body(response(TEXT, content_encoding=said), 1 << 20) == (TEXT, [])  # undone by the crawler


def test_two_encodings_are_undone_in_reverse_order():
    body = brotli.compress(gzip.compress(TEXT), quality=5)
    assert decoded_body(response(body, content_encoding="gzip, br"), 1 << 20) == (TEXT, [])


def test_an_encoding_that_decodes_to_nothing_is_quarantined(tmp_path):
    noise = random.Random(3).randbytes(500)
    for coding in ("br", "deflate"):
        broken = record("response", http(noise, Content_Encoding=coding))
        _, quarantined, _, repaired = read_bytes(tmp_path, broken)
        assert causes(quarantined) == ["content-encoding"] or repaired["content-encoding"] == 1


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=8), st.sampled_from([b"\r\n", b"\n"]), st.booleans())
def test_dechunk_undoes_chunks(chunks, end, extension):
    sizes = [b"%x" % len(chunk) + (b"; name=value" if extension else b"") + end for chunk in chunks]
    body = b"".join(size + chunk + end for size, chunk in zip(sizes, chunks)) + b"0" + end + end
    assert dechunk(body) == (b"".join(chunks), False)


@given(st.binary(max_size=400), st.binary(max_size=400))
def test_broken_chunks_keep_what_is_there(good, rest):
    body = b"%x\r\n%s\r\n" % (len(good), good) + b"!" + rest if good else b"!" + rest
    assert dechunk(body) == (good + b"!" + rest, bool(good))


@given(st.binary(max_size=500))
def test_dechunk_takes_any_bytes(body):
    output, _ = dechunk(body)
    assert len(output) <= len(body)


def test_chunked_and_compressed_pages_are_read(tmp_path):
    body = gzip.compress(PAGE.format(1, "chunked").encode())
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[i : i + 50]), body[i : i + 50]) for i in range(0, len(body), 50))
    coded = record("response", http(chunks + b"0\r\n\r\n", Content_Encoding="gzip", Transfer_Encoding="chunked"))
    cut_short = record("response", http(chunks, Content_Encoding="gzip", Transfer_Encoding="chunked"))
    documents, _, _, repaired = read_bytes(tmp_path, coded + cut_short)
    assert documents["text"].to_pylist() == ["Title 1\n\nchunked"] * 2
    assert repaired == {"chunked": 1}


@pytest.mark.parametrize("status", [b"HTTP/1.1 200", b"HTTP/1.1 200 ", b"HTTP/2 200 OK", b"HTTP/1.0  200 Fine"])
def test_a_status_line_needs_no_reason(tmp_path, status):
    block = status + b"\r\nContent-Type: text/plain\r\n\r\nhello"
    assert read_bytes(tmp_path, record("response", block))[0]["text"].to_pylist() == ["hello"]
