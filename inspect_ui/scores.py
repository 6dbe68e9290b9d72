"""What labels say about rules: precision of what a rule hits, and recall, where the labels are of a random sample.

Precision of a document rule: of the labelled documents that it hits, how many people would drop. Of a line rule: the
same of the labelled lines that it hits. Recall: of the documents of a random sample that people would drop, how many
the rule hits; no other sample can say that. `unsure` counts nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from inspect_ui.labels import Label, Together, text_sha
from inspect_ui.wilson import Share


@dataclass(frozen=True)
class Score:
    """Precision and recall of a rule as far as labels tell; `recall` is None where no label of a random sample does."""

    precision: Share
    recall: Share | None

    def as_dict(self) -> dict:
        return {"precision": share_dict(self.precision), "recall": self.recall and share_dict(self.recall)}


def share_dict(share: Share) -> dict:
    low, high = share.interval
    return {"hits": share.hits, "labels": share.labels, "value": share.value if share.labels else None, "low": low, "high": high, "enough": share.enough}


@dataclass
class Judgements:
    """The labels that are about the sample as it is: keep or drop, of documents and of lines."""

    rows: np.ndarray  # int64 [labels]: documents of the sample
    lines: np.ndarray  # int64 [labels]: 0, or the line
    drop: np.ndarray  # bool [labels]
    random: np.ndarray  # bool [labels]
    rules: list[str]  # [labels]: the rule that was looked at
    stale: list[Label]  # of texts that have changed since
    elsewhere: int  # of documents that are not in the sample
    unsure: int

    @property
    def documents(self) -> np.ndarray:
        """Which labels are of whole documents (bool)."""
        return self.lines == 0


def judgements(found: Together, documents: pa.Table, line_text: Callable[[int, int], str]) -> Judgements:
    """Sort out the labels that speak about `documents`; `line_text(row, line)` gives a document (line 0) or a line of it."""
    labels = list(found.labels.values())
    places = pc.index_in(pa.array([one.doc for one in labels], pa.string()), value_set=documents["id"].combine_chunks().cast(pa.string()))
    known, stale, elsewhere, unsure = [], [], 0, 0
    for label, row in zip(labels, places.to_pylist()):
        if row is None:
            elsewhere += 1
        elif text_sha(line_text(row, label.line)) != label.text_sha:
            stale.append(label)
        elif label.label == "unsure":
            unsure += 1
        else:
            known.append((row, label))
    rows = np.array([row for row, _ in known], np.int64)
    lines = np.array([one.line for _, one in known], np.int64)
    drop, random = (np.array([test(one) for _, one in known], bool) for test in (lambda one: one.label == "drop", lambda one: one.sample == "random"))
    return Judgements(rows, lines, drop, random, [one.rule for _, one in known], stale, elsewhere, unsure)


def document_score(judged: Judgements, hit: np.ndarray) -> Score:
    """The score of a rule that hits documents `hit` (bool [n] of the sample)."""
    whole = judged.documents
    hits = hit[judged.rows] & whole
    precision = Share(int((hits & judged.drop).sum()), int(hits.sum()))
    wanted = whole & judged.random & judged.drop
    recall = Share(int((wanted & hit[judged.rows]).sum()), int(wanted.sum())) if (whole & judged.random).any() else None
    return Score(precision, recall)


def line_score(judged: Judgements, rule: str) -> Score:
    """The score of a line rule: of the lines that were labelled while it was looked at."""
    mine = np.array([name == rule for name in judged.rules], bool) & ~judged.documents
    return Score(Share(int((mine & judged.drop).sum()), int(mine.sum())), None)
