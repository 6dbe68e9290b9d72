"""The files of a run directory to be checked, on this machine or in object storage (one fetched at a time)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from curation.object_store import ObjectStore
from curation.run_directory import RUN_FILE
from curation.shard_numbers import NUMBERS_FILE


class LocalFiles:
    """Those of a folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def size(self, path: str) -> int | None:
        file = self.folder / path
        return file.stat().st_size if file.is_file() else None

    @contextmanager
    def opened(self, path: str) -> Iterator[Path]:
        yield self.folder / path

    def names(self, folders: Sequence[str]) -> list[str]:
        there = (p for folder in folders for p in sorted((self.folder / folder).rglob("*")) if p.is_file())
        return [str(path.relative_to(self.folder)) for path in there]


class StoredFiles:
    """Those at a URL. `folder` gets what is small or is read as a whole: run.json, the manifest, the report, packed/."""

    def __init__(self, url: str):
        self._store = ObjectStore(url)
        self._sizes = self._store.sizes()
        self._temporary = tempfile.TemporaryDirectory(prefix="gristmill-verify-")
        self.folder = Path(self._temporary.name)

    def __enter__(self) -> StoredFiles:
        for name in self._sizes:
            if name.startswith(("manifest/", "report/", "packed/")) or name in (RUN_FILE, NUMBERS_FILE):
                self._store.fetch(name, self.folder / name)
        return self

    def __exit__(self, *_: object) -> None:
        self._temporary.cleanup()

    def size(self, path: str) -> int | None:
        return self._sizes.get(path)

    @contextmanager
    def opened(self, path: str) -> Iterator[Path]:
        file = self.folder / path
        if file.exists():
            yield file
            return
        self._store.fetch(path, file)
        yield file
        file.unlink()

    def names(self, folders: Sequence[str]) -> list[str]:
        return sorted(name for name in self._sizes if name.startswith(tuple(f"{folder}/" for folder in folders)))
