"""The books of a run: every document that came in is kept, removed or quarantined, stage by stage, or the run fails."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from curation.manifest import Entry
from curation.outcome import add_counts
from rules.languages import normalise

STAGE_ORDER_FIRST = ("read", "extract")


class BooksError(AssertionError):
    """Documents appeared or vanished: a bug, never a warning."""


def stage_names(stages: Sequence[str]) -> list[str]:
    """Every stage that keeps books, in the order documents meet them."""
    return [*STAGE_ORDER_FIRST, *stages]


def summed(entries: Iterable[Entry]) -> dict[str, Any]:
    """The counts of all passes over all shards, added up by stage."""
    total: dict[str, Any] = {}
    for entry in sorted(entries, key=lambda e: e.unit):
        if entry.unit.startswith("pass"):
            add_counts(total, entry.counts)
    for stage in ("read", "extract", "clean"):
        total.setdefault(stage, dict.fromkeys(("in", "kept", "removed", "quarantined", "in_bytes", "kept_bytes", "removed_bytes", "quarantined_bytes"), 0))
    return total


def check_books(counts: dict[str, Any], stages: Sequence[str], entries: Sequence[Entry]) -> None:
    """Raise BooksError unless every stage balances, each takes what the one before kept, and the files hold it all."""
    before = None
    for stage in stage_names(stages):
        books = counts.get(stage)
        if books is None:
            continue
        for unit in ("", "_bytes"):
            edited = books.get("edited_bytes", 0) if unit else 0
            parts = books[f"kept{unit}"] + books[f"removed{unit}"] + books[f"quarantined{unit}"] + edited
            if books[f"in{unit}"] != parts:
                raise BooksError(f"{stage}: {books[f'in{unit}']} {unit or 'documents'} in, but kept + removed + quarantined is {parts}")
        if before is not None and books["in"] != before["kept"]:
            raise BooksError(f"{stage}: takes {books['in']} documents, but the stage before kept {before['kept']}")
        before = books
    _check_files(counts, stages, entries)


def _check_files(counts: dict[str, Any], stages: Sequence[str], entries: Sequence[Entry]) -> None:
    """Rows in the files against the books."""
    removed = sum(counts[s]["removed"] for s in stage_names(stages) if s in counts)
    quarantined = sum(counts[s]["quarantined"] for s in stage_names(stages) if s in counts)
    last = [counts[s] for s in stage_names(stages) if s in counts][-1]
    for folder, expected in (("clean", last["kept"]), ("removed", removed), ("quarantine", quarantined)):
        rows = sum(out["rows"] for e in entries for path, out in e.outputs.items() if path.startswith(f"{folder}/"))
        if rows != expected:
            raise BooksError(f"{folder}/ holds {rows} rows, but the books say {expected}")


def funnel(counts: dict[str, Any], stages: Sequence[str]) -> list[dict[str, Any]]:
    """One row a stage: documents and bytes in, kept, removed, quarantined."""
    return [{"stage": stage, **counts[stage]} for stage in stage_names(stages) if stage in counts and "in" in counts[stage]]


def language_warnings(counts: dict[str, Any], keep: Sequence[str]) -> list[str]:
    """Languages that the job keeps and that never occurred: usually a wrong code, or the wrong input."""
    found = counts.get("language", {}).get("languages_in", {})
    absent = [code for code in map(normalise, keep) if not found.get(code)]
    if not absent:
        return []
    common = sorted(found.items(), key=lambda item: (-item[1], item[0]))[:10]
    names = ", ".join(f"{code or 'unknown'} ({count})" for code, count in common)
    return [f"language: no document is in {', '.join(absent)}, which the job keeps; found {names}"]
