"""Counts of lines on disk, cut in partitions: how repeated lines are found among more lines than memory holds.

A pass writes one file a shard (Arrow IPC): a batch for each of PARTITIONS, by the top bits of the key, ordered by key,
and a last batch with the documents of each group. A task of the barrier adds up some partitions over all shards, and
writes the keys that are in more documents than allowed. 24 bytes a distinct line and shard on disk, 60 in a task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from curation.manifest import Entry, Manifest
from curation.near_clusters import save_array
from curation.run_state import file_entry
from curation.shards import TEMPORARY, file_sha256, whole_file
from curation.stages.lines import COUNTS, LinesSettings

PARTITIONS = 64
SHIFT = np.uint64(64 - 6)  # PARTITIONS is 2**6
LINE_BYTES = 60


class LineCountWriter:
    """Collects the counts of a shard, batch by batch, and writes them when it is closed."""

    def __init__(self, path: Path):
        self.path, self.rows = path, 0
        self.units: list[pa.Table] = []
        self.groups: list[pa.Table] = []

    def write(self, counts: tuple[pa.Table, pa.Table]) -> None:
        self.units.append(counts[0])
        self.groups.append(counts[1])
        if sum(map(len, self.units[1:])) > len(self.units[0]) + 100_000:
            self.units = [added_up(self.units)]

    def close(self) -> dict[str, Any]:
        units, groups = added_up(self.units), added_up(self.groups)
        starts = np.searchsorted(units["key"].to_numpy() >> SHIFT, np.arange(PARTITIONS + 1, dtype=np.uint64))
        with whole_file(self.path) as temporary, pa.ipc.new_file(str(temporary), COUNTS) as file:
            for begin, end in zip(starts, starts[1:]):
                file.write_batch(_batch(units.slice(begin, end - begin)))
            file.write_batch(_batch(groups))
        self.rows = len(units)
        return {"rows": self.rows, "bytes": self.path.stat().st_size, "sha256": file_sha256(self.path)}

    def abandon(self) -> None:
        for stale in self.path.parent.glob(f".{self.path.name}.*{TEMPORARY}"):
            stale.unlink(missing_ok=True)


def _batch(table: pa.Table) -> pa.RecordBatch:
    columns = [pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type) for column in table.columns]
    return pa.record_batch(columns, schema=COUNTS)


def added_up(tables: Sequence[pa.Table | pa.RecordBatch]) -> pa.Table:
    """One row a key, ascending, with the sum of its documents."""
    columns = [np.concatenate([np.asarray(table[name]) for table in tables]) if tables else np.zeros(0, np.int64) for name in COUNTS.names]
    key, group, documents = columns
    order = np.argsort(key, kind="stable")
    key, group, documents = key[order].astype(np.uint64), group[order].astype(np.uint64), documents[order]
    first = np.flatnonzero(np.concatenate([np.ones(min(1, len(key)), bool), key[1:] != key[:-1]]))
    sums = np.add.reduceat(documents, first) if len(first) else documents
    return pa.table([key[first], group[first], sums.astype(np.int64)], schema=COUNTS)


@dataclass(frozen=True)
class CountTask:
    """Find the repeated lines of some partitions."""

    output: Path
    files: tuple[str, ...]
    partitions: tuple[int, int]  # from, to
    settings: LinesSettings
    path: str
    unit: str
    key: str


def run_count(task: CountTask) -> Entry:
    files = [pa.ipc.open_file(pa.memory_map(str(task.output / file))) for file in task.files]
    groups = added_up([file.get_batch(PARTITIONS) for file in files])
    found, distinct = [np.zeros(0, np.uint64)], 0
    for partition in range(*task.partitions):
        units = added_up([file.get_batch(partition) for file in files])
        distinct += len(units)
        found.append(repeated_keys(units, groups, task.settings))
    save_array(task.output / task.path, np.concatenate(found))
    counts = {"lines": {"distinct": distinct, "repeated": sum(map(len, found))}}
    return Manifest(task.output).record(Entry(task.unit, task.key, {task.path: file_entry(task.output, task.path)}, counts))


def repeated_keys(units: pa.Table, groups: pa.Table, settings: LinesSettings) -> np.ndarray:
    """The keys (uint64, ascending) that more documents have than their group allows."""
    place = np.searchsorted(groups["key"].to_numpy(), units["group"].to_numpy())
    allowed = settings.max_repeats * np.maximum(1.0, groups["documents"].to_numpy() / settings.per)
    return units["key"].to_numpy()[units["documents"].to_numpy() > allowed[place]] if len(units) else np.zeros(0, np.uint64)
