"""The files of packed/: rows of tokens gathered from tokenised shards, and documents.parquet.

What is written depends on the pieces, their order and the plan alone: row groups and record batches have a fixed number
of rows, whatever shards the pieces came from. Every file is written whole or not at all (shards.whole_file).
Memory is one record batch and about 60 bytes a piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation.shards import file_sha256, whole_file
from rules.text.kernels import kernel
from train.handoff import DOCUMENTS_SCHEMA, ShardEntry, sequence_schema

DOCUMENTS_ROW_GROUP = 1 << 16
BATCH_BYTES = 32 << 20
GOLDEN, FIRST_MULTIPLIER, SECOND_MULTIPLIER = (
    np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)


@dataclass(frozen=True)
class PlacedPieces:
    """Where the pieces are: `file` (int32), `first` token in that file and `length` (int64), all [pieces]."""

    file: np.ndarray
    first: np.ndarray
    length: np.ndarray


@dataclass(frozen=True)
class RowLayout:
    """The shape of a row and of a file of rows."""

    sequence_length: int
    vocab_size: int
    pad_id: int
    rows_per_file: int

    @property
    def schema(self) -> pa.Schema:
        return sequence_schema(self.sequence_length, self.vocab_size)

    @property
    def token_dtype(self) -> np.dtype:
        return np.dtype(self.schema.field("tokens").type.value_type.to_pandas_dtype())

    @property
    def rows_per_batch(self) -> int:
        return max(1, BATCH_BYTES // (self.sequence_length * self.token_dtype.itemsize))


class DocumentsWriter:
    """documents.parquet, in row groups of 65,536 pieces; `carried`: columns of the documents after its own."""

    def __init__(self, path: Path, carried: Sequence[pa.Field] = ()):
        self._schema = pa.schema([*DOCUMENTS_SCHEMA, *carried])
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def write(self, table: pa.Table) -> None:
        self._waiting.append(table.select(self._schema.names).cast(self._schema))
        self._rows += len(table)
        while self._rows >= DOCUMENTS_ROW_GROUP:
            self._write_group(DOCUMENTS_ROW_GROUP)

    def __enter__(self) -> DocumentsWriter:
        return self

    def __exit__(self, *error: object) -> None:
        if self._rows and error[0] is None:
            self._write_group(self._rows)
        self._writer.close()

    def _write_group(self, rows: int) -> None:
        joined = pa.concat_tables(self._waiting)
        self._writer.write_table(joined.slice(0, rows).combine_chunks(), row_group_size=rows)
        self._waiting, self._rows = [joined.slice(rows)], len(joined) - rows


def shuffled(rows: int, seed: int) -> np.ndarray:
    """The place of each row (int64 [rows]) in an order drawn by `seed` (SplitMix64): the same with any numpy."""
    keys = (np.arange(rows, dtype=np.uint64) + np.uint64(seed % 2**32) * np.uint64(2**32)) * GOLDEN
    keys = (keys ^ keys >> np.uint64(30)) * FIRST_MULTIPLIER
    keys = (keys ^ keys >> np.uint64(27)) * SECOND_MULTIPLIER
    order = np.argsort(keys ^ keys >> np.uint64(31), kind="stable")
    places = np.empty(rows, np.int64)
    places[order] = np.arange(rows)
    return places


def write_split(
    folder: Path, split: str, sources: Sequence[np.ndarray], placed: PlacedPieces, refs: np.ndarray,
    row_of_piece: np.ndarray, rows: int, layout: RowLayout,
) -> list[ShardEntry]:  # fmt: skip
    """Write one split; returns what the manifest says of its files.

    `sources`: tokens by file; `refs`: the pieces of this split (int64, row numbers of documents.parquet and of
    `placed`); `row_of_piece`: int64, like `refs`. The pieces of a row stand in the order of `refs`.
    """
    order = np.argsort(row_of_piece, kind="stable")
    first_piece = np.concatenate([[0], np.cumsum(np.bincount(row_of_piece, minlength=rows))])
    entries = []
    for number, first_row in enumerate(range(0, rows, layout.rows_per_file)):
        stop_row = min(rows, first_row + layout.rows_per_file)
        path = folder / f"{split}-{number:05d}.arrow"
        with whole_file(path) as temporary, pa.ipc.new_file(str(temporary), layout.schema) as writer:
            for first in range(first_row, stop_row, layout.rows_per_batch):
                bounds = first_piece[first : min(stop_row, first + layout.rows_per_batch) + 1]
                pieces = refs[order[bounds[0] : bounds[-1]]]
                writer.write_batch(_row_batch(sources, placed, pieces, bounds - bounds[0], layout))
        pieces = refs[order[first_piece[first_row] : first_piece[stop_row]]]
        tokens = int(placed.length[pieces].sum())
        entries.append(ShardEntry(path.name, stop_row - first_row, tokens, len(pieces), file_sha256(path)))
    return entries


def _row_batch(
    sources: Sequence[np.ndarray], placed: PlacedPieces, pieces: np.ndarray, bounds: np.ndarray, layout: RowLayout
) -> pa.RecordBatch:
    """Row r holds pieces[bounds[r]:bounds[r + 1]], then padding."""
    rows = len(bounds) - 1
    lengths = placed.length[pieces]
    before = np.cumsum(lengths) - lengths
    row = np.repeat(np.arange(rows), np.diff(bounds))
    places = row * layout.sequence_length + before - before[bounds[:-1]][row]
    tokens = np.full(rows * layout.sequence_length, layout.pad_id, layout.token_dtype)
    _gather(sources, placed, pieces, places, tokens)
    schema = layout.schema
    offsets = pa.array(bounds.astype(np.int32))
    columns = [
        pa.FixedSizeListArray.from_arrays(pa.array(tokens), type=schema.field("tokens").type),
        pa.ListArray.from_arrays(offsets, pa.array(lengths.astype(np.int32)), type=schema.field("doc_lengths").type),
        pa.ListArray.from_arrays(offsets, pa.array(pieces), type=schema.field("doc_refs").type),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _gather(
    sources: Sequence[np.ndarray], placed: PlacedPieces, pieces: np.ndarray, places: np.ndarray, tokens: np.ndarray
) -> None:
    """Copy every piece to its place in `tokens`, file by file."""
    files = placed.file[pieces]
    order = np.argsort(files, kind="stable")
    bounds = np.flatnonzero(np.diff(files[order], prepend=-1, append=-1))
    for first, stop in zip(bounds[:-1], bounds[1:]):
        chosen = order[first:stop]
        source = sources[files[chosen[0]]]
        _copy_pieces(source, placed.first[pieces[chosen]], placed.length[pieces[chosen]], places[chosen], tokens)


@kernel
def _copy_pieces(source, firsts, lengths, places, tokens):
    for piece in range(len(firsts)):
        for i in range(lengths[piece]):
            tokens[places[piece] + i] = source[firsts[piece] + i]
