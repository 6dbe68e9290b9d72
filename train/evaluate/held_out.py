"""Held-out loss: nats per token, and bits per byte, the figure that can be compared across tokenizers.

Every token's NLL is summed by document and by groups of documents (pieces.py), so a result says where the model is good.
The rows are always the first of the split, in batches of one fixed shape, so that results of different steps and runs
compare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from train.batch import PackedBatch, empty_row, packed_batch
from train.config import TrainError
from train.evaluate.pieces import TOKENS, Pieces, Score, read_pieces
from train.handoff import PackedSplit
from train.world import World

TokenLosses = Callable[[PackedBatch], Tensor]  # batch -> NLL of each token [B, S]


@dataclass(frozen=True)
class HeldOut:
    """The sequences a run is judged on, and what is known of their documents."""

    split: PackedSplit
    rows: int
    pieces: Pieces


def open_held_out(split: PackedSplit, rows: int, by: Sequence[str] = ("source", "lang")) -> HeldOut:
    """The first `rows` of `split`. Raises TrainError when it is empty, or has no column that `by` names."""
    if not len(split):
        raise TrainError(f"{split.folder}: the held-out split is empty, so a model cannot be judged. Pack with one.")
    return HeldOut(split, min(rows, len(split)), read_pieces(split.folder, split.split, by))


def evaluate(held_out: HeldOut, losses: TokenLosses, world: World, batch_rows: int, slots: int) -> dict[str, Any]:
    """Scores of the held-out rows, whole and by groups, shared out over the processes of `world`."""
    groupings = held_out.pieces.groupings
    sums = [np.zeros((len(grouping.names), 3)) for grouping in groupings]
    total = np.zeros((1, 3))
    turns = range(0, held_out.rows, world.size * batch_rows)  # as many for each process: shards are gathered by all
    firsts = [first + world.rank * batch_rows for first in turns]
    with torch.no_grad():
        for batch in _batches(held_out, firsts, batch_rows, slots):
            counted = held_out.pieces.sums(batch, losses(batch.to(world.device)))
            total += counted.sum(0)
            for grouping, group_sums in zip(groupings, sums):
                np.add.at(group_sums, grouping.index[batch.doc_refs], counted)
    both = world.sum(torch.from_numpy(np.concatenate([total, *sums])).to(world.device)).cpu().numpy()
    total, *sums = np.split(both, np.cumsum([1] + [len(group_sums) for group_sums in sums])[:-1])
    groups = {f"by_{grouping.column}": _records(grouping.names, rows) for grouping, rows in zip(groupings, sums)}
    return {**Score(*total[0].tolist()).record(), **groups}


def _batches(held_out: HeldOut, firsts: list[int], batch_rows: int, slots: int) -> Iterator[PackedBatch]:
    width = held_out.split.manifest.sequence_length
    for first in firsts:
        rows = [held_out.split.sequence(index) for index in range(first, min(first + batch_rows, held_out.rows))]
        yield packed_batch(rows + [empty_row(width)] * (batch_rows - len(rows)), slots)


def _records(names: list[str], sums: np.ndarray) -> dict[str, Any]:
    return {name: Score(*row.tolist()).record() for name, row in zip(names, sums, strict=True) if row[TOKENS]}
