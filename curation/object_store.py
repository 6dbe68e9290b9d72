"""A run directory in object storage (s3://, gs://, hf://), through fsspec, and the local folder in which the run works.

    workspace (local)          store (objects)
    clean/, removed/, ...  ->  the same names, each put whole (large ones in parts), then
    manifest/UNIT.json     ->  the unit's entry, last: it alone says that the unit exists

Objects are never renamed. Before an object is written again with other bytes, the entry that lists the old ones is
deleted, so an entry never lists what is not there. On another machine the manifest is fetched, and the files of finished units.

Price: one upload of what a run writes, in the worker that wrote it; one listing and the manifest at the start; on another
machine, one download of what is finished.
"""

from __future__ import annotations

import functools
import hashlib
import os
import posixpath
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
from fsspec.asyn import AsyncFileSystem
from fsspec.implementations.local import LocalFileSystem

from curation.shards import whole_file
from rules.text.kept_arrays import cache_folder

STORE_FILE = ".store"  # in a workspace: the URL it works for
PART_BYTES = 16 << 20  # of an upload in parts
EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "hf": "hf"}


class StoreError(ValueError):
    """Object storage that cannot be used: what is wrong, and what to do."""


def open_system(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The file system of a URL, and the path in it. Raises StoreError where its package is missing, or the URL is none."""
    protocol = url.split("://")[0]
    try:
        system, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        extra = EXTRAS.get(protocol)
        raise StoreError(f"{url}: {error}" + (f"; install it: pip install 'gristmill[{extra}]'" if extra else "")) from None
    except ValueError as error:
        raise StoreError(f"{url}: {error}") from None
    if isinstance(system, LocalFileSystem):
        system.auto_mkdir = True
    return system, path


def unreachable(what: str, error: Exception) -> StoreError:
    return StoreError(f"{what}: {type(error).__name__}: {error}; check the address, and the credentials of the environment")


@contextmanager
def _in_our_words(url: str) -> Iterator[None]:
    """Errors of the file system stay what they are; those that each library has of its own, as of a network that is gone,
    become StoreError."""
    try:
        yield
    except (OSError, StoreError, NotImplementedError, TypeError):
        raise
    except Exception as error:
        raise unreachable(f"{url} cannot be used", error) from None


class ObjectStore:
    """The objects below one URL, by their names relative to it."""

    def __init__(self, url: str):
        self.url = url.rstrip("/")
        self.system, self.root = open_system(self.url)

    def path(self, name: str) -> str:
        return posixpath.join(self.root, name)

    def sizes(self, folder: str = "") -> dict[str, int]:
        """Name and bytes of every object, as it is now. Raises StoreError where they cannot be listed."""
        self.system.invalidate_cache()
        root = self.path(folder).rstrip("/")
        try:
            found = self.system.find(root, detail=True)
        except FileNotFoundError:
            return {}
        except Exception as error:  # each library raises its own when credentials, or the network, are missing
            raise unreachable(f"{self.url} cannot be listed", error) from None
        return {path[len(self.root) :].strip("/"): int(info["size"]) for path, info in found.items() if info["type"] == "file"}

    def upload(self, file: Path, name: str) -> None:
        """Put a file whole: an object appears when all of it is there, large ones in parts."""
        parts = {"chunksize": PART_BYTES} if EXTRAS.get(self.url.split("://")[0]) == "s3" else {}
        with _in_our_words(self.url):
            self.system.put_file(str(file), self.path(name), **parts)

    def write(self, name: str, data: bytes, create: bool = False) -> None:
        """Put a small object. `create`: raises FileExistsError where there is one."""
        with _in_our_words(self.url):
            self._write(name, data, create)

    def _write(self, name: str, data: bytes, create: bool) -> None:
        if create and self.exists(name):  # asked first, because some stores take a condition and do not heed it
            raise FileExistsError(name)
        if create and not isinstance(self.system, LocalFileSystem):
            try:
                self.system.pipe_file(self.path(name), data, mode="create")
                return
            except (NotImplementedError, TypeError):
                pass  # a file system without conditional writes
        self.system.pipe_file(self.path(name), data)

    def read(self, name: str) -> bytes:
        with _in_our_words(self.url):
            return self.system.cat_file(self.path(name))

    def read_all(self, names: Iterable[str]) -> dict[str, bytes]:
        """Small objects, many at a time."""
        paths = {self.path(name): name for name in names}
        if len(paths) < 2:
            return {name: self.read(name) for name in paths.values()}
        with _in_our_words(self.url):
            return {paths[path]: data for path, data in self.system.cat(list(paths), recursive=False).items()}

    def exists(self, name: str) -> bool:
        self.system.invalidate_cache()
        with _in_our_words(self.url):
            return self.system.exists(self.path(name))

    def fetch(self, name: str, file: Path) -> None:
        with _in_our_words(self.url), whole_file(file) as temporary:
            self.system.get_file(self.path(name), str(temporary))

    def delete(self, names: Iterable[str]) -> None:
        paths = [self.path(name) for name in names]
        if paths:
            with _in_our_words(self.url):
                self._delete(paths)

    def _delete(self, paths: list[str]) -> None:
        """Many at a time where the file system can: others take a list for the name of one object."""
        if isinstance(self.system, AsyncFileSystem | LocalFileSystem):
            self.system.rm(paths)
        else:
            for path in paths:
                self.system.rm_file(path)


# --- workspaces --------------------------------------------------------------------------------------------


def is_url(text: str) -> bool:
    return "://" in text


def workspace_of(url: str) -> Path:
    """The local folder for the run directory at `url`, beside what else is kept (GRISTMILL_CACHE)."""
    kept = cache_folder()
    if kept is None:
        raise StoreError(f"output {url} needs a folder to work in; name one in the job: workspace: FOLDER")
    name = posixpath.basename(url.rstrip("/")) or "run"
    return kept / "runs" / f"{name}-{hashlib.sha256(url.rstrip('/').encode()).hexdigest()[:12]}"


@functools.lru_cache(maxsize=8)
def _opened(url: str, process: int) -> ObjectStore:
    return ObjectStore(url)


def store_of(workspace: Path) -> ObjectStore | None:
    """The store that a run directory works for; None for one that is local, which is nearly always."""
    try:
        url = (workspace / STORE_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return _opened(url, os.getpid())


def publish(workspace: Path, unit: str, outputs: dict[str, dict[str, Any]], before: dict[str, dict[str, Any]], entry: bytes) -> None:
    """Put a unit's outputs, then its entry. `before`: the outputs that its entry listed until now."""
    store = store_of(workspace)
    if store is None:
        return
    name = f"manifest/{unit}.json"
    changed = [path for path, out in outputs.items() if before.get(path, {}).get("sha256") != out["sha256"]]
    if before and changed and store.exists(name):
        store.delete([name])
    for path in changed:
        store.upload(workspace / path, path)
    store.write(name, entry)


def fetch_missing(workspace: Path, path: str, size: int) -> bool:
    """Whether the file is there with its size now; one that a store holds is fetched."""
    store = store_of(workspace)
    if store is None:
        return False
    try:
        store.fetch(path, workspace / path)
    except FileNotFoundError:
        return False
    return (workspace / path).stat().st_size == size
