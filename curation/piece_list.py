"""All pieces of a corpus as arrays, what documents.parquet says of them, and the statistics of a plan.

`list_pieces` reads the tokenised shards once: where each piece is and how long, 33 bytes a piece in memory; its other
columns go to documents.parquet as they come. For concatenation a RowCutter cuts documents anew where rows end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.best_fit import cut_statistics, documents_concat_cuts, row_statistics
from curation.mixture import RateColumns
from curation.packed_files import DocumentsWriter, PlacedPieces
from curation.pieces import Measured, TokenBytes, cut_for_rows, pieces_at, sums
from curation.shards import whole_file
from curation.token_files import PieceBatch, TokenFile, TokenFileError, joined_fields

SPLITS = ("train", "held_out")


@dataclass(frozen=True)
class PieceList:
    """Pieces in the order of documents.parquet; `split` indexes SPLITS, `row` is -1 where no plan is made yet."""

    placed: PlacedPieces
    split: np.ndarray
    begins_document: np.ndarray
    text_bytes: np.ndarray
    row: np.ndarray


@dataclass(frozen=True)
class SplitPlan:
    """Pieces of a split and their rows. Documents are runs of pieces: `pieces_of_document` (int64 [documents])."""

    lengths: np.ndarray
    row_of_piece: np.ndarray
    rows: int
    text_bytes: int
    document_lengths: np.ndarray
    pieces_of_document: np.ndarray
    concat_cuts: np.ndarray


class RowCutter:
    """Cuts documents where rows of `capacity` tokens end; each split is a stream of its own, carried over all shards."""

    def __init__(self, table: TokenBytes, capacity: int):
        self._table, self._capacity = table, capacity
        self._open_rows = np.array([[0, capacity]] * len(SPLITS), np.int64)

    def cut(self, batch: PieceBatch, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray, pa.RecordBatch]:
        """First token and row of every new piece (int64), and the columns of the pieces."""
        begins = np.flatnonzero(batch.columns["part"].to_numpy() == 0)
        bounds = batch.offsets[np.append(begins, len(batch.columns))]
        own = tokens[bounds[0] : bounds[-1]]
        measured = Measured(self._table.starts_character[own], sums(self._table.characters[own]), sums(self._table.bytes[own]))
        _check_bytes(measured.bytes[bounds - bounds[0]], batch.columns, begins)
        cuts, rows = self._cuts(bounds - bounds[0], split_codes(batch.columns)[begins], measured.starts_character)
        pieces = pieces_at(cuts, measured)
        columns = batch.columns.take(pa.array(begins[pieces.document]))
        for name in ("part", "parts", "char_start", "char_end", "text_bytes"):
            place, field = columns.schema.get_field_index(name), columns.schema.field(name)
            columns = columns.set_column(place, field, pa.array(getattr(pieces, name)).cast(field.type))
        return pieces.first + bounds[0], rows, columns

    def _cuts(self, offsets: np.ndarray, splits: np.ndarray, starts_character: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cuts, rows = np.empty((0, 3), np.int64), np.empty(0, np.int64)
        count = cut_for_rows(offsets, splits, starts_character, self._capacity, self._open_rows.copy(), cuts, rows)
        cuts, rows = np.empty((count, 3), np.int64), np.empty(count, np.int64)
        cut_for_rows(offsets, splits, starts_character, self._capacity, self._open_rows, cuts, rows)
        return cuts, rows


def _check_bytes(bytes_before: np.ndarray, columns: pa.RecordBatch, begins: np.ndarray) -> None:
    text_bytes = np.add.reduceat(columns["text_bytes"].to_numpy(), begins)
    if not np.array_equal(np.diff(bytes_before), text_bytes):
        raise TokenFileError("the bytes of the tokens are not those of the texts, so concat cannot cut on whole characters; use packing: best_fit")


def split_codes(columns: pa.RecordBatch) -> np.ndarray:
    """The split of every piece as its place in SPLITS (int64)."""
    return pc.index_in(columns["split"], pa.array(SPLITS)).to_numpy(zero_copy_only=False).astype(np.int64)


def list_pieces(
    files: Sequence[TokenFile], cutter: RowCutter | None, documents_path: Path, rates: RateColumns | None = None
) -> PieceList:
    """Every piece of `files` in order; writes documents.parquet. With a cutter, pieces are cut anew and have rows.

    `rates` is shown every piece, too.
    """
    found: list[tuple[np.ndarray, ...]] = [(np.zeros(0, np.int32), *[np.zeros(0, np.int64)] * 2, np.zeros(0, np.int8),
                                            np.zeros(0, np.bool_), *[np.zeros(0, np.int64)] * 2)]  # fmt: skip
    with whole_file(documents_path) as temporary, DocumentsWriter(temporary, joined_fields(files)) as writer:
        for number, file in enumerate(files):
            for batch in file.batches():
                first, row, columns = batch.offsets[:-1], np.full(len(batch.columns), -1), batch.columns
                if cutter is not None:
                    first, row, columns = cutter.cut(batch, file.tokens)
                if rates is not None:
                    rates.add(columns)
                length = np.diff(first, append=batch.offsets[-1])
                writer.write(pa.Table.from_batches([columns]).append_column("tokens", pa.array(length.astype(np.int32))))
                found.append((
                    np.full(len(first), number, np.int32), first, length, split_codes(columns).astype(np.int8),
                    columns["part"].to_numpy() == 0, columns["text_bytes"].to_numpy(), row))  # fmt: skip
    file, first, length, split, begins, text_bytes, row = (np.concatenate(column) for column in zip(*found))
    return PieceList(PlacedPieces(file, first, length), split, begins, text_bytes, row)


# ---- statistics


def split_plan(pieces: PieceList, refs: np.ndarray, row_of_piece: np.ndarray, rows: int, capacity: int) -> SplitPlan:
    """The plan of the pieces `refs` (int64), which are one split, in order."""
    lengths = pieces.placed.length[refs]
    begins = np.flatnonzero(pieces.begins_document[refs])
    document_lengths = np.add.reduceat(lengths, begins) if len(begins) else lengths
    return SplitPlan(
        lengths, row_of_piece, rows, int(pieces.text_bytes[refs].sum()), document_lengths,
        np.diff(begins, append=len(refs)), documents_concat_cuts(document_lengths, capacity),
    )  # fmt: skip


def packing_statistics(plans: dict[str, SplitPlan], capacity: int) -> dict[str, Any]:
    """What the manifest says of the whole, and under `splits` of each split."""
    total = _plan_statistics(_joined(list(plans.values())), capacity)
    return {**total, "splits": {split: _plan_statistics(plan, capacity) for split, plan in plans.items()}}


def _joined(plans: list[SplitPlan]) -> SplitPlan:
    first_rows = np.cumsum([0] + [plan.rows for plan in plans])
    return SplitPlan(
        np.concatenate([plan.lengths for plan in plans]),
        np.concatenate([plan.row_of_piece + first for plan, first in zip(plans, first_rows)]),
        int(first_rows[-1]),
        sum(plan.text_bytes for plan in plans),
        np.concatenate([plan.document_lengths for plan in plans]),
        np.concatenate([plan.pieces_of_document for plan in plans]),
        np.concatenate([plan.concat_cuts for plan in plans]),
    )


def _plan_statistics(plan: SplitPlan, capacity: int) -> dict[str, int | float]:
    tokens = int(plan.lengths.sum())
    return {
        **row_statistics(plan.lengths, plan.row_of_piece, plan.rows, capacity),
        **cut_statistics(plan.document_lengths, plan.pieces_of_document > 1, plan.concat_cuts, capacity),
        "text_bytes": plan.text_bytes,
        "bytes_per_token": plan.text_bytes / tokens if tokens else 0.0,
    }
