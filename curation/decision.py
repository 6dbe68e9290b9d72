"""The decision about duplicates over the keys of all shards: stage by stage, which rows go and which one stays for them.

No text is read. Of many documents no signature is held: numbers of a few bytes a document (memory.py), and the ids of cluster
members alone. Keys of a few are held whole: each file is read once. Rows are numbered through all shards, in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.document import CLUSTER
from curation.duplicates import DROPS, HASHES, STAGE_CODES, DuplicatesError, unpacked
from curation.minhash import estimated_jaccard
from curation.shards import ShardWriter
from curation.stages.exact import ExactSettings, find_exact
from curation.survivors import WORST, Survivor, choose_kept

WRITERS = 4  # files that are written beside each other


@dataclass
class Keys:
    """The keys of every document, in the order of the shards."""

    files: list[Path]
    first_row: np.ndarray  # int64 [shards + 1]
    lengths: np.ndarray  # int64 [rows]
    gone: np.ndarray  # bool [rows]: rows of earlier runs that take no part, because these did not keep them
    old: int = 0  # the first rows are of earlier runs: they stay, whatever the policy
    held: list[pa.Table] | None = None  # all columns of every file, where they are few

    def read(self, number: int, *names: str) -> pa.Table:
        """Columns of one file."""
        return self.held[number].select(names) if self.held else _read(self.files[number], names)

    def column(self, name: str) -> np.ndarray:
        return np.concatenate([self.read(n, name)[name].to_numpy() for n in range(len(self.files))])

    def ranks(self, stage: str) -> np.ndarray:
        """The ranks of a stage; rows of earlier runs need none."""
        name = f"rank_{stage}"
        found = [self.read(n, name)[name].to_numpy() for n, first in enumerate(self.first_row[:-1]) if first >= self.old]
        return np.concatenate([np.full(self.old, WORST), *found])

    def hashes(self) -> tuple[np.ndarray, np.ndarray]:
        """128 bits of every document (uint64 [rows, 2]) and which documents have them (bool [rows])."""
        tables = [self.read(n, *HASHES) for n in range(len(self.files))]
        halves = [np.concatenate([pc.fill_null(t[name], 0).to_numpy() for t in tables]) for name in HASHES]
        return np.stack(halves, axis=1), np.concatenate([pc.is_valid(t[HASHES[0]]).to_numpy() for t in tables])

    def ids(self, rows: np.ndarray) -> pa.Array:
        """The ids of `rows` (int64), in their order; the ids of one shard are in memory at a time."""
        order = np.argsort(rows, kind="stable")
        ordered, parts = rows[order], []
        for number, (first, end) in enumerate(zip(self.first_row, self.first_row[1:])):
            begin, stop = np.searchsorted(ordered, [first, end])
            if begin < stop:
                parts.append(self.read(number, "id")["id"].take(pa.array(ordered[begin:stop] - first)).combine_chunks())
        places = np.empty(len(rows), np.int64)
        places[order] = np.arange(len(rows))
        return pa.concat_arrays(parts).take(pa.array(places)) if parts else pa.array([], pa.string())

    def signature_batches(self) -> Iterator[tuple[int, np.ndarray]]:
        """(first row, signatures [n, hashes]), of files that are not held row group by row group."""
        for number, (file, first) in enumerate(zip(self.files, self.first_row)):
            some = signatures_of(file) if self.held is None else [(0, unpacked(self.held[number]["signature"]))]
            yield from ((int(first) + row, signature) for row, signature in some if len(signature))


def signatures_of(file: Path) -> Iterator[tuple[int, np.ndarray]]:
    """(first row in the file, signatures [n, hashes]) row group by row group."""
    with pq.ParquetFile(file) as parquet:
        row = 0
        for group in range(parquet.num_row_groups):
            table = parquet.read_row_group(group, columns=["signature"])
            if len(table):
                yield row, unpacked(table["signature"])
            row += len(table)


def _read(file: Path, names: Sequence[str] | None) -> pa.Table:
    with pa.OSFile(str(file)) as source, pq.ParquetFile(source) as parquet:
        return parquet.read(None if names is None else list(names))


def open_keys(files: Sequence[Path], stayed: Sequence[np.ndarray] = (), hold: bool = False) -> Keys:
    """The keys of `files`; `stayed`: of those of earlier runs, which come first, which rows they kept; `hold`: all of them."""
    with ThreadPoolExecutor(pa.cpu_count()) as threads:
        tables = list(threads.map(lambda file: _read(file, None if hold else ["length"]), files))
    lengths = [table["length"].to_numpy() for table in tables]
    first_row = np.concatenate([[0], np.cumsum([len(some) for some in lengths])]).astype(np.int64)
    old = int(first_row[len(stayed)])
    gone = np.concatenate([np.zeros(0, bool), *[~rows for rows in stayed], np.zeros(int(first_row[-1]) - old, bool)])
    return Keys(list(files), first_row, np.concatenate(lengths), gone, old, tables if hold else None)


@dataclass
class Decision:
    """What the barrier decided about all rows."""

    stage: np.ndarray  # int8 [rows]: 0 stays, else STAGE_CODES
    kept: np.ndarray  # int64 [rows]: the row that was kept in its place (itself when it stays)
    jaccard: np.ndarray  # float32 [rows]: similarity to the kept row
    size: np.ndarray  # int64 [rows]: how many documents a row that stays stands for
    clusters: dict[str, pa.Table]  # a table in CLUSTER columns per stage
    kept_ids: dict[str, pa.Array]  # per stage, of the rows that it decided against, in order


NearRoots = Callable[[np.ndarray], np.ndarray]  # the cluster of every row (int64), of those that take part (bool)


def decide(keys: Keys, settings: Any, barrier: Sequence[str], near_roots: NearRoots) -> Decision:
    """Find duplicates stage by stage; a later stage sees only what the earlier ones left."""
    count = len(keys.lengths)
    decision = Decision(np.zeros(count, np.int8), np.arange(count), np.ones(count, np.float32), keys.column("size"), {}, {})
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
        decision.clusters[stage], decision.kept_ids[stage] = _clusters(stage, keys, rows, kept[rows], decision.jaccard[rows])
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

    Signatures that are not held are read twice: those of kept rows go to a file that has no name, then each row is compared
    with its own."""
    (leaders, places), found = np.unique(kept, return_inverse=True), np.ones(len(rows), np.float32)
    if not len(rows):
        return found
    with TemporaryFile(dir=keys.files[0].parent) if keys.held is None else nullcontext() as file:
        theirs = _signatures_at(keys, leaders, file)
        for first, signature in keys.signature_batches():
            begin, end = np.searchsorted(rows, [first, first + len(signature)])
            found[begin:end] = estimated_jaccard(signature[rows[begin:end] - first], theirs[places[begin:end]])
    return found


