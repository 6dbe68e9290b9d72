"""The files that one pass over one shard writes, and the books it keeps."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from curation.document import EDIT, numbered_edits
from curation.guard import Guard
from curation.id_hashes import SUFFIX, IdWriter
from curation.line_counts import LineCountWriter
from curation.outcome import TextSizes
from curation.partial_output import COMMIT_BYTES, Journal
from curation.pass_plan import WORK, ShardTask
from curation.shards import EDITS, FAST, PLAIN, ShardWriter, Together
from curation.stages.lines import count_units, line_judge
from curation.window_files import WindowWriter

BEFORE_RULES, REMOVED_BY_RULES = "before", "removed by rules"  # kinds of output that only the rules stage has
IDS = "ids"  # a kind of output of the first pass
LINE_COUNTS, WINDOWS = "line counts", "windows"  # kinds of output that barriers of lines and substrings read


@dataclass
class ShardOutput:
    """The files and the books of one task."""

    task: ShardTask
    counts: dict[str, Any] = field(default_factory=dict)
    writers: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    sizes: TextSizes = field(default_factory=TextSizes)  # for the books
    guard: Guard = field(default_factory=Guard)  # how records are worked on
    journal: Journal | None = None  # of a large file
    content: dict[str, Any] | None = None  # of the input, where it was read to its end (curation/input_content.py)

    def path(self, kind: str) -> str:
        step, number = self.task.step, self.task.shard.number
        if kind == "kept":
            return f"clean/{number:05d}.parquet" if step.last else f"{WORK}/{step.name}/{number:05d}.parquet"
        if kind == "keys":
            return f"{WORK}/{step.name}/{number:05d}.keys.parquet"
        if kind == WINDOWS:
            return f"{WORK}/{step.name}/{number:05d}.windows"
        if kind == IDS:
            return f"{WORK}/{step.name}/{number:05d}{SUFFIX}"
        if kind == LINE_COUNTS:
            return f"{WORK}/{step.name}/{number:05d}.lines.arrow"
        if kind == BEFORE_RULES:
            return f"{WORK}/{step.name}/{number:05d}.before.parquet"
        if kind == REMOVED_BY_RULES:
            return f"removed/rules-{number:05d}.parquet"
        return f"{kind}/{step.name}-{number:05d}.parquet"

    def _options(self, kind: str) -> dict[str, Any] | None:
        """How Parquet is written: what only the next pass reads, fast."""
        between = kind == "kept" and not self.task.step.last
        if kind == "edits":
            return EDITS
        return PLAIN if kind == "keys" else FAST if between or kind == BEFORE_RULES else None

    def rows(self, kind: str) -> int:
        """Rows written so far."""
        return self.writers[kind].rows if kind in self.writers else 0

    def write(self, kind: str, table: pa.Table | None) -> None:
        if table is None or (not len(table) and kind not in ("kept", "keys")):
            return
        if kind not in self.writers:
            schema = EDIT if kind == "edits" else None
            self.writers[kind] = ShardWriter(self.task.job.output / self.path(kind), self._options(kind), schema)
        table = numbered_edits(table) if kind == "edits" else table
        self.writers[kind].write(table)
        self._note(kind, table)

    def resume(self) -> int:
        """Write what an attempt that ended early had committed; returns the record to go on at."""
        journal, self.journal = self.journal, None
        if journal is None or not journal.state:
            self.journal = journal
            return 0
        journal.replay(self._write_again)
        self.counts, self.seconds = journal.state["counts"], journal.state["seconds"]
        self.guard.condemned |= journal.state["condemned"]
        self.journal = journal
        return journal.state["next_record"]

    def _write_again(self, kind: str, table: pa.Table) -> None:
        again = {IDS: self.write_ids, LINE_COUNTS: self.count_lines, WINDOWS: self.write_windows}
        again.get(kind, functools.partial(self.write, kind))(table)

    def commit(self, next_record: int | None, documents: pa.Table) -> None:
        """All that was written up to record `next_record` is whole, and need not be made again: noted from time to time."""
        if self.journal is None:
            return
        self.journal.uncommitted += documents.nbytes
        if next_record is not None and self.journal.uncommitted >= COMMIT_BYTES:
            self.journal.commit({"next_record": next_record, "counts": self.counts, "seconds": self.seconds, "condemned": self.guard.condemned})

    def _note(self, kind: str, table: pa.Table) -> None:
        if self.journal is not None:
            self.journal.note(kind, table)

    def count_lines(self, documents: pa.Table) -> None:
        """Add the lines of a batch to the counts of the shard."""
        if LINE_COUNTS not in self.writers:
            self.writers[LINE_COUNTS] = LineCountWriter(self.task.job.output / self.path(LINE_COUNTS))
        self.writers[LINE_COUNTS].write(count_units(documents, line_judge(self.task.job.settings.lines)))
        self._note(LINE_COUNTS, documents)

    def write_ids(self, documents: pa.Table) -> None:
        """Add the ids of a batch, as it was read, to those of the shard."""
        if IDS not in self.writers:
            self.writers[IDS] = IdWriter(self.task.job.output / self.path(IDS))
        self.writers[IDS].write(documents["id"])
        self._note(IDS, documents.select(["id"]))

    def write_windows(self, documents: pa.Table) -> None:
        """Add the word windows of a batch to those of the shard."""
        if WINDOWS not in self.writers:
            self.writers[WINDOWS] = WindowWriter(self.task.job.output / self.path(WINDOWS), self.task.job.settings.substrings.min_words)
        self.writers[WINDOWS].write(documents["text"])
        self._note(WINDOWS, documents.select(["text"]))

    def close(self) -> dict[str, dict[str, Any]]:
        with Together() as files:
            entries = {self.path(kind): writer.close(files) if isinstance(writer, ShardWriter) else writer.close() for kind, writer in self.writers.items()}
        return {path: entry for path, entry in entries.items() if entry is not None}

    def abandon(self) -> None:
        for writer in self.writers.values():
            writer.abandon()
        if self.journal is not None:
            self.journal.close()
