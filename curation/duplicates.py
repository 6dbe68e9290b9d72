"""Duplicates across all shards: the keys that shards write, the decision over all keys, and its effect on a shard.

Shards are read twice: the first pass writes for every document it kept a 128-bit hash (exact) and a MinHash signature
(near). The barrier reads those keys alone, in the order of the shards, and decides about every row; the next pass
drops rows. The barrier holds 16 bytes a document for exact and 8 bytes a band for near duplicates, no text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.clusters import band_keys
from curation.document import CLUSTER
from curation.minhash import estimated_jaccard, signatures
from curation.outcome import Outcome, removed_table, single_hits
from curation.shards import ShardWriter
from curation.stages.exact import find_exact, text_hashes
from curation.stages.near import NearSettings, find_near

STAGE_CODES = {"exact": 1, "near": 2}

# What the barrier says about every row of a shard.
DROPS = pa.schema([("stage", pa.int8()), ("kept_id", pa.string()), ("jaccard", pa.float32())])


def write_keys(documents: pa.Table, settings: Any, barrier: Sequence[str]) -> pa.Table:
    """The keys of a batch: id, length, hash (exact), shingles and signature (near)."""
    texts = documents["text"]
    columns = {"id": documents["id"], "length": pc.cast(pc.utf8_length(texts), pa.int64())}
    if "exact" in barrier:
        hashes = text_hashes(texts, settings.exact)
        columns |= {"hash_high": pa.array(hashes[:, 0]), "hash_low": pa.array(hashes[:, 1])}
    if "near" in barrier:
        signature, shingles = signatures(texts, settings.near.minhash)
        flat = pa.array(signature.reshape(-1))
        columns |= {"shingles": pa.array(shingles), "signature": pa.FixedSizeListArray.from_arrays(flat, signature.shape[1])}
    return pa.table(columns)


@dataclass
class Keys:
    """The keys of every document, in the order of the shards."""

    files: list[Path]
    first_row: np.ndarray  # int64 [shards + 1]
    ids: pa.ChunkedArray
    lengths: np.ndarray

    def column(self, name: str) -> np.ndarray:
        return np.concatenate([pq.read_table(f, columns=[name])[name].to_numpy() for f in self.files])

    def signature_batches(self) -> Any:
        """(first row, signatures [n, hashes], shingles [n]) row group by row group."""
        for file, first in zip(self.files, self.first_row):
            with pq.ParquetFile(file) as parquet:
                row = int(first)
                for group in range(parquet.num_row_groups):
                    table = parquet.read_row_group(group, columns=["signature", "shingles"])
                    if len(table):
                        yield row, _matrix(table["signature"]), table["shingles"].to_numpy()
                    row += len(table)


def _matrix(column: pa.ChunkedArray) -> np.ndarray:
    return pa.concat_arrays(column.chunks).flatten().to_numpy().reshape(len(column), -1)


def open_keys(files: Sequence[Path]) -> Keys:
    tables = [pq.read_table(f, columns=["id", "length"]) for f in files]
    first_row = np.concatenate([[0], np.cumsum([len(t) for t in tables])]).astype(np.int64)
    whole = pa.concat_tables(tables)
    return Keys(list(files), first_row, whole["id"], whole["length"].to_numpy())


@dataclass
class Decision:
    """What the barrier decided about all rows."""

    stage: np.ndarray  # int8 [rows]: 0 stays, else STAGE_CODES
    kept: np.ndarray  # int64 [rows]: the row that was kept in its place (itself when it stays)
    jaccard: np.ndarray  # float32 [rows]: similarity to the kept row
    clusters: list[pa.Table]  # one table in CLUSTER columns per stage


def decide(keys: Keys, settings: Any, barrier: Sequence[str]) -> Decision:
    """Find duplicates stage by stage; a later stage sees only what the earlier ones left."""
    count = len(keys.lengths)
    decision = Decision(np.zeros(count, np.int8), np.arange(count), np.ones(count, np.float32), [])
    for stage in barrier:
        alive = np.flatnonzero(decision.stage == 0)
        if stage == "exact":
            hashes = np.stack([keys.column("hash_high"), keys.column("hash_low")], axis=1)
            kept = find_exact(hashes[alive], keys.lengths[alive], settings.exact)
            jaccard = np.ones(len(alive), np.float32)
        else:
            kept, jaccard = _near(keys, alive, settings.near)
        dropped = kept != np.arange(len(alive))
        rows = alive[dropped]
        decision.stage[rows] = STAGE_CODES[stage]
        decision.kept[rows] = alive[kept[dropped]]
        decision.jaccard[rows] = jaccard[dropped]
        decision.clusters.append(_cluster_table(stage, keys.ids, alive, kept, jaccard))
    return decision


def _near(keys: Keys, alive: np.ndarray, settings: NearSettings) -> tuple[np.ndarray, np.ndarray]:
    """Kept position for each of `alive`, and the estimated similarity to it."""
    count = len(keys.lengths)
    bands = np.zeros((count, settings.band_shape[0]), np.uint64)
    shingles = np.zeros(count, np.int64)
    for row, signature, sizes in keys.signature_batches():
        bands[row : row + len(sizes)] = band_keys(signature, *settings.band_shape)
        shingles[row : row + len(sizes)] = sizes
    kept = find_near(bands[alive], keys.lengths[alive], shingles[alive] > 0, settings)
    return kept, _similarity(keys, alive, kept, settings)


def _similarity(keys: Keys, alive: np.ndarray, kept: np.ndarray, settings: NearSettings) -> np.ndarray:
    """Estimated Jaccard similarity of each row of `alive` to its kept row; reads only signatures of cluster members."""
    members = np.flatnonzero(kept != np.arange(len(alive)))
    rows = np.unique(np.concatenate([alive[members], alive[kept[members]]]))
    wanted = np.zeros((len(rows), settings.hashes), np.uint64 if settings.bits == 64 else np.uint32)
    for first, signature, _ in keys.signature_batches():
        begin, end = np.searchsorted(rows, [first, first + len(signature)])
        wanted[begin:end] = signature[rows[begin:end] - first]
    jaccard = np.ones(len(alive), np.float32)
    mine, theirs = (np.searchsorted(rows, alive[x]) for x in (members, kept[members]))
    jaccard[members] = estimated_jaccard(wanted[mine], wanted[theirs])
    return jaccard


def _cluster_table(stage: str, ids: pa.ChunkedArray, alive: np.ndarray, kept: np.ndarray, jaccard: np.ndarray) -> pa.Table:
    """Members of every cluster of two or more: ordered by the kept row, the kept one first, then by row."""
    sizes = np.bincount(kept, minlength=len(alive))
    members = np.flatnonzero(sizes[kept] > 1)
    order = np.lexsort((members, members != kept[members], kept[members]))
    members = members[order]
    names, kept_names = ids.take(pa.array(alive[members])), ids.take(pa.array(alive[kept[members]]))
    columns = [
        pa.array([stage] * len(members), pa.string()), kept_names, pa.array(sizes[kept[members]], pa.int64()), names, kept_names,
        pa.array(members == kept[members]), pa.array(jaccard[members], pa.float32()),
    ]  # fmt: skip
    return pa.table(columns, schema=CLUSTER)


def write_decision(decision: Decision, keys: Keys, output: Path, drops: Sequence[str], clusters: dict[str, str]) -> dict[str, dict]:
    """Write drops (one file a shard) and clusters (one file a stage that found some); returns the manifest's outputs."""
    outputs = {}
    kept_ids = keys.ids.take(pa.array(decision.kept))
    for number, path in enumerate(drops):
        rows = slice(int(keys.first_row[number]), int(keys.first_row[number + 1]))
        table = pa.table([decision.stage[rows], kept_ids[rows], decision.jaccard[rows]], schema=DROPS)
        outputs[path] = _write(output / path, table)
    for table, path in zip(decision.clusters, clusters.values()):
        outputs[path] = _write(output / path, table)
    return outputs


def _write(path: Path, table: pa.Table) -> dict[str, Any]:
    writer = ShardWriter(path)
    writer.write(table)
    entry = writer.close()
    assert entry is not None
    return entry


def read_drops(path: Path) -> pa.Table:
    return pq.read_table(path)


def drop_duplicates(documents: pa.Table, drops: pa.Table, stage: str) -> tuple[Outcome, pa.Table]:
    """Remove the rows that `stage` decided against; returns the outcome and the drops of the rows that stay."""
    code = STAGE_CODES[stage]
    gone = pc.equal(drops["stage"], code)
    part = drops.filter(gone)
    names = pa.array([f"{stage}/duplicate"] * len(part), pa.string())
    hits = _similarity_hits(f"{stage}/duplicate", part["jaccard"])
    removed = removed_table(documents.filter(gone), stage, names, hits, part["kept_id"])
    stays = pc.invert(gone)
    return Outcome(documents.filter(stays), removed), drops.filter(stays)


def _similarity_hits(rule: str, jaccard: pa.ChunkedArray) -> pa.Array:
    values = jaccard.to_numpy().astype(np.float64)
    return single_hits([rule] * len(values), "estimated_jaccard", values)
