"""A sample of a finished run: documents of clean/ and removed/, with the texts that the rules met.

Row groups are drawn at random, each as likely as it is long, and as many documents of each as its share; then the texts
that rules changed are looked up in what the rules stage kept of them. A document that is in no file of the run (it was
quarantined) cannot be drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.document import REMOVAL
from curation.pass_plan import WORK
from curation.run_directory import RunDirectoryError
from curation.sample import Stratum, stratified_rows

_MOST_GROUPS = 64  # row groups that are read
_STRATA_FACTOR = 4
FATE = ["stage", "reason"]


@dataclass(frozen=True)
class _Group:
    """A row group of a file of the run."""

    path: Path
    number: int
    rows: int

    @property
    def shard(self) -> str:
        return self.path.stem.rpartition("-")[2]


def draw_run(output: Path, size: int, seed: int, stratify: Stratum | None = None) -> tuple[pa.Table, int]:
    """About `size` documents of a run, and how many it has. Columns as in clean/, then stage and reason (null: kept)."""
    groups = [_Group(path, number, rows) for folder in ("clean", "removed") for path in sorted((output / folder).glob("*.parquet")) for number, rows in _row_groups(path)]
    total = sum(group.rows for group in groups)
    if not total:
        raise RunDirectoryError(f"{str(output)!r} has no documents in clean/ or removed/; run the job to its end first")
    rng = np.random.default_rng(seed)
    wanted = min(total, size * _STRATA_FACTOR if stratify else size)
    parts = [_rows_of(group, count, rng) for group, count in _shares(groups, wanted, rng)]
    documents = pa.concat_tables(parts, promote_options="permissive")
    if stratify and len(documents) > size:
        documents = documents.take(pa.array(stratified_rows(documents[stratify], size, rng)))
    return _with_texts_before(documents, output).drop_columns(["shard"]), total


def _row_groups(path: Path) -> list[tuple[int, int]]:
    footer = pq.read_metadata(path)
    return [(number, footer.row_group(number).num_rows) for number in range(footer.num_row_groups)]


def _shares(groups: list[_Group], wanted: int, rng: np.random.Generator) -> list[tuple[_Group, int]]:
    """Some row groups, each as likely as it is long, and how many documents to take of each: `wanted` in all where they have them."""
    sizes = np.array([group.rows for group in groups], np.int64)
    if len(groups) > _MOST_GROUPS:
        chosen = rng.choice(len(groups), min(_MOST_GROUPS, int((sizes > 0).sum())), replace=False, p=sizes / sizes.sum())
        groups, sizes = [groups[i] for i in np.sort(chosen)], sizes[np.sort(chosen)]
    counts = rng.multivariate_hypergeometric(sizes, min(wanted, int(sizes.sum())), method="marginals")
    return [(group, int(count)) for group, count in zip(groups, counts) if count]


def _rows_of(group: _Group, count: int, rng: np.random.Generator) -> pa.Table:
    rows = np.sort(rng.choice(group.rows, count, replace=False))
    with pq.ParquetFile(group.path) as file:
        table = file.read_row_group(group.number).take(pa.array(rows))
    for name in FATE:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(len(table), pa.string()))
    table = table.drop_columns([name for name, _ in REMOVAL if name not in FATE and name in table.column_names])
    return table.append_column("shard", pa.array([group.shard] * len(table), pa.string()))


def _with_texts_before(documents: pa.Table, output: Path) -> pa.Table:
    """Documents with the texts that they had before the rules changed them."""
    ids, texts = [], []
    for shard in documents["shard"].unique().to_pylist():
        mine = documents.filter(pc.and_(pc.equal(documents["shard"], shard), pc.not_equal(pc.fill_null(documents["stage"], ""), "rules")))
        for before in (output / WORK).glob(f"pass*/{shard}.before.parquet"):
            rows = pq.read_table(before, columns=["row"])["row"]
            names = pq.read_table(output / "signals" / f"{before.parent.name}-{shard}.parquet", columns=["id"])["id"].take(rows)
            found = pc.is_in(names, value_set=mine["id"].combine_chunks())
            ids.append(names.filter(found).combine_chunks())
            texts.append(pq.read_table(before, columns=["text"])["text"].filter(found).combine_chunks())
    if not ids or not sum(map(len, ids)):
        return documents
    edited = pc.and_(pc.is_in(documents["id"], value_set=pa.concat_arrays(ids)), pc.not_equal(pc.fill_null(documents["stage"], ""), "rules"))
    place = pc.index_in(documents["id"].filter(edited), value_set=pa.concat_arrays(ids))
    old = pa.concat_arrays(texts).take(place.combine_chunks() if isinstance(place, pa.ChunkedArray) else place)
    whole = documents["text"].cast(pa.large_string()).combine_chunks()
    mask = edited.combine_chunks() if isinstance(edited, pa.ChunkedArray) else edited
    return documents.set_column(documents.column_names.index("text"), "text", pc.replace_with_mask(whole, mask, old))
