"""One pass over one shard: the stages that need one document at a time, fused, so each shard is read and written once.

A job's stages become passes, cut where duplicates must be decided (a barrier: every document must be seen first):

    language, rules, exact, near   ->   pass 0: read, language, rules | barrier: exact, near | pass 1: less duplicates

Pass 0 reads the input; later passes read what the pass before kept. The last pass writes clean/. A record that a stage
cannot process is found by halving the batch and goes to quarantine; the rest of the batch goes on.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.attempts import attempted
from curation.batches import BATCH_BYTES
from curation.document import QUARANTINE, RAW_LIMIT_BYTES
from curation.duplicates import drop_duplicates, read_drops, with_cluster_size, write_keys
from curation.guard import Broken, CarefulGuard, Guard
from curation.input_content import first_stamp, read_content, with_content
from curation.known_signals import KnownSignals
from curation.limits import BATCH_MEMORY_MB, Watchdog, limited_memory
from curation.manifest import Entry, Manifest
from curation.outcome import Outcome, add_counts, balance, counted, tally, text_bytes
from curation.partial_output import opened_journal
from curation.pass_plan import ShardTask, plan_passes
from curation.readers import read_shard
from curation.run_state import warm_up
from curation.shard_output import BEFORE_RULES, REMOVED_BY_RULES, ShardOutput
from curation.stages.clean import clean
from curation.stages.decontaminate import decontaminate
from curation.stages.empty import remove_empty
from curation.stages.language import filter_language
from curation.stages.lines import line_judge, remove_lines
from curation.stages.substrings import cut_substrings
from curation.supervision import expendable
from curation.unchanged import unchanged
from rules.rule import Pack


def run_shard(task: ShardTask) -> Entry:
    """Do one pass over one shard, write its files, and record it in the manifest.

    Where only what rules decide has changed, the earlier results are decided again and nothing is read or measured. Where an
    attempt before this one died, or memory runs out, every record is worked on with care (guard.py)."""
    limits = task.job.settings.limits
    with attempted(task.job.output, task.unit, task.key, task.run_id) as attempt:
        with Watchdog(limits, attempt.note) if expendable() else contextlib.nullcontext() as watchdog:
            if not attempt.careful:
                with contextlib.suppress(MemoryError), limited_memory(limits.memory_mb + BATCH_MEMORY_MB):
                    return _revised(task) or _run_shard(task, Guard(watchdog))
            if watchdog is not None:
                watchdog.rest()
            return _run_shard(task, CarefulGuard(limits, functools.partial(warm_up, task.job)))


def _revised(task: ShardTask) -> Entry | None:
    if task.previous is None:
        return None
    from curation.revise import revise_shard  # it builds on this module

    return revise_shard(task, task.previous)


def _run_shard(task: ShardTask, guard: Guard) -> Entry:
    output, stages = ShardOutput(task, guard=guard, journal=opened_journal(task)), _stages(task)
    try:
        for documents in _source(task, output):
            for stage in stages:
                documents = _run_stage(stage, documents, output)
            _hand_on(task, documents, output)
        outputs = output.close()
    except BaseException:
        output.abandon()
        raise
    finally:
        guard.close()
    task = with_content(task, output.content)
    entry = Manifest(task.job.output).record(Entry(task.unit, task.key, outputs, output.counts, _input(task, guard), task.basis, output.seconds))
    if output.journal is not None:
        output.journal.delete()
    return entry


def _input(task: ShardTask, guard: Guard) -> dict[str, Any]:
    """Where the shard's documents came from, for `gristmill why`; and the limits, where they decided about some."""
    limits = {"limits": repr(task.job.settings.limits)} if guard.condemned else {}
    if task.step.number > 0:
        return limits
    file = task.shard.file
    return {"file": file.name, "path": file.path, "row_groups": task.shard.row_groups} | (task.content or {}) | limits


def _source(task: ShardTask, output: ShardOutput) -> Iterator[pa.Table]:
    """Batches of documents: from the input in pass 0, later from what the pass before kept, less the duplicates."""
    if task.before is None:
        return _read(task, output)
    return _read_kept(task, output)


def _read(task: ShardTask, output: ShardOutput) -> Iterator[pa.Table]:
    with unchanged(task.shard.file):
        stamp = first_stamp(task.shard)
        yield from _batches(task, output)
        output.content = read_content(task.shard, stamp)


