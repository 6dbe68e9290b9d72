"""What a mixture is made of: the documents of each source or language packed apart by one tokenizer, small groups together.

    groups-*/00.parquet   the documents of a group; 00/ a run directory with its packed/
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.ablate.arms import Arm, Workshop, read_as_they_are
from curation.ablate.documents import COLUMNS, read_tables
from curation.document import GROUP_COLUMNS
from curation.pack_settings import PackSettings
from curation.sampling import is_held_out
from curation.shards import whole_file
from curation.stages.pack import fit_tokenizer
from train.config import TrainError
from train.handoff import open_split

if TYPE_CHECKING:
    from curation.ablate.mix import Mix

OTHER, NONE = "(other)", "(none)"
MOST_GROUPS = 20


@dataclass(frozen=True)
class Group:
    """The documents of a source, packed."""

    name: str
    packed: Path
    rows: int
    frac: float  # of all training rows


@dataclass
class Size:
    """How much text a source has: bytes, and documents that are trained on and held out."""

    bytes: int = 0
    train: int = 0
    held_out: int = 0

    @property
    def is_enough(self) -> bool:
        return self.train > 0 and self.held_out > 0


@dataclass(frozen=True)
class Choice:
    """Names by group, the largest first, the small ones under OTHER; and documents of those that are in no group."""

    groups: dict[str, list[str]]
    left_out: dict[str, int]


def mix_groups(shop: Workshop, found: Mix, arm: Arm) -> tuple[list[Group], dict[str, int]]:
    """The groups of the documents of `arm`, and how many documents of which names are left out. Raises TrainError where
    there are fewer than two."""
    settings = found.settings
    column = GROUP_COLUMNS[settings.by]
    sizes = _sizes(arm.files, column, settings.judge.held_out)
    chosen = choose_groups(sizes)
    if len(chosen.groups) < 2:
        raise TrainError(_nothing_to_mix(settings.by, sizes))
    identity = hashlib.sha256(json.dumps([arm.checksums, settings.by, settings.tokenizer, settings.vocab_size, chosen.groups]).encode()).hexdigest()[:12]
    folder = shop.folder / f"groups-{identity}"
    tokenizer = folder / "tokenizer.json"
    if not tokenizer.exists():
        named = found.folder / settings.tokenizer if settings.tokenizer else None
        fit_tokenizer(arm.files, PackSettings(tokenizer=named, vocab_size=settings.vocab_size), tokenizer)
    pack = PackSettings(tokenizer=tokenizer, sequence_length=settings.sequence_length, held_out=settings.judge.held_out)
    packed = {}
    for number, (name, names) in enumerate(chosen.groups.items()):
        file = folder / f"{number:02d}.parquet"
        if not file.exists():
            _write_group(arm.files, column, names, file)
        packed[name] = read_as_they_are(shop, name, (str(file),), folder / f"{number:02d}", pack).job.output / "packed"
    rows = {name: len(open_split(place, "train")) for name, place in packed.items()}
    return [Group(name, packed[name], rows[name], rows[name] / sum(rows.values())) for name in packed], chosen.left_out


def choose_groups(sizes: Mapping[str, Size], most: int = MOST_GROUPS) -> Choice:
    """The largest names with documents to train on and to hold out are groups of their own; the others together are one, if it
    has both, and are left out if not."""
    names = sorted(sizes, key=lambda name: (-sizes[name].bytes, name))
    able = [name for name in names if sizes[name].is_enough]
    own = able if len(able) == len(names) <= most else able[: most - 1]
    rest = [name for name in names if name not in own]
    groups = {name: [name] for name in own}
    if not rest:
        return Choice(groups, {})
    together = Size(0, sum(sizes[name].train for name in rest), sum(sizes[name].held_out for name in rest))
    if together.is_enough:
        return Choice(groups | {OTHER: rest}, {})
    return Choice(groups, {name: sizes[name].train + sizes[name].held_out for name in rest})


def _nothing_to_mix(by: str, sizes: Mapping[str, Size]) -> str:
    if len(sizes) < 2:
        return f"all documents have the same {by} ({', '.join(sizes)}): there is nothing to mix."
    each = ", ".join(f"{name}: {size.train} and {size.held_out}" for name, size in list(sizes.items())[:10])
    return f"fewer than two groups by {by} have documents both to train on and to hold out ({each}). Change judge: {{held_out: ...}}, or name more documents."


def _sizes(files: Sequence[Path], column: str, held_out: float) -> dict[str, Size]:
    """By name; documents without text are in no group."""
    found: dict[str, Size] = {}
    for table in read_tables(files):
        size = pc.fill_null(pc.binary_length(table["text"]), 0)
        held = pa.array(is_held_out(table["id"], held_out)).cast(pa.int64())
        counted = pa.table({"name": pc.fill_null(table[column], NONE), "bytes": size, "held": held}).filter(pc.greater(size, 0))
        for row in counted.group_by("name").aggregate([("bytes", "sum"), ("held", "sum"), ("held", "count")]).to_pylist():
            one = found.setdefault(row["name"], Size())
            one.bytes += row["bytes_sum"]
            one.held_out += row["held_sum"]
            one.train += row["held_count"] - row["held_sum"]
    return found


def _write_group(files: Sequence[Path], column: str, names: Sequence[str], path: Path) -> None:
    schema = pa.schema([("id", pa.string()), ("text", pa.large_string()), ("source", pa.string()), ("lang", pa.string())])
    with whole_file(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for table in _tables_of(files, column, names):
            writer.write_table(table.select(COLUMNS).cast(schema))


def _tables_of(files: Sequence[Path], column: str, names: Sequence[str]) -> Iterator[pa.Table]:
    for table in read_tables(files):
        chosen = table.filter(pc.is_in(pc.fill_null(table[column], NONE), pa.array(names)))
        if len(chosen):
            yield chosen
