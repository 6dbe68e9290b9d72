"""The compression formats that input files may have, read member by member in bounded steps.

A decoder reads one gzip member, bzip2 stream or zstd frame. It is given compressed bytes, returns about 1 MiB of
output at a time, says when the member ended, and gives back the input it did not use. Where the input is damaged it
raises one of its `errors`, and `salvage` returns what decompressed before the damage.

Price: zlib, zstd or bzip2 itself (gzip: about 230 MB/s of output per core). A hostile zstd frame may put up to 64 MiB
out in one step; the others never exceed a step.
"""

from __future__ import annotations

import bz2
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import zstandard

STEP_BYTES = 1 << 20  # decompressed bytes asked for at a time
MAGIC_BYTES = 10  # what it takes to recognise the start of a member


class Inflate:
    """One gzip member (wbits 31), zlib stream (15) or raw deflate stream (-15).

    `pending` is input not used yet; after `finished` it belongs to what follows.
    """

    errors = (zlib.error,)

    def __init__(self, wbits: int = 31) -> None:
        self._wbits = wbits
        self._inflate = zlib.decompressobj(wbits)
        self._is_new = True
        self.pending = b""
        self.hungry = True  # whether it can go on only with more input

    @property
    def finished(self) -> bool:
        return self._inflate.eof

    def feed(self, data: bytes) -> bytes:
        """At most STEP_BYTES of output. What came out before an error can be had with `salvage`."""
        before = None if self._is_new else self._inflate.copy()  # most members of an archive are fed once
        self._is_new = False
        try:
            output = self._inflate.decompress(data, STEP_BYTES)
        except zlib.error:
            self._inflate, self.pending = before or zlib.decompressobj(self._wbits), data
            raise
        self.pending = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
        self.hungry = len(output) < STEP_BYTES
        return output

    def salvage(self) -> bytes:
        """Everything that decompresses before the damaged byte."""
        output = bytearray()
        for position in range(len(self.pending)):
            try:
                output += self._inflate.decompress(self.pending[position : position + 1])
            except zlib.error:
                break
        return bytes(output)


class _Bzip2:
    errors = (OSError, ValueError)

    def __init__(self) -> None:
        self._decoder = bz2.BZ2Decompressor()
        self.pending = b""

    @property
    def hungry(self) -> bool:
        return self._decoder.needs_input

    @property
    def finished(self) -> bool:
        return self._decoder.eof

    def feed(self, data: bytes) -> bytes:
        output = self._decoder.decompress(data, STEP_BYTES)
        while not output and not self._decoder.eof and not self._decoder.needs_input:
            output = self._decoder.decompress(b"", STEP_BYTES)
        self.pending = self._decoder.unused_data if self._decoder.eof else b""
        return output

    def salvage(self) -> bytes:
        return b""


class _Zstd:
    """One zstd frame. Fed in slices of 2 KiB, since a slice may grow 32,768 times."""

    errors = (zstandard.ZstdError,)
    slice_bytes = 2 << 10

    def __init__(self) -> None:
        # Reddit dumps and the like are written with --long=31; the window is only paid for where it is used.
        self._decoder = zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj()
        self._output: list[bytes] = []
        self.pending = b""
        self.hungry = True

    @property
    def finished(self) -> bool:
        return self._decoder.eof

    def feed(self, data: bytes) -> bytes:
        self._output = []
        size = position = 0
        while position < len(data) and size < STEP_BYTES and not self._decoder.eof:
            self._output.append(self._decoder.decompress(data[position : position + self.slice_bytes]))
            size += len(self._output[-1])
            position += self.slice_bytes
        self.pending = self._decoder.unused_data + data[position:]
        return b"".join(self._output)

    def salvage(self) -> bytes:
        return b"".join(self._output)


Decoder = Inflate | _Bzip2 | _Zstd


@dataclass(frozen=True)
class Codec:
    """A compression format: how its members start, and what reads one of them."""

    name: str
    magic: re.Pattern[bytes]
    decoder: Callable[[], Decoder]


CODECS = {
    # Flags, level and operating system are checked too: three bytes alone occur by chance in every 16 MiB.
    "gzip": Codec("gzip", re.compile(rb"\x1f\x8b\x08[\x00-\x1f].{4}[\x00\x02\x04][\x00-\x0d\xff]", re.S), Inflate),
    "zstd": Codec("zstd", re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"), _Zstd),
    "bzip2": Codec("bzip2", re.compile(rb"BZh[1-9](?:1AY&SY|\x17\x72\x45\x38\x50\x90)"), _Bzip2),
}


def codec_of(head: bytes) -> Codec | None:
    """The compression format of a file that starts with `head`."""
    if head.startswith(b"\x1f\x8b"):  # whatever its other header fields say
        return CODECS["gzip"]
    return next((codec for codec in (CODECS["zstd"], CODECS["bzip2"]) if codec.magic.match(head)), None)


def first_bytes(codec: Codec, head: bytes) -> bytes:
    """What `head` decompresses to, at most STEP_BYTES of it; empty where it does not."""
    decoder = codec.decoder()
    try:
        return decoder.feed(head)
    except decoder.errors:
        return decoder.salvage()
