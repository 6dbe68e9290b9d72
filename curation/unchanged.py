"""Is an input file still what it was when the run listed it? A file that goes or changes under a run is an error.

Without this, half of the old file and half of the new would be taken for one. Price: one question to the file system
before and after each shard is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import fsspec

from curation.inputs import InputError, InputFile, modified_of

_AGAIN = "what is finished is saved, and the same command goes on with the files that are there"


@contextmanager
def unchanged(file: InputFile) -> Iterator[None]:
    """Raises InputError where `file` is gone, or is another one, before or after the body reads it."""
    _check(file)
    try:
        yield
    except FileNotFoundError:
        raise InputError(_gone(file)) from None
    _check(file)


def _check(file: InputFile) -> None:
    if file.size_bytes < 0:
        return  # a file system that does not know
    system, path = fsspec.core.url_to_fs(file.path) if "://" in file.path else (fsspec.filesystem("file"), file.path)
    system.invalidate_cache(path)
    try:
        info = system.info(path)
    except FileNotFoundError:
        raise InputError(_gone(file)) from None
    size, modified = int(info.get("size") or 0), modified_of(info)
    if (size, modified) != (file.size_bytes, file.modified):
        had = f"{file.size_bytes:,} bytes, changed {file.modified}; now {size:,} bytes, changed {modified}"
        raise InputError(f"input {file.path!r} was changed while the run went on (it had {had}); {_AGAIN}")


def _gone(file: InputFile) -> str:
    return f"input {file.path!r} was there when the run began and is gone; put it back, or leave it out; {_AGAIN}"
