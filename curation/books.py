"""The books of a run: every document that came in is kept, removed or quarantined, stage by stage, or the run fails."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from curation.manifest import Entry
from curation.outcome import UNITS, add_counts
from rules.languages import normalise

STAGE_ORDER_FIRST = ("read", "extract")
_NAMES = dict(zip(UNITS, ("documents", "bytes", "lines")))


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
        total.setdefault(stage, {f"{part}{unit}": 0 for unit in UNITS for part in ("in", "kept", "removed", "quarantined")})
    return total


def check_books(counts: dict[str, Any], stages: Sequence[str], entries: Sequence[Entry]) -> None:
    """Raise BooksError unless every stage balances, each takes what the one before kept, and the files hold it all."""
    before = None
    for stage in stage_names(stages):
        books = counts.get(stage)
        if books is None:
            continue
        for unit in (unit for unit in UNITS if f"in{unit}" in books):  # runs of earlier versions counted no lines
            parts = sum(books[f"{part}{unit}"] for part in ("kept", "removed", "quarantined")) + books.get(f"edited{unit}", 0)
            if books[f"in{unit}"] != parts:
                raise BooksError(f"{stage}: {books[f'in{unit}']} {_NAMES[unit]} in, but kept + removed + quarantined + edited is {parts}")
            if before is not None and books[f"in{unit}"] != before[f"kept{unit}"]:
                raise BooksError(f"{stage}: takes {books[f'in{unit}']} {_NAMES[unit]}, but the stage before kept {before[f'kept{unit}']}")
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
    """One row a stage: documents, bytes and lines in, kept, removed, quarantined."""
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
