"""Texts with a classifier's scores: the distribution of the scores, and what stands at both ends of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rules.format.pack_files import PackFile
from rules.models.classifiers import classify
from rules.text.buffers import large_strings
from rules.visible import excerpt

QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Scored:
    """Texts (documents, or lines of documents) by rising score."""

    scores: np.ndarray  # float64 [texts]
    ids: list[str]  # of their documents
    lines: list[int]  # number of the line from 1; 0: the whole document
    texts: pa.LargeStringArray
    without_words: int


def scored(documents: pa.Table, file: PackFile, paragraphs: bool = False) -> Scored:
    """Score `documents`, or with `paragraphs` each line that has words."""
    texts = large_strings(documents["text"])
    rows, numbers = np.arange(len(texts)), np.zeros(len(texts), np.int64)
    if paragraphs:
        lists = pc.split_pattern(texts, "\n")
        sizes = np.diff(lists.offsets.to_numpy())
        rows, texts = np.repeat(rows, sizes), lists.flatten()
        numbers = np.arange(len(texts)) - np.repeat(np.cumsum(sizes) - sizes, sizes) + 1
    scores = classify(texts, file)
    order = np.argsort(scores, kind="stable")[: int((~np.isnan(scores)).sum())]  # NaN comes last
    ids = documents["id"].combine_chunks().take(pa.array(rows[order])).to_pylist()
    return Scored(scores[order], ids, numbers[order].tolist(), texts.take(pa.array(order)), len(scores) - len(order))


def as_data(found: Scored) -> dict[str, Any]:
    """The scores as plain data."""
    quantiles = dict(zip(map(str, QUANTILES), np.quantile(found.scores, QUANTILES).tolist())) if len(found.scores) else {}
    rows = [{"id": name, **({"line": line} if line else {}), "score": score} for name, line, score in zip(found.ids, found.lines, found.scores.tolist())]
    return {"schema_version": 1, "texts": len(rows), "without_words": found.without_words, "quantiles": quantiles, "scores": rows}


def score_lines(found: Scored, show: int) -> list[str]:
    """The distribution, then the `show` lowest and highest texts."""
    what = "paragraphs" if any(found.lines) else "documents"
    lines = [f"{len(found.scores):,} {what} with words, {found.without_words:,} without"]
    if not len(found.scores):
        return lines
    lines.append("quantile  " + "  ".join(f"{q:>6g}" for q in QUANTILES))
    lines.append("score     " + "  ".join(f"{value:6.3f}" for value in np.quantile(found.scores, QUANTILES)))
    last = len(found.scores)
    for title, rows in (("lowest", range(min(show, last))), ("highest", range(last - 1, max(last - 1 - show, -1), -1))):
        lines += ["", f"{title} scores"]
        for row in rows:
            place = f" line {found.lines[row]}" if found.lines[row] else ""
            lines.append(f"{found.scores[row]:.3f}  {found.ids[row]}{place}: {excerpt(found.texts[row].as_py(), 120)}")
    return lines if show else lines[:3]