def _signatures_at(keys: Keys, rows: np.ndarray, file: Any | None) -> np.ndarray:
    """Signatures [rows, hashes] of `rows`, in order; `file`: where they are put, other than in memory."""
    parts, width, kind = [], 0, np.dtype(np.uint64)
    for first, signature in keys.signature_batches():
        begin, end = np.searchsorted(rows, [first, first + len(signature)])
        width, kind = signature.shape[1], signature.dtype
        some = np.ascontiguousarray(signature[rows[begin:end] - first])
        parts.append(some) if file is None else file.write(some)
    if file is None:
        return np.concatenate(parts)
    file.flush()
    return np.memmap(file, kind, "r", shape=(len(rows), width))


def _clusters(stage: str, keys: Keys, rows: np.ndarray, kept: np.ndarray, jaccard: np.ndarray) -> tuple[pa.Table, pa.Array]:
    """Members of every cluster of two or more, ordered by the kept row, the kept one first, then by row; and the ids of the
    documents `kept` in place of `rows`."""
    leaders, place_of_kept, sizes = np.unique(kept, return_inverse=True, return_counts=True)
    members, their_kept = np.concatenate([rows, leaders]), np.concatenate([kept, leaders])
    jaccard = np.concatenate([jaccard, np.ones(len(leaders), np.float32)])
    order = np.lexsort((members, members != their_kept, their_kept))
    members, their_kept = members[order], their_kept[order]
    place, names = np.searchsorted(leaders, their_kept), keys.ids(members)
    leader_names = names.filter(pa.array(members == their_kept))
    kept_names = leader_names.take(pa.array(place))
    columns = [
        pa.array([stage] * len(members), pa.string()), kept_names, pa.array(sizes[place] + 1, pa.int64()), names, kept_names,
        pa.array(members == their_kept), pa.array(jaccard[order], pa.float32()),
    ]  # fmt: skip
    return pa.table(columns, schema=CLUSTER), leader_names.take(pa.array(place_of_kept))


def write_decision(decision: Decision, keys: Keys, output: Path, drops: Sequence[str]) -> dict[str, dict]:
    """Write drops (one file a shard) and clusters (one file a stage), some beside each other: what takes time is that they are
    synced. Returns the manifest's outputs."""
    dropped, names = np.flatnonzero(decision.stage), _kept_ids(decision)
    first_row = keys.first_row[len(keys.first_row) - 1 - len(drops) :]  # those of earlier runs get none

    def drops_of(number: int) -> pa.Table:
        rows = slice(int(first_row[number]), int(first_row[number + 1]))
        begin, end = np.searchsorted(dropped, [rows.start, rows.stop])
        stays = decision.stage[rows] == 0
        places = np.where(stays, 0, np.cumsum(~stays) - 1)
        kept_ids = names.slice(begin, end - begin).take(pa.array(places, mask=stays))
        return pa.table([decision.stage[rows], kept_ids, decision.jaccard[rows], decision.size[rows]], schema=DROPS)

    with ThreadPoolExecutor(WRITERS) as threads:
        outputs = dict(zip(drops, threads.map(lambda number: _write(output / drops[number], drops_of(number)), range(len(drops)))))
        paths = {f"clusters/{stage}.parquet": table for stage, table in decision.clusters.items()}
        return outputs | dict(zip(paths, threads.map(lambda path: _write(output / path, paths[path]), paths)))


def _kept_ids(decision: Decision) -> pa.Array:
    """Of all rows that some stage decided against, in order, the ids of the documents kept in their place."""
    rows = [np.flatnonzero(decision.stage == STAGE_CODES[stage]) for stage in decision.kept_ids]
    names = [some.cast(pa.string()) for some in decision.kept_ids.values()]
    return pa.concat_arrays([pa.array([], pa.string()), *names]).take(pa.array(np.argsort(np.concatenate([np.zeros(0, np.int64), *rows]), kind="stable")))


def _write(path: Path, table: pa.Table) -> dict[str, Any]:
    writer = ShardWriter(path)
    try:
        writer.write(table)
        entry = writer.close()
    except BaseException:
        writer.abandon()
        raise
    assert entry is not None
    return entry
