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
from curation.document import CLUSTER, CLUSTER_SIZE
from curation.minhash import estimated_jaccard
from curation.outcome import Outcome, removed_table, single_hits
from curation.shards import ShardWriter
from curation.stages.exact import ExactSettings, document_hashes, find_exact
from curation.stages.near import NearSettings, find_near, near_keys
from curation.survivors import WORST, Survivor, choose_kept, ranks

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
            columns |= {name: pa.array(hashes[:, half], mask=~has_all) for half, name in enumerate(HASHES)}
    except ValueError as error:
        raise DuplicatesError(str(error)) from None
    if "near" in barrier:
        signature, shingles = near_keys(texts, settings.near)
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

    def hashes(self) -> tuple[np.ndarray, np.ndarray]:
        """128 bits of every document (uint64 [rows, 2]) and which documents have them (bool [rows])."""
        tables = [pq.read_table(f, columns=list(HASHES)) for f in self.files]
        halves = [np.concatenate([pc.fill_null(t[name], 0).to_numpy() for t in tables]) for name in HASHES]
        return np.stack(halves, axis=1), np.concatenate([pc.is_valid(t[HASHES[0]]).to_numpy() for t in tables])

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
    size: np.ndarray  # int64 [rows]: how many documents a row that stays stands for
    clusters: list[pa.Table]  # one table in CLUSTER columns per stage


def decide(keys: Keys, settings: Any, barrier: Sequence[str]) -> Decision:
    """Find duplicates stage by stage; a later stage sees only what the earlier ones left."""
    count = len(keys.lengths)
    decision = Decision(np.zeros(count, np.int8), np.arange(count), np.ones(count, np.float32), keys.column("size"), [])
    for stage in barrier:
        alive = np.flatnonzero(decision.stage == 0)
        roots = (_exact if stage == "exact" else _near)(keys, alive, getattr(settings, stage))
        kept = _choose(keys, alive, roots, stage, getattr(settings, stage))
        jaccard = _similarity(keys, alive, kept, settings.near) if stage == "near" else np.ones(len(alive), np.float32)
        dropped = kept != np.arange(len(alive))
        rows = alive[dropped]
        decision.stage[rows] = STAGE_CODES[stage]
        decision.kept[rows] = alive[kept[dropped]]
        decision.jaccard[rows] = jaccard[dropped]
        np.add.at(decision.size, alive[kept[dropped]], decision.size[rows])
        decision.clusters.append(_cluster_table(stage, keys.ids, alive, kept, jaccard))
    return decision


def _choose(keys: Keys, alive: np.ndarray, roots: np.ndarray, stage: str, survivor: Survivor) -> np.ndarray:
    """The kept position for each of `alive`, by the policy of the stage."""
    rank = None
    if survivor.ranking is not None:
        rank = keys.column(f"rank_{stage}")[alive]
        if len(rank) and (rank == WORST).all():
            what = f"a number in column {survivor.score!r}" if survivor.keep == "score" else f"one of the sources {', '.join(survivor.sources)}"
            raise DuplicatesError(f"{stage}: keep: {survivor.keep}: no document has {what}; correct the name, or choose another policy")
    return choose_kept(roots, survivor, rank, keys.lengths[alive], lambda rows: keys.ids.take(pa.array(alive[rows])).combine_chunks())


def _exact(keys: Keys, alive: np.ndarray, settings: ExactSettings) -> np.ndarray:
    """The cluster of each of `alive`, as the position of its first member."""
    hashes, has_all = keys.hashes()
    if len(alive) and not has_all[alive].any():
        raise DuplicatesError(f"exact: by: no document has a value in {' and '.join(settings.columns)}; correct the name, or leave exact out")
    return find_exact(hashes[alive], has_all[alive])


def _near(keys: Keys, alive: np.ndarray, settings: NearSettings) -> np.ndarray:
    """The cluster of each of `alive`, as the position of its first member."""
    count = len(keys.lengths)
    bands = np.zeros((count, settings.band_shape[0]), np.uint64)
    for row, signature, _ in keys.signature_batches():
        bands[row : row + len(signature)] = band_keys(signature, *settings.band_shape)
    return find_near(bands[alive], np.ones(len(alive), bool), settings)


def _similarity(keys: Keys, alive: np.ndarray, kept: np.ndarray, settings: NearSettings) -> np.ndarray:
    """Estimated Jaccard similarity of each row of `alive` to its kept row; reads only signatures of cluster members."""
    members = np.flatnonzero(kept != np.arange(len(alive)))
    rows = np.unique(np.concatenate([alive[members], alive[kept[members]]]))
    wanted = np.zeros((len(rows), settings.hashes), settings.minhash.entry_type)
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
        table = pa.table([decision.stage[rows], kept_ids[rows], decision.jaccard[rows], decision.size[rows]], schema=DROPS)
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
