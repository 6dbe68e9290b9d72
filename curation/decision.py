"""The decision about duplicates over the keys of all shards: stage by stage, which rows go and which one stays for them.

No text is read and no signature held: numbers of a few bytes a document (`memory_bytes`), and the ids of cluster members
alone. Rows are numbered through all shards, in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.document import CLUSTER
from curation.duplicates import DROPS, HASHES, STAGE_CODES, DuplicatesError
from curation.minhash import estimated_jaccard
from curation.shards import ShardWriter
from curation.stages.exact import ExactSettings, find_exact
from curation.survivors import WORST, Survivor, choose_kept


@dataclass
class Keys:
    """The keys of every document, in the order of the shards."""

    files: list[Path]
    first_row: np.ndarray  # int64 [shards + 1]
    lengths: np.ndarray  # int64 [rows]
    gone: np.ndarray  # bool [rows]: rows of earlier runs that take no part, because these did not keep them
    old: int = 0  # the first rows are of earlier runs: they stay, whatever the policy

    def column(self, name: str) -> np.ndarray:
        return np.concatenate([pq.read_table(f, columns=[name])[name].to_numpy() for f in self.files])

    def ranks(self, stage: str) -> np.ndarray:
        """The ranks of a stage; rows of earlier runs need none."""
        found = [pq.read_table(f, columns=[f"rank_{stage}"])[f"rank_{stage}"].to_numpy() for f, first in zip(self.files, self.first_row) if first >= self.old]
        return np.concatenate([np.full(self.old, WORST), *found])

    def hashes(self) -> tuple[np.ndarray, np.ndarray]:
        """128 bits of every document (uint64 [rows, 2]) and which documents have them (bool [rows])."""
        tables = [pq.read_table(f, columns=list(HASHES)) for f in self.files]
        halves = [np.concatenate([pc.fill_null(t[name], 0).to_numpy() for t in tables]) for name in HASHES]
        return np.stack(halves, axis=1), np.concatenate([pc.is_valid(t[HASHES[0]]).to_numpy() for t in tables])

    def ids(self, rows: np.ndarray) -> pa.Array:
        """The ids of `rows` (int64), in their order; the ids of one shard are in memory at a time."""
        order = np.argsort(rows, kind="stable")
        ordered, parts = rows[order], []
        for file, first, end in zip(self.files, self.first_row, self.first_row[1:]):
            begin, stop = np.searchsorted(ordered, [first, end])
            if begin < stop:
                parts.append(pq.read_table(file, columns=["id"])["id"].take(pa.array(ordered[begin:stop] - first)).combine_chunks())
        places = np.empty(len(rows), np.int64)
        places[order] = np.arange(len(rows))
        return pa.concat_arrays(parts).take(pa.array(places)) if parts else pa.array([], pa.string())

    def signature_batches(self) -> Iterator[tuple[int, np.ndarray]]:
        """(first row, signatures [n, hashes]) row group by row group."""
        for file, first in zip(self.files, self.first_row):
            yield from ((int(first) + row, signature) for row, signature in signatures_of(file))


def signatures_of(file: Path) -> Iterator[tuple[int, np.ndarray]]:
    """(first row in the file, signatures [n, hashes]) row group by row group."""
    with pq.ParquetFile(file) as parquet:
        row = 0
        for group in range(parquet.num_row_groups):
            table = parquet.read_row_group(group, columns=["signature"])
            if len(table):
                yield row, pa.concat_arrays(table["signature"].chunks).flatten().to_numpy().reshape(len(table), -1)
            row += len(table)


def open_keys(files: Sequence[Path], stayed: Sequence[np.ndarray] = ()) -> Keys:
    """The keys of `files`; `stayed`: of those of earlier runs, which come first, which rows they kept."""
    lengths = [pq.read_table(f, columns=["length"])["length"].to_numpy() for f in files]
    first_row = np.concatenate([[0], np.cumsum([len(some) for some in lengths])]).astype(np.int64)
    old = int(first_row[len(stayed)])
    gone = np.concatenate([np.zeros(0, bool), *[~rows for rows in stayed], np.zeros(int(first_row[-1]) - old, bool)])
    return Keys(list(files), first_row, np.concatenate(lengths), gone, old)


@dataclass
class Decision:
    """What the barrier decided about all rows."""

    stage: np.ndarray  # int8 [rows]: 0 stays, else STAGE_CODES
    kept: np.ndarray  # int64 [rows]: the row that was kept in its place (itself when it stays)
    jaccard: np.ndarray  # float32 [rows]: similarity to the kept row
    size: np.ndarray  # int64 [rows]: how many documents a row that stays stands for
    clusters: dict[str, pa.Table]  # a table in CLUSTER columns per stage


NearRoots = Callable[[np.ndarray], np.ndarray]  # the cluster of every row (int64), of those that take part (bool)


def decide(keys: Keys, settings: Any, barrier: Sequence[str], near_roots: NearRoots) -> Decision:
    """Find duplicates stage by stage; a later stage sees only what the earlier ones left."""
    count = len(keys.lengths)
    decision = Decision(np.zeros(count, np.int8), np.arange(count), np.ones(count, np.float32), keys.column("size"), {})
    for stage in barrier:
        alive = (decision.stage == 0) & ~keys.gone
        roots = _exact(keys, alive, settings.exact) if stage == "exact" else near_roots(alive)
        kept = choose_kept(roots, *_ranked(keys, alive, stage, getattr(settings, stage)), keys.lengths, keys.ids)
        if keys.old:  # they come first, so one of them is the root of every cluster that has one
            kept = np.where(roots < keys.old, roots, kept)
            kept[: keys.old] = np.arange(keys.old)
        del roots
        rows = np.flatnonzero(kept != np.arange(count))
        decision.stage[rows] = STAGE_CODES[stage]
        decision.kept[rows] = kept[rows]
        if stage == "near":
            decision.jaccard[rows] = similarity(keys, rows, kept[rows])
        np.add.at(decision.size, kept[rows], decision.size[rows])
        decision.clusters[stage] = _cluster_table(stage, keys, rows, kept[rows], decision.jaccard[rows])
    return decision


def _ranked(keys: Keys, alive: np.ndarray, stage: str, survivor: Survivor) -> tuple[Survivor, np.ndarray | None]:
    """The policy of a stage, and the ranks that it asks for."""
    if survivor.ranking is None:
        return survivor, None
    rank = keys.ranks(stage)
    alive = alive[keys.old :]
    if alive.any() and (rank[keys.old :][alive] == WORST).all():
        what = f"a number in column {survivor.score!r}" if survivor.keep == "score" else f"one of the sources {', '.join(survivor.sources)}"
        raise DuplicatesError(f"{stage}: keep: {survivor.keep}: no document has {what}; correct the name, or choose another policy")
    return survivor, rank


def _exact(keys: Keys, alive: np.ndarray, settings: ExactSettings) -> np.ndarray:
    """The cluster of each row, as its first member."""
    hashes, has_all = keys.hashes()
    if alive.any() and not has_all[alive].any():
        raise DuplicatesError(f"exact: by: no document has a value in {' and '.join(settings.columns)}; correct the name, or leave exact out")
    return find_exact(hashes, has_all & alive)


def similarity(keys: Keys, rows: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Estimated Jaccard similarity (float32) of `rows`, in order, to the rows kept in their place.

    Signatures are read twice: those of kept rows go to a file that has no name, then each row is compared with its own."""
    leaders, found = np.unique(kept), np.ones(len(rows), np.float32)
    if not len(rows):
        return found
    with TemporaryFile(dir=keys.files[0].parent) as file:
        for first, signature in keys.signature_batches():
            begin, end = np.searchsorted(leaders, [first, first + len(signature)])
            file.write(np.ascontiguousarray(signature[leaders[begin:end] - first]))
        file.flush()
        theirs = np.memmap(file, signature.dtype, "r", shape=(len(leaders), signature.shape[1]))
        for first, signature in keys.signature_batches():
            begin, end = np.searchsorted(rows, [first, first + len(signature)])
            found[begin:end] = estimated_jaccard(signature[rows[begin:end] - first], theirs[np.searchsorted(leaders, kept[begin:end])])
    return found


