"""What the input of a shard is, told by its content: a file that was only touched is not read again, and one that changed is.

    whoever reads a shard notes   SHA-256 of the file (of Parquet: of the shard's row groups and the footer), and the file's
                                  stamp: bytes, nanosecond of the last change, inode
    a later run compares stamps   the same: nothing is read. Another, and as many bytes: hashed again, and the hash decides

A change that keeps bytes, time and inode is not seen by a run; `gristmill verify OUT --inputs` reads all inputs and sees it.
Objects in a store are told by the store's own versions. Price: one SHA-256 of what was read, while it is still in memory
(1.5 GB/s on a current processor).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, BinaryIO

from curation.inputs import InputError, Shard
from curation.manifest import Entry, key_of
from curation.parquet_footer import FooterError, row_group_ranges
from curation.pass_plan import ShardTask
from curation.streams import open_binary

_PIECE = 1 << 20


def stamp_of(path: str) -> list[int]:
    """Bytes, nanosecond of the last change, and inode of a local file."""
    status = os.stat(path)
    return [status.st_size, status.st_mtime_ns, status.st_ino]


def content_sha256(path: str, row_groups: Sequence[int] | None) -> str:
    """Of the whole file, or of some of its row groups with the footer."""
    digest = hashlib.sha256()
    with open_binary(path) as file:
        for start, stop in [(0, None)] if row_groups is None else _ranges(file, row_groups):
            _add(digest, file, start, stop)
    return digest.hexdigest()


def _add(digest: Any, file: BinaryIO, start: int, stop: int | None) -> None:
    file.seek(start)
    while piece := file.read(_PIECE if stop is None else min(_PIECE, stop - start)):
        digest.update(piece)
        start += len(piece)


def _ranges(file: BinaryIO, row_groups: Sequence[int]) -> list[tuple[int, int | None]]:
    """Where the row groups lie in a Parquet file, from the first byte of one to its last; and the footer. Of a file that does
    not say so (any more): all of it."""
    try:
        ranges, footer = row_group_ranges(file)
        chosen = [ranges[number] for number in row_groups]
    except (FooterError, IndexError):
        return [(0, None)]
    return [*((min(start, footer), min(stop, footer)) for start, stop in chosen), (footer, None)]


def read_content(shard: Shard, stamp: list[int] | None) -> dict[str, Any]:
    """What the manifest says of the content of a shard that was just read; `stamp`: of the file before it was read.

    Raises InputError where another file took its place meanwhile."""
    if stamp is None:
        return _stored_content(shard)
    _check(shard.file.path, stamp)
    content = content_sha256(shard.file.path, shard.row_groups)
    _check(shard.file.path, stamp)
    return _content(shard, content, stamp)


def _check(path: str, stamp: list[int]) -> None:
    if stamp_of(path) != stamp:
        raise InputError(f"input {path!r} was changed while the run went on; what is finished is saved, and the same command goes on")


def _content(shard: Shard, content: str, stamp: list[int]) -> dict[str, Any]:
    return {"content": content, "stamp": stamp, "path": shard.file.path}


def first_stamp(shard: Shard) -> list[int] | None:
    """The stamp of the file of a shard; None for an object in a store."""
    return None if "://" in shard.file.path else stamp_of(shard.file.path)


def _stored_content(shard: Shard) -> dict[str, Any]:
    return {"content": str(shard.file.modified)}


def known_content(entry: Entry | None, shard: Shard) -> dict[str, Any] | None:
    """The content of a shard as far as it can be told without reading it; `entry`: an earlier result of its unit."""
    if "://" in shard.file.path:
        return _stored_content(shard)
    before = entry.input if entry is not None else {}
    groups = None if shard.row_groups is None else list(shard.row_groups)
    if "stamp" not in before or (before.get("file"), before.get("row_groups")) != (shard.file.name, groups):
        return None
    try:
        stamp = stamp_of(shard.file.path)
    except OSError:
        return None  # whoever reads it says so
    if stamp == before["stamp"]:
        return _content(shard, before["content"], stamp)
    if stamp[0] != before["stamp"][0]:
        return None
    return _content(shard, content_sha256(shard.file.path, shard.row_groups), stamp)


def with_content(task: ShardTask, known: dict[str, Any] | None) -> ShardTask:
    """A task of the first pass under the key that it has where the input is what `known` says."""
    if known is None:
        return task
    key, basis = task.unread or (task.key, task.basis)
    changed = {name: key_of(basis[name], known["content"]) for name in ("source", "documents") if name in basis}
    return replace(task, key=key_of(key, known["content"]), basis=basis | changed, content=known, unread=(key, basis))
