"""Ways to a document of a run: some that were removed for each reason, and those that have a URL. `gristmill why` prints them.

Costs one scan of the reasons (or URLs), then one row for each document that is shown.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from curation.explain import find_rows
from curation.outcome import add_counts, counted
from curation.reports.documents import Lowest, rows_at
from curation.reports.shard_choice import row_groups
from curation.run_directory import RunDirectoryError, read_run
from rules.visible import excerpt, shown_path, visible

SHOWN = 2  # documents of a reason, unless more are asked for
TEXT_CHARACTERS = 80
FATES = {"clean": "kept", "removed": "removed", "quarantine": "quarantined"}
_COLUMNS = ("id", "url", "text")


def removed_examples(output: Path, show: int = SHOWN) -> dict[str, Any]:
    """How many documents were removed for each reason, the most frequent first, and `show` of each, chosen with a seed."""
    read_run(output)
    counts: Counter[str] = Counter()
    lowest = Lowest(show)
    for path in sorted((output / "removed").glob("*.parquet")):
        for group, table in row_groups(path, ["reason"], ["reason"]):
            add_counts(counts, counted(table["reason"]))
            lowest.add(table["reason"], path, group)
    places = lowest.places()
    rows = rows_at([place for some in places.values() for place in some], _COLUMNS)
    reasons = {name: {"documents": count, "some": [_shown(rows[place]) for place in places[name]]} for name, count in counts.most_common()}
    return {"schema_version": 1, "removed": counts.total(), "reasons": reasons}


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {"id": row["id"], "url": row["url"], "begins": (row["text"] or "")[: 4 * TEXT_CHARACTERS]}


def removed_lines(found: dict[str, Any], output: Path) -> list[str]:
    """The examples as lines, safe to print, and how to go on. Ids are whole: they are there to be copied."""
    if not found["removed"]:
        return ["nothing was removed; ids of documents are in the column `id` of clean/"]
    lines = [f"{_documents(found['removed'])} removed; some for each reason:"]
    for reason, about in found["reasons"].items():
        lines += ["", f"{visible(reason)}: {about['documents']:,}"]
        for one in about["some"]:
            lines += [f"  {visible(one['id'])}: {excerpt(one['begins'], TEXT_CHARACTERS) or '(no text)'}", *([f"    {excerpt(one['url'], 200)}"] if one["url"] and one["url"] != one["id"] else [])]
    return [*lines, "", f"the story of one: gristmill why {visible(shown_path(output))} ID (or its URL)"]


def _documents(count: int) -> str:
    return f"{count:,} document was" if count == 1 else f"{count:,} documents were"


def documents_at(output: Path, url: str) -> list[dict[str, Any]]:
    """The documents of the run with exactly this URL: id, fate, reason, and how they begin. Raises RunDirectoryError where it has none."""
    read_run(output)
    found = []
    for folder, fate in FATES.items():
        for row in find_rows(output, folder, [url], "url")[url]:
            found.append({"id": row["id"], "fate": fate, "reason": row.get("reason") or row.get("cause"), "begins": (row.get("text") or "")[: 4 * TEXT_CHARACTERS]})
    if not found:
        raise RunDirectoryError(f"no document of {str(output)!r} has the id or the URL {url!r}; `gristmill why {shown_path(output)}` lists some that were removed, with their ids")
    return found


def same_url_lines(found: list[dict[str, Any]], url: str, output: Path) -> list[str]:
    """Several documents with one URL, as lines that are safe to print, and how to go on."""
    lines = [f"{len(found):,} documents have the URL {visible(url)}:"]
    for one in found:
        fate = f"{one['fate']} by {visible(one['reason'])}" if one["reason"] else one["fate"]
        lines.append(f"  {visible(one['id'])}: {fate}: {excerpt(one['begins'], TEXT_CHARACTERS)}")
    return [*lines, "", f"the story of one: gristmill why {visible(shown_path(output))} ID"]