def _batches(task: ShardTask, output: ShardOutput) -> Iterator[pa.Table]:
    for batch in read_shard(task.shard, task.job.read_settings, batch_bytes=BATCH_BYTES, guard=output.guard, first=output.resume()):
        output.write("quarantine", batch.quarantined)
        documents = batch.documents
        books = balance(documents, Outcome(documents), output.sizes) | {"in": len(documents) + len(batch.quarantined), "quarantined": len(batch.quarantined)}
        details = {"skipped": batch.skipped, "repaired": batch.repaired, "causes": counted(batch.quarantined["cause"])}
        add_counts(output.counts, {"read": books | details})
        output.write_ids(documents)
        yield documents
        output.commit(batch.next_record, documents)


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
    guard = Guard(output.guard.watchdog)  # never in another process: what is repeated may be large
    with pq.ParquetFile(task.job.output / task.before) as file:
        for documents in _groups(file):
            yield _run_stage(("lines", lambda documents: remove_lines(documents, judge, repeated)), documents, output, guard)


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
    job = task.job
    functions: dict[str, Callable[[pa.Table], Outcome]] = {
        "decontaminate": functools.partial(decontaminate, settings=job.settings.decontaminate),
        "language": functools.partial(filter_language, settings=job.settings.language),
        "rules": functools.partial(_clean, packs=job.packs, known=KnownSignals(task)),
    }
    first: list[Stage] = [("extract", remove_empty)] if task.step.number == 0 else []
    return first + [(name, functions[name]) for name in task.step.stages]


def _clean(documents: pa.Table, packs: Sequence[Pack], known: KnownSignals) -> Outcome:
    return clean(documents, packs, known.of(documents))


def _run_stage(stage: Stage, documents: pa.Table, output: ShardOutput, guard: Guard | None = None) -> pa.Table:
    """Run one stage; documents that break it are quarantined. Returns the documents that go on."""
    name, function = stage
    kept = []
    for piece, outcome in _survivors(function, documents, guard or output.guard):
        if isinstance(outcome, Outcome):
            account(name, piece, outcome, output)
            kept.append(outcome.kept)
        else:
            _quarantine(name, piece, outcome, output)
    if not kept:
        return documents.slice(0, 0)
    return kept[0] if len(kept) == 1 else pa.concat_tables(kept, promote_options="default")


Piece = tuple[pa.Table, Outcome | Broken]  # documents and what the stage did to them, or one document and how it broke the stage


def _survivors(function: Callable[[pa.Table], Outcome], documents: pa.Table, guard: Guard) -> list[Piece]:
    """The documents that the stage can take, together, as if the others had not been there; and those others."""
    pieces = _halved(function, documents, guard)
    if len(pieces) == 1:
        return pieces
    broken = [piece for piece in pieces if isinstance(piece[1], Broken)]
    good = [piece for piece, outcome in pieces if isinstance(outcome, Outcome)]
    if not good:
        return broken
    rest = pa.concat_tables(good)
    try:
        return [(rest, guard.call(function, rest, size=text_bytes(rest))), *broken]
    except Broken:
        return pieces  # together they are too much


def _halved(function: Callable[[pa.Table], Outcome], documents: pa.Table, guard: Guard) -> list[Piece]:
    """Halves, and halves of halves, down to the documents that break the stage."""
    try:
        return [(documents, guard.call(function, documents, size=text_bytes(documents), records=len(documents)))]
    except Broken as broken:
        if len(documents) <= 1:
            guard.condemned |= broken.kind != "failed"
            return [(documents, broken)]
    half = len(documents) // 2
    return _halved(function, documents.slice(0, half), guard) + _halved(function, documents.slice(half), guard)


def account(stage: str, before: pa.Table, outcome: Outcome, output: ShardOutput) -> None:
    if outcome.before is not None and len(outcome.before):
        rows = pc.add(outcome.before["row"], output.rows("signals"))
        output.write(BEFORE_RULES, outcome.before.set_column(0, "row", rows))
    output.write(REMOVED_BY_RULES if stage == "rules" else "removed", outcome.removed)
    output.write("edits", outcome.edits)
    output.write("signals", outcome.signals)
    output.write("overlaps", outcome.overlaps)
    add_counts(output.counts, {stage: balance(before, outcome, output.sizes) | outcome.counts})
    add_counts(output.seconds, outcome.seconds)


def _quarantine(stage: str, document: pa.Table, broken: Broken, output: ShardOutput) -> None:
    if not len(document):
        raise broken  # it fails on nothing: no document's fault
    text = document["text"][0].as_py().encode()[:RAW_LIMIT_BYTES]
    row = [document["id"][0].as_py(), document["source"][0].as_py(), -1, -1, f"{stage}-{broken.kind}", str(broken), text]
    output.write("quarantine", pa.table([[value] for value in row], schema=QUARANTINE))
    books = tally("in", document) | tally("kept", None) | tally("removed", None) | tally("quarantined", document)
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
