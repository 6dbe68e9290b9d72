"""Arrays that take long to work out, kept on disk between processes: one file for each content they were made from.

Files are in the folder that GRISTMILL_CACHE names (nothing is kept if it is empty), else in gristmill of XDG_CACHE_HOME or
~/.cache. They are numpy's archives and are read without pickle; a file that cannot be read, or is not whole, is as good as
none. One that is written gets its name when it is complete, and the oldest go when there are too many.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

MOST_FILES = 64
UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)

Arrays = dict[str, np.ndarray]


def cache_folder() -> Path | None:
    """Where arrays are kept; None if nowhere."""
    named = os.environ.get("GRISTMILL_CACHE")
    if named is not None:
        return Path(named) if named else None
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gristmill"
    except RuntimeError:  # nobody's home
        return None


def content_key(*parts: str) -> str:
    """A name for what is made from `parts` by this version of the code."""
    digest = hashlib.sha256(_code_digest())
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part.encode(errors="surrogatepass"))
    return digest.hexdigest()


@functools.cache
def _code_digest() -> bytes:
    """Of all source files of rules/, and of the libraries whose Unicode tables matter."""
    digest = hashlib.sha256(f"{pa.__version__} {np.__version__}".encode())
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.digest()


def kept(key: str) -> Arrays | None:
    """The arrays kept under a key, if there are any that can be read."""
    folder = cache_folder()
    if folder is None:
        return None
    try:
        with np.load(folder / f"{key}.npz", allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except UNREADABLE:
        return None


def keep(key: str, arrays: Arrays) -> None:
    """Keep arrays under a key. A folder that cannot be written to keeps nothing."""
    folder = cache_folder()
    if folder is None:
        return
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(suffix=".tmp", dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                named: dict[str, Any] = arrays
                np.savez_compressed(file, **named)
            os.replace(name, folder / f"{key}.npz")
        except BaseException:
            os.unlink(name)
            raise
        _drop_oldest(folder)


def _drop_oldest(folder: Path) -> None:
    files = sorted(folder.glob("*.npz"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[MOST_FILES:]:
        path.unlink(missing_ok=True)
