"""Candidates of near duplicates verified: an edge stays where the two documents' true Jaccard similarity is enough.

    shingles/SHARD   a task a shard: the shingle sets of its documents that have an edge, to a file
    verified         every edge once: the sets of its two documents are compared, from memory-mapped files

What is held: 24 bytes an edge. Sets take 8 bytes a distinct shingle on disk, about twice the text.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation.manifest import Entry, Manifest, key_of
from curation.near_clusters import NearPlan, save_array
from curation.run_state import RunState, file_entry
from curation.shingle_sets import joined_sets, open_sets, pair_jaccard, shingle_sets, write_sets
from curation.stages.near import NearSettings
from curation.word_hashes import read_only


@dataclass(frozen=True)
class ShingleTask:
    """Write the shingle sets of some documents of one shard."""

    output: Path
    texts_file: str
    members: str  # bool [all rows]: which documents have an edge
    first_row: int
    settings: NearSettings
    path: str
    unit: str
    key: str


def run_shingles(task: ShingleTask) -> Entry:
    members, row, parts = np.load(task.output / task.members, mmap_mode="r"), task.first_row, []
    with pq.ParquetFile(task.output / task.texts_file) as file:
        for group in range(file.num_row_groups):
            wanted = np.array(members[row : row + file.metadata.row_group(group).num_rows])
            row += len(wanted)
            if wanted.any():
                parts.append(shingle_sets(file.read_row_group(group, columns=["text"])["text"].filter(pa.array(wanted)), task.settings))
    write_sets(task.output / task.path, joined_sets(parts))
    return Manifest(task.output).record(Entry(task.unit, task.key, {task.path: file_entry(task.output, task.path)}))


def shingle_tasks(run: RunState, plan: NearPlan, texts_files: dict[str, str]) -> list[ShingleTask]:
    """The tasks that a barrier needs to verify; `texts_files`: name of the shard -> what the pass before kept, in order."""
    key, tasks = key_of("shingles", plan.key, plan.settings.unit, plan.settings.ngram), []
    for (shard, file), first_row in zip(texts_files.items(), plan.first_rows):
        path = f"{plan.folder}/{shard}.shingles"
        tasks.append(ShingleTask(run.job.output, file, f"{plan.folder}/members.npy", first_row, plan.settings, path, f"{plan.name}/shingles/{shard}", key))
    return tasks


def verified_edges(run: RunState, tasks: list[ShingleTask], count: int, edges: list[np.ndarray], least: float) -> tuple[np.ndarray, np.ndarray]:
    """Every candidate edge once (uint32 [edges, 2], ascending), and which of them reach `least` (bool [edges])."""
    distinct = distinct_edges(edges)
    members = np.zeros(count, bool)
    members[distinct.ravel()] = True
    save_array(run.job.output / tasks[0].members, members)
    run.finished("shingles of candidates", run_shingles, tasks)
    return distinct, edge_similarity(distinct, members, [run.job.output / task.path for task in tasks], [task.first_row for task in tasks]) >= np.float32(least)


def distinct_edges(edges: list[np.ndarray]) -> np.ndarray:
    """Every edge once, ascending (uint32 [edges, 2])."""
    whole = np.concatenate([np.zeros((0, 2), np.uint32), *edges]).astype(np.uint64)
    packed = np.unique(whole[:, 0] << np.uint64(32) | whole[:, 1])
    return np.column_stack([packed >> np.uint64(32), packed & np.uint64(0xFFFFFFFF)]).astype(np.uint32)


def edge_similarity(edges: np.ndarray, members: np.ndarray, files: list[Path], first_rows: list[int]) -> np.ndarray:
    """True Jaccard similarity of both ends of each edge (float32 [edges]); `files`: the sets of the members of each shard."""
    places = np.cumsum(members) - 1  # of every member among all members
    before = np.concatenate([[0], np.cumsum(members)])[first_rows]
    shard = np.searchsorted(first_rows, edges, side="right") - 1
    order, found = np.lexsort((shard[:, 1], shard[:, 0])), np.zeros(len(edges), np.float32)
    pairs = shard[order].astype(np.int64)
    cuts = np.flatnonzero(np.concatenate([[True], (pairs[1:] != pairs[:-1]).any(axis=1), [True]])) if len(edges) else np.zeros(1, np.int64)
    for begin, end in zip(cuts, cuts[1:]):
        rows, (first, second) = edges[order[begin:end]], pairs[begin]
        a, b = open_sets(files[first]), open_sets(files[second])
        similarity = np.zeros(end - begin, np.float32)
        pair_jaccard(
            read_only(np.asarray(a.starts)), read_only(np.asarray(a.hashes)), places[rows[:, 0]] - before[first],
            read_only(np.asarray(b.starts)), read_only(np.asarray(b.hashes)), places[rows[:, 1]] - before[second], similarity,
        )  # fmt: skip
        found[order[begin:end]] = similarity
    return found
