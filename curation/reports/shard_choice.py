"""Which shards a report looks into: a seeded choice, so that the report of a large run costs no more than a small one's.

Numbers come from the manifest, for all shards. Histograms and hosts come from shards in an order given by their number and
a seed, as many as hold `ROWS` documents. Texts cost most to read: documents and edits that are shown come from the first of
these shards, and for what these have too little of, from others where the manifest counts some.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from curation.manifest import Entry

SEED = 1
ROWS = 50_000  # documents that a report measures
SHOWN_ROWS, SHOWN_SHARDS = 5_000, 4  # the first shards of those, which documents are shown from: so many documents and shards
SHOWN = 10  # documents of each kind
EXTRA_SHARDS = 64  # at most, looked into for what the first shards have fewer of than are shown

Found = dict[str, dict[str, int]]  # name -> shard -> how many the manifest counts there


@dataclass
class Shards:
    """The tables of a run by folder and shard, and the shards that were chosen."""

    output: Path
    files: dict[str, dict[str, list[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    rows: dict[str, int] = field(default_factory=lambda: defaultdict(int))  # documents of a shard
    chosen: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)  # of the chosen ones, the first that are not too large together
    more: dict[str, list[str]] = field(default_factory=dict)  # folder -> shards besides, for what is rare

    @property
    def whole(self) -> bool:
        """Were all shards chosen?"""
        return len(self.chosen) == len(self.rows)

    def paths(self, folder: str, shards: Sequence[str] | None = None) -> list[Path]:
        """Files of `folder` about `shards` (the chosen ones), those that are on this machine."""
        names = [name for shard in (self.chosen if shards is None else shards) for name in sorted(self.files[folder][shard])]
        return [self.output / name for name in names if (self.output / name).exists()]


def shard_of(path: str) -> str:
    """The number of the shard that a file of the run directory is about."""
    return Path(path).stem.rpartition("-")[2]


def order(name: str) -> bytes:
    """What puts names in an order that says nothing about them."""
    return blake2b(f"{SEED}\0{name}".encode("utf-8", "surrogateescape"), digest_size=8).digest()


def choose(output: Path, entries: Sequence[Entry]) -> Shards:
    """The shards that the report of `output` looks into."""
    found = Shards(output)
    for entry in entries:
        for path, out in entry.outputs.items():
            folder = path.partition("/")[0]
            if folder in ("clean", "removed", "signals", "edits", "quarantine"):
                found.files[folder][shard_of(path)].append(path)
                found.rows[shard_of(path)] += out["rows"] if folder in ("clean", "removed") else 0
    every = sorted(found.rows, key=order)
    found.chosen = _first(found, every, ROWS)
    found.shown = _first(found, found.chosen, SHOWN_ROWS, SHOWN_SHARDS)
    removed, edited = _counts(entries)
    found.more = {"removed": _more(found.shown, every, removed), "edits": _more(found.shown, every, edited)}
    return found


def _first(shards: Shards, names: Sequence[str], rows: int, least: int = 1) -> list[str]:
    """Of `names` in their order, `least`, and those that hold no more than `rows` documents together with the ones before."""
    found: list[str] = []
    have = 0
    for name in names:
        if len(found) < least or have + shards.rows[name] <= rows:
            found.append(name)
            have += shards.rows[name]
    return found


def _counts(entries: Sequence[Entry]) -> tuple[Found, Found]:
    """By rule, or stage other than rules, how many documents it removed in each shard; by line rule, how many lines it edited."""
    removed: Found = defaultdict(Counter)
    edited: Found = defaultdict(Counter)
    for entry in entries:
        if not entry.unit.startswith("pass"):
            continue
        shard = shard_of(entry.unit.replace("/", "-"))
        for stage, said in entry.counts.items():
            if not isinstance(said, dict):
                continue
            reasons = {rule: counts["reason"] for rule, counts in said["rules"].items()} if "rules" in said else {stage: said.get("removed", 0)}
            for name, documents in reasons.items():
                removed[name][shard] += documents
            for name, counts in said.get("edits", {}).items():
                edited[name][shard] += counts["lines"]
    return removed, edited


def _more(looked: Sequence[str], every: Iterable[str], found: Found) -> list[str]:
    """Shards for names that `looked` shards have fewer than `SHOWN` of: one each first, where there is most, for those with none."""
    more: list[str] = []
    have = {name: sum(by_shard.get(shard, 0) for shard in looked) for name, by_shard in found.items()}

    def add(shard: str) -> None:
        more.append(shard)
        for name, by_shard in found.items():
            have[name] += by_shard.get(shard, 0)

    for name, by_shard in found.items():
        if len(more) < EXTRA_SHARDS and not have[name] and any(by_shard.values()):
            add(max(by_shard, key=lambda shard: (by_shard[shard], shard)))
    rare = [by_shard for name, by_shard in found.items() if have[name] < SHOWN]
    for shard in every if rare else ():
        if len(more) < EXTRA_SHARDS and shard not in looked and shard not in more and any(by_shard.get(shard) for by_shard in rare):
            add(shard)
            rare = [by_shard for name, by_shard in found.items() if have[name] < SHOWN]
    return more


def row_groups(path: Path, columns: Sequence[str], coded: Sequence[str] = ()) -> Iterator[tuple[int, pa.Table]]:
    """The row groups of a file, one in memory at a time, with those of `columns` that it has; `coded`: columns of few different
    values, read as numbers of a dictionary."""
    with opened(path, columns, coded) as (file, have):
        for group in range(file.num_row_groups):
            yield group, file.read_row_group(group, columns=have)


@contextmanager
def opened(path: Path, columns: Sequence[str], coded: Sequence[str] = ()) -> Iterator[tuple[pq.ParquetFile, list[str]]]:
    """A file of the run directory and those of `columns` that it has. By its path, Arrow would look for a file system, which takes
    as long as reading a column."""
    with pa.OSFile(str(path)) as source, pq.ParquetFile(source, read_dictionary=list(coded)) as file:
        there = set(file.schema_arrow.names)
        yield file, [name for name in columns if name in there]
