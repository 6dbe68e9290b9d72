"""Ids that more than one document has: counted, told in the report, and nothing else, for nothing depends on them.

    .work/pass0/SHARD.ids   the first pass writes a hash of the id of every document it reads: 8 bytes a document
    ids                     all of them are sorted, and those that occur again are counted

Documents with the same id all stay (or go, each for its own reason): a row is told from another by where it lies. A hash
has 64 bits: of a billion different ids, three in a hundred corpora have one pair that would be told as the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation.manifest import Entry, key_of
from curation.progress import Work
from curation.run_state import RunState
from curation.shards import file_sha256, whole_file
from curation.stages.exact import text_hashes

UNIT, TITLE = "ids", "compare ids"
SUFFIX = ".ids"
MOST_AT_ONCE = 1 << 25  # ids that are sorted together: 512 MiB with what sorting takes
EXAMPLES = 5


def id_hashes(ids: pa.ChunkedArray) -> np.ndarray:
    """A hash of each id (uint64)."""
    return np.ascontiguousarray(text_hashes(ids, normalise=False)[:, 0])


class IdWriter:
    """The hashes of the ids of a shard, batch by batch; nothing exists at `path` until `close`."""

    def __init__(self, path: Path):
        self.path, self.rows = path, 0
        self._parts: list[np.ndarray] = []

    def write(self, ids: pa.ChunkedArray) -> None:
        self._parts.append(id_hashes(ids))
        self.rows += len(ids)

    def close(self) -> dict[str, Any]:
        with whole_file(self.path) as temporary:
            np.concatenate([np.zeros(0, np.uint64), *self._parts]).tofile(temporary)
        return {"rows": self.rows, "bytes": self.path.stat().st_size, "sha256": file_sha256(self.path)}

    def abandon(self) -> None:
        self._parts.clear()


def count_ids(run: RunState, passes: Iterable[Entry]) -> Entry:
    """Count the ids that occur more than once; `passes`: the entries of the first pass."""
    files = {path: out["sha256"] for entry in passes for path, out in entry.outputs.items() if path.endswith(SUFFIX)}
    key = key_of(UNIT, files)
    entry = run.known(UNIT, key)
    with run.progress.stage(TITLE, [] if entry else [Work(UNIT, UNIT)], int(entry is not None)) as bar:
        if entry is None:
            hashes, counts = repeated([run.job.output / path for path in files])
            found = {"repeated_ids": len(hashes), "documents": int(counts.sum()), "examples": _named(run, hashes[:EXAMPLES])}
            entry = run.add(run.manifest.record(Entry(UNIT, key, {}, {UNIT: found})))
            bar.advance(entry)
    return entry


def repeated(files: Sequence[Path], most: int = MOST_AT_ONCE) -> tuple[np.ndarray, np.ndarray]:
    """Hashes that occur more than once in all `files` together (uint64, ascending), and how often each does (int64)."""
    total = sum(file.stat().st_size for file in files) // 8
    parts = -(-total // most) or 1
    edges = [(1 << 64) * part // parts for part in range(parts)] + [(1 << 64) - 1]
    hashes, counts = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    for low, high in zip(edges, edges[1:]):
        found, often = np.unique(_between(files, low, high, high == edges[-1]), return_counts=True)
        hashes.append(found[often > 1])
        counts.append(often[often > 1])
    return np.concatenate(hashes), np.concatenate(counts)


def _between(files: Sequence[Path], low: int, high: int, closed: bool) -> np.ndarray:
    """All hashes from `low` to below `high`, or to `high` itself where `closed`."""
    taken = [np.zeros(0, np.uint64)]
    for file in files:
        hashes = np.fromfile(file, np.uint64)
        taken.append(hashes[(hashes >= np.uint64(low)) & ((hashes <= np.uint64(high)) if closed else (hashes < np.uint64(high)))])
    return np.concatenate(taken)


def _named(run: RunState, hashes: np.ndarray) -> list[str]:
    """The ids with these hashes, found in what was kept and removed."""
    names: dict[int, str] = {}
    paths = sorted(path for entry in run.live.values() for path in entry.outputs if path.startswith(("clean/", "removed/")))
    for path in paths:
        if len(names) == len(hashes):
            break
        ids = pq.read_table(run.job.output / path, columns=["id"])["id"]
        found = id_hashes(ids)
        for row in np.flatnonzero(np.isin(found, hashes)):
            names[int(found[row])] = ids[int(row)].as_py()
    return sorted(names.values())


def id_warnings(counts: dict[str, Any]) -> list[str]:
    """What the report says of repeated ids; nothing where there are none."""
    if not counts.get("repeated_ids"):
        return []
    such = f", such as {', '.join(map(repr, counts['examples']))}" if counts["examples"] else ""
    return [
        f"ids: {counts['documents']:,} documents share their id with another ({counts['repeated_ids']:,} {'id' if counts['repeated_ids'] == 1 else 'ids'}{such}). "
        "All were processed and none is lost, but what is looked up by id finds the first of them"
    ]
