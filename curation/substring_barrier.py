"""The barrier of repeated substrings: which windows of words stand earlier in the corpus, and in which document they go.

The steps are tasks (window_files.py, and run_join of near_clusters.py); the barrier's own unit gives each shard the list of
its repeated windows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from curation.band_files import partition_bits
from curation.clusters import MOST_ROWS
from curation.duplicates import DuplicatesError
from curation.manifest import Entry, key_of
from curation.memory import TASK_SHARE, partition_bytes
from curation.near_clusters import JoinTask, run_join, save_array
from curation.pass_plan import WORK, Drops, Pass
from curation.run_state import RunState, file_entry
from curation.window_files import WindowBandTask, run_window_bands


def decide_substrings(run: RunState, step: Pass, entries: dict[int, Entry]) -> dict[int, Drops]:
    """Find repeated windows after `step`: each shard's file of them."""
    name, output, settings = f"barrier{step.number}", run.job.output, run.job.settings.substrings
    paths = {n: f"{WORK}/{step.name}/{n:05d}.windows" for n in entries}
    files = {path: entries[n].outputs[path] for n, path in paths.items() if path in entries[n].outputs}
    repeated = {n: f"{WORK}/{name}/repeated-{n:05d}.npy" for n in entries}
    key = key_of(name, "substrings", settings.min_words, [entry["sha256"] for entry in files.values()], list(repeated))
    bands, joins = _tasks(run, name, files, key)
    entry = run.known(name, key)
    if entry is None:
        run.finished("order word windows", run_window_bands, bands)
        run.finished("join word windows", run_join, joins)
        pairs = _joined(output, joins)
        first = np.concatenate([[0], np.cumsum([file["rows"] for file in files.values()])]).astype(np.int64)
        entry = Entry(name, key, {}, {"substrings": {"windows": int(first[-1]), "repeated": len(pairs)}})
        for path, base, end in zip([repeated[n] for n, path in paths.items() if path in files], first, first[1:]):
            begin, stop = np.searchsorted(pairs[:, 0], [base, end])
            save_array(output / path, pairs[begin:stop] - base)
            entry.outputs[path] = file_entry(output, path, int(stop - begin))
        run.add(run.manifest.record(entry))
    else:
        for task in [*bands, *joins]:
            run.known(task.unit, task.key)
    return {n: Drops(path, key_of("substrings", entry.outputs[path]["sha256"], settings.min_words)) for n, path in repeated.items() if path in entry.outputs}


def _tasks(run: RunState, name: str, files: dict[str, dict[str, Any]], key: str) -> tuple[list[WindowBandTask], list[JoinTask]]:
    rows, output, work = [entry["rows"] for entry in files.values()], run.job.output, f"{WORK}/{name}"
    if sum(rows) > MOST_ROWS:
        raise DuplicatesError(f"substrings: {sum(rows):,} word windows are more than {MOST_ROWS:,}; divide the input into several jobs, or leave substrings out")
    bits = partition_bits(sum(rows), partition_bytes(run.job.settings.memory) // TASK_SHARE)
    bands = []
    for path, entry in files.items():
        shard = Path(path).name.split(".")[0]
        bands.append(WindowBandTask(output, path, f"{work}/{shard}.wbands", bits, f"{name}/wbands/{shard}", key_of("wbands", entry["sha256"], bits)))
    first_rows = tuple(np.concatenate([[0], np.cumsum(rows)])[:-1].astype(int).tolist())
    paths = tuple(task.path for task in bands)
    joins = [
        JoinTask(output, paths, first_rows, None, f"{work}/windows-{p:05d}.npy", bits, p, False, f"{name}/wjoin/{p:05d}", key_of("wjoin", key, bits, p))
        for p in range(1 << bits)
    ]
    return bands, joins


def _joined(output: Path, joins: list[JoinTask]) -> np.ndarray:
    """(repeated window, first window) of all partitions, ascending (int64 [windows, 2])."""
    edges = np.concatenate([np.zeros((0, 2), np.uint32), *[np.load(output / task.path) for task in joins]])
    edges = edges[np.argsort(edges[:, 1])]
    return edges[:, ::-1].astype(np.int64)
