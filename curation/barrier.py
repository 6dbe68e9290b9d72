"""The barrier between two passes: every shard's keys are there, and duplicates are decided among all documents.

The decision is a unit of its own in the manifest, and so is every step of finding near duplicates (near_clusters.py): an
interrupted barrier goes on with the step it stopped in. What a unit writes depends on the keys and settings alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from curation.decision import decide as decide_rows
from curation.decision import open_keys, write_decision
from curation.line_barrier import decide_lines
from curation.manifest import Entry, key_of
from curation.memory import check_memory, partition_bytes
from curation.near_clusters import NearPlan, joined_roots, near_edges, plan_near
from curation.passes import WORK, Pass
from curation.progress import Work
from curation.run_state import RunState
from curation.stages.near import s_curve, s_curve_line
from curation.verification import ShingleTask, shingle_tasks, verified_edges


def decide(run: RunState, step: Pass, entries: dict[int, Entry]) -> tuple[str, dict[int, str]]:
    """Decide after `step`: the decision's fingerprint, and each shard's file of drops (or all shards' repeated lines)."""
    return decide_lines(run, step, entries) if step.barrier == ("lines",) else _decide_documents(run, step, entries)


def _decide_documents(run: RunState, step: Pass, entries: dict[int, Entry]) -> tuple[str, dict[int, str]]:
    settings, name = run.job.settings, f"barrier{step.number}"
    keys_paths = {n: f"{WORK}/{step.name}/{n:05d}.keys.parquet" for n in sorted(entries)}
    keys_files = {path: entries[n].outputs[path] for n, path in keys_paths.items() if path in entries[n].outputs}
    numbers = [n for n, path in keys_paths.items() if path in keys_files]
    drops = {n: f"{WORK}/{name}/{n:05d}.parquet" for n in numbers}
    configuration = [repr(getattr(settings, stage)) for stage in step.barrier]
    key = key_of(name, step.barrier, configuration, [entry["sha256"] for entry in keys_files.values()], numbers)
    plan = _plan(run, step, name, keys_files, key) if "near" in step.barrier else None
    texts = [path.replace(".keys", "") for path in keys_files]
    shingles = shingle_tasks(run, plan, texts) if plan and settings.near.verify is not None else []
    entry = run.known(name, key)
    if entry is not None:
        for task in [*plan.tasks, *shingles] if plan else ():
            run.known(task.unit, task.key)
    else:
        entry = run.add(run.manifest.record(_decided(run, step, keys_files, drops, plan, shingles, Entry(name, key))))
    return entry.fingerprint, drops


def _plan(run: RunState, step: Pass, name: str, keys_files: dict[str, dict], key: str) -> NearPlan:
    before = step.barrier.index("near") > 0
    return plan_near(run, name, WORK, keys_files, key, before, partition_bytes(run.job.settings.memory))


def _decided(run: RunState, step: Pass, keys_files: dict[str, dict], drops: dict[int, str], plan: NearPlan | None, shingles: list[ShingleTask], entry: Entry) -> Entry:
    """`entry` with what was decided and written."""
    if not keys_files:
        return entry
    settings, output = run.job.settings, run.job.output
    documents = sum(file["rows"] for file in keys_files.values())
    run.progress.note(check_memory(documents, step.barrier, settings.memory))
    if plan is not None:
        run.progress.note(s_curve_line(settings.near))

    def near_roots(alive: np.ndarray) -> np.ndarray:
        assert plan is not None
        edges = near_edges(run, plan, alive)
        entry.counts["near"] = _near_counts(plan, edges)
        if shingles:
            candidates, alike = verified_edges(run, shingles, documents, edges, settings.near.verify)
            entry.counts["near"] |= {"candidates": len(candidates), "verified": int(alike.sum()), "verify": settings.near.verify}
            edges = [candidates[alike]]
        return joined_roots(documents, edges)

    with run.progress.stage("find duplicates: " + ", ".join(step.barrier), [Work(entry.unit, entry.unit)]) as bar:
        keys = open_keys([output / path for path in keys_files])
        decision = decide_rows(keys, settings, step.barrier, near_roots)
        entry.outputs |= write_decision(decision, keys, output, list(drops.values()))
        bar.advance(entry)
    return entry


def _near_counts(plan: NearPlan, edges: list[np.ndarray]) -> dict[str, Any]:
    """What the report says of near duplicates beside their clusters."""
    bands, rows = plan.settings.band_shape
    points = [[round(float(s), 2), round(float(p), 4)] for s, p in s_curve(bands, rows, 21)]
    return {"bands": bands, "rows": rows, "s_curve": points, "partitions": len(plan.joins), "edges": sum(map(len, edges))}
