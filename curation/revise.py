"""Decide again: new thresholds, actions or rules over what an earlier run of the same shard measured.

The run directory holds all that is needed: documents that stayed and that went, their texts before rules changed them,
and every signal. Where only thresholds or actions changed, columns are compared again and files rewritten: nothing is
read from the input, nothing measured. Where rules that edit lines or signals changed, what does not depend on them is
still taken from the columns. The files are, byte for byte, those of a run from the start.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.document import REMOVAL
from curation.duplicates import as_of_today
from curation.manifest import Entry, Manifest
from curation.outcome import Outcome
from curation.pass_plan import ShardTask
from curation.passes import account, hand_on, keys_of
from curation.shard_output import BEFORE_RULES, LINE_COUNTS, REMOVED_BY_RULES, WINDOWS, ShardOutput
from curation.stages.clean import clean, outcome_of
from rules.deciding import decide
from rules.engine import Measured, joined, measure_packs

REWRITTEN = ("kept", "keys", "signals", REMOVED_BY_RULES, BEFORE_RULES)


@dataclass
class StoredBatch:
    """A batch as the rules met it, and what they found then."""

    documents: pa.Table  # with the texts that came in
    kept_texts: pa.ChunkedArray  # [kept] the texts as rules left them
    was_kept: np.ndarray  # bool [documents]
    columns: dict[str, np.ndarray]  # what the rules measured and the new ones still know
    keys: pa.Table | None  # [kept] keys for duplicates


def revise_shard(task: ShardTask, previous: Entry) -> Entry | None:
    """Do `task` from what `previous` left. None where that cannot be done: the shard must be run from the start."""
    if previous.counts.get("rules", {}).get("quarantined") or not _same_columns(task, previous):
        return None
    same = [name for name, identity in task.basis["columns"].items() if previous.basis["columns"].get(name) == identity]
    decide_only = len(same) == len(task.basis["columns"]) and previous.basis["texts"] == task.basis["texts"]
    Manifest(task.job.output).record(replace(previous, key="being decided again", basis={}))  # its files are about to change
    output = ShardOutput(task, {name: value for name, value in copy.deepcopy(previous.counts).items() if name not in ("rules", "clean")})
    try:
        for batch in stored_batches(task, previous, same):
            outcome = _decided(batch, task) if decide_only else clean(batch.documents, task.job.packs, batch.columns)
            account("rules", batch.documents, outcome, output)
            hand_on(task, outcome.kept, _keys(batch, outcome, task), output)
        written = output.close()
    except (ArithmeticError, ValueError, pa.ArrowException):  # one document breaks the new rules: the long way finds it
        output.abandon()
        return None
    except BaseException:
        output.abandon()
        raise
    if decide_only:
        output.counts["rules"]["edits"] = previous.counts["rules"]["edits"]
    gone = {output.path(kind) for kind in (*REWRITTEN, LINE_COUNTS, WINDOWS, *(() if decide_only else ("edits",)))}
    outputs = {path: entry for path, entry in previous.outputs.items() if path not in gone} | written
    return Manifest(task.job.output).record(Entry(task.unit, task.key, outputs, output.counts, previous.input, task.basis, previous.seconds | output.seconds))


def _same_columns(task: ShardTask, previous: Entry) -> bool:
    """Have kept and removed documents the same columns, and is there any document at all?"""
    output = ShardOutput(task)
    if output.path("signals") not in previous.outputs:
        return False
    kept = pq.read_schema(task.job.output / output.path("kept"))
    if output.path(REMOVED_BY_RULES) not in previous.outputs:
        return True
    removed = pq.read_schema(task.job.output / output.path(REMOVED_BY_RULES))
    return [f for f in removed if f.name not in dict(REMOVAL)] == list(kept)


def _decided(batch: StoredBatch, task: ShardTask) -> Outcome:
    """Only thresholds or actions changed: compare, and find the edited texts of documents that now stay."""
    documents, packs = batch.documents, task.job.packs
    decision = decide(packs, batch.columns, len(documents), documents["lang"])
    texts = _replaced(documents["text"], batch.was_kept, batch.kept_texts)
    returning = ~decision.dropped & ~batch.was_kept
    if returning.any():
        part = documents.filter(pa.array(returning))
        known = {name: values[returning] for name, values in batch.columns.items()}
        edited = measure_packs(packs, part["text"], part["lang"], part["url"], known).texts
        texts = _replaced(texts, returning, edited)
    return outcome_of(documents, joined(Measured(texts, batch.columns, pa.table({})), decision), packs)


def _keys(batch: StoredBatch, outcome: Outcome, task: ShardTask) -> pa.Table | None:
    """Keys of the documents that stay: those that are known, and of those that had none."""
    if batch.keys is None:
        return None
    stays = pc.equal(outcome.signals["verdict"], "kept").to_numpy(zero_copy_only=False)
    texts_same = np.zeros(len(stays), bool)
    kept_texts = outcome.kept["text"]
    both = np.flatnonzero(stays & batch.was_kept)
    place_new, place_old = np.cumsum(stays) - 1, np.cumsum(batch.was_kept) - 1
    same = pc.equal(kept_texts.take(pa.array(place_new[both])), batch.kept_texts.take(pa.array(place_old[both])))
    texts_same[both[np.asarray(same, bool)]] = True
    fresh = outcome.kept.filter(pa.array(~texts_same[stays]))
    keys = pa.concat_tables([batch.keys, keys_of(task, fresh)])
    number = np.where(texts_same, place_old, len(batch.keys) + np.cumsum(stays & ~texts_same) - 1)
    return keys.take(pa.array(number[stays]))


def stored_batches(task: ShardTask, previous: Entry, columns: list[str]) -> Iterator[StoredBatch]:
    """The batches of an earlier run, in its order, each put together from what stayed and what went."""
    output = ShardOutput(task)
    rows = {kind: _Rows(task.job.output, output.path(kind), previous) for kind in REWRITTEN}
    before = rows[BEFORE_RULES].all()
    first = 0
    while (signals := rows["signals"].group()) is not None:
        was_kept = pc.equal(signals["verdict"], "kept").to_numpy(zero_copy_only=False)
        kept, removed = rows["kept"].take(int(was_kept.sum())), rows[REMOVED_BY_RULES].take(int((~was_kept).sum()))
        kept_texts = kept["text"]
        documents = _together(kept, removed, was_kept)
        if before is not None:
            here = before.filter((pc.field("row") >= first) & (pc.field("row") < first + len(signals)))
            mask = np.zeros(len(signals), bool)
            mask[here["row"].to_numpy() - first] = True
            documents = documents.set_column(documents.column_names.index("text"), "text", _replaced(documents["text"], mask, here["text"]))
        first += len(signals)
        keys = as_of_today(rows["keys"].take(len(kept))) if set(task.step.barrier) & {"exact", "near"} else None
        yield StoredBatch(documents, kept_texts, was_kept, {name: signals[name].to_numpy() for name in columns}, keys)


def _together(kept: pa.Table, removed: pa.Table, was_kept: np.ndarray) -> pa.Table:
    removed = removed.drop_columns([name for name, _ in REMOVAL]) if len(removed) else kept.slice(0, 0)
    both = pa.concat_tables([kept if len(kept) else removed.slice(0, 0), removed])
    return both.take(pa.array(np.where(was_kept, np.cumsum(was_kept) - 1, len(kept) + np.cumsum(~was_kept) - 1)))


def _replaced(texts: Any, mask: np.ndarray, values: Any) -> pa.LargeStringArray:
    texts = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return pc.replace_with_mask(texts, pa.array(mask), values)


class _Rows:
    """The rows of one file, from its beginning, a row group in memory at a time; of no file, none."""

    def __init__(self, folder: Path, path: str, entry: Entry):
        self.file = pq.ParquetFile(folder / path) if path in entry.outputs else None
        self.next_group = 0
        self.rest: pa.Table | None = None

    def group(self) -> pa.Table | None:
        if self.file is None or self.next_group == self.file.num_row_groups:
            return None
        self.next_group += 1
        return self.file.read_row_group(self.next_group - 1)

    def take(self, count: int) -> pa.Table:
        """The next `count` rows."""
        have = self.rest if self.rest is not None else self._empty()
        while len(have) < count:
            have = pa.concat_tables([have, self.group()])
        self.rest = have.slice(count)
        return have.slice(0, count)

    def _empty(self) -> pa.Table:
        return pa.table({}) if self.file is None else self.file.schema_arrow.empty_table()

    def all(self) -> pa.Table | None:
        return None if self.file is None else self.file.read()
