"""From a step of a training run to the rows it trained on, to the pieces of documents in them, and to what they lose.

A run's data order follows from its configuration and the step, so nothing has to be recorded while it trains. Steps
count from 1, as in metrics.jsonl: step 1 is the first. Tracing a row costs opening the packed folder; losses cost one
forward pass over the window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from train.batch import Loader, PackedBatch, boundary_slots, packed_batch
from train.config import RampStage, TrainError
from train.diverged import NotFinite
from train.evaluate.pieces import Pieces
from train.handoff import DOCUMENTS_NAME, PackedSplit, manifest_sha256, open_split
from train.row_order import row_keys
from train.run_folder import kind_of, read_run

if TYPE_CHECKING:
    from train.evaluate.held_out import TokenLosses


@dataclass(frozen=True)
class TracedRun:
    """A run's data, and which of it each step takes."""

    folder: Path
    data: Path
    steps: int
    split: PackedSplit
    loader: Loader

    def rows(self, step: int) -> list[int]:
        """The rows of the train split in `step`, in the order of the batch. Raises TrainError for a step it never has."""
        if not 1 <= step <= self.steps:
            raise TrainError(f"{self.folder}: has steps 1 to {self.steps}, there is no step {step}.")
        return self.loader.rows(step - 1).tolist()

    def row(self, step: int, row: int) -> int:
        """The row of the train split that is row `row` (from 0) of the batch of `step`."""
        rows = self.rows(step)
        if not 0 <= row < len(rows):
            raise TrainError(f"step {step} has rows 0 to {len(rows) - 1}, there is no row {row}.")
        return rows[row]


@dataclass(frozen=True)
class Piece:
    """A piece of a document in a row: its tokens are first_token up to last_token, both counted from 0."""

    first_token: int
    last_token: int
    ref: int
    about: dict[str, Any]  # its row of documents.parquet

    def record(self) -> dict[str, Any]:
        return {"first_token": self.first_token, "last_token": self.last_token, "ref": self.ref, **self.about}


def open_traced(run: Path, data: Path | None = None) -> TracedRun:
    """The data of `run`, where it was packed or in `data`. Raises TrainError where that is not what it trained on."""
    record = read_run(run)
    config = record["config"]
    if "data" not in config:
        found = kind_of(record)
        why = "fine-tuning reads items, not packed rows" if "finetune" in record else "it was not trained here"
        raise TrainError(f"{run}: holds {found}, so there are no steps to trace: {why}. Name the run that trained the model.")
    data = data or Path(config["data"])
    split = open_split(data, "train")
    if manifest_sha256(data) != record["packed_sha256"]:
        raise TrainError(f"{data}: is not the packed data that {run} trained on. Name that with --data.")
    ramp = tuple(RampStage(**stage) for stage in config.get("batch_ramp", ()))
    loader = Loader(split, config["batch_rows"], config["accumulation"], config["seed"], slots=2, ramp=ramp, keys=row_keys(split, config.get("row_order", "shuffled")))
    return TracedRun(run, data, config["steps"], split, loader)


def pieces_of(traced: TracedRun, rows: Sequence[int]) -> list[list[Piece]]:
    """The pieces in each of `rows` of the train split, in order."""
    parts = [traced.split.sequence(row)[1:] for row in rows]
    refs = np.concatenate([refs for _, refs in parts]) if parts else np.zeros(0, np.int64)
    about = iter(_documents(traced.data, refs))
    found = []
    for lengths, row_refs in parts:
        ends = np.cumsum(lengths)
        bounds = zip((ends - lengths).tolist(), (ends - 1).tolist(), row_refs.tolist(), strict=True)
        found.append([Piece(*bound, next(about)) for bound in bounds])
    return found


def text_of(traced: TracedRun, row: int, piece: Piece, decode: Callable[[list[int]], str]) -> str:
    """The text of `piece` in row `row` of the train split, as its tokens spell it."""
    tokens = traced.split.sequence(row)[0][piece.first_token : piece.last_token + 1]
    return decode(tokens.tolist())


def piece_losses(traced: TracedRun, steps: range, losses: TokenLosses, batch_rows: int, pieces: Pieces) -> pa.Table:
    """What the documents of `steps` lose: a table of step, row, ref, nats, tokens and bytes predicted, in order."""
    numbers = [(step, place, row) for step in steps for place, row in enumerate(traced.rows(step))]
    parts: list[tuple[np.ndarray, ...]] = []
    for first in range(0, len(numbers), batch_rows):
        chosen = numbers[first : first + batch_rows]
        batch = _batch(traced, [row for _, _, row in chosen])
        sums = pieces.sums(batch, losses(batch))
        if not np.isfinite(sums).all():
            raise NotFinite()
        counts = [len(traced.split.sequence(row)[1]) for _, _, row in chosen]
        about = np.repeat(np.array([[step, place] for step, place, _ in chosen]), counts, axis=0)
        parts.append((about[:, 0], about[:, 1], batch.doc_refs, sums[:, 0], sums[:, 1], sums[:, 2]))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return pa.table(dict(zip(("step", "row", "ref", "nats", "tokens", "bytes"), columns, strict=True)))


def _batch(traced: TracedRun, rows: Sequence[int]) -> PackedBatch:
    sequences = [traced.split.sequence(row) for row in rows]
    return packed_batch(sequences, boundary_slots(traced.split.max_documents, len(rows)))


def _documents(data: Path, refs: np.ndarray) -> Iterator[dict[str, Any]]:
    """The rows `refs` of documents.parquet, all columns of them; only the row groups that hold one are read."""
    rows: dict[int, dict[str, Any]] = {}
    with pq.ParquetFile(data / DOCUMENTS_NAME) as file:
        groups = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
        starts = np.cumsum([0, *groups])
        wanted = np.unique(refs)
        for group in np.unique(np.searchsorted(starts, wanted, side="right") - 1).tolist():
            inside = wanted[(wanted >= starts[group]) & (wanted < starts[group + 1])]
            taken = file.read_row_group(group).take(pa.array(inside - starts[group])).to_pylist()
            rows.update(zip(inside.tolist(), taken, strict=True))
    return (rows[ref] for ref in refs.tolist())
