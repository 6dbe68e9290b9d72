"""The loss of each document of a packed split: what comparisons between models are paired over."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import torch

from train.batch import boundary_slots, empty_row, packed_batch
from train.evaluate.held_out import TokenLosses
from train.evaluate.losses import rows_at_once
from train.evaluate.pieces import read_pieces
from train.handoff import PackedSplit, read_documents


def document_losses(split: PackedSplit, losses: TokenLosses, device: torch.device, columns: Sequence[str] = ("source", "lang")) -> pa.Table:
    """One row for each document of `split`: document, `columns` of documents.parquet, and nats, tokens and bytes predicted.

    A document in several pieces is one; documents stand in the order of documents.parquet.
    """
    pieces = read_pieces(split.folder, split.split, ())
    sums = np.zeros((len(pieces.text_bytes), 3))
    seen = np.zeros(len(sums), bool)
    width = split.manifest.sequence_length
    rows = rows_at_once(width)
    slots = boundary_slots(split.max_documents, rows)
    with torch.no_grad():
        for first in range(0, len(split), rows):
            sequences = [split.sequence(index) for index in range(first, min(first + rows, len(split)))]
            batch = packed_batch(sequences + [empty_row(width)] * (rows - len(sequences)), slots)
            np.add.at(sums, batch.doc_refs, pieces.sums(batch, losses(batch.to(device))))
            seen[batch.doc_refs] = True
    table = read_documents(split.folder, ["document", "part", *columns])
    begins = np.flatnonzero(table["part"].to_numpy() == 0)
    totals = np.add.reduceat(sums, begins) if len(begins) else sums
    there = np.flatnonzero(np.logical_or.reduceat(seen, begins)) if len(begins) else begins
    found = table.select(["document", *columns]).take(pa.array(begins[there]))
    for number, name in enumerate(("nats", "tokens", "bytes")):
        found = found.append_column(name, pa.array(totals[there, number]))
    return found
