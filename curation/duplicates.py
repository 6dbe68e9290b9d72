"""Duplicates in one shard: the keys that a pass writes about its documents, and what the next pass does with the decision.

Shards are read twice: the first pass writes for every document it kept a 128-bit hash (exact) and a MinHash signature
(near). The barrier (barrier.py) reads those keys alone and decides about every row (decision.py); the next pass drops rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.document import CLUSTER_SIZE
from curation.outcome import Outcome, removed_table, single_hits, without
from curation.stages.exact import document_hashes, fold_columns
from curation.stages.lines import group_hashes
from curation.stages.near import near_keys
from curation.survivors import ranks

STAGE_CODES = {"exact": 1, "near": 2}

HASHES = ("hash_high", "hash_low")

# What the barrier says about every row of a shard; `size`: how many documents a kept one stands for, itself included.
DROPS = pa.schema([("stage", pa.int8()), ("kept_id", pa.string()), ("jaccard", pa.float32()), ("size", pa.int64())])


class DuplicatesError(ValueError):
    """Documents cannot be compared as the job says: which setting, and what to do."""


def write_keys(documents: pa.Table, settings: Any, barrier: Sequence[str], counted: bool = False) -> pa.Table:
    """The keys of a batch: id, length, size, ranks where a policy asks for them, hash (exact), shingles and signature (near).

    `counted`: an earlier barrier wrote how many documents each one stands for. Raises DuplicatesError for a column that
    cannot be compared."""
    texts = documents["text"]
    columns = {"id": documents["id"], "length": pc.cast(pc.utf8_length(texts), pa.int64())}
    columns["size"] = documents[CLUSTER_SIZE] if counted else pa.array(np.ones(len(documents), np.int64))
    try:
        for stage in barrier:
            rank = ranks(documents, getattr(settings, stage))
            columns |= {} if rank is None else {f"rank_{stage}": rank}
        if "exact" in barrier:
            hashes, has_all = document_hashes(documents, settings.exact)
            if settings.exact.within != "corpus":
                fold_columns(np.repeat(group_hashes(documents, settings.exact.within)[:, None], 2, axis=1), hashes)
            columns |= {name: pa.array(hashes[:, half], mask=~has_all) for half, name in enumerate(HASHES)}
    except ValueError as error:
        raise DuplicatesError(str(error)) from None
    if "near" in barrier:
        signature, shingles = near_keys(texts, settings.near)
        if settings.near.within != "corpus":
            columns["group"] = group_hashes(documents, settings.near.within)
        columns |= {"shingles": pa.array(shingles), "signature": _packed(signature)}
    return pa.table(columns)


def _packed(signatures: np.ndarray) -> pa.Array:
    """A column of signatures [n, hashes]: those of 64 bits as bytes, which Parquet writes in half the time of lists and reads in
    a quarter; others as lists."""
    count, hashes = signatures.shape
    if signatures.dtype != np.uint64:
        return pa.FixedSizeListArray.from_arrays(pa.array(signatures.reshape(-1)), hashes)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(8 * hashes), count, [None, pa.py_buffer(np.ascontiguousarray(signatures))])


def unpacked(column: pa.ChunkedArray) -> np.ndarray:
    """The signatures [n, hashes] of a column, which earlier versions wrote as lists whatever their bits."""
    kind = column.type
    if pa.types.is_fixed_size_binary(kind):
        parts = [np.frombuffer(chunk.buffers()[1], np.uint64, len(chunk) * kind.byte_width // 8, chunk.offset * kind.byte_width) for chunk in column.chunks if len(chunk)]
        return np.concatenate([np.zeros(0, np.uint64), *parts] if len(parts) != 1 else parts).reshape(len(column), -1 if len(column) else 0)
    flat = pa.concat_arrays(column.chunks).flatten() if len(column) else pa.array([], kind.value_type)
    return flat.to_numpy().reshape(len(column), -1 if len(column) else 0)


def as_of_today(keys: pa.Table) -> pa.Table:
    """`keys` as `write_keys` writes them, where an earlier version wrote signatures of 64 bits as lists."""
    kind = keys.schema.field("signature").type if "signature" in keys.column_names else None
    if kind is None or not pa.types.is_fixed_size_list(kind) or kind.value_type != pa.uint64():
        return keys
    signatures = unpacked(keys["signature"]).reshape(len(keys), kind.list_size)
    return keys.set_column(keys.column_names.index("signature"), "signature", _packed(signatures))


def read_drops(path: Path) -> pa.Table:
    with pq.ParquetFile(path) as file:  # read_table, which is made for folders, takes three times as long
        return file.read()


def drop_duplicates(documents: pa.Table, drops: pa.Table, stage: str) -> tuple[Outcome, pa.Table]:
    """Remove the rows that `stage` decided against; returns the outcome and the drops of the rows that stay."""
    code = STAGE_CODES[stage]
    gone = pc.equal(drops["stage"], code)
    part = drops.filter(gone)
    names = pa.array([f"{stage}/duplicate"] * len(part), pa.string())
    hits = _similarity_hits(f"{stage}/duplicate", part["jaccard"])
    removed = removed_table(documents.filter(gone), stage, names, hits, part["kept_id"])
    stays = pc.invert(gone)
    return Outcome(without(documents, gone), removed), drops.filter(stays)


def with_cluster_size(documents: pa.Table, sizes: pa.ChunkedArray, counted: bool) -> pa.Table:
    """`documents` with the column `cluster_size`: how many documents each stands for, itself included.

    A column of that name in the input becomes `input_cluster_size`; `counted`: the column is an earlier barrier's."""
    if CLUSTER_SIZE not in documents.column_names:
        return documents.append_column(CLUSTER_SIZE, sizes)
    if not counted and f"input_{CLUSTER_SIZE}" not in documents.column_names:
        documents = documents.append_column(f"input_{CLUSTER_SIZE}", documents[CLUSTER_SIZE])
    return documents.set_column(documents.column_names.index(CLUSTER_SIZE), CLUSTER_SIZE, sizes)


def _similarity_hits(rule: str, jaccard: pa.ChunkedArray) -> pa.Array:
    values = jaccard.to_numpy().astype(np.float64)
    return single_hits([rule] * len(values), "estimated_jaccard", values)
