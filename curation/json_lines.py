"""The lines of a JSONL file, and the object in a line.

Lines end at a line feed and nowhere else. Every line that is not blank is yielded, those that cannot be read with a
`cause`: too long, or in a damaged part of a compressed file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from curation.batches import Unreadable
from curation.document import RAW_LIMIT_BYTES
from curation.formats import file_codec
from curation.inputs import InputFile
from curation.streams import DecodedStream, open_binary

MAX_NESTING = 200  # of lists and objects in a line
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD]")
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.S)


class Line(NamedTuple):
    """A line that is not blank. `data` is at most 1 MiB of it where `cause` is set."""

    number: int  # from 0, blank lines not counted
    line: int  # from 1, blank lines counted
    offset: int  # byte at which it starts; in a compressed file, at which its gzip member or zstd frame starts
    data: bytes
    cause: str = ""
    error: str = ""
    torn: bool = False  # the last line, without a line feed


class LineReader:
    """Iterates over the lines of `file`; of one that is not compressed, over those that start at byte `start` or later.

    Then `number` and `line` of a line count from there."""

    def __init__(self, file: InputFile, max_line_bytes: int, start: int = 0):
        self.file = file
        self.max_line_bytes = max_line_bytes
        self.start = start
        self._number = -1
        self._line = 0

    def __iter__(self) -> Iterator[Line]:
        with open_binary(self.file.path) as raw:
            codec = file_codec(
                raw, self.file.path, lambda head: head.removeprefix(_BYTE_ORDER_MARK).lstrip()[:1] == b"{"
            )
            stream = DecodedStream(raw, codec)
            if stream.ensure(3) and stream.window.startswith(_BYTE_ORDER_MARK):
                stream.drop(3)
            if self.start:
                self._go_to_start(raw, stream)
            while True:
                yield from self._whole_lines(stream)
                if len(stream.window) > self.max_line_bytes:
                    yield self._pass_long(stream)
                elif not stream.fill():
                    yield from self._last_line(stream)
                    if stream.failure is None or not stream.resume():
                        return

    def _go_to_start(self, raw: BinaryIO, stream: DecodedStream) -> None:
        """To the first line that starts at `start` or later; the byte before it tells whether one starts there."""
        stream.window.clear()
        stream.position = raw.seek(self.start - 1)
        while stream.fill():
            end = stream.window.find(b"\n") + 1
            stream.drop(end or len(stream.window))
            if end:
                return

    def _whole_lines(self, stream: DecodedStream) -> Iterator[Line]:
        """The lines in the window that have their line feed."""
        end = stream.window.rfind(b"\n") + 1
        if not end:
            return
        offset, step = stream.offset, int(stream.codec is None)
        for data in stream.take(end)[:-1].split(b"\n"):
            self._line += 1
            if len(data) > self.max_line_bytes:
                yield self._too_long(offset, data, len(data))
            elif data and not data.isspace():
                yield self._numbered(offset, data)
            offset += step * (len(data) + 1)

    def _numbered(self, offset: int, data: bytes, cause: str = "", error: str = "", torn: bool = False) -> Line:
        self._number += 1
        return Line(self._number, self._line, offset, data, cause, error, torn)

    def _too_long(self, offset: int, data: bytes, size: int) -> Line:
        error = f"the line has {size:,} bytes; max_record_bytes is {self.max_line_bytes:,}"
        return self._numbered(offset, data[:RAW_LIMIT_BYTES], "record-too-large", error)

    def _pass_long(self, stream: DecodedStream) -> Line:
        """Pass over a line without holding it."""
        offset, head, size = stream.offset, bytes(stream.window[:RAW_LIMIT_BYTES]), 0
        self._line += 1
        while (end := stream.window.find(b"\n")) < 0:
            size += len(stream.window)
            stream.drop(len(stream.window))
            if not stream.fill():
                break
        stream.drop(end + 1)
        return self._too_long(offset, head, size + max(end, 0))

    def _last_line(self, stream: DecodedStream) -> Iterator[Line]:
        """What stands behind the last line feed: a line without its end, or the first bytes of a damaged part."""
        offset, data, failure = stream.offset, bytes(stream.window), stream.failure
        self._line += 1
        if failure is not None:
            raw = data[:RAW_LIMIT_BYTES] or stream.raw_bytes(failure.offset, RAW_LIMIT_BYTES)
            yield self._numbered(failure.offset, raw, failure.cause, failure.error)
        elif data and not data.isspace():
            yield self._numbered(offset, data, torn=True)


def parse_line(line: Line) -> tuple[dict[str, Any], list[str]]:
    """The object in a line, and what was repaired in it. Raises Unreadable."""
    if line.cause:
        raise Unreadable(line.cause, line.error)
    repaired = []
    try:
        text = line.data.decode()
    except UnicodeDecodeError:
        text = line.data.decode("utf-8", "replace")
        repaired.append("undecodable-bytes")
    value = _parse(text, line)
    if not isinstance(value, dict):
        hint = "; a JSON array is no JSONL: write one object per line (jq -c '.[]')" if isinstance(value, list) else ""
        raise Unreadable("json-not-object", f"the line holds a JSON {type(value).__name__}, not an object{hint}")
    if any(isinstance(item, (dict, list)) for item in value.values()) and _nesting(line.data) > MAX_NESTING:
        raise _too_deep()  # it could be parsed, but not be walked through safely
    if _SURROGATE_ESCAPE.search(line.data):
        cleaned = _without_surrogates(value)
        repaired += ["lone-surrogate"] * (cleaned != value)
        value = cleaned
    return value, repaired


def _parse(text: str, line: Line) -> Any:
    try:
        return _decoded(text)
    except json.JSONDecodeError as error:
        cause = "json-torn" if line.torn else "json"
        raise Unreadable(cause, f"{error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise _too_deep() from None


def _decoded(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError:
        raise
    except ValueError:  # an integer of thousands of digits
        return _PATIENT_DECODER.decode(text)


def _too_deep() -> Unreadable:
    return Unreadable("json-too-deep", f"lists and objects are nested more than {MAX_NESTING} deep")


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) < 4000 else digits


_DECODER = json.JSONDecoder(strict=False)  # raw tabs and line ends in strings are read as what they are
_PATIENT_DECODER = json.JSONDecoder(strict=False, parse_int=_integer)


def _nesting(data: bytes) -> int:
    """How deep lists and objects are nested; 0 where there are too few brackets for that to matter."""
    if data.count(b"[") + data.count(b"{") <= MAX_NESTING:
        return 0
    depth = deepest = 0
    for match in _STRING_OR_BRACKET.finditer(data):
        byte = match[0][:1]
        depth += (byte in b"[{") - (byte in b"]}")
        deepest = max(deepest, depth)
    return deepest


def _without_surrogates(value: Any) -> Any:
    """Lone surrogates are in no text that can be written; each becomes U+FFFD."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(name): _without_surrogates(item) for name, item in value.items()}
    return value
