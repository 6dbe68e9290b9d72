"""WARC, ARC and WET records to documents.

Responses with status 200 that hold HTML become the text of the page; plain-text responses, resource and conversion
records (WET) become their text. Everything else is counted as skipped, by reason. Every frame of the file (see
frames.py) is exactly one of: document, skipped, quarantined.

Price: HTML extraction is nearly all of it: about 700 pages, or 15,000 WET records, a second per core.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pyarrow as pa

from curation.archive_headers import ARC, WARC
from curation.batches import Batch, ReadSettings, Rows, Skipped, Unreadable
from curation.extract import decode, html_text, looks_like_html, starts_like_html
from curation.formats import file_codec
from curation.frames import Frame, FrameReader
from curation.guard import Broken, Guard
from curation.http_message import decoded_body, parse_response
from curation.inputs import InputFile
from curation.streams import DecodedStream, open_binary

EXTRA = [
    pa.field("warc_record_id", pa.string()),
    pa.field("warc_date", pa.string()),
    pa.field("content_type", pa.string()),  # media type, without parameters
    pa.field("http_status", pa.int32()),
    pa.field("offset", pa.int64()),  # of the record in the file; in a compressed file, of its gzip member
    pa.field("html_charset", pa.string()),  # Python codec that read the bytes
]

_HTML = ("text/html", "application/xhtml+xml")
_PLAIN = "text/plain"
_SKIPPED_TYPES = ("warcinfo", "filedesc", "request", "metadata", "revisit", "continuation")
_ABOUT_THE_CRAWL = ("metadata:", "urn:x-wpull:")  # where wget and wpull keep their logs
_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]{1,64}/[a-z0-9.+-]{1,64}$")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{1,40})", re.I)
_BINARY_STARTS = (
    b"%PDF-",
    b"\x89PNG",
    b"GIF8",
    b"\xff\xd8\xff",
    b"PK\x03\x04",
    b"\x1f\x8b\x08",
    b"RIFF",
    b"OggS",
    b"ID3",
)


def read_archive(file: InputFile, settings: ReadSettings, batch_bytes: int, guard: Guard | None = None, first: int = 0) -> Iterator[Batch]:
    """The records of an archive from number `first` on, in batches of about `batch_bytes` of text."""
    rows, guard = Rows(file.name, EXTRA), guard or Guard()
    with open_binary(file.path) as raw:
        dialect = ARC if file.format == "arc" else WARC
        codec = file_codec(raw, file.path, lambda head: head.startswith((b"WARC/", b"filedesc:")))
        stream = DecodedStream(raw, codec, lambda head: dialect.start.match(head) is not None)
        for frame in FrameReader(stream, dialect, settings.max_record_bytes):
            if frame.number < first:
                continue
            _add(rows, frame, settings, guard)
            if rows.size_bytes >= batch_bytes:
                yield replace(rows.batch(), next_record=frame.number + 1)
    yield rows.batch()


def _add(rows: Rows, frame: Frame, settings: ReadSettings, guard: Guard) -> None:
    if frame.cause:
        rows.losses.quarantine(frame.number, frame.offset, frame.cause, frame.error, frame.block)
        return
    try:
        page = guard.call(read_page, frame, settings, size=len(frame.block))
    except Skipped as skipped:
        rows.losses.skipped[skipped.reason] += 1
    except Unreadable as problem:
        rows.losses.quarantine(frame.number, frame.offset, problem.cause, problem.error, frame.block)
    except Broken as broken:
        guard.condemned |= broken.kind != "failed"
        rows.losses.quarantine(frame.number, frame.offset, f"read-{broken.kind}", str(broken), frame.block)
    else:
        for what in page.repaired:
            rows.losses.repair(1, what)
        rows.add(frame.number, page.text, _url(frame.fields.get("warc-target-uri", "")), page.extra)


@dataclass(frozen=True)
class Page:
    """A document of an archive, the values of its EXTRA columns, and what was repaired."""

    text: str
    extra: dict[str, object]
    repaired: list[str]


@dataclass(frozen=True)
class _Payload:
    """What a record holds, and what is said about it."""

    body: bytes
    media_type: str
    charset: str | None
    status: int | None
    repaired: list[str]


def read_page(frame: Frame, settings: ReadSettings) -> Page:
    """The document in a frame. Raises Skipped or Unreadable where there is none."""
    fields = frame.fields
    kind = fields.get("warc-type", "").lower()
    if kind in _SKIPPED_TYPES:
        raise Skipped(kind)
    if kind not in ("response", "resource", "conversion"):
        raise Skipped("unknown record type")
    fields["warc-target-uri"] = _url(fields.get("warc-target-uri", ""))
    if kind == "resource" and fields["warc-target-uri"].lower().startswith(_ABOUT_THE_CRAWL):
        raise Skipped("resource about the crawl")
    payload = _payload(frame, settings)
    text, charset, repaired = _text(payload, settings)
    extra = {
        "warc_record_id": fields.get("warc-record-id"),
        "warc_date": fields.get("warc-date") or None,
        "content_type": payload.media_type or None,
        "http_status": payload.status,
        "offset": frame.offset,
        "html_charset": charset,
    }
    return Page(text, extra, [*filter(None, [frame.repaired]), *payload.repaired, *repaired])


def _url(target: str) -> str:
    """Old wget wrote the URL in angle brackets; some crawlers leave spaces in it."""
    return target.removeprefix("<").removesuffix(">").replace(" ", "%20")


def _payload(frame: Frame, settings: ReadSettings) -> _Payload:
    fields, declared = frame.fields, frame.fields.get("content-type", "")
    is_http = declared.lower().startswith("application/http")
    response = parse_response(frame.block) if is_http or not declared else None
    if response is not None:
        if response.status != 200:
            raise Skipped(f"status {response.status}")
        body, repaired = decoded_body(response, settings.max_record_bytes)
        declared, status = response.headers.get("content-type", ""), 200
    elif is_http and "arc-content-type" not in fields:
        raise Unreadable("http", "the record says it is an HTTP response, but it does not start with a status line")
    else:
        body, repaired, status = frame.block, [], None
        declared = fields.get("arc-content-type", declared)
    media_type = _media_type(declared) or _media_type(fields.get("warc-identified-payload-type", ""))
    charset = _CHARSET.search(declared)
    return _Payload(body, media_type, charset[1] if charset else None, status, repaired)


def _media_type(declared: str) -> str:
    media_type = declared.partition(";")[0].strip().lower()
    return media_type if _MEDIA_TYPE.match(media_type) else ""


def _text(payload: _Payload, settings: ReadSettings) -> tuple[str, str, list[str]]:
    """Text, charset, and repairs."""
    body, media_type = payload.body, payload.media_type
    if (
        media_type in _HTML
        or (media_type == _PLAIN and starts_like_html(body))
        or (not media_type and looks_like_html(body))
    ):
        is_html = True
    elif media_type == _PLAIN:
        is_html = False
    else:
        raise Skipped(f"content-type {media_type or 'missing'}")
    if body.startswith(_BINARY_STARTS):
        raise Skipped(f"content-type {media_type or 'missing'}, but binary")
    decoded = decode(body, payload.charset, is_html)
    text = html_text(decoded.text, settings) if is_html else decoded.text
    return text, decoded.charset, ["undecodable-bytes"] if decoded.replaced else []
