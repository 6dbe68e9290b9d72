"""The barrier of repeated lines: counts of all shards are added up, partition by partition, and what is repeated is listed.

Units: count/NUMBER, some partitions of the counts; and the barrier itself, whose file of keys every shard of the next pass
reads. That file is held in memory by each worker: 8 bytes a repeated line.
"""

from __future__ import annotations

import numpy as np

from curation.line_counts import LINE_BYTES, PARTITIONS, CountTask, run_count
from curation.manifest import Entry, key_of
from curation.memory import TASK_SHARE, partition_bytes
from curation.near_clusters import save_array
from curation.outcome import add_counts
from curation.pass_plan import WORK, Drops, Pass
from curation.run_state import RunState, file_entry
from curation.shard_output import LINE_COUNTS


def decide_lines(run: RunState, step: Pass, entries: dict[int, Entry]) -> dict[int, Drops]:
    """Find repeated lines after `step`: their file, for each shard the same."""
    name, output, settings = f"barrier{step.number}", run.job.output, run.job.settings.lines
    paths = {n: f"{WORK}/{step.name}/{n:05d}.lines.arrow" for n in entries}
    files = {path: entries[n].outputs[path] for n, path in paths.items() if path in entries[n].outputs}
    path, configuration = f"{WORK}/{name}/repeated.npy", repr(settings)
    key = key_of(name, LINE_COUNTS, configuration, [entry["sha256"] for entry in files.values()])
    tasks = _tasks(run, name, files, key)
    entry = run.known(name, key)
    if entry is None:
        parts = run.finished("count lines", run_count, tasks)
        found = [np.load(output / task.path) for task in tasks]
        save_array(output / path, np.concatenate([np.zeros(0, np.uint64), *found]))
        counts: dict = {}
        for part in parts:
            add_counts(counts, part.counts)
        entry = run.add(run.manifest.record(Entry(name, key, {path: file_entry(output, path)}, counts)))
    else:
        for task in tasks:
            run.known(task.unit, task.key)
    return dict.fromkeys(entries, Drops(path, key_of(entry.fingerprint, configuration)))


def _tasks(run: RunState, name: str, files: dict[str, dict], key: str) -> list[CountTask]:
    """Tasks of as many partitions each as fit in memory."""
    lines = sum(entry["rows"] for entry in files.values())
    tasks, share = 1, partition_bytes(run.job.settings.memory) // TASK_SHARE
    while tasks < PARTITIONS and 2 * LINE_BYTES * lines > share * tasks:
        tasks *= 2
    each, output, settings = PARTITIONS // tasks, run.job.output, run.job.settings.lines
    return [
        CountTask(output, tuple(files), (each * t, each * (t + 1)), settings, f"{WORK}/{name}/repeated-{t:02d}.npy", f"{name}/count/{t:02d}", key_of(key, t, tasks))
        for t in range(tasks)
    ]
