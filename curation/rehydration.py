"""Copies of a document by the size of its cluster of duplicates, from what the rules removed at each size.

Penedo et al. 2025 (FineWeb2, 2506.20920) found that documents which the web has a few times are better than those it has
once or a thousand times, and measured it by how often filters remove them. Where the documents of a size are removed as
often as all are, or more, they are packed once; at the size of the lowest removal rate `most` times; between, linearly.

Sizes whose documents are too few for a rate are taken together with larger ones. Price: one column of clean/ and removed/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.document import CLUSTER_SIZE

DECIDING = "rules"  # the stage whose removals are counted


class SizeCounts(NamedTuple):
    """Documents that came to the rules and those they removed (int64 [sizes]), by cluster size (int64 [sizes], ascending)."""

    sizes: np.ndarray
    documents: np.ndarray
    removed: np.ndarray


def count_sizes(files: Sequence[Path], stages: Sequence[str]) -> SizeCounts:
    """Counts over the files of clean/ and removed/. What stages before the rules removed does not count."""
    counted = {DECIDING: True} | dict.fromkeys(stages[list(stages).index(DECIDING) + 1 :], False) | {None: False}
    totals: dict[int, list[int]] = {}
    for path in files:
        for stage, sizes in _sizes_of(path).items():
            for row in pc.value_counts(sizes).to_pylist() if stage in counted else ():
                total = totals.setdefault(row["values"], [0, 0])
                total[0] += row["counts"]
                total[1] += row["counts"] * counted[stage]
    rows = np.array([(size, *totals[size]) for size in sorted(totals)], np.int64).reshape(-1, 3)
    return SizeCounts(*np.ascontiguousarray(rows.T))


def _sizes_of(path: Path) -> dict[str | None, pa.ChunkedArray]:
    """The cluster sizes of a file, by the stage that removed the documents; of documents that stayed, under None."""
    with pq.ParquetFile(path) as file:
        there = [name for name in ("stage", CLUSTER_SIZE) if name in file.schema_arrow.names]
        table = file.read(columns=there)
    if CLUSTER_SIZE not in there:
        return {}
    sizes = pc.fill_null(table[CLUSTER_SIZE].cast(pa.int64()), 1)
    if path.parent.name != "removed":
        return {None: sizes}
    return {stage: sizes.filter(pc.equal(table["stage"], stage)) for stage in table["stage"].unique().to_pylist()}


def joined_sizes(counts: SizeCounts, least: int) -> SizeCounts:
    """Sizes taken together, from the smallest on, until each has `least` documents; the last takes what is left over.

    `sizes` are then the smallest of each."""
    begins, documents = [0], 0
    for place, count in enumerate(counts.documents.tolist()):
        if documents >= least:
            begins.append(place)
            documents = 0
        documents += count
    if documents < least and len(begins) > 1:
        begins.pop()
    if not len(counts.sizes):
        return counts
    return SizeCounts(counts.sizes[begins], np.add.reduceat(counts.documents, begins), np.add.reduceat(counts.removed, begins))


def copies_by_rates(counts: SizeCounts, most: float) -> np.ndarray:
    """Copies (float64 [sizes]) by removal rate: 1 from the rate of all documents on, `most` at the lowest, linear between."""
    if not counts.documents.sum():
        return np.ones(len(counts.sizes))
    rates, of_all = counts.removed / counts.documents, counts.removed.sum() / counts.documents.sum()
    gain = np.maximum(of_all - rates, 0.0)
    return 1.0 + (most - 1.0) * gain / (gain.max() or 1.0)


def explained(counts: SizeCounts, most: float, least: int) -> dict[str, Any]:
    """The curve and what it was made from, as plain data: what the manifests and the report say."""
    joined = joined_sizes(counts, least)
    copies, ends = copies_by_rates(joined, most), _ends(joined.sizes.tolist())
    rows = [
        {"from": size, "to": end, "documents": documents, "removed": removed, "removal_rate": removed / documents, "copies": number}
        for size, end, documents, removed, number in zip(joined.sizes.tolist(), ends, joined.documents.tolist(), joined.removed.tolist(), copies.tolist())
    ]
    documents, removed = int(counts.documents.sum()), int(counts.removed.sum())
    return {
        "by": "removal_rates", "documents": documents, "removed": removed, "removal_rate": removed / documents if documents else 0.0,
        "max_copies": most, "rate_documents": least, "sizes": rows,
    }  # fmt: skip


def explained_table(table: Mapping[int, float], name: str) -> dict[str, Any]:
    """A table of copies that was given, in the same form."""
    sizes = sorted(table)
    return {"by": name, "sizes": [{"from": size, "to": end, "copies": table[size]} for size, end in zip(sizes, _ends(sizes))]}


def copies_table(said: Mapping[str, Any]) -> dict[int, float]:
    """Copies by cluster size, as a job may give them."""
    return {row["from"]: row["copies"] for row in said["sizes"]} or {1: 1.0}


def _ends(sizes: Sequence[int]) -> list[int | None]:
    """The largest size that each stands for; None: any."""
    return [size - 1 for size in sizes[1:]] + [None] * bool(len(sizes))
