"""The numbers of shards, which name their files in a run directory: a shard keeps the one it got there.

Files that are added get the next numbers, whatever their names, so the results of the others are found again; the number
of a file that is gone is not given to another one. Nothing but names depends on numbers: shards are always taken in the
order of the input, and a fresh run numbers them in that order.

Price: one small file, shards.json, read and written once a run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from curation.inputs import Shard
from curation.shards import write_json

NUMBERS_FILE = "shards.json"

Identity = tuple[str, tuple[int, ...] | None]  # the name of the file, and which row groups of it


def number_shards(shards: Sequence[Shard], output: Path) -> list[Shard]:
    """`shards` in their order, under the numbers that they have in the run directory `output`, or get there now."""
    known = read_numbers(output)
    numbered = with_numbers(shards, known)
    rows = [{"number": number, "file": file, "row_groups": groups} for (file, groups), number in known.items()]
    write_json(output / NUMBERS_FILE, {"schema_version": 1, "shards": sorted(rows, key=lambda row: row["number"])})
    return numbered


def with_numbers(shards: Sequence[Shard], known: dict[Identity, int]) -> list[Shard]:
    """`shards` under their numbers in `known`, to which those that are new are added."""
    following, numbered = max(known.values(), default=-1) + 1, []
    for shard in shards:
        number = known.setdefault((shard.file.name, shard.row_groups), following)
        following += number == following
        numbered.append(replace(shard, number=number))
    return numbered


def read_numbers(output: Path) -> dict[Identity, int]:
    """The number of every shard that the run directory ever had. What cannot be read is nobody's: its units are done again."""
    try:
        rows: list[dict[str, Any]] = json.loads((output / NUMBERS_FILE).read_text(encoding="utf-8"))["shards"]
        known = {(row["file"], None if row["row_groups"] is None else tuple(row["row_groups"])): int(row["number"]) for row in rows}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}
    return known if len(set(known.values())) == len(known) else {}
