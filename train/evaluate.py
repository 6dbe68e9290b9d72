"""Held-out loss: nats per token, and bits per byte, the figure that can be compared across tokenizers.

Every token's NLL is summed by document and by language, so a result says where the model is good. Bits per byte divides
by the UTF-8 bytes of the text that was predicted: all bytes of a document, except that a piece that continues one has
no prediction for its first token, so its bytes count for (n - 1) of its n tokens. The rows are always the first of the
held-out split, in batches of one fixed shape, so that results of different steps and runs compare.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from train.batch import PackedBatch, empty_row, packed_batch
from train.config import TrainError
from train.handoff import PackedSplit, read_documents
from train.world import World

NATS, TOKENS, BYTES = 0, 1, 2
TokenLosses = Callable[[PackedBatch], Tensor]  # batch -> NLL of each token [B, S]


@dataclass(frozen=True)
class HeldOut:
    """The sequences a run is judged on, and what is known of their documents (arrays over documents.parquet)."""

    split: PackedSplit
    rows: int
    languages: list[str]
    language_index: np.ndarray
    text_bytes: np.ndarray
    is_first_part: np.ndarray

    def bytes_predicted(self, refs: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """UTF-8 bytes of the predicted text of documents `refs` with `lengths` tokens."""
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


def open_held_out(split: PackedSplit, rows: int) -> HeldOut:
    """Raises TrainError when the split is empty."""
    if not len(split):
        raise TrainError(f"{split.folder}: the held-out split is empty, so a model cannot be judged. Pack with one.")
    documents = read_documents(split.folder, ["lang", "part", "text_bytes"])
    languages = documents["lang"].fill_null("").combine_chunks().dictionary_encode()
    languages = languages.combine_chunks() if isinstance(languages, pa.ChunkedArray) else languages
    return HeldOut(
        split=split,
        rows=min(rows, len(split)),
        languages=languages.dictionary.to_pylist(),
        language_index=languages.indices.to_numpy(),
        text_bytes=documents["text_bytes"].to_numpy(),
        is_first_part=documents["part"].to_numpy() == 0,
    )


def evaluate(held_out: HeldOut, losses: TokenLosses, world: World, batch_rows: int, slots: int) -> dict[str, Any]:
    """Scores of the held-out rows, whole and by language, shared out over the processes of `world`."""
    sums = np.zeros((len(held_out.languages), 3))
    width = held_out.split.manifest.sequence_length
    with torch.no_grad():
        for first in range(world.rank * batch_rows, held_out.rows, world.size * batch_rows):
            indices = range(first, min(first + batch_rows, held_out.rows))
            rows = [held_out.split.sequence(index) for index in indices]
            batch = packed_batch(rows + [empty_row(width)] * (batch_rows - len(rows)), slots)
            _add_documents(sums, held_out, batch, losses(batch.to(world.device)))
    sums = world.sum(torch.from_numpy(sums).to(world.device)).cpu().numpy()
    languages = {name: Score(*row).record() for name, row in zip(held_out.languages, sums, strict=True) if row[TOKENS]}
    return {**Score(*sums.sum(0)).record(), "by_lang": languages}


def _add_documents(sums: np.ndarray, held_out: HeldOut, batch: PackedBatch, losses: Tensor) -> None:
    lengths = np.array(batch.lengths)
    starts = np.cumsum(lengths) - lengths
    nats = np.add.reduceat(losses.double().cpu().numpy().reshape(-1), starts)[batch.doc_index]
    tokens = lengths[batch.doc_index]
    counted = np.stack([nats, tokens - 1.0, held_out.bytes_predicted(batch.doc_refs, tokens)], axis=1)
    np.add.at(sums, held_out.language_index[batch.doc_refs], counted)
