"""What one stage did to one batch of documents: kept, removed, edited, measured, counted.

Every stage returns an Outcome, so that the main path treats all stages alike and the books always balance:
`in == kept + removed + quarantined`, in documents, bytes and lines (edits account for the rest of the bytes and lines).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.book_counts import line_ends
from curation.document import HIT, REMOVAL

UNITS = ("", "_bytes", "_lines")  # what books count: documents, bytes and lines of their texts
NOT_EDITED = {"edited_bytes": 0, "edited_lines": 0}


@dataclass
class Outcome:
    """A stage's result: `kept` goes on to the next stage, everything else is written down."""

    kept: pa.Table
    removed: pa.Table | None = None
    edits: pa.Table | None = None
    signals: pa.Table | None = None
    counts: dict[str, Any] = field(default_factory=dict)  # numbers, or Counters by name; added up over batches
    before: pa.Table | None = None  # texts as they were, of documents that stay and were edited
    seconds: dict[str, float] = field(default_factory=dict)  # where the time went
    overlaps: pa.Table | None = None  # what documents share with evaluation items


def text_bytes(table: pa.Table) -> int:
    """UTF-8 bytes of all texts."""
    return pc.sum(pc.binary_length(table["text"])).as_py() or 0


def line_count(table: pa.Table) -> int:
    """Lines of all texts: what their line ends part, so that an empty text has one."""
    return len(table) + sum(line_ends(chunk) for chunk in table["text"].chunks)


@dataclass
class TextSizes:
    """Documents, bytes and lines of tables, each counted from its texts; texts that lie where those of the table before lay
    are the same (Arrow never changes what is in memory), and not counted again: what one stage kept the next one takes."""

    texts: pa.ChunkedArray | None = None  # of the last table: held, so that nothing else can lie there
    counted: tuple[int, int, int] = (0, 0, 0)

    def of(self, documents: pa.Table) -> tuple[int, int, int]:
        texts = documents["text"]
        if self.texts is None or _places(texts) != _places(self.texts):
            self.texts, self.counted = texts, (len(documents), text_bytes(documents), line_count(documents))
        return self.counted


def _places(texts: pa.ChunkedArray) -> list[tuple[int, ...]]:
    """Where the rows of a string column lie in memory."""
    return [(len(chunk), chunk.offset, *(0 if buffer is None else buffer.address for buffer in chunk.buffers())) for chunk in texts.chunks]


def tally(part: str, documents: pa.Table | None, sizes: TextSizes | None = None) -> dict[str, int]:
    """One entry of the books, in documents, bytes and lines."""
    counted = (0, 0, 0) if documents is None else (sizes or TextSizes()).of(documents)
    return {f"{part}{unit}": size for unit, size in zip(UNITS, counted)}


def without(documents: pa.Table, gone: pa.Array | pa.ChunkedArray) -> pa.Table:
    """Those of `documents` that are not `gone` (bool, none null); where none is, the same table, without a copy."""
    return documents.filter(pc.invert(gone)) if pc.any(gone).as_py() else documents


def edit_sizes(before: pa.Table, after: pa.Table) -> dict[str, int]:
    """What edits took from documents that stay: their bytes and lines before, less those after; of all, or of the edited ones."""
    return {"edited_bytes": text_bytes(before) - text_bytes(after), "edited_lines": line_count(before) - line_count(after)}


def removed_table(
    documents: pa.Table, stage: str, reasons: pa.Array, hits: pa.Array, kept_ids: pa.Array | None = None
) -> pa.Table:
    """`documents` whole, with why they were removed."""
    count = len(documents)
    values = [pa.array([stage] * count, pa.string()), reasons, hits, kept_ids if kept_ids is not None else pa.nulls(count, pa.string())]
    for (name, kind), column in zip(REMOVAL, values):
        documents = documents.append_column(pa.field(name, kind), column.cast(kind))
    return documents


def single_hits(
    rules: list[str], signal: str, values: np.ndarray, comparison: str | None = None, threshold: float | np.ndarray | None = None
) -> pa.ListArray:
    """One hit per document (rules[i], values[i]), for stages that have one reason at a time.

    Without a threshold the value is told, but did not decide (a duplicate's similarity, the score of another language)."""
    count = len(rules)
    thresholds = threshold if isinstance(threshold, np.ndarray) else [threshold] * count
    columns = [
        pa.array(rules, pa.string()), pa.array(["drop"] * count, pa.string()), pa.array([signal] * count, pa.string()),
        pa.array(values, pa.float64()), pa.array([comparison] * count, pa.string()), pa.array(thresholds, pa.float64()),
    ]  # fmt: skip
    return pa.ListArray.from_arrays(pa.array(range(count + 1), pa.int32()), pa.StructArray.from_arrays(columns, [f.name for f in HIT]))


def balance(before: pa.Table, outcome: Outcome, sizes: TextSizes | None = None) -> dict[str, int]:
    """The books of one stage on one batch, from the tables themselves. `sizes`: of the task, which knows the table counted last."""
    sizes = sizes or TextSizes()
    books = tally("in", before, sizes) | tally("removed", outcome.removed, TextSizes())
    return books | tally("kept", outcome.kept, sizes) | tally("quarantined", None)


def add_counts(total: dict[str, Any], more: dict[str, Any]) -> None:
    """Add `more` to `total`, number by number and name by name."""
    for key, value in more.items():
        if isinstance(value, dict):
            add_counts(total.setdefault(key, {}), value)
        else:
            total[key] = total.get(key, 0) + value


def counted(column: pa.Array | pa.ChunkedArray) -> dict[str, int]:
    """How often each value occurs; null is counted under the empty text."""
    values = pc.value_counts(pc.fill_null(column, "") if column.null_count else column)
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    return dict(sorted(Counter({v["values"]: v["counts"] for v in values.to_pylist()}).items()))
