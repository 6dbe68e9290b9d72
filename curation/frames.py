"""Web archives cut into records: where each WARC or ARC record starts and ends, however broken the file is.

A record is a header, and as many bytes as its header says. That number is checked against what follows: blank lines,
then the next header or the end of the file. Where it is wrong, the next header (or the next gzip member that starts
with one) ends the record, and `repaired` says so. Bytes that belong to no record, records that end too early, and
damaged compression become frames with a `cause`. So every byte of the file is in exactly one frame, or blank.

Memory: one record, at most `max_block_bytes`; larger ones are passed over in pieces. Price: about 15 microseconds a
record beside decompression.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from curation.archive_headers import WARC, Dialect
from curation.document import RAW_LIMIT_BYTES
from curation.http_message import has_whole_body
from curation.streams import DecodedStream

MAX_HEADER_BYTES = 1 << 20
RESYNC_BYTES = 8 << 20  # how far beyond a wrong length the next header is looked for
_BLANK = re.compile(rb"[\r\n\0]*")


@dataclass
class Frame:
    """One record, or one stretch of bytes that is none (then `cause` is set and `block` is at most 1 MiB of it).

    `offset` is where it starts in the file; in a compressed file, where its gzip member starts.
    """

    number: int
    offset: int
    fields: dict[str, str] = field(default_factory=dict)  # header fields, names in lower case
    block: bytes = b""
    repaired: str = ""
    cause: str = ""
    error: str = ""


class FrameReader:
    """Iterates over the frames of `stream`."""

    def __init__(self, stream: DecodedStream, dialect: Dialect, max_block_bytes: int):
        self.stream = stream
        self.dialect = dialect
        self.max_block_bytes = max_block_bytes
        self.number = -1
        self._line_start = re.compile(rb"(?<![^\n])" + dialect.start.pattern)
        self._behind_record = re.compile(dialect.before_start + dialect.start.pattern)

    def __iter__(self) -> Iterator[Frame]:
        stream = self.stream
        while True:
            stream.drop(self._past_blank(0))
            if not stream.window and stream.failure is None:
                return
            self.number += 1
            frame = Frame(self.number, stream.offset)
            if not stream.window:
                self._damage(frame)
            else:
                self._read(frame)
            yield frame

    def _read(self, frame: Frame) -> None:
        """Fill `frame` with the record, or the garbage, at the front of the window."""
        stream, dialect = self.stream, self.dialect
        end = self._fill_until(dialect.header_end)
        if end is None and stream.failure is not None:
            self._damage(frame)
        elif not dialect.start.match(stream.window):
            self._pass_garbage(frame, f"{dialect.name}-garbage", f"bytes that are no {dialect.name.upper()} record")
        elif end is None:
            self._pass_garbage(frame, f"{dialect.name}-header", "the header of the record does not end")
        else:
            frame.fields, length = dialect.parse(bytes(stream.window[:end]))
            self._read_block(frame, end, length)

    def _fill_until(self, pattern: re.Pattern[bytes]) -> int | None:
        """The end of the first match of `pattern` in the window, filled as far as a header may reach."""
        window, searched = self.stream.window, 0
        while True:
            match = pattern.search(window, searched, MAX_HEADER_BYTES)
            if match:
                return match.end()
            searched = max(0, len(window) - 4)
            if len(window) >= MAX_HEADER_BYTES or not self.stream.fill():
                match = pattern.search(window, searched, MAX_HEADER_BYTES)
                return match.end() if match else None

    def _read_block(self, frame: Frame, start: int, length: int | None) -> None:
        """The block starts at byte `start` of the window."""
        if length is not None and length > self.max_block_bytes:
            return self._pass_large(frame, start, length)
        end = self._block_end(start, length)
        if end is None and has_whole_body(block := bytes(self.stream.window[start:])):
            return self._accept_short(frame, block)
        if end is None and self.stream.failure is not None:
            return self._damage(frame)
        if end is None and length is None:
            return self._pass_garbage(frame, "content-length", "the header does not say how long the record is")
        if end is None:
            error = f"the file ends {start + length - len(self.stream.window):,} bytes before the record does"
            return self._pass_garbage(frame, f"{self.dialect.name}-truncated", error)
        frame.block = bytes(self.stream.window[start:end])
        if length is None or end != start + length:
            frame.repaired = "content-length"
            frame.block = frame.block.rstrip(b"\r\n")
        following = self._past_blank(end)
        self._judge_member(frame, following)
        self.stream.drop(following)

    def _block_end(self, start: int, length: int | None) -> int | None:
        """Where in the window the block ends; None where it ends too early or nobody knows."""
        stream = self.stream
        end = start + (length or 0)
        complete = stream.ensure(end) and length is not None
        cut = next((at for at in stream.starts_inside(end) if self._starts_at(at)), None)
        if cut is not None:
            return cut
        if complete and self._is_boundary(end):
            return end
        found = self._next_header(start, min(end + RESYNC_BYTES, start + self.max_block_bytes))
        if found is not None:
            return found
        return end if complete else None

    def _is_boundary(self, end: int) -> bool:
        self.stream.ensure(end + 4)
        if self.dialect is WARC and self.stream.window[end : end + 4].startswith((b"\r\n\r\n", b"\n\n")):
            return True
        following = self._past_blank(end)
        return following >= len(self.stream.window) or self._starts_at(following)

    def _starts_at(self, position: int) -> bool:
        self.stream.ensure(position + self.dialect.start_bytes)
        return self.dialect.start.match(self.stream.window, position) is not None

    def _next_header(self, start: int, limit: int) -> int | None:
        """Where in the window, at or after `start`, the next header stands behind a record."""
        window, searched = self.stream.window, start
        while True:
            match = self._behind_record.search(window, searched)
            if match:
                return match.start() if match.start() <= limit else None
            searched = max(start, len(window) - self.dialect.start_bytes)
            if len(window) > limit or not self.stream.fill():
                return None

    def _past_blank(self, position: int) -> int:
        """The position of the first byte at or after `position` that is not blank."""
        while True:
            position = _BLANK.match(self.stream.window, position).end()
            if position < len(self.stream.window) or not self.stream.fill():
                return _BLANK.match(self.stream.window, position).end()

    def _accept_short(self, frame: Frame, block: bytes) -> None:
        """The file ends before the record says it should, but the HTTP response in it is whole."""
        stream = self.stream
        frame.block, frame.repaired = block, stream.failure.cause if stream.failure else "content-length"
        stream.drop(len(stream.window))
        stream.resume()

    # --- what is no good ------------------------------------------------------------------------------

    def _judge_member(self, frame: Frame, following: int) -> None:
        """A record that fills a gzip member is as good as the member: its checksum comes after the record."""
        stream = self.stream
        failure = stream.failure
        if failure is None or failure.offset != stream.offset or not stream.starts_here:
            return
        if failure.cause.endswith("corrupt") and self._loose_header(following) is None:
            self._damage(frame)
        elif failure.cause.endswith("truncated") and following >= len(stream.window):
            frame.repaired = failure.cause  # only the checksum is missing
            stream.resume()

    def _damage(self, frame: Frame) -> None:
        """The stream stopped: what is left of the window cannot be read as a record."""
        stream = self.stream
        failure = stream.failure
        frame.cause, frame.error = failure.cause, failure.error
        frame.offset = failure.offset if not stream.window else frame.offset
        frame.block = bytes(stream.window[:RAW_LIMIT_BYTES]) or stream.raw_bytes(failure.offset, RAW_LIMIT_BYTES)
        stream.resume()

    def _pass_garbage(self, frame: Frame, cause: str, error: str) -> None:
        """Give up the bytes up to the next header."""
        frame.cause, frame.error = cause, error
        frame.block = self._pass(1, None)
        failure = self.stream.failure
        if failure is not None and not self.stream.window:  # the damage is why there is no record
            frame.cause, frame.error = failure.cause, failure.error
            self.stream.resume()

    def _pass_large(self, frame: Frame, start: int, length: int) -> None:
        frame.cause = "record-too-large"
        frame.error = f"{length:,} bytes; max_record_bytes is {self.max_block_bytes:,}"
        frame.block = self._pass(start, start + length)

    def _pass(self, start: int, end: int | None) -> bytes:
        """Drop the window up to `end`, or to the next header if that comes first; return the first 1 MiB of it."""
        stream, kept, passed = self.stream, bytearray(), 0
        while True:
            stop = self._loose_header(max(0, start - passed))
            if end is not None and (stop is None or passed + stop > end):
                stop = end - passed if end - passed <= len(stream.window) else None
            margin = self.dialect.start_bytes
            step = stop if stop is not None else max(0, len(stream.window) - margin)
            kept += stream.window[: min(step, RAW_LIMIT_BYTES - len(kept))]
            stream.drop(step)
            passed += step
            if stop is not None:
                return bytes(kept)
            if not stream.fill():
                kept += stream.window[: RAW_LIMIT_BYTES - len(kept)]
                stream.drop(len(stream.window))
                return bytes(kept)

    def _loose_header(self, start: int) -> int | None:
        """Where in the window, at or after `start`, a header starts a line or a gzip member."""
        match = self._line_start.search(self.stream.window, start)
        members = (at for at in self.stream.starts_inside(len(self.stream.window)) if at >= start)
        found = [match.start()] if match else []
        found += [at for at in members if self.dialect.start.match(self.stream.window, at)]
        return min(found, default=None)