def _cluster_table(stage: str, keys: Keys, rows: np.ndarray, kept: np.ndarray, jaccard: np.ndarray) -> pa.Table:
    """Members of every cluster of two or more: ordered by the kept row, the kept one first, then by row."""
    leaders, sizes = np.unique(kept, return_counts=True)
    members, their_kept = np.concatenate([rows, leaders]), np.concatenate([kept, leaders])
    jaccard = np.concatenate([jaccard, np.ones(len(leaders), np.float32)])
    order = np.lexsort((members, members != their_kept, their_kept))
    members, their_kept = members[order], their_kept[order]
    place = np.searchsorted(leaders, their_kept)
    kept_names = keys.ids(leaders).take(pa.array(place))
    columns = [
        pa.array([stage] * len(members), pa.string()), kept_names, pa.array(sizes[place] + 1, pa.int64()), keys.ids(members), kept_names,
        pa.array(members == their_kept), pa.array(jaccard[order], pa.float32()),
    ]  # fmt: skip
    return pa.table(columns, schema=CLUSTER)


def write_decision(decision: Decision, keys: Keys, output: Path, drops: Sequence[str]) -> dict[str, dict]:
    """Write drops (one file a shard) and clusters (one file a stage); returns the manifest's outputs."""
    outputs = {}
    dropped = np.flatnonzero(decision.stage)
    names = keys.ids(decision.kept[dropped])
    first_row = keys.first_row[len(keys.first_row) - 1 - len(drops) :]  # those of earlier runs get none
    for number, path in enumerate(drops):
        rows = slice(int(first_row[number]), int(first_row[number + 1]))
        begin, end = np.searchsorted(dropped, [rows.start, rows.stop])
        stays = decision.stage[rows] == 0
        places = np.where(stays, 0, np.cumsum(~stays) - 1)
        kept_ids = names.slice(begin, end - begin).take(pa.array(places, mask=stays))
        table = pa.table([decision.stage[rows], kept_ids, decision.jaccard[rows], decision.size[rows]], schema=DROPS)
        outputs[path] = _write(output / path, table)
    for stage, table in decision.clusters.items():
        path = f"clusters/{stage}.parquet"
        outputs[path] = _write(output / path, table)
    return outputs


def _write(path: Path, table: pa.Table) -> dict[str, Any]:
    writer = ShardWriter(path)
    writer.write(table)
    entry = writer.close()
    assert entry is not None
    return entry
