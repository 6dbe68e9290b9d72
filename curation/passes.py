"""One pass over one shard: the stages that need one document at a time, fused, so each shard is read and written once.

A job's stages become passes, cut where duplicates must be decided (a barrier: every document must be seen first):

    language, rules, exact, near   ->   pass 0: read, language, rules | barrier: exact, near | pass 1: less duplicates

Pass 0 reads the input; later passes read what the pass before kept. The last pass writes clean/. A record that a stage
cannot process is found by halving the batch and goes to quarantine; the rest of the batch goes on.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.document import QUARANTINE, RAW_LIMIT_BYTES
from curation.duplicates import drop_duplicates, read_drops, with_cluster_size, write_keys
from curation.known_signals import KnownSignals
from curation.manifest import Entry, Manifest
from curation.outcome import Outcome, add_counts, balance, counted, removed_table, single_hits, text_bytes
from curation.pass_plan import ShardTask, plan_passes
from curation.readers import read_shard
from curation.shard_output import BEFORE_RULES, REMOVED_BY_RULES, ShardOutput
from curation.stages.clean import clean
from curation.stages.decontaminate import decontaminate
from curation.stages.language import filter_language
from curation.stages.lines import line_judge, remove_lines
from curation.stages.substrings import cut_substrings
from curation.unchanged import unchanged


def run_shard(task: ShardTask) -> Entry:
    """Do one pass over one shard, write its files, and record it in the manifest.

    Where only what rules decide has changed, the earlier results are decided again and nothing is read or measured."""
    if task.previous is not None:
        from curation.revise import revise_shard  # it builds on this module

        entry = revise_shard(task, task.previous)
        if entry is not None:
            return entry
    output, stages = ShardOutput(task), _stages(task)
    try:
        for documents in _source(task, output):
            for stage in stages:
                documents = _run_stage(stage, documents, output)
            _hand_on(task, documents, output)
        outputs = output.close()
    except BaseException:
        output.abandon()
        raise
    return Manifest(task.job.output).record(Entry(task.unit, task.key, outputs, output.counts, _input(task), task.basis, output.seconds))


def _input(task: ShardTask) -> dict[str, Any]:
    """Where the shard's documents came from, for `gristmill why`."""
    if task.step.number > 0:
        return {}
    file = task.shard.file
    return {"file": file.name, "path": file.path, "row_groups": task.shard.row_groups}


def _source(task: ShardTask, output: ShardOutput) -> Iterator[pa.Table]:
    """Batches of documents: from the input in pass 0, later from what the pass before kept, less the duplicates."""
    if task.before is None:
        return _read(task, output)
    return _read_kept(task, output)


def _read(task: ShardTask, output: ShardOutput) -> Iterator[pa.Table]:
    with unchanged(task.shard.file):
        yield from _batches(task, output)


def _batches(task: ShardTask, output: ShardOutput) -> Iterator[pa.Table]:
    for batch in read_shard(task.shard, task.job.read_settings):
        output.write("quarantine", batch.quarantined)
        documents = batch.documents
        size = text_bytes(documents)
        books = {
            "in": len(documents) + len(batch.quarantined), "kept": len(documents), "removed": 0,
            "quarantined": len(batch.quarantined), "in_bytes": size, "kept_bytes": size, "removed_bytes": 0, "quarantined_bytes": 0,
        }  # fmt: skip
        details = {"skipped": batch.skipped, "repaired": batch.repaired, "causes": counted(batch.quarantined["cause"])}
        add_counts(output.counts, {"read": books | details})
        yield documents


def _read_kept(task: ShardTask, output: ShardOutput) -> Iterator[pa.Table]:
    barrier = plan_passes(task.job.stages)[task.step.number - 1].barrier
    if barrier == ("lines",):
        yield from _read_without_lines(task, output)
        return
    if barrier == ("substrings",):
        yield from _read_without_substrings(task, output)
        return
    drops = read_drops(task.job.output / task.drops) if task.drops else None
    row = 0
    with pq.ParquetFile(task.job.output / task.before) as file:
        for documents in _groups(file):
            part = drops.slice(row, len(documents))
            row += len(documents)
            for stage in barrier:
                outcome, part = drop_duplicates(documents, part, stage)
                account(stage, documents, outcome, output)
                documents = outcome.kept
            yield with_cluster_size(documents, part["size"], counted=task.step.number > 1)


def _read_without_lines(task: ShardTask, output: ShardOutput) -> Iterator[pa.Table]:
    repeated, judge = np.load(task.job.output / task.drops), line_judge(task.job.settings.lines)
    with pq.ParquetFile(task.job.output / task.before) as file:
        for documents in _groups(file):
            yield _run_stage(("lines", lambda documents: remove_lines(documents, judge, repeated)), documents, output)


def _read_without_substrings(task: ShardTask, output: ShardOutput) -> Iterator[pa.Table]:
    repeated, window = np.load(task.job.output / task.drops), 0
    with pq.ParquetFile(task.job.output / task.before) as file:
        for documents in _groups(file):
            outcome, window = cut_substrings(documents, repeated, window, task.job.settings.substrings)
            account("substrings", documents, outcome, output)
            yield outcome.kept


