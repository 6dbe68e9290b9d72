"""Hashes of word windows on disk, and the tasks that find which windows stand earlier in the corpus.

    windows/SHARD    a pass writes the hashes of all windows of its documents: uint64, 8 bytes a word
    wbands/SHARD     they are ordered by partition, with their numbers (band_files.py): 12 bytes a word
    wjoin/PARTITION  the windows that repeat an earlier one, and which

Windows are numbered through all shards, from 0 to 2**32 - 1: some four billion words, 25 GB of English. A task takes an
eighth of the memory allowed; the barrier holds 40 bytes a repeated window.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from curation.band_files import write_band_file
from curation.evaluation_items import ngram_hashes
from curation.manifest import Entry, Manifest
from curation.run_state import file_entry
from curation.shards import TEMPORARY, file_sha256, sync


class WindowWriter:
    """The hashes of all windows of a shard, batch by batch; nothing exists at `path` until `close`."""

    def __init__(self, path: Path, words: int):
        self.path, self.words, self.rows = path, words, 0
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(self._temporary, "wb")

    def write(self, texts: pa.ChunkedArray) -> None:
        hashes, _ = ngram_hashes(texts, self.words)
        self._file.write(hashes)
        self.rows += len(hashes)

    def close(self) -> dict[str, Any]:
        self._file.close()
        sync(self._temporary)
        entry = {"rows": self.rows, "bytes": self._temporary.stat().st_size, "sha256": file_sha256(self._temporary)}
        os.replace(self._temporary, self.path)
        sync(self.path.parent)
        return entry

    def abandon(self) -> None:
        with contextlib.suppress(OSError):  # no room for what is still to be flushed
            self._file.close()
        self._temporary.unlink(missing_ok=True)


@dataclass(frozen=True)
class WindowBandTask:
    """Order the windows of one shard by partition."""

    output: Path
    windows_file: str
    path: str
    bits: int
    unit: str
    key: str


def run_window_bands(task: WindowBandTask) -> Entry:
    hashes = np.fromfile(task.output / task.windows_file, np.uint64)
    write_band_file(task.output / task.path, hashes[:, None], task.bits)
    return Manifest(task.output).record(Entry(task.unit, task.key, {task.path: file_entry(task.output, task.path, len(hashes))}))
