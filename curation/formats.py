"""What a file holds, told from its name or from its first bytes.

The name decides where it is known (`.jsonl.gz`, `.warc`, `.parquet`); anything else is recognised by the bytes it
starts with, after undoing gzip, zstd or bzip2. One read of a few kilobytes per unknown file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from curation.compression import CODECS, Codec, codec_of, first_bytes

_BY_SUFFIX = {
    ".warc": "warc",
    ".wat": "warc",  # metadata only: every record is read and counted as skipped
    ".arc": "arc",
    ".wet": "wet",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".txt": "text",
    ".text": "text",
}
_COMPRESSED = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd", ".bz2": "bzip2"}
_UNCOMPRESSIBLE = ("parquet", "arrow")  # their readers seek, so `.parquet.gz` is not read

SUPPORTED = (
    ".parquet, .arrow, .feather, .jsonl, .ndjson, .json, .txt, .warc, .arc, .wet "
    "(all but Parquet and Arrow also with .gz, .zst or .bz2)"
)


def format_of_name(name: str) -> str | None:
    """The format that the suffixes of `name` promise, or None."""
    stem, codec = _without_compression(name.lower())
    dot = stem.rfind(".")
    found = _BY_SUFFIX.get(stem[dot:]) if dot > 0 or (dot == 0 and len(stem) > 1) else None
    return None if codec and found in _UNCOMPRESSIBLE else found


def file_codec(raw: BinaryIO, name: str, is_plain: Callable[[bytes], bool]) -> Codec | None:
    """The compression that the bytes of `raw` show, whatever its name.

    Where they show none, and do not look like what the file should hold either (`is_plain`), the one its name promises:
    then the start of the file is damaged. `raw` is left at its start.
    """
    head = raw.read(64)
    raw.seek(0)
    shown = codec_of(head)
    if shown is not None or is_plain(head):
        return shown
    return CODECS.get(_without_compression(name.lower())[1] or "")


def _without_compression(name: str) -> tuple[str, str | None]:
    for suffix, codec in _COMPRESSED.items():
        if name.endswith(suffix):
            return name[: -len(suffix)], codec
    return name, None


def format_of_bytes(head: bytes) -> str | None:
    """The format whose files start like `head`, the first kilobytes of a file; None where no format does."""
    codec = codec_of(head)
    if codec is not None:
        head = first_bytes(codec, head)
        found = _plain_format(head)
        return None if found in _UNCOMPRESSIBLE else found
    return _plain_format(head)


def _plain_format(head: bytes) -> str | None:
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return "arrow"
    if head.startswith(b"WARC/"):
        return "warc"
    if head.startswith(b"filedesc:"):
        return "arc"
    if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{":
        return "jsonl"
    return None
