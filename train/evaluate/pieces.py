"""What documents.parquet knows of every piece, and what a model's losses on them add up to.

Pieces are grouped by any column of documents.parquet: its values, or powers of two where it holds whole numbers of many
sizes (`tokens` by 32-63, 64-127, ...), or tenths of the split where it holds numbers of many sizes (a quality score).
The largest MOST_GROUPS groups of a split stand by themselves; the rest is one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from torch import Tensor

from train.batch import PackedBatch
from train.config import TrainError
from train.handoff import document_columns, read_documents

NATS, TOKENS, BYTES = 0, 1, 2
MOST_GROUPS = 200
MOST_NUMBERS = 20  # a column with more different numbers is cut: at powers of two, or in tenths
NONE, OTHER = "(none)", "(other)"


@dataclass(frozen=True)
class Grouping:
    """The groups a column makes: their names, and for each piece the index of its own (int [pieces])."""

    column: str
    names: list[str]
    index: np.ndarray


@dataclass(frozen=True)
class Pieces:
    """Arrays over the rows of documents.parquet, which `doc_refs` point into."""

    text_bytes: np.ndarray
    is_first_part: np.ndarray
    groupings: tuple[Grouping, ...]

    def sums(self, batch: PackedBatch, losses: Tensor) -> np.ndarray:
        """NATS, TOKENS and BYTES predicted of each real document in `batch`, from the NLL of each token [B, S]."""
        lengths = np.array(batch.lengths)
        starts = np.cumsum(lengths) - lengths
        nats = np.add.reduceat(losses.double().cpu().numpy().reshape(-1), starts)[batch.doc_index]
        tokens = lengths[batch.doc_index]
        return np.stack([nats, tokens - 1.0, self.bytes_predicted(batch.doc_refs, tokens)], axis=1)

    def bytes_predicted(self, refs: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """UTF-8 bytes of the predicted text of pieces `refs` with `lengths` tokens.

        All bytes of a document, except that a piece that continues one has no prediction for its first token, so its
        bytes count for (n - 1) of its n tokens.
        """
        text_tokens = np.maximum(lengths - self.is_first_part[refs], 1)
        return self.text_bytes[refs] * np.minimum((lengths - 1) / text_tokens, 1.0)


@dataclass(frozen=True)
class Score:
    """Sums over documents; loss per token in nats and per byte in bits, None where there is nothing to divide by."""

    nats: float
    tokens: float
    bytes: float

    @property
    def nats_per_token(self) -> float | None:
        return self.nats / self.tokens if self.tokens else None

    @property
    def bits_per_byte(self) -> float | None:
        return self.nats / math.log(2) / self.bytes if self.bytes else None

    def record(self) -> dict[str, Any]:
        return {"nats_per_token": self.nats_per_token, "bits_per_byte": self.bits_per_byte, "tokens": int(self.tokens)}


def read_pieces(folder: Path, split: str, by: Sequence[str]) -> Pieces:
    """What is known of the pieces of a packed folder, grouped by the columns `by`; groups are those of `split`.

    Raises TrainError for a column that documents.parquet does not have.
    """
    there = document_columns(folder)
    for column in by:
        if column not in there:
            raise TrainError(
                f"{folder}: documents.parquet has no column {column!r}; it has {', '.join(there)}. "
                f"To carry a column of the documents, name it in the job (pack: {{columns: [{column}]}}) and run it again."
            )
    documents = read_documents(folder, list(dict.fromkeys(["split", "part", "text_bytes", *by])))
    in_split = pc.equal(documents["split"], split).to_numpy()
    return Pieces(
        text_bytes=documents["text_bytes"].to_numpy(),
        is_first_part=documents["part"].to_numpy() == 0,
        groupings=tuple(grouping(column, documents[column], in_split) for column in dict.fromkeys(by)),
    )


def grouping(column: str, values: pa.ChunkedArray, counted: np.ndarray) -> Grouping:
    """Groups of `values`, the most frequent first; `counted` [pieces] says which rows make a group frequent."""
    numbers = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
    if numbers and pc.count_distinct(values).as_py() > MOST_NUMBERS:
        values = _powers_of_two(values) if pa.types.is_integer(values.type) else _tenths(values, counted)
    encoded = pc.fill_null(values.cast(pa.string()), NONE).combine_chunks().dictionary_encode()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    index = encoded.indices.to_numpy()
    order = np.argsort(-np.bincount(index[counted], minlength=len(encoded.dictionary)), kind="stable")
    place = np.minimum(np.argsort(order, kind="stable"), MOST_GROUPS)
    names = encoded.dictionary.take(pa.array(order[:MOST_GROUPS])).to_pylist()
    return Grouping(column, names + [OTHER] * (len(order) > MOST_GROUPS), place[index])


def _powers_of_two(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """`32-63` for the numbers from 32 to 63; `0` for all below 1."""
    numbers = pc.fill_null(values.cast(pa.int64()), 0).to_numpy()
    bits = np.frexp(np.maximum(numbers, 0).astype(np.float64))[1]  # 0 for 0, else how many bits the number takes
    names = pa.array(["0", "1", *(f"{2 ** (bit - 1)}-{2**bit - 1}" for bit in range(2, 64))])
    return pa.chunked_array([names.take(pa.array(bits, mask=values.is_null().to_numpy()))])


def _tenths(values: pa.ChunkedArray, counted: np.ndarray) -> pa.ChunkedArray:
    """`0.31 to 0.45` for the numbers of one tenth of the rows `counted`; the last group holds its upper end too."""
    numbers = values.cast(pa.float64()).fill_null(np.nan).to_numpy()
    known = numbers[counted & ~np.isnan(numbers)]
    bounds = np.unique(np.quantile(known, np.linspace(0, 1, 11))) if len(known) else np.zeros(2)
    names = pa.array([f"{low:.4g} to {high:.4g}" for low, high in zip(bounds, [*bounds[1:], bounds[-1]])])
    place = np.clip(np.searchsorted(bounds, numbers, side="right") - 1, 0, max(0, len(bounds) - 2))
    return pa.chunked_array([names.take(pa.array(place, mask=np.isnan(numbers)))])
