"""The barrier between two passes: every shard's keys are there, and duplicates are decided among all documents.

The decision is a unit of its own in the manifest, and so is every step of finding near duplicates (near_clusters.py): an
interrupted barrier goes on with the step it stopped in. What a unit writes depends on the keys and settings alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from curation.decision import decide as decide_rows
from curation.decision import open_keys, write_decision
from curation.earlier_runs import EarlierKeys, earlier_keys
from curation.inputs import Shard
from curation.line_barrier import decide_lines
from curation.manifest import Entry, key_of
from curation.memory import check_memory, expected_documents, foretold_memory, partition_bytes
from curation.near_clusters import NearPlan, are_held, joined_roots, near_edges, plan_near
from curation.pass_plan import WORK, Drops, Pass, plan_passes
from curation.progress import Work
from curation.run_state import RunState
from curation.stages.near import s_curve, s_curve_line
from curation.substring_barrier import decide_substrings
from curation.verification import ShingleTask, shingle_tasks, verified_edges


def foretell(run: RunState, shards: Sequence[Shard]) -> None:
    """Say, before anything is read, what memory exact and near duplicates will take, and what the bands imply.

    Refuses earlier runs that do not suit, and too little memory where it is certain: the documents are counted in footers,
    no stage before removes some, and nothing is decided yet."""
    memory = run.job.settings.memory
    for step in plan_passes(run.job.stages):
        if not {"exact", "near"} & set(step.barrier):
            continue
        documents, about = expected_documents(shards)
        documents += sum(keys.rows for keys in earlier_keys(run.job, step.barrier))
        if not (about or step.number or step.stages or run.manifest.read(f"barrier{step.number}")):
            check_memory(documents, step.barrier, memory)
        run.progress.note(foretold_memory(documents, about, step.barrier, memory))
        if "near" in step.barrier:
            run.progress.note(s_curve_line(run.job.settings.near))


def decide(run: RunState, step: Pass, entries: dict[int, Entry]) -> dict[int, Drops]:
    """Decide after `step` about the shards of `entries`, in their order: what goes of each (or all shards' repeated lines)."""
    deciders = {("lines",): decide_lines, ("substrings",): decide_substrings}
    return deciders.get(step.barrier, _decide_documents)(run, step, entries)


def _decide_documents(run: RunState, step: Pass, entries: dict[int, Entry]) -> dict[int, Drops]:
    keys_paths = {n: f"{WORK}/{step.name}/{n:05d}.keys.parquet" for n in entries}
    keys_files = {path: entries[n].outputs[path] for n, path in keys_paths.items() if path in entries[n].outputs}
    drops = {n: f"{WORK}/barrier{step.number}/{n:05d}.parquet" for n, path in keys_paths.items() if path in keys_files}
    work = _work(run, step, keys_files, list(drops))
    entry = run.known(work.name, work.key)
    if entry is not None:
        for task in work.tasks:
            run.known(task.unit, task.key)
    else:
        entry = run.add(run.manifest.record(_decided(run, work, list(drops.values()))))
    return {n: Drops(path, key_of(step.barrier, entry.outputs[path]["sha256"])) for n, path in drops.items()}


@dataclass(frozen=True)
class BarrierWork:
    """What one barrier has to do, planned from the manifest alone."""

    name: str
    barrier: tuple[str, ...]
    key: str
    earlier: list[EarlierKeys]
    keys_files: dict[str, dict[str, Any]]  # of earlier runs, then of this one: path -> manifest entry
    near: NearPlan | None
    shingles: list[ShingleTask]

    @property
    def tasks(self) -> list[Any]:
        return [*(self.near.tasks if self.near else ()), *self.shingles]


def _work(run: RunState, step: Pass, keys_files: dict[str, dict[str, Any]], numbers: list[int]) -> BarrierWork:
    settings, name = run.job.settings, f"barrier{step.number}"
    earlier = earlier_keys(run.job, step.barrier) if keys_files else []
    files = {old.keys: {"rows": old.rows, "sha256": old.sha256, "label": old.label} for old in earlier} | keys_files
    configuration = [repr(getattr(settings, stage)) for stage in step.barrier]
    key = key_of(name, step.barrier, configuration, [entry["sha256"] for entry in files.values()], [old.drops_sha256 for old in earlier], numbers)
    near, shingles = None, []
    if "near" in step.barrier and files:
        some = bool(earlier) or step.barrier.index("near") > 0
        near = plan_near(run, name, WORK, files, key, some, partition_bytes(settings.memory))
        texts = {entry.get("label", Path(path).name.split(".")[0]): path.replace(".keys", "") for path, entry in files.items()}
        shingles = shingle_tasks(run, near, texts) if settings.near.verify is not None else []
    return BarrierWork(name, step.barrier, key, earlier, files, near, shingles)


def _decided(run: RunState, work: BarrierWork, drops: list[str]) -> Entry:
    """The barrier's entry, with what was decided and written."""
    entry = Entry(work.name, work.key)
    if not work.keys_files:
        return entry
    settings, output = run.job.settings, run.job.output
    documents = sum(file["rows"] for file in work.keys_files.values())
    if told := check_memory(documents, work.barrier, settings.memory):
        run.progress.note(told)

    def near_roots(alive: np.ndarray) -> np.ndarray:
        assert work.near is not None
        edges = near_edges(run, work.near, keys, alive)
        entry.counts["near"] = _near_counts(work.near, edges)
        if work.shingles:
            candidates, alike = verified_edges(run, work.shingles, documents, edges, settings.near.verify)
            entry.counts["near"] |= {"candidates": len(candidates), "verified": int(alike.sum()), "verify": settings.near.verify}
            edges = [candidates[alike]]
        return joined_roots(documents, edges)

    with run.progress.stage("find duplicates: " + ", ".join(work.barrier), [Work(work.name, work.name)]) as bar:
        hold = are_held(output, work.keys_files, partition_bytes(settings.memory)) and not (work.near and work.near.joins)
        keys = open_keys([output / path for path in work.keys_files], [old.stayed() for old in work.earlier], hold)
        decision = decide_rows(keys, settings, work.barrier, near_roots)
        entry.outputs |= write_decision(decision, keys, output, drops)
        bar.advance(entry)
    return entry


def _near_counts(plan: NearPlan, edges: list[np.ndarray]) -> dict[str, Any]:
    """What the report says of near duplicates beside their clusters."""
    bands, rows = plan.settings.band_shape
    points = [[round(float(s), 2), round(float(p), 4)] for s, p in s_curve(bands, rows, 21)]
    return {"bands": bands, "rows": rows, "s_curve": points, "partitions": max(1, len(plan.joins)), "edges": sum(map(len, edges))}
