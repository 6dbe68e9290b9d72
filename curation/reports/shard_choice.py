"""Which shards a report looks into: a seeded choice, so that the report of a large run costs no more than a small one's.

Numbers come from the manifest, for all shards. What is shown of documents (samples, histograms, hosts) comes from shards
in an order given by their number and a seed, as many as hold `ROWS` documents; and for a rule that removed documents in
none of these, from others where the manifest counts some.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from curation.manifest import Entry

SEED = 1
ROWS = 50_000  # documents that a report looks at
EXTRA_SHARDS = 16  # looked into for rules that removed nothing in the others


@dataclass
class Shards:
    """The tables of a run by folder and shard, and the shards that were chosen."""

    output: Path
    files: dict[str, dict[str, list[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    rows: dict[str, int] = field(default_factory=lambda: defaultdict(int))  # documents of a shard
    chosen: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)

    @property
    def documents(self) -> int:
        """Documents of the chosen shards."""
        return sum(self.rows[shard] for shard in self.chosen)

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


def order(name: str, salt: str = "") -> bytes:
    """What puts names in an order that says nothing about them."""
    return blake2b(f"{SEED}\0{salt}\0{name}".encode("utf-8", "surrogateescape"), digest_size=8).digest()


def choose(output: Path, entries: Sequence[Entry]) -> Shards:
    """The shards that the report of `output` looks into, and more where a rule removed documents in none of them."""
    found = Shards(output)
    reasons: dict[str, dict[str, int]] = defaultdict(dict)
    for entry in entries:
        for path, out in entry.outputs.items():
            folder = path.partition("/")[0]
            if folder in ("clean", "removed", "signals", "edits", "quarantine"):
                found.files[folder][shard_of(path)].append(path)
                found.rows[shard_of(path)] += out["rows"] if folder in ("clean", "removed") else 0
        if entry.unit.startswith("pass"):
            for rule, said in entry.counts.get("rules", {}).get("rules", {}).items():
                reasons[rule][shard_of(entry.unit.replace("/", "-"))] = said["reason"]
    for shard in sorted(found.rows, key=order):
        if not found.chosen or found.documents + found.rows[shard] <= ROWS:
            found.chosen.append(shard)
    found.extra = _extra(found, reasons)
    return found


def _extra(found: Shards, reasons: dict[str, dict[str, int]]) -> list[str]:
    """Shards for the rules that are the reason of no removal in the chosen ones: for each, where it removed most."""
    extra: list[str] = []
    for by_shard in reasons.values():
        looked = [*found.chosen, *extra]
        if len(extra) < EXTRA_SHARDS and any(by_shard.values()) and not any(by_shard.get(shard) for shard in looked):
            extra.append(max(by_shard, key=lambda shard: (by_shard[shard], shard)))
    return extra


def row_groups(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
    """The row groups of a file, one in memory at a time, with those of `columns` that it has."""
    with pq.ParquetFile(path) as file:
        have = [name for name in columns if name in file.schema_arrow.names]
        for group in range(file.num_row_groups):
            yield group, file.read_row_group(group, columns=have)
