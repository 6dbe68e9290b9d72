"""Which files a job reads, and how they are cut into shards.

Patterns are plain paths, folders (searched in depth), globs, and the same as fsspec URLs. Each file gets a name that
depends on the patterns and not on where the folder lies: document ids and the `source` column are made from it. A
shard is the unit of work: a few row groups of a Parquet file, or a whole file of any other format.

Price: one listing per pattern, a few kilobytes of each file with an unknown suffix, and the footer of each Parquet file.
"""

from __future__ import annotations

import logging
import os
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from curation.formats import SUPPORTED, format_of_bytes, format_of_name
from curation.object_store import StoreError, open_system
from curation.patient_file import system_failed
from curation.streams import open_binary

SHARD_BYTES = 64 << 20
LEAST_SHARD_BYTES = 4 << 20  # a file of less is not divided
PARTS = 4  # a smaller file becomes so many shards, so that several workers have something to do
_HEAD_BYTES = 64 << 10
_GLOB = re.compile(r"[*?\[]")
_log = logging.getLogger(__name__)


class InputError(ValueError):
    """The inputs are not what the job says; the text says where and what to do."""


@dataclass(frozen=True)
class InputFile:
    """A file to read. `path` is a local path or an fsspec URL; `name` is short, stable and unique."""

    path: str
    name: str
    size_bytes: int  # -1 where the file system does not know
    modified: str | float  # whatever the file system knows: an etag, seconds, or a date
    format: str  # warc, arc, wet, parquet, arrow, jsonl or text


@dataclass(frozen=True)
class Shard:
    """A part of a file. `row_groups` is None for the whole file; `first_record` is the number of its first record.
    `records`: how many it has, where a footer says so. `part`: how much of the file's data it is, 0 to 1."""

    number: int
    file: InputFile
    row_groups: tuple[int, ...] | None
    first_record: int
    records: int | None = None
    part: float = 1.0

    @property
    def label(self) -> str:
        """What people call it."""
        if self.row_groups is None:
            return self.file.name
        return f"{self.file.name} (row groups {self.row_groups[0]} to {self.row_groups[-1]})"

    @property
    def size_bytes(self) -> int:
        """About how many bytes of the file it reads."""
        return self.file.size_bytes if self.row_groups is None else round(self.file.size_bytes * self.part)


@dataclass(frozen=True)
class _Found:
    """A file that a pattern matched. `base` is the fixed part of the pattern; `chosen`: not met in a folder."""

    system: fsspec.AbstractFileSystem
    path: str
    base: str
    chosen: bool

    @property
    def url(self) -> str:
        return self.path if isinstance(self.system, LocalFileSystem) else self.system.unstrip_protocol(self.path)


def list_inputs(patterns: Sequence[str], folder: Path) -> list[InputFile]:
    """The files that `patterns` match, relative to `folder`, sorted by name, each once.

    Raises InputError for a pattern without files, and for a file whose format is not known.
    """
    found: dict[str, _Found] = {}
    for pattern in patterns:
        matches = _matches(pattern, folder)
        if not matches:
            raise InputError(
                f"input {pattern!r} matches no file (looked in {str(folder)!r}); check the path, or the pattern"
            )
        for match in matches:
            earlier = found.get(match.url)
            if earlier is None or (match.chosen and not earlier.chosen):
                found[match.url] = match
    names = _names(found)
    files = [_input_file(match, names[url]) for url, match in found.items()]
    known = sorted((file for file in files if file is not None), key=lambda file: file.name)
    if not known:
        raise InputError(f"no file in {', '.join(map(repr, patterns))} is in a known format; known are {SUPPORTED}")
    return known


def _matches(pattern: str, folder: Path) -> list[_Found]:
    """The files of one pattern. Raises InputError where object storage cannot be listed, whatever its library raises."""
    try:
        return list(_expand(pattern, folder))
    except (StoreError, InputError):
        raise
    except Exception as error:
        if "://" not in pattern:
            raise
        raise InputError(f"input {pattern!r} cannot be listed: {type(error).__name__}: {error}; check the address, and the credentials of the environment") from None


def _expand(pattern: str, folder: Path) -> Iterator[_Found]:
    """The files of one pattern. A path that exists is taken as it is, whatever characters are in it."""
    system, path = _resolve(pattern, folder)
    if system.isfile(path):
        yield _Found(system, path, posixpath.dirname(path), True)
    elif system.isdir(path):
        yield from _walk(system, path, path)
    elif _GLOB.search(path):
        fixed = path[: _GLOB.search(path).start()]
        base = fixed.rpartition("/")[0]
        for match in sorted(system.glob(path)):
            if system.isdir(match):
                yield from _walk(system, match, base)
            else:
                yield _Found(system, match, base, True)


