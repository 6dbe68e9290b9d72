"""Which document of a duplicate cluster stays: the policy, told in the job, the same for exact and near duplicates.

    first, last   the first or last in the order of the input (files by name, then records)
    longest       the one with the most characters
    score         the one with the highest number in a column
    source        the one whose source stands first in a list; sources that are not listed come last
Where several are equally good, the longest of them stays, and of those the one whose id is smallest. So all but first and last
choose the same document in whatever order, files or shards the documents come.

Price: a pass over all rows, and a sort of the rows that are equally good. Ids are asked for only of those.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.word_hashes import read_only
from rules.places import SettingError
from rules.text.kernels import kernel

POLICIES = ("first", "last", "longest", "score", "source")
WORST = -np.inf  # the rank of a document without a score, or of a source that is not listed

Ids = Callable[[np.ndarray], pa.Array]  # ids of the rows (int64) asked for


@dataclass(frozen=True)
class Survivor:
    """`keep`: which document of a cluster stays. `score`: the column for `score`. `sources`: the order for `source`.

    `within`: documents are duplicates only of others of their language, source or host; those that have none are one group.
    """

    keep: Literal["first", "last", "longest", "score", "source"] = "first"
    score: str | None = None
    sources: tuple[str, ...] = ()
    within: Literal["corpus", "language", "source", "host"] = "corpus"

    def __post_init__(self) -> None:
        if self.keep not in POLICIES:
            raise SettingError("keep", f"keep must be {', '.join(POLICIES[:-1])} or {POLICIES[-1]}, got {self.keep!r}")
        if (self.keep == "score") != (self.score is not None):
            raise SettingError("score" if self.score is not None else "keep", "keep: score and score: COLUMN go together")
        if (self.keep == "source") != bool(self.sources):
            raise SettingError("sources" if self.sources else "keep", "keep: source and sources: [best, next, ...] go together")
        if len(set(self.sources)) < len(self.sources):
            raise SettingError("sources", "sources names one of them twice")

    @property
    def ranking(self) -> tuple | None:
        """What `ranks` depends on; None where documents need none."""
        return (self.score,) if self.keep == "score" else self.sources or None


def ranks(documents: pa.Table, survivor: Survivor) -> pa.Array | None:
    """How good each document is by its score or source (float64, more is better); None where the policy asks for neither.

    Raises ValueError for a score column that holds no numbers."""
    if survivor.keep == "source":
        place = pc.index_in(documents["source"], pa.array(survivor.sources, documents["source"].type))
        return _one(pc.fill_null(pc.negate(pc.cast(place, pa.float64())), WORST))
    if survivor.keep != "score":
        return None
    if survivor.score not in documents.column_names:
        return pa.array(np.full(len(documents), WORST))
    column = documents[survivor.score]
    try:
        numbers = pc.cast(column, pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ValueError(f"keep: score needs numbers, but column {survivor.score!r} holds {column.type}: {error}") from None
    return _one(pc.if_else(pc.is_nan(numbers), WORST, numbers).fill_null(WORST))


def _one(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def choose_kept(roots: np.ndarray, survivor: Survivor, rank: np.ndarray | None, lengths: np.ndarray, ids: Ids) -> np.ndarray:
    """The row kept for each row (int64 [rows]).

    `roots`: int64 [rows], the smallest row of each cluster; `rank`: float64 [rows] from `ranks`; `lengths`: int64 [rows].
    """
    if survivor.keep == "first":
        return roots.copy()
    best = roots.copy()
    if survivor.keep == "last":
        note_last(read_only(roots), best)
        return best[roots]
    rank = np.zeros(1) if rank is None else np.ascontiguousarray(rank)
    lengths, rank = read_only(np.ascontiguousarray(lengths, np.int64)), read_only(rank)
    equals = np.zeros(len(roots), np.int64)
    note_best(read_only(roots), rank, lengths, best, equals)
    _settle_by_id(roots, rank, lengths, best, equals, ids)
    return best[roots]


def _settle_by_id(roots: np.ndarray, rank: np.ndarray, lengths: np.ndarray, best: np.ndarray, equals: np.ndarray, ids: Ids) -> None:
    """Of rows that are as good as the best of their cluster, best[root] becomes the one of the smallest id."""
    rows = np.flatnonzero(equals[roots] > 1)
    leader = best[roots[rows]]
    same = lengths[rows] == lengths[leader]
    if len(rank) == len(roots):
        same &= rank[rows] == rank[leader]
    rows = rows[same]
    if not len(rows):
        return
    order = pc.sort_indices(pa.table({"root": roots[rows], "id": ids(rows), "row": rows}), [("root", "ascending"), ("id", "ascending"), ("row", "ascending")])
    rows = rows[order.to_numpy()]
    first = np.concatenate([[True], np.diff(roots[rows]) != 0])
    best[roots[rows[first]]] = rows[first]


@kernel
def note_last(roots, last):
    """last[root] becomes the largest row of that cluster."""
    for row in range(roots.size):
        last[roots[row]] = row


@kernel
def note_best(roots, rank, lengths, best, equals):
    """best[root] becomes the first row of that cluster that none exceeds in (rank, length); equals[root]: how many do as well.

    `rank` of one entry stands for ranks that are all the same."""
    for row in range(roots.size):
        root = roots[row]
        leader = best[root]
        difference = rank[row] - rank[leader] if rank.size == roots.size and rank[row] != rank[leader] else 0.0
        if difference == 0.0:
            difference = np.float64(lengths[row] - lengths[leader])
        if row == root or difference > 0.0:
            best[root], equals[root] = row, 1
        elif difference == 0.0:
            equals[root] += 1
