"""Documents to look at: ten that each rule removed and ten that it nearly removed, edits, duplicates, quarantined records.

Each is chosen with a seed from the shards that the report looks into. Columns that choose are read first; then the texts
of those row groups that hold a chosen document.
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

from curation.reports.shard_choice import SEED, SHOWN, Shards, opened, row_groups

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
        if not len(groups):
            return
        draw = np.random.default_rng([SEED, row_group, zlib.crc32(path.name.encode())]).random(len(groups))
        encoded = groups.dictionary_encode().unify_dictionaries().combine_chunks()
        names = encoded.dictionary.to_pylist()
        codes = pc.fill_null(encoded.indices, len(names)).to_numpy(zero_copy_only=False)
        rows = lowest_rows(codes, draw, len(names) + 1, self.wanted)
        for name, begin, end in zip(names, *_runs(codes[rows], len(names))):
            merged = self._found[name] + [(float(draw[row]), (path, row_group, int(row))) for row in rows[begin : min(end, begin + self.wanted)]]
            self._found[name] = sorted(merged, key=lambda item: (item[0], str(item[1])))[: self.wanted]

    def places(self) -> dict[str, list[Place]]:
        return {name: [place for _, place in found] for name, found in sorted(self._found.items())}


def lowest_rows(codes: np.ndarray, draw: np.ndarray, groups: int, wanted: int) -> np.ndarray:
    """Rows (int64) that hold at least the `wanted` lowest numbers of each group, ordered by group and then by number.

    `codes`: int [rows], the group of each; `draw`: float64 [rows], uniform in 0 to 1. Only rows below a bound are sorted, which
    eight times as many of each group are expected to be; where too few are, all of them."""
    sizes = np.bincount(codes, minlength=groups)
    bound = 8 * wanted / np.maximum(sizes, 1)
    rows = np.flatnonzero(draw < bound[codes])
    if (np.bincount(codes[rows], minlength=groups) < np.minimum(sizes, wanted)).any():
        rows = np.arange(len(codes))
    return rows[np.lexsort((draw[rows], codes[rows]))]


def _runs(ordered: np.ndarray, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each of `groups` begins and ends in `ordered` codes."""
    return np.searchsorted(ordered, np.arange(groups)), np.searchsorted(ordered, np.arange(groups), "right")


def rows_at(places: Sequence[Place], columns: Sequence[str], coded: Sequence[str] = ()) -> dict[Place, dict[str, Any]]:
    """The rows at `places`; each row group is read once, and as many as there are processors are in memory together. `coded`:
    columns of few different values."""
    wanted: dict[tuple[Path, int], list[int]] = defaultdict(list)
    for path, group, row in places:
        wanted[path, group].append(row)
    order = sorted(wanted.items())
    with ThreadPoolExecutor(pa.cpu_count()) as threads:
        read = threads.map(lambda item: _rows_of(*item[0], item[1], columns, coded), order)
        return {(path, group, row): said for ((path, group), rows), found in zip(order, read) for row, said in zip(rows, found)}


def _rows_of(path: Path, group: int, rows: Sequence[int], columns: Sequence[str], coded: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of one row group, with those of `columns` that the file has."""
    with opened(path, columns, coded) as (file, have):
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
    for path in shards.paths("removed", [*shards.shown, *shards.more["removed"]]):
        for group, table in row_groups(path, ["reason"], ["reason"]):
            lowest.add(table["reason"], path, group)
    places = lowest.places()
    rows = rows_at([place for some in places.values() for place in some], _SHOWN_COLUMNS)
    return {reason: [shown(rows[place]) for place in some] for reason, some in places.items()}


def edited_lines(shards: Shards) -> dict[str, list[dict[str, Any]]]:
    """By rule, lines that it changed, as they were and as they are (None: gone)."""
    lowest = Lowest(SHOWN)
    for path in shards.paths("edits", [*shards.shown, *shards.more["edits"]]):
        for group, table in row_groups(path, ["rule"], ["rule"]):
            lowest.add(table["rule"], path, group)
    places = lowest.places()
    rows = rows_at([place for some in places.values() for place in some], ("id", "line", "before", "after"), ["id"])
    return {rule: [_edit(rows[place]) for place in some] for rule, some in places.items()}


def _edit(row: dict[str, Any]) -> dict[str, Any]:
    after = row["after"]
    return {"id": row["id"], "line": row["line"], "before": (row["before"] or "")[:EDIT_CHARACTERS], "after": None if after is None else after[:EDIT_CHARACTERS]}


def quarantined_records(shards: Shards) -> dict[str, list[dict[str, Any]]]:
    """By cause, records that could not be read: where they are, what was wrong, how they begin."""
    lowest = Lowest(CAUSE_SHOWN)
    every = list(shards.files["quarantine"])[: 4 * CAUSE_SHOWN]
    for path in shards.paths("quarantine", sorted({*shards.chosen, *every})):
        for group, table in row_groups(path, ["cause"], ["cause"]):
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
        for path in (*shards.paths("clean", [shard]), *shards.paths("removed", [shard])):
            for group, table in row_groups(path, ["id"]) if not ids <= found.keys() else ():
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
