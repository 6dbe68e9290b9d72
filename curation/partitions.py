"""The clean documents once more, a folder for each language or source: by_language/de/00000.parquet and so on.

clean/ stays as it is, since what runs again builds on it; so the documents are on disk twice. A unit of work is one file
of clean/, whose rows must all come out again. Names that could lead out of a folder, or that no file system takes, are
written with %XX. Documents without a language or source are in `unknown`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.books import BooksError
from curation.document import GROUP_COLUMNS
from curation.manifest import Entry, Manifest, key_of
from curation.run_state import RunState
from curation.shards import ShardWriter

UNKNOWN = "unknown"
DIVIDED = "divide"  # the stage's title
HELD_BYTES = 32 << 20  # of all parts together, before they are written
_UNSAFE = re.compile(rb"[^A-Za-z0-9_-]")
MOST_NAME_BYTES = 200


@dataclass(frozen=True)
class PartitionTask:
    """Divide one file of clean/."""

    output: Path
    clean_file: str
    by: str  # a key of GROUP_COLUMNS
    unit: str
    key: str


def divide(run: RunState, clean: Sequence[Entry]) -> list[Entry]:
    """Write the documents of clean/ by language or source, where the job asks for it."""
    by = run.job.settings.partition
    if by == "none":
        return []
    files = {path: out["sha256"] for entry in clean for path, out in entry.outputs.items() if path.startswith("clean/")}
    tasks = [PartitionTask(run.job.output, path, by, f"by_{by}/{Path(path).stem}", key_of(f"by_{by}", sha)) for path, sha in files.items()]
    return run.finished(DIVIDED, run_partition, tasks)


def run_partition(task: PartitionTask) -> Entry:
    """Divide one file, and record what was written."""
    parts = _Parts(task)
    with pq.ParquetFile(task.output / task.clean_file) as file:
        try:
            for group in range(file.num_row_groups):
                parts.add(file.read_row_group(group))
            outputs = parts.close()
        except BaseException:
            parts.abandon()
            raise
        rows = sum(entry["rows"] for entry in outputs.values())
        if rows != file.metadata.num_rows:
            raise BooksError(f"by_{task.by}/ holds {rows} rows of {task.clean_file}, which has {file.metadata.num_rows}")
    return Manifest(task.output).record(Entry(task.unit, task.key, outputs))


class _Parts:
    """The files that one file is divided into; rows are held until they are worth a row group."""

    def __init__(self, task: PartitionTask):
        self.task = task
        self.held: dict[str, list[pa.Table]] = {}
        self.bytes = 0
        self.writers: dict[str, ShardWriter] = {}

    def add(self, documents: pa.Table) -> None:
        names = pc.fill_null(documents[GROUP_COLUMNS[self.task.by]].cast(pa.string()), "").combine_chunks()
        for value in pc.unique(names).to_pylist():
            rows = np.flatnonzero(pc.equal(names, value).to_numpy(zero_copy_only=False))
            self.held.setdefault(folder_name(value), []).append(documents.take(pa.array(rows)))
        self.bytes += documents.nbytes
        if self.bytes >= HELD_BYTES:
            self.write()

    def write(self) -> None:
        for name, tables in sorted(self.held.items()):
            if name not in self.writers:
                self.writers[name] = ShardWriter(self.task.output / self.path(name))
            self.writers[name].write(pa.concat_tables(tables))
        self.held, self.bytes = {}, 0

    def path(self, name: str) -> str:
        return f"by_{self.task.by}/{name}/{Path(self.task.clean_file).name}"

    def close(self) -> dict[str, dict]:
        self.write()
        return {self.path(name): entry for name, writer in self.writers.items() if (entry := writer.close()) is not None}

    def abandon(self) -> None:
        for writer in self.writers.values():
            writer.abandon()


def folder_name(value: str) -> str:
    """A language or source as the name of a folder."""
    escaped = _UNSAFE.sub(lambda byte: b"%%%02X" % byte[0][0], value.encode(errors="surrogatepass"))
    return escaped[:MOST_NAME_BYTES].decode() or UNKNOWN
