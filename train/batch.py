"""Packed rows as tensors, and which rows belong to which step.

A row holds several documents back to back. Everything that keeps them apart is derived here, once, from the lengths:
labels that never reach into the next document, positions that start again at 0, the start of each token's document
(for flex attention), and the cumulative lengths (for varlen and the loop). Padding becomes a document of its own, whose
labels are all ignored. Nothing ever searches for an end token.

The loader has no state: the rows of a step follow from (seed, step) alone, over any number of devices, so resuming a
run takes one integer. Each epoch is a fresh permutation; memory is 8 bytes per row of the split, twice.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from train.config import RampStage
from train.handoff import HandoffError, PackedSplit
from train.ramp import BatchPlan
from train.row_order import RowKeys

IGNORED = -100
Row = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class PackedBatch:
    """B rows of S tokens. `lengths` (host) are the documents of all rows in order, padding included, and sum to B*S.

    `doc_starts` holds, for each token, the place in its row where its document starts. `cu_seqlens` counts tokens over
    the flattened batch and is filled up with B*S to a fixed length, so that compiled code never sees a new shape.
    `doc_refs` and `doc_rows` name the real documents: reference, and index into `lengths`.
    """

    input_ids: Tensor  # [B, S] int64
    labels: Tensor  # [B, S] int64, IGNORED at document ends and in padding
    positions: Tensor  # [B, S] int64
    doc_starts: Tensor  # [B, S] int32
    cu_seqlens: Tensor  # [slots] int32
    lengths: tuple[int, ...]
    doc_refs: np.ndarray  # [documents] int64
    doc_index: np.ndarray  # [documents] int64

    @property
    def predicted_tokens(self) -> int:
        """How many labels count: one fewer than its tokens for each document."""
        return sum(self.lengths[index] - 1 for index in self.doc_index)

    def to(self, device: torch.device) -> PackedBatch:
        """The batch on `device`; from pinned memory the copies do not block."""
        return self if device.type == "cpu" else self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pinned(self) -> PackedBatch:
        """The batch in memory that a GPU can copy from by itself; where there is none, as it is."""
        return self._each(Tensor.pin_memory) if torch.cuda.is_available() else self

    def _each(self, change: Callable[[Tensor], Tensor]) -> PackedBatch:
        fields = ("input_ids", "labels", "positions", "doc_starts", "cu_seqlens")
        return dataclasses.replace(self, **{name: change(getattr(self, name)) for name in fields})


def packed_batch(rows: Sequence[Row], slots: int | None = None) -> PackedBatch:
    """Rows of (tokens [S], doc_lengths, doc_refs) as one batch. `slots` fixes the length of cu_seqlens.

    Raises HandoffError when lengths are not positive or exceed a row.
    """
    width = len(rows[0][0])
    lengths, is_document = _lengths_with_padding([row[1] for row in rows], width)
    ends = np.cumsum(lengths)
    starts = ends - lengths
    flat_starts = np.repeat(starts, lengths).reshape(len(rows), width)
    row_starts = np.arange(len(rows), dtype=np.int64)[:, None] * width
    tokens = np.stack([row[0] for row in rows]).astype(np.int64)
    return PackedBatch(
        input_ids=torch.from_numpy(tokens),
        labels=torch.from_numpy(_labels(tokens, ends, np.repeat(is_document, lengths))),
        positions=torch.from_numpy(np.arange(tokens.size).reshape(tokens.shape) - flat_starts),
        doc_starts=torch.from_numpy((flat_starts - row_starts).astype(np.int32)),
        cu_seqlens=torch.from_numpy(_cumulative(ends, slots)),
        lengths=tuple(lengths.tolist()),
        doc_refs=np.concatenate([np.asarray(row[2], dtype=np.int64) for row in rows]),
        doc_index=np.flatnonzero(is_document),
    )


def empty_row(width: int) -> Row:
    """A row of padding alone, to fill the last batch of an evaluation up to its fixed shape."""
    return np.zeros(width, dtype=np.int64), np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int64)


def boundary_slots(max_documents: int, rows: int) -> int:
    """The length of cu_seqlens that fits any `rows` rows of at most `max_documents` documents, each with padding."""
    return rows * (max_documents + 1) + 1


def _lengths_with_padding(row_lengths: list[np.ndarray], width: int) -> tuple[np.ndarray, np.ndarray]:
    """All lengths in order, each row filled up to `width`; and which of them are documents rather than padding."""
    parts, flags = [], []
    for lengths in row_lengths:
        padding = width - int(lengths.sum(dtype=np.int64))
        if padding < 0 or (lengths.size and lengths.min() < 1):
            raise HandoffError(
                f"doc_lengths {lengths.tolist()} do not fit a row of {width} tokens. Pack the data again."
            )
        fill = [padding] if padding else []
        parts.append(np.concatenate([lengths, fill]).astype(np.int64))
        flags.append(np.arange(len(parts[-1])) < len(lengths))
    return np.concatenate(parts), np.concatenate(flags)


def _labels(tokens: np.ndarray, ends: np.ndarray, is_document: np.ndarray) -> np.ndarray:
    labels = np.roll(tokens.reshape(-1), -1)
    labels[ends - 1] = IGNORED
    labels[~is_document] = IGNORED
    return labels.reshape(tokens.shape)


def _cumulative(ends: np.ndarray, slots: int | None) -> np.ndarray:
    slots = len(ends) + 1 if slots is None else slots
    if slots <= len(ends):
        raise ValueError(f"{len(ends)} documents do not fit {slots} boundary slots")
    cumulative = np.full(slots, ends[-1], dtype=np.int32)
    cumulative[0], cumulative[1 : len(ends) + 1] = 0, ends
    return cumulative


@dataclass(frozen=True)
class StepBatch:
    """What one device does in one step: its parts, and counts over the whole step (all devices, all parts)."""

    parts: tuple[PackedBatch, ...]
    tokens: int
    predicted_tokens: int
    attention_pairs: int  # query-key pairs causal attention looks at inside documents


@dataclass(frozen=True)
class Loader:
    """The batches of a run, from (seed, step) alone. A part has batch_rows / accumulation rows in every step of a ramp."""

    split: PackedSplit
    batch_rows: int
    accumulation: int
    seed: int
    slots: int
    ramp: tuple[RampStage, ...] = ()
    keys: RowKeys | None = None  # with them, the order of an epoch comes from what is in the rows

    def rows(self, step: int) -> np.ndarray:
        """The split's rows for `step`, the same whatever the number of devices."""
        plan = BatchPlan(self.batch_rows, self.ramp)
        first = plan.rows_before(step)
        places = np.arange(first, first + plan.rows_at(step))
        epochs, within = np.divmod(places, len(self.split))
        rows = np.empty_like(places)
        for epoch in np.unique(epochs):
            order = self.keys.order(self.seed, int(epoch)) if self.keys else epoch_order(self.seed, int(epoch), len(self.split))
            rows[epochs == epoch] = order[within[epochs == epoch]]
        return rows

    def batch(self, step: int, rank: int = 0, world_size: int = 1) -> StepBatch:
        """The share of device `rank`: each part is cut evenly over the devices."""
        sequences = [self.split.sequence(int(row)) for row in self.rows(step)]
        part_rows = self.batch_rows // self.accumulation
        share = part_rows // world_size
        firsts = range(rank * share, len(sequences), part_rows)
        parts = tuple(packed_batch(sequences[first : first + share], self.slots).pinned() for first in firsts)
        lengths = np.concatenate([lengths for _, lengths, _ in sequences]).astype(np.int64)
        return StepBatch(parts, int(lengths.sum()), int((lengths - 1).sum()), attention_pairs(lengths))

    def ahead(self, first: int, last: int, rank: int = 0, world_size: int = 1) -> Iterator[StepBatch]:
        """The batches of steps first..last-1, each built by a thread while the one before is in use."""
        if first >= last:
            return
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches") as pool:
            following = pool.submit(self.batch, first, rank, world_size)
            for step in range(first, last):
                ready = following.result()
                if step + 1 < last:
                    following = pool.submit(self.batch, step + 1, rank, world_size)
                yield ready


@functools.lru_cache(maxsize=2)
def epoch_order(seed: int, epoch: int, rows: int) -> np.ndarray:
    """The permutation of `rows` rows in an epoch."""
    return np.random.default_rng([seed, epoch]).permutation(rows)


def attention_pairs(lengths: np.ndarray) -> int:
    """Query-key pairs of causal attention inside documents of these lengths: the sum of n (n + 1) / 2."""
    lengths = np.asarray(lengths, dtype=np.int64)
    return int((lengths * (lengths + 1) // 2).sum())
