"""Documents to look at: ten that each rule removed and ten that it nearly removed, edits, duplicates, quarantined records.

Each is chosen with a seed from the shards that the report looks into. Columns that choose are read first; then the text
of those row groups that hold a chosen document, one at a time.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.reports.shard_choice import SEED, Shards, row_groups

SHOWN = 10  # documents of each kind
TEXT_CHARACTERS = 1500  # shown of a document
EDIT_CHARACTERS = 300
RAW_BYTES = 300
CAUSE_SHOWN = 3
DUPLICATES_SHOWN = 5
_SHOWN_COLUMNS = ("id", "url", "source", "lang", "text", "stage", "reason", "hits", "kept_id")

Place = tuple[Path, int, int]  # file, row group, row


class Lowest:
    """Of the rows seen of each group, those with the lowest random numbers: a sample of all, whatever their number."""

    def __init__(self, wanted: int):
        self.wanted = wanted
        self._found: dict[str, list[tuple[float, Place]]] = defaultdict(list)

    def add(self, groups: pa.ChunkedArray, path: Path, row_group: int) -> None:
        """Rows of one row group; `groups` [rows] says which group each belongs to (null: none)."""
        draw = np.random.default_rng([SEED, row_group, zlib.crc32(path.name.encode())]).random(len(groups))
        encoded = pc.dictionary_encode(groups).combine_chunks() if len(groups) else None
        if encoded is None:
            return
        codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
        for code, name in enumerate(encoded.dictionary.to_pylist()):
            rows = np.flatnonzero(codes == code)
            rows = rows[np.argsort(draw[rows], kind="stable")[: self.wanted]]
            merged = self._found[name] + [(float(draw[row]), (path, row_group, int(row))) for row in rows]
            self._found[name] = sorted(merged, key=lambda item: (item[0], str(item[1])))[: self.wanted]

    def places(self) -> dict[str, list[Place]]:
        return {name: [place for _, place in found] for name, found in sorted(self._found.items())}


def rows_at(places: Sequence[Place], columns: Sequence[str]) -> dict[Place, dict[str, Any]]:
    """The rows at `places`; each row group is read once, and as many as there are processors are in memory together."""
    wanted: dict[tuple[Path, int], list[int]] = defaultdict(list)
    for path, group, row in places:
        wanted[path, group].append(row)
    order = sorted(wanted.items())
    with ThreadPoolExecutor(pa.cpu_count()) as threads:
        read = threads.map(lambda item: _rows_of(*item[0], item[1], columns), order)
        return {(path, group, row): said for ((path, group), rows), found in zip(order, read) for row, said in zip(rows, found)}


def _rows_of(path: Path, group: int, rows: Sequence[int], columns: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of one row group, with those of `columns` that the file has."""
    with pq.ParquetFile(path) as file:
        have = [name for name in columns if name in file.schema_arrow.names]
        return file.read_row_group(group, columns=have).take(pa.array(rows)).to_pylist()


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """What is shown of a document: the beginning of its text, and how long it is."""
    text = row.get("text") or ""
    kept = {name: row.get(name) for name in ("id", "url", "lang", "stage", "reason", "kept_id")}
    hits = [{k: hit[k] for k in ("rule", "action", "signal", "value", "comparison", "threshold")} for hit in row.get("hits") or []]
    return {**kept, "characters": len(text), "text": text[:TEXT_CHARACTERS], "hits": hits[:SHOWN]}


def removed_documents(shards: Shards) -> dict[str, list[dict[str, Any]]]:
    """By reason, documents that were removed for it."""
    lowest = Lowest(SHOWN)
    for path in shards.paths("removed", [*shards.chosen, *shards.extra]):
        for group, table in row_groups(path, ["reason"]):
            lowest.add(table["reason"], path, group)
    places = lowest.places()
    rows = rows_at([place for some in places.values() for place in some], _SHOWN_COLUMNS)
    return {reason: [shown(rows[place]) for place in some] for reason, some in places.items()}


def edited_lines(shards: Shards) -> dict[str, list[dict[str, Any]]]:
    """By rule, lines that it changed, as they were and as they are (None: gone)."""
    lowest = Lowest(SHOWN)
    for path in shards.paths("edits"):
        for group, table in row_groups(path, ["rule"]):
            lowest.add(table["rule"], path, group)
    places = lowest.places()
    rows = rows_at([place for some in places.values() for place in some], ("id", "line", "before", "after"))
    return {rule: [_edit(rows[place]) for place in some] for rule, some in places.items()}


def _edit(row: dict[str, Any]) -> dict[str, Any]:
    after = row["after"]
    return {"id": row["id"], "line": row["line"], "before": (row["before"] or "")[:EDIT_CHARACTERS], "after": None if after is None else after[:EDIT_CHARACTERS]}


def quarantined_records(shards: Shards) -> dict[str, list[dict[str, Any]]]:
    """By cause, records that could not be read: where they are, what was wrong, how they begin."""
    lowest = Lowest(CAUSE_SHOWN)
    every = list(shards.files["quarantine"])[: 4 * CAUSE_SHOWN]
    for path in shards.paths("quarantine", sorted({*shards.chosen, *every})):
        for group, table in row_groups(path, ["cause"]):
            lowest.add(table["cause"], path, group)
    places = lowest.places()
    rows = rows_at([place for some in places.values() for place in some], ("id", "source", "record", "cause", "error", "raw"))
    return {cause: [_record(rows[place]) for place in some] for cause, some in places.items()}


def _record(row: dict[str, Any]) -> dict[str, Any]:
    raw = (row["raw"] or b"")[:RAW_BYTES].decode("utf-8", "replace")
    return {"id": row["id"], "source": row["source"], "record": row["record"], "error": (row["error"] or "")[:EDIT_CHARACTERS], "raw": raw}


def by_id(shards: Shards, wanted: dict[str, set[str]]) -> dict[str, dict[str, Any]]:
    """Documents by their id, where `wanted` names the ids of each shard; what became of them is in `fate`."""
    found: dict[str, Place] = {}
    for shard, ids in sorted(wanted.items()):
        for folder in ("clean", "removed"):
            for path in shards.paths(folder, [shard]):
                for group, table in row_groups(path, ["id"]):
                    hit = np.flatnonzero(pc.is_in(table["id"], pa.array(sorted(ids), pa.string())).to_numpy(zero_copy_only=False))
                    for row in hit:
                        found.setdefault(table["id"][int(row)].as_py(), (path, group, int(row)))
    rows = rows_at(list(found.values()), _SHOWN_COLUMNS)
    return {name: shown(rows[place]) for name, place in found.items()}


def duplicate_examples(shards: Shards, removed: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """By stage, removed duplicates of the sample beside the document that was kept, where its shard was looked into."""
    some: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for documents in removed.values():
        for document in documents:
            if document.get("kept_id") and len(some[document["stage"]]) < DUPLICATES_SHOWN:
                some[document["stage"]].append(document)
    ids = {document["kept_id"] for documents in some.values() for document in documents}
    kept = by_id(shards, {shard: ids for shard in shards.chosen}) if ids else {}
    return {stage: [{"removed": document, "kept": kept.get(document["kept_id"])} for document in documents] for stage, documents in some.items()}
