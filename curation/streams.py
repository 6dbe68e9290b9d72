"""The decompressed bytes of a file, read once from front to back, with damage reported instead of hidden.

`DecodedStream` holds a window on the decompressed bytes: `fill` adds to its end, `take` removes from its front. It
follows every gzip member, zstd frame or bzip2 stream one by one, so that it knows at which byte of the file each of
them starts. Where one is damaged, `fill` stops and `failure` says what was wrong; everything before the damage has
been delivered, to the byte for gzip. `resume` then goes on at the next member, found by its magic number and proven
by decompressing its start.

Price: that of the decoder. Memory: the window, plus one step of the decoder.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

import fsspec

from curation.compression import MAGIC_BYTES, STEP_BYTES, Codec, Decoder, codec_of
from curation.patient_file import PatientFile

FEED_BYTES = 64 << 10  # compressed bytes handed to a decoder at a time
SEARCH_BYTES = 1 << 20
PROOF_BYTES = 64 << 10  # compressed bytes of a candidate member that must decompress


def open_binary(path: str) -> BinaryIO:
    """Open a local path or an fsspec URL for reading; errors that may pass are waited for (patient_file.py)."""
    if "://" in path:
        return PatientFile(lambda: fsspec.open(path, "rb").open(), path)
    return PatientFile(lambda: open(path, "rb"), path)


@dataclass(frozen=True)
class Failure:
    """Why a stream stopped. `offset` is where the damaged member starts in the file."""

    cause: str
    error: str
    offset: int


class DecodedStream:
    """A window on the decompressed bytes of `raw`.

    `proof` decides whether the start of a decompressed member looks right; it keeps `resume` from taking bytes for a
    member that are none.
    """

    def __init__(self, raw: BinaryIO, codec: Codec | None, proof: Callable[[bytes], bool] = bool):
        self.window = bytearray()
        self.position = 0  # of the first byte of the window, in decompressed bytes
        self.failure: Failure | None = None
        self.codec = codec
        self._raw = raw
        self._proof = proof
        self._decoder: Decoder | None = None
        self._input = b""
        self._input_offset = 0  # of the first byte of _input, in the file
        self._started: list[int] = []  # decompressed positions at which members start
        self._offsets: list[int] = []  # their offsets in the file

    def fill(self) -> bool:
        """Add bytes to the window. False at the end of the file, and at damage (see `failure`)."""
        if self.failure is not None:
            return False
        while True:
            piece = self._raw.read(STEP_BYTES) if self.codec is None else self._decode()
            if piece is None or (not piece and self.codec is None):
                return False
            if piece:
                self.window += piece
                return True

    def ensure(self, count: int) -> bool:
        """Whether the window holds `count` bytes, after filling it as far as needed."""
        while len(self.window) < count and self.fill():
            pass
        return len(self.window) >= count  # damage may still have added the bytes before it

    def take(self, count: int) -> bytes:
        """Remove and return the first `count` bytes of the window."""
        taken = bytes(self.window[:count])
        self.drop(count)
        return taken

    def drop(self, count: int) -> None:
        """Remove the first `count` bytes of the window."""
        count = min(count, len(self.window))
        del self.window[:count]
        self.position += count
        first = bisect_right(self._started, self.position) - 1
        if first > 0:
            del self._started[:first], self._offsets[:first]

    @property
    def offset(self) -> int:
        """Where the window starts in the file; in a compressed file, where the member that holds it starts."""
        if self.codec is None:
            return self.position
        index = bisect_right(self._started, self.position) - 1
        return self._offsets[index] if index >= 0 else 0

    @property
    def starts_here(self) -> bool:
        """Whether a member starts at the front of the window."""
        return bool(self._started) and self._started[0] == self.position

    def starts_inside(self, count: int) -> list[int]:
        """Where in the first `count` bytes of the window, but not at its front, members start."""
        first = bisect_right(self._started, self.position)
        return [start - self.position for start in self._started[first:] if start - self.position < count]

    def resume(self) -> bool:
        """Go past the damage to the next member. The window is emptied. False where no member follows."""
        failure, self.failure = self.failure, None
        self.drop(len(self.window))
        self._decoder = None
        if failure is None or self.codec is None or not self._raw.seekable():
            return False
        found = self._search(failure.offset + 1)
        self._input, self._input_offset = b"", found if found is not None else self._raw.seek(0, io.SEEK_END)
        self._raw.seek(self._input_offset)
        return found is not None

    def raw_bytes(self, offset: int, limit: int) -> bytes:
        """The bytes of the file itself from `offset`. Only at damage: `resume` finds its place again."""
        if not self._raw.seekable():
            return b""
        self._raw.seek(offset)
        return self._raw.read(limit)

    # --- members -------------------------------------------------------------------------------------

    def _decode(self) -> bytes | None:
        """The next piece of output; None at the end and at damage."""
        if self._decoder is None and not self._start_member():
            return None
        decoder = self._decoder
        if not self._input and decoder.hungry and not self._read_input():
            return self._fail("truncated", "the file ends inside a compressed member")
        data = self._input
        try:
            output = decoder.feed(data)
        except decoder.errors as error:
            self.window += decoder.salvage()
            return self._fail("corrupt", str(error))
        self._input = decoder.pending
        self._input_offset += len(data) - len(decoder.pending)
        if decoder.finished:
            self._decoder = None
        return output

    def _start_member(self) -> bool:
        while len(self._input) < MAGIC_BYTES and self._read_input():
            pass
        if not self._input or (self._offsets and self._only_padding()):
            return False
        self._started.append(self.position + len(self.window))
        self._offsets.append(self._input_offset)
        if not self.codec.magic.match(self._input) and codec_of(self._input) is not self.codec:
            self._fail("garbage", f"bytes that are not {self.codec.name} lie between or after the compressed members")
            return False
        self._decoder = self.codec.decoder()
        return True

    def _only_padding(self) -> bool:
        """Tapes and some writers pad the end of a file with NULs; that is no damage."""
        while not self._input.strip(b"\0"):
            self._input_offset += len(self._input)
            self._input = b""
            if not self._read_input():
                return True
        padding = len(self._input) - len(self._input.lstrip(b"\0"))
        self._input, self._input_offset = self._input[padding:], self._input_offset + padding
        while len(self._input) < MAGIC_BYTES and self._read_input():
            pass
        return False

    def _read_input(self) -> bool:
        data = self._raw.read(FEED_BYTES)
        self._input += data
        return bool(data)

    def _fail(self, what: str, error: str) -> None:
        self.failure = Failure(f"{self.codec.name}-{what}", error, self._offsets[-1])

    def _search(self, offset: int) -> int | None:
        """The offset of the next proven member at or after `offset`."""
        while True:
            self._raw.seek(offset)
            data = self._raw.read(SEARCH_BYTES)
            for match in self.codec.magic.finditer(data):
                if self._proven(offset + match.start()):
                    return offset + match.start()
            if len(data) < SEARCH_BYTES:
                return None
            offset += len(data) - MAGIC_BYTES

    def _proven(self, offset: int) -> bool:
        self._raw.seek(offset)
        decoder = self.codec.decoder()
        try:
            return self._proof(decoder.feed(self._raw.read(PROOF_BYTES)))
        except decoder.errors:
            return self._proof(decoder.salvage())
