"""The main path: from a job to a finished run directory.

    inputs -> shards -> passes (read, language, rules; then duplicates) -> clean/ -> tokenizer -> tokens -> packed/ -> report/

Every unit of work is recorded in manifest/ when it is done and skipped when it is done already, so the same command
starts a run, continues an interrupted one, and redoes only what a changed setting touches. The books must balance
(`in == kept + removed + quarantined`) before a report is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from curation.barrier import decide, foretell
from curation.books import check_books, summed
from curation.executor import Workers, stop_workers
from curation.id_hashes import count_ids
from curation.input_content import known_content, with_content
from curation.inputs import Shard, list_inputs, plan_shards
from curation.job import LoadedJob
from curation.known_signals import remembered
from curation.manifest import Entry, Manifest
from curation.partitions import divide
from curation.pass_keys import basis, input_identity, pass_key
from curation.pass_plan import WORK, Drops, Pass, ShardTask, plan_passes
from curation.passes import run_shard
from curation.progress import Progress, Work
from curation.report import write_report
from curation.reports.page import load_templates
from curation.run_directory import RunDirectoryError, check_place, open_run_directory, sweep
from curation.run_lock import locked
from curation.run_log import LoggedProgress, RunLog
from curation.run_state import RunState
from curation.shard_numbers import number_shards
from curation.stages.decontaminate import items_line
from curation.stages.language import check_model
from curation.stored_run import publish_end, publish_start, stored
from curation.supervision import run_id


@dataclass
class RunResult:
    """What a run did: its report (see curation/report.py), and how many of its units were done before."""

    report: dict[str, Any]
    done_before: int
    units: int


def run_job(
    job: LoadedJob,
    workers: Workers | None = None,
    progress: Progress | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> RunResult:
    """Run `job`, or go on with it. Raises on the first thing that would make the result wrong.

    `should_stop` is asked after every unit; where it says yes, KeyboardInterrupt is raised and the rest is left undone."""
    workers = job.settings.workers if workers is None else workers
    files = list_inputs(job.inputs, job.folder)
    check_place(job.output)
    with locked(job.output) as left, stored(job.output, job.store), LoggedProgress(progress or Progress(), RunLog(job.output)) as shown:
        changes = open_run_directory(job, files)
        if left is not None:
            shown.note(f"the last run here ({left}) ended without giving its lock back; going on after what it finished")
        if changes is not None:
            shown.note(changes)
        shown.started(job.sha256, workers=str(workers), files=len(files))
        run = RunState(job, workers, shown, Manifest(job.output), should_stop)
        try:
            shards = number_shards(plan_shards(files), job.output)
            publish_start(job.output)
            run.start_early(len(shards))
            if job.settings.language is not None:
                check_model(job.settings.language.model)
            clean = curate(run, shards)
            divide(run, clean)
            if job.settings.pack:
                from curation.packing import pack  # and with it all that tokenises

                pack(run, clean)
        finally:
            stop_workers()
        live = list(run.live.values())
        check_outputs(run)
        check_books(summed(live), job.stages, live)
        sweep(job.output, live)
        report = write_report(job.output, entries=live)
        publish_end(job.output, live)
        shown.finished(**{key: report[key] for key in ("in", "kept", "removed", "quarantined")})
        return RunResult(report, run.done_before, len(run.live))


def check_outputs(run: RunState) -> None:
    """Raises RunDirectoryError where a file that this run wrote, or took over, is gone or was cut. What is in a store is safe."""
    for entry in run.live.values() if run.job.store is None else ():
        for path, output in entry.outputs.items():
            file = run.job.output / path
            if not file.exists() or file.stat().st_size != output["bytes"]:
                raise RunDirectoryError(f"{file} was changed or deleted while the run went on; the same command makes it again")


# --- passes and barriers -----------------------------------------------------------------------------


def curate(run: RunState, shards: Sequence[Shard]) -> list[Entry]:
    """All passes; returns the entries of the last one, in the order of the shards."""
    entries: dict[int, Entry] = {}
    drops: dict[int, Drops] = {}
    if "decontaminate" in run.job.stages:
        run.progress.note(items_line(run.job.settings.decontaminate))
    foretell(run, shards)
    for step in plan_passes(run.job.stages):
        tasks = [shard_task(run, step, shard, entries.get(shard.number), drops) for shard in shards]
        entries = _run_pass(run, step, [task for task in tasks if task is not None])
        if step.barrier:
            drops = decide(run, step, entries)
    count_ids(run, [entry for unit, entry in run.live.items() if unit.startswith("pass0/")])
    return list(entries.values())


def shard_task(run: RunState, step: Pass, shard: Shard, before: Entry | None, drops: dict[int, Drops]) -> ShardTask | None:
    """The task of one shard, or None when the pass before handed nothing on."""
    if step.number == 0:
        source: tuple = (input_identity(shard),)
        task = ShardTask(run.job, step, shard, pass_key(run.job, step, source), basis=basis(run.job, step, source))
        return with_content(task, known_content(run.manifest.read(task.unit), shard))
    kept = _kept_path(before, step.number - 1)
    if before is None or kept is None:
        return None
    decided = drops[shard.number]
    source = (before.outputs[kept]["sha256"], decided.key)
    return ShardTask(run.job, step, shard, pass_key(run.job, step, source), kept, decided.path, basis(run.job, step, source))


def _kept_path(entry: Entry | None, number: int) -> str | None:
    """The file of documents that a pass before the last handed on."""
    prefix = f"{WORK}/pass{number}/"
    kept = [path for path in (entry.outputs if entry else ()) if path.startswith(prefix) and path.endswith(".parquet") and path.count(".") == 2]
    return kept[0] if kept else None


def _run_pass(run: RunState, step: Pass, tasks: list[ShardTask]) -> dict[int, Entry]:
    """Run the tasks that are not done, the largest shards first; returns the entries in the order of the tasks."""
    entries: dict[int, Entry] = {}
    waiting = []
    for task in tasks:
        entry = run.known(task.unit, task.key)
        if entry is None:
            waiting.append(replace(task, previous=decidable(run, task), measured=remembered(run, task), run_id=run_id()))
        else:
            entries[task.shard.number] = run.manifest.restamped(entry, task.content)
    waiting.sort(key=lambda task: (-task.shard.size_bytes, task.shard.number))
    numbers = {task.unit: task.shard.number for task in waiting}
    work = [Work(task.unit, task.shard.label, task.shard.size_bytes) for task in waiting]
    with run.progress.stage(step.title, work, len(entries)) as bar:
        for entry in run.mapped(run_shard, waiting, bar, load_templates if step.last else None):
            entries[numbers[entry.unit]] = run.add(entry)
            bar.advance(entry)
    return {task.shard.number: entries[task.shard.number] for task in tasks}


def decidable(run: RunState, task: ShardTask) -> Entry | None:
    """An earlier result of this unit from the same documents, which only needs to be decided again."""
    entry = run.manifest.read(task.unit)
    if entry is None or not task.basis or entry.basis.get("source") != task.basis["source"]:
        return None
    return run.manifest.done(task.unit, entry.key)