def _groups(file: pq.ParquetFile) -> Iterator[pa.Table]:
    """Row group by row group; of a file without rows, one empty table."""
    if not file.num_row_groups:
        yield file.schema_arrow.empty_table()
    for group in range(file.num_row_groups):
        yield file.read_row_group(group)


Stage = tuple[str, Callable[[pa.Table], Outcome]]


def _stages(task: ShardTask) -> list[Stage]:
    job, known = task.job, KnownSignals(task)
    functions: dict[str, Callable[[pa.Table], Outcome]] = {
        "decontaminate": lambda documents: decontaminate(documents, job.settings.decontaminate),
        "language": lambda documents: filter_language(documents, job.settings.language),
        "rules": lambda documents: clean(documents, job.packs, known.of(documents)),
    }
    first: list[Stage] = [("extract", remove_empty)] if task.step.number == 0 else []
    return first + [(name, functions[name]) for name in task.step.stages]


def remove_empty(documents: pa.Table) -> Outcome:
    """Documents without a single visible character have nothing to keep."""
    blank = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(documents["text"])), 0)
    gone = documents.filter(blank)
    chars = pc.utf8_length(gone["text"]).to_numpy()
    hits = single_hits(["extract/empty"] * len(gone), "visible_chars", chars * 0.0, "==", 0.0)
    reasons = pa.array(["extract/empty"] * len(gone), pa.string())
    return Outcome(documents.filter(pc.invert(blank)), removed_table(gone, "extract", reasons, hits))


def _run_stage(stage: Stage, documents: pa.Table, output: ShardOutput) -> pa.Table:
    """Run one stage; documents that break it are quarantined. Returns the documents that go on."""
    name, function = stage
    pieces = list(_survivors(function, documents))
    kept = []
    for piece, outcome in pieces:
        if isinstance(outcome, Outcome):
            account(name, piece, outcome, output)
            kept.append(outcome.kept)
        else:
            _quarantine(name, piece, outcome, output)
    if not kept:
        return documents.slice(0, 0)
    return kept[0] if len(kept) == 1 else pa.concat_tables(kept, promote_options="default")


def _survivors(function: Callable[[pa.Table], Outcome], documents: pa.Table) -> Iterator[tuple[pa.Table, Outcome | Exception]]:
    """(documents, what the stage did to them), or (one document, its error) for one that the stage cannot take."""
    try:
        outcome: Outcome | Exception = function(documents)
    except Exception as error:  # the border between one bad record and the job
        if len(documents) > 1:
            half = len(documents) // 2
            yield from _survivors(function, documents.slice(0, half))
            yield from _survivors(function, documents.slice(half))
            return
        outcome = error
    yield documents, outcome


def account(stage: str, before: pa.Table, outcome: Outcome, output: ShardOutput) -> None:
    if outcome.before is not None and len(outcome.before):
        rows = pc.add(outcome.before["row"], output.rows("signals"))
        output.write(BEFORE_RULES, outcome.before.set_column(0, "row", rows))
    output.write(REMOVED_BY_RULES if stage == "rules" else "removed", outcome.removed)
    output.write("edits", outcome.edits)
    output.write("signals", outcome.signals)
    output.write("overlaps", outcome.overlaps)
    add_counts(output.counts, {stage: balance(before, outcome) | outcome.counts})
    add_counts(output.seconds, outcome.seconds)


def _quarantine(stage: str, document: pa.Table, error: Exception, output: ShardOutput) -> None:
    text = document["text"][0].as_py().encode()[:RAW_LIMIT_BYTES]
    message = "".join(traceback.format_exception(error))[-2000:]
    row = [document["id"][0].as_py(), document["source"][0].as_py(), -1, -1, f"{stage}-failed", message, text]
    output.write("quarantine", pa.table([[value] for value in row], schema=QUARANTINE))
    size = text_bytes(document)
    books = {"in": 1, "kept": 0, "removed": 0, "quarantined": 1, "in_bytes": size, "kept_bytes": 0, "removed_bytes": 0, "quarantined_bytes": size}
    add_counts(output.counts, {stage: books})


def _hand_on(task: ShardTask, documents: pa.Table, output: ShardOutput) -> None:
    hand_on(task, documents, keys_of(task, documents), output)


def keys_of(task: ShardTask, documents: pa.Table) -> pa.Table | None:
    """What duplicates among these documents are found by; None where none are looked for."""
    if not set(task.step.barrier) & {"exact", "near"}:
        return None
    return write_keys(documents, task.job.settings, task.step.barrier, counted=task.step.number > 0)


def hand_on(task: ShardTask, documents: pa.Table, keys: pa.Table | None, output: ShardOutput) -> None:
    """Write what goes on to the next pass, or to clean/."""
    output.write("kept", documents)
    output.write("keys", keys)
    if "substrings" in task.step.barrier:
        output.write_windows(documents)
    if "lines" in task.step.barrier:
        output.count_lines(documents)
    if task.step.last:
        add_counts(output.counts, {"clean": {"documents": len(documents), "bytes": text_bytes(documents), "languages": counted(documents["lang"])}})
