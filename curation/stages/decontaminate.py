"""Decontamination: documents that share word n-grams with evaluation items, removed whole or freed of the shared spans.

13-grams are the length that GPT-3 used (Brown et al. 2020, appendix C). N-grams in a row that are in items make one span, from the first
word of the first to the last word of the last. Each span is told in overlaps/: the document, the evaluation file and
item that has most of its n-grams, and the overlapping text.

Documents are hashed at some 250 MB/s a core; only in those with a hit are places of words looked for, in Python.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa

from curation.document import EDIT, OVERLAP
from curation.evaluation_items import EvaluationItems, evaluation_files, find_grams, load_items, ngram_hashes
from curation.normalise import word_spans
from curation.outcome import NOT_EDITED, Outcome, edit_sizes, removed_table, single_hits
from rules.places import SettingError
from rules.text.buffers import large_strings

REASON = "decontaminate/overlap"


@dataclass(frozen=True)
class DecontaminateSettings:
    """`files`: JSONL files of evaluation items, paths or globs. `fields`: where their texts are; without it, every string.

    `id_field`: the item's name, else its line. `ngram`: words. `min_ngrams`: how many must be shared. `action`: drop
    documents, or cut the shared spans out of them.
    """

    files: str | list[str]
    fields: tuple[str, ...] = ()
    id_field: str | None = None
    ngram: int = 13
    min_ngrams: int = 1
    action: Literal["drop", "cut"] = "drop"

    def __post_init__(self) -> None:
        if not self.files:
            raise SettingError("files", "files names the evaluation files, as paths or globs")
        if not 1 <= self.ngram <= 64:
            raise SettingError("ngram", f"ngram must be 1 to 64 words, got {self.ngram}")
        if self.min_ngrams < 1:
            raise SettingError("min_ngrams", f"min_ngrams must be at least 1, got {self.min_ngrams}")

    def items(self) -> EvaluationItems:
        """The items, read once a process."""
        return load_items(tuple(evaluation_files(self.files)), self.fields, self.id_field, self.ngram)


def items_line(settings: DecontaminateSettings) -> str:
    """What is looked for, to print. Raises EvaluationError."""
    items = settings.items()
    text = f"decontaminate: {len(items.names):,} {'item' if len(items.names) == 1 else 'items'} of {', '.join(items.files)}"
    return text + (f"; {items.short:,} of them {'has' if items.short == 1 else 'have'} no text of {settings.ngram} words and cannot be looked for" if items.short else "")


class Span(NamedTuple):
    """A stretch of a document that evaluation items have: characters start to end of its text."""

    start: int
    end: int
    item: int
    ngrams: int


def decontaminate(documents: pa.Table, settings: DecontaminateSettings) -> Outcome:
    """Remove or cut documents that share at least `min_ngrams` n-grams with evaluation items."""
    items = settings.items()
    found, starts = document_items(documents["text"], items, settings.ngram)
    shared = np.diff(np.concatenate([[0], np.cumsum(found >= 0)])[starts])
    hit = shared >= settings.min_ngrams
    if not hit.any():
        return Outcome(documents, counts=NOT_EDITED)
    rows = np.flatnonzero(hit)
    some = documents.take(pa.array(rows))
    texts = some["text"].to_pylist()
    spans = [document_spans(text, found[starts[row] : starts[row + 1]], settings.ngram) for text, row in zip(texts, rows.tolist())]
    overlaps = _overlaps(some["id"].to_pylist(), texts, spans, items)
    if settings.action == "drop":
        return Outcome(documents.filter(pa.array(~hit)), _removed(some, shared[hit], settings), counts=NOT_EDITED, overlaps=overlaps)
    return _cut(documents, hit, texts, spans, shared[hit], overlaps, settings)


def document_items(texts: pa.Array | pa.ChunkedArray, items: EvaluationItems, ngram: int) -> tuple[np.ndarray, np.ndarray]:
    """The item that has each n-gram of the texts, or -1 (int64), and where each text's n-grams begin (int64 [texts + 1])."""
    hashes, starts = ngram_hashes(texts, ngram)
    found = np.empty(len(hashes), np.int64)
    find_grams(hashes, items.slots, items.owners, found)
    return found, starts


def document_spans(text: str, found: np.ndarray, ngram: int) -> list[Span]:
    """The spans of one text; found[k]: the item that has the n-gram that starts at its word k, or -1."""
    places, spans = word_spans(text), []
    hits = np.flatnonzero(found >= 0)
    for run in np.split(hits, np.flatnonzero(np.diff(hits) > ngram) + 1):  # spans that touch or overlap are one
        item, _ = Counter(found[run].tolist()).most_common(1)[0]
        spans.append(Span(places[run[0]][0], places[run[-1] + ngram - 1][1], item, len(run)))
    return spans


def _overlaps(ids: list[str], texts: list[str], spans: list[list[Span]], items: EvaluationItems) -> pa.Table:
    rows = [
        (name, items.files[items.file[s.item]], items.names[s.item], s.ngrams, s.start, s.end, text[s.start : s.end])
        for name, text, found in zip(ids, texts, spans) for s in found
    ]  # fmt: skip
    return pa.table([list(column) for column in zip(*rows)], schema=OVERLAP)


def _removed(documents: pa.Table, shared: np.ndarray, settings: DecontaminateSettings) -> pa.Table:
    hits = single_hits([REASON] * len(documents), "shared_ngrams", shared.astype(np.float64), ">=", float(settings.min_ngrams))
    return removed_table(documents, "decontaminate", pa.array([REASON] * len(documents), pa.string()), hits)


def _cut(documents: pa.Table, hit: np.ndarray, texts: list[str], spans: list[list[Span]], shared: np.ndarray, overlaps: pa.Table, settings: DecontaminateSettings) -> Outcome:
    """Cut the spans; documents of which nothing is left are removed as they were."""
    left = [without_spans(text, found) for text, found in zip(texts, spans)]
    empty = np.array([not text.strip() for text in left])
    gone = hit.copy()
    gone[hit] = empty
    whole = documents["text"].to_pylist()
    for row, text in zip(np.flatnonzero(hit).tolist(), left):
        whole[row] = text
    edited = documents.set_column(documents.column_names.index("text"), "text", large_strings(pa.array(whole, pa.large_string())))
    stays = pa.array(~gone)
    kept = edited.filter(stays)
    removed = _removed(documents.filter(pa.array(gone)), shared[empty], settings) if gone.any() else None
    ids = documents["id"].filter(pa.array(hit)).to_pylist()
    edits = [row for name, text, found, is_empty in zip(ids, texts, spans, empty) if not is_empty for row in _span_edits(name, text, found)]
    table = pa.table([list(column) for column in zip(*edits)], schema=EDIT) if edits else None
    return Outcome(kept, removed, table, counts=edit_sizes(documents.filter(stays), kept), overlaps=overlaps)


def without_spans(text: str, spans: list[Span]) -> str:
    """`text` without the spans."""
    ends = [0, *(span.end for span in spans)]
    starts = [*(span.start for span in spans), len(text)]
    return "".join(text[end:start] for end, start in zip(ends, starts))


def _span_edits(name: str, text: str, spans: list[Span]) -> list[tuple]:
    """Rows of edits/: the line that the span starts in, the span, and that nothing is in its place."""
    return [(name, REASON, text.count("\n", 0, s.start) + 1, text[s.start : s.end], "") for s in spans]
