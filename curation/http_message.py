"""HTTP responses as crawlers stored them: status, headers, and the body without its transfer and content encodings.

Stored responses lie. Many crawlers undo chunking or compression and leave the header that announces it; others cut the
body. So an encoding is undone where the bytes show it, what decompresses before damage is kept, and every repair is
named. Price: decompression; memory: at most the limit that is given.

RFC 9112 (chunked), RFC 9110 section 8.4 (content codings).
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from fastwarc.stream_io import BrotliReader

from curation.batches import Unreadable
from curation.compression import CODECS, Decoder, Inflate

_STATUS_LINE = re.compile(rb"HTTP/\S{1,8}[ \t]+(\d{3})(?!\d)[^\n]*(?:\n|$)")
_HEADER_END = re.compile(rb"\r*\n\r*\n")
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]{0,4096})?(\r?\n)")
_FEED_BYTES = 64 << 10
_CONTROL = bytes(set(range(32)) - set(b"\t\n\f\r\x1b"))


@dataclass(frozen=True)
class HttpResponse:
    """A response as stored: `body` still has its encodings. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def parse_response(block: bytes) -> HttpResponse | None:
    """The response that `block` holds; None where it starts with no HTTP status line."""
    status = _STATUS_LINE.match(block)
    if status is None:
        return None
    blank = _HEADER_END.search(block)
    header_end, body_start = (blank.start(), blank.end()) if blank else (len(block), len(block))
    headers: dict[str, str] = {}
    for line in block[status.end() : header_end].decode("latin-1").split("\n"):
        name, colon, value = line.partition(":")
        if colon:
            headers.setdefault(name.strip().lower(), value.strip())
    return HttpResponse(int(status[1]), headers, block[body_start:])


def has_whole_body(block: bytes) -> bool:
    """Whether `block` is a response with a body as long as its own Content-Length says."""
    response = parse_response(block)
    length = response.headers.get("content-length", "") if response else ""
    return length.isascii() and length.isdigit() and 0 < int(length[:18]) <= len(response.body)


def decoded_body(response: HttpResponse, limit: int) -> tuple[bytes, list[str]]:
    """The body without its encodings, and what had to be repaired.

    Raises Unreadable where nothing can be decoded, or more than `limit` bytes would come out.
    """
    body, repaired = response.body, []
    if "chunked" in response.headers.get("transfer-encoding", "").lower():
        body, broken = dechunk(body)
        repaired += ["chunked"] * broken
    codings = [coding.strip().lower() for coding in response.headers.get("content-encoding", "").split(",")]
    for coding in reversed(codings):
        body, broken = _decompress(coding.removeprefix("x-"), body, limit)
        repaired += ["content-encoding"] * broken
    return body, repaired


def dechunk(body: bytes) -> tuple[bytes, bool]:
    """`body` without chunk sizes, and whether they were broken. A body that is not chunked stays as it is."""
    parts: list[bytes] = []
    position = 0
    while True:
        size = _CHUNK_SIZE.match(body, position)
        if size is None:  # at the start: the crawler has undone the chunks; later: keep what is there
            return b"".join(parts) + body[position:], position > 0
        start, count = size.end(), int(size[1], 16)
        if position == 0 and start + count > len(body) and size[2] == b"\n":
            return body, False  # a first line that only looks like a size
        parts.append(body[start : start + count])
        if count == 0 or start + count > len(body):
            return b"".join(parts), count > 0
        position = start + count
        position += 2 if body.startswith(b"\r\n", position) else body.startswith(b"\n", position)


def _decompress(coding: str, body: bytes, limit: int) -> tuple[bytes, bool]:
    """`body` decompressed, and whether it was damaged. A body that is not compressed stays as it is."""
    pieces = _pieces(coding, body)
    if pieces is None or not body or _is_text(body, strictly=True):
        return body, False
    output, damaged = bytearray(), ""
    try:
        for piece in pieces:
            output += piece
            if len(output) > limit:
                raise Unreadable(
                    "record-too-large", f"the {coding} body holds more than {limit:,} bytes; see max_record_bytes"
                )
    except _Damaged as damage:
        damaged = str(damage)
    if damaged and not output:
        if _is_text(body):
            return body, False
        raise Unreadable("content-encoding", f"the body is no {coding} data: {damaged}")
    return bytes(output), bool(damaged)


class _Damaged(Exception):
    pass


def _pieces(coding: str, body: bytes) -> Iterator[bytes] | None:
    if coding == "gzip":
        return _fed(Inflate(31), body) if body.startswith(b"\x1f\x8b") else None
    if coding == "deflate":
        return _fed(Inflate(15 if _has_zlib_header(body) else -15), body)
    if coding == "zstd":
        return _fed(CODECS["zstd"].decoder(), body) if body.startswith(b"\x28\xb5\x2f\xfd") else None
    if coding == "br":
        return _brotli(body)
    return None


def _has_zlib_header(body: bytes) -> bool:
    return len(body) > 1 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0


def _fed(decoder: Decoder, body: bytes) -> Iterator[bytes]:
    position = 0
    while not decoder.finished:
        data = decoder.pending
        if not data and decoder.hungry:
            data = body[position : position + _FEED_BYTES]
            position += len(data)
            if not data:
                raise _Damaged("it ends too early")
        try:
            yield decoder.feed(data)
        except decoder.errors as error:
            yield decoder.salvage()
            raise _Damaged(str(error)) from None


def _brotli(body: bytes) -> Iterator[bytes]:
    reader = BrotliReader(io.BytesIO(body))
    try:
        while piece := reader.read(_FEED_BYTES):
            yield piece
    except OSError as error:
        raise _Damaged(str(error)) from None


def _is_text(body: bytes, strictly: bool = False) -> bool:
    """Whether a body is text already, for all its header says. Strictly: UTF-8 without control characters."""
    head = body[:4096]
    control = len(head) - len(head.translate(None, _CONTROL))
    if not strictly:
        return control * 256 < len(head)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be cut
    except UnicodeDecodeError:
        return False
    return control == 0