def _resolve(pattern: str, folder: Path) -> tuple[fsspec.AbstractFileSystem, str]:
    if "://" in pattern:
        return open_system(pattern)
    return LocalFileSystem(), os.path.abspath(folder / Path(pattern).expanduser())


def _walk(system: fsspec.AbstractFileSystem, path: str, base: str) -> Iterator[_Found]:
    """The files in a folder, but for hidden ones and markers such as _SUCCESS."""
    for match in sorted(system.find(path)):
        parts = match[len(path) :].strip("/").split("/")
        if not any(part.startswith((".", "_")) for part in parts):
            yield _Found(system, match, base, False)


def _input_file(match: _Found, name: str) -> InputFile | None:
    """None for a file met in a folder that is in no known format."""
    info = match.system.info(match.path)
    found = format_of_name(match.path) or _sniffed(match)
    if found is None and match.chosen:
        raise InputError(
            f"input {match.url!r} is in no known format; known are {SUPPORTED}. Rename it, or leave it out"
        )
    if found is None:
        _log.warning("left out %s: it is in no known format", match.url)
        return None
    size = info.get("size")
    return InputFile(match.url, name, -1 if size is None else int(size), modified_of(info), found)


def _sniffed(match: _Found) -> str | None:
    with match.system.open(match.path, "rb") as file:
        return format_of_bytes(file.read(_HEAD_BYTES))


def modified_of(info: dict[str, Any]) -> str | float:
    """What tells a file from another version of it: a checksum of its content where the store keeps one, else when it was changed."""
    for key in ("ETag", "md5Hash", "blob_id", "mtime", "LastModified", "last_modified", "updated", "created"):
        if info.get(key) is not None:
            value = info[key]
            return value if isinstance(value, (int, float)) else str(value)
    return ""


def _names(found: dict[str, _Found]) -> dict[str, str]:
    """A short name for each URL: the path after the fixed part of its pattern, longer where two would be the same."""
    parts = {url: match.path.strip("/").split("/") for url, match in found.items()}
    keep = {url: len(_relative(match).split("/")) for url, match in found.items()}
    while True:
        names = {url: "/".join(parts[url][-keep[url] :]) for url in found}
        counts = Counter(names.values())
        longer = [url for url, name in names.items() if counts[name] > 1 and keep[url] < len(parts[url])]
        if not longer:
            return {url: _valid(name if counts[name] == 1 else url) for url, name in names.items()}
        for url in longer:
            keep[url] += 1


def _relative(match: _Found) -> str:
    return match.path[len(match.base) :].strip("/") if match.path.startswith(match.base) else match.path.strip("/")


def _valid(name: str) -> str:
    """File names are bytes; one that is no UTF-8 must still fit a text column."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


# --- shards -----------------------------------------------------------------------------------------------


def plan_shards(files: Iterable[InputFile], shard_bytes: int = SHARD_BYTES) -> list[Shard]:
    """Parquet files cut at row groups into `shard_bytes` of decompressed data, or a quarter of the file if that is less, but
    LEAST_SHARD_BYTES at least where `shard_bytes` are; one shard for each other file. How a file is cut depends on it alone."""
    shards: list[Shard] = []
    for file in files:
        for row_groups, first_record, records, part in _parts(file, shard_bytes):
            shards.append(Shard(len(shards), file, row_groups, first_record, records, part))
    return shards


_Part = tuple[tuple[int, ...] | None, int, int | None, float]  # row groups, first record, how many records, how much of the file


def _parts(file: InputFile, shard_bytes: int) -> list[_Part]:
    if file.format != "parquet" or file.size_bytes == 0:
        return [(None, 0, None, 1.0)]
    try:
        with open_binary(file.path) as raw:
            return _row_group_parts(pq.read_metadata(raw), shard_bytes)
    except (pa.ArrowException, OSError, UnicodeError) as error:  # names of columns may be no UTF-8
        if system_failed(error):
            raise
        return [(None, 0, None, 1.0)]  # reading it will quarantine the file


def _row_group_parts(footer: pq.FileMetaData, shard_bytes: int) -> list[_Part]:
    groups = [footer.row_group(index) for index in range(footer.num_row_groups)]
    rows, sizes = (list(accumulate((getattr(group, name) for group in groups), initial=0)) for name in ("num_rows", "total_byte_size"))
    limit, whole = min(shard_bytes, max(LEAST_SHARD_BYTES, sizes[-1] // PARTS)), max(sizes[-1], 1)
    cuts = [0]
    for index in range(1, len(groups)):
        if sizes[index + 1] - sizes[cuts[-1]] > limit:
            cuts.append(index)
    return [
        (tuple(range(start, stop)), rows[start], rows[stop] - rows[start], (sizes[stop] - sizes[start]) / whole)
        for start, stop in zip(cuts, [*cuts[1:], len(groups)])
    ]
