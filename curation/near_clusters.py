"""Near-duplicate clusters of a whole corpus, as units of work: every step is a task, done once and found done later.

    bands/SHARD      the signatures of a shard become band keys, ordered by partition (band_files.py)
    join/PARTITION   one partition of all shards: edges between documents that share a key (clusters.py)
Then one process joins all edges by union-find. A partition is cut so that a task fits in an eighth of the memory allowed.
Where the keys of all shards are few, that process reads them itself and there is no task: writing, recording and reading
files would take several times as long as finding the edges.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from curation.band_files import Entries, partition_bits, read_partition, write_band_file
from curation.clusters import band_keys, join_edges, point_at_roots, row_numbers, star_edges
from curation.decision import Keys, signatures_of
from curation.manifest import Entry, Manifest, key_of
from curation.memory import TASK_SHARE
from curation.run_state import RunState, file_entry
from curation.shards import whole_file
from curation.stages.near import NearSettings

HELD_BYTES = 128 << 20  # keys that are held: of some 100,000 documents, which take 0.2 s


@dataclass(frozen=True)
class BandTask:
    """Write the band file of one shard."""

    output: Path
    keys_file: str
    path: str
    shape: tuple[int, int]
    bits: int
    unit: str
    key: str


def run_bands(task: BandTask) -> Entry:
    file = task.output / task.keys_file
    parts = [np.ascontiguousarray(band_keys(signature, *task.shape).T) for _, signature in signatures_of(file)]
    keys = np.concatenate(parts, axis=1) if parts else np.zeros((task.shape[0], 0), np.uint64)
    if "group" in pq.read_schema(file).names:  # a hash of the language, source or host: bands of two groups never meet
        keys ^= pq.read_table(file, columns=["group"])["group"].to_numpy()
    write_band_file(task.output / task.path, keys.T, task.bits)
    return _recorded(task, task.path, keys.shape[1])


@dataclass(frozen=True)
class JoinTask:
    """Find the edges of one partition."""

    output: Path
    files: tuple[str, ...]
    first_rows: tuple[int, ...]
    alive: str | None  # bool [rows]: who takes part; None for all
    path: str
    bits: int
    partition: int
    chains: bool
    unit: str
    key: str


def run_join(task: JoinTask) -> Entry:
    entries = read_partition([task.output / file for file in task.files], task.first_rows, task.bits, task.partition)
    if task.alive is not None:
        stays = np.load(task.output / task.alive, mmap_mode="r")[entries.rows]
        entries = Entries(entries.keys[stays], entries.rows[stays])
    edges = star_edges(*entries, task.bits, task.chains)
    save_array(task.output / task.path, edges)
    return _recorded(task, task.path, len(edges))


def _recorded(task: Any, path: str, rows: int) -> Entry:
    return Manifest(task.output).record(Entry(task.unit, task.key, {path: file_entry(task.output, path, rows)}))


def save_array(path: Path, array: np.ndarray) -> None:
    """Write a numpy array so that it exists whole or not at all."""
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        np.save(file, array)


@dataclass(frozen=True)
class NearPlan:
    """All units of one barrier, planned from the keys' files alone."""

    name: str  # barrier0
    settings: NearSettings
    bands: list[BandTask]
    joins: list[JoinTask]  # none where keys are held
    alive: str | None
    folder: str  # of its files
    first_rows: tuple[int, ...]
    key: str  # of the edges

    @property
    def tasks(self) -> list[Any]:
        return [*self.bands, *self.joins]


def plan_near(run: RunState, name: str, work: str, keys_files: dict[str, dict], barrier_key: str, before: bool, memory_bytes: int) -> NearPlan:
    """The units of a barrier. `keys_files`: path -> manifest entry, in the order of the shards; `before`: another stage of
    the barrier decides first who takes part."""
    settings, output = run.job.settings.near, run.job.output
    rows = [entry["rows"] for entry in keys_files.values()]
    bits = partition_bits(sum(rows) * settings.band_shape[0], memory_bytes // TASK_SHARE)
    first_rows = tuple(np.concatenate([[0], np.cumsum(rows)])[:-1].astype(int).tolist())
    bands = []
    for path, entry in keys_files.items():
        shard = entry.get("label", Path(path).name.split(".")[0])
        key = key_of("bands", entry["sha256"], settings.band_shape, bits)
        bands.append(BandTask(output, path, f"{work}/{name}/{shard}.bands", settings.band_shape, bits, f"{name}/bands/{shard}", key))
    alive = f"{work}/{name}/alive.npy" if before else None
    key = key_of("join", barrier_key, [task.key for task in bands], bits)
    plan = NearPlan(name, settings, bands, [], alive, f"{work}/{name}", first_rows, key)
    return replace(plan, bands=[]) if bits == 0 and are_held(output, keys_files, memory_bytes) else replace(plan, joins=_joins(plan, output, bits))


def are_held(output: Path, keys_files: Iterable[str], memory_bytes: int) -> bool:
    """Are the keys few enough to be held?"""
    return sum((output / path).stat().st_size for path in keys_files) <= min(HELD_BYTES, memory_bytes // TASK_SHARE)


def _joins(plan: NearPlan, output: Path, bits: int) -> list[JoinTask]:
    files, chains = tuple(task.path for task in plan.bands), plan.settings.verify is not None
    return [
        JoinTask(output, files, plan.first_rows, plan.alive, f"{plan.folder}/edges-{p:05d}.npy", bits, p, chains, f"{plan.name}/join/{p:05d}", key_of(plan.key, p))
        for p in range(1 << bits)
    ]


def near_edges(run: RunState, plan: NearPlan, keys: Keys, alive: np.ndarray) -> list[np.ndarray]:
    """The edges (uint32 [edges, 2]) of every partition, as memory maps; `alive`: bool [rows], who takes part."""
    if not plan.joins:
        return [held_edges(keys, alive, plan.settings)]
    if plan.alive is not None:
        save_array(run.job.output / plan.alive, alive)
    run.finished("band keys", run_bands, plan.bands)
    run.finished("join bands", run_join, plan.joins)
    return [np.load(run.job.output / task.path, mmap_mode="r") for task in plan.joins]


def held_edges(keys: Keys, alive: np.ndarray, settings: NearSettings) -> np.ndarray:
    """The edges among documents whose keys are held: those that tasks would find, in their order."""
    found = np.empty((len(alive), settings.band_shape[0]), np.uint64)
    for first, signature in keys.signature_batches():
        found[first : first + len(signature)] = band_keys(signature, *settings.band_shape)
    if settings.within != "corpus":
        found ^= keys.column("group")[:, None]
    rows = np.flatnonzero(alive)
    if len(rows) < len(alive):
        found = found[rows]
    return star_edges(found.ravel(), np.repeat(row_numbers(rows), settings.band_shape[0]), chains=settings.verify is not None)


def joined_roots(count: int, edges: Sequence[np.ndarray]) -> np.ndarray:
    """The cluster of each of `count` rows as its first member (int64 [rows])."""
    parents = np.arange(count, dtype=np.int64)
    for some in edges:
        join_edges(parents, np.ascontiguousarray(some))
    point_at_roots(parents)
    return parents
