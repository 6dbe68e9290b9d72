"""Two runs beside each other: what differs in their settings, and what became of it. `gristmill report A B` prints it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from curation.report import numbers, read_entries
from curation.reports.markdown import cell, table_lines
from curation.reports.page import compared_html
from curation.shards import whole_file, write_json

COMPARED_HTML, COMPARED_MD, COMPARED_JSON = "compared.html", "compared.md", "compared.json"
ABSENT = "-"


def compare(first: Path, second: Path) -> dict[str, Any]:
    """The numbers of two finished runs, side by side. Raises RunDirectoryError where one is none."""
    paths = {"a": first, "b": second}
    reports = {side: numbers(path, read_entries(path)) for side, path in paths.items()}
    a, b = reports["a"], reports["b"]
    return {
        "schema_version": 1,
        **{side: _totals(reports[side], path) for side, path in paths.items()},
        "settings": settings(a, b),
        "funnel": _beside({r["stage"]: r for r in a["funnel"]}, {r["stage"]: r for r in b["funnel"]}, ("in", "removed", "kept", "kept_bytes")),
        "rules": _beside(a["rules"], b["rules"], ("hits", "only", "reason", "bytes")),
        "edits": _beside(a["edits"], b["edits"], ("lines", "documents", "bytes")),
        "languages": _beside(*({name: {"kept": n} for name, n in r["languages"]["kept"].items()} for r in (a, b)), ("kept",)),
        "duplicates": _beside(a["duplicates"], b["duplicates"], ("clusters", "removed", "largest")),
        "quarantine": _beside(*({name: {"records": n} for name, n in r["quarantine"].items()} for r in (a, b)), ("records",)),
    }


def _totals(report: dict[str, Any], path: Path) -> dict[str, Any]:
    counts = {key: report[key] for key in ("in", "kept", "removed", "quarantined")}
    last = report["funnel"][-1]
    return {"name": path.resolve().name, **counts, "kept_bytes": last["kept_bytes"], "tokens": report["tokens"]["kept"], "job_sha256": report["job_sha256"]}


def _beside(a: dict[str, Any], b: dict[str, Any], keys: tuple[str, ...]) -> list[dict[str, Any]]:
    """A row for each name of either side, in the order of A, then of B: the values of `keys` on both (None: not there)."""
    sides = (("a", a), ("b", b))
    return [{"name": name, **{side: {key: have[name].get(key) for key in keys} if name in have else None for side, have in sides}} for name in dict.fromkeys([*a, *b])]


def settings(a: dict[str, Any], b: dict[str, Any]) -> list[dict[str, Any]]:
    """Settings, rules and versions in which two runs differ: name, and the value on both sides (None: not there)."""
    flat = [dict(_flat(report["job"])) | {f"rules.{rule}": _form(forms) for rule, forms in report["rule_forms"].items()} | {f"versions.{k}": v for k, v in report["versions"].items()} for report in (a, b)]
    names = dict.fromkeys([*flat[0], *flat[1]])
    return [{"name": name, "a": flat[0].get(name), "b": flat[1].get(name)} for name in names if flat[0].get(name) != flat[1].get(name)]


def _flat(data: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(data, dict) and data:
        for key, value in data.items():
            yield from _flat(value, f"{name}.{key}" if name else str(key))
    else:
        yield name, data


def _form(forms: list[dict[str, Any]]) -> str:
    """A rule in one line."""
    return "; ".join(_one_form(form) for form in forms)


def _one_form(form: dict[str, Any]) -> str:
    tests = " and ".join(f"{c['signal']} {' or '.join(map(_said, c['any_of']))}" for c in form["drop_when"])
    languages = f" in {', '.join(form['languages'])}" if form["languages"] else ""
    return f"{form['action']}{f': {tests}' if tests else ''}{languages}"


def _said(comparison: dict[str, Any]) -> str:
    return f"{comparison['operator']} {comparison['threshold']:g}"


def compared_markdown(found: dict[str, Any]) -> str:
    """The comparison to read."""
    a, b = found["a"], found["b"]
    keys = [("in", "in"), ("kept", "kept"), ("removed", "removed"), ("quarantined", "quarantined"), ("kept_bytes", "bytes kept"), ("tokens", "tokens")]
    lines = ["# Two runs", "", f"A is {cell(a['name'])}, B is {cell(b['name'])}.", ""]
    lines += [*table_lines(["", "A", "B", "B - A"], [[title, a[key], b[key], _difference(a[key], b[key])] for key, title in keys]), ""]
    if found["settings"]:
        rows = [[row["name"], *(ABSENT if row[side] is None else str(row[side]) for side in "ab")] for row in found["settings"]]
        lines += ["## What differs in the settings", "", *table_lines(["setting", "A", "B"], rows), ""]
    for section, title, key, what in SECTIONS:
        rows = rows_of(found, section, key)
        lines += [f"## {title}", "", *table_lines([what, "A", "B", "B - A"], rows), ""] if rows else []
    return "\n".join(lines)


# Section, title, the number that is compared, what a row is about.
SECTIONS = [
    ("funnel", "Documents kept by stage", "kept", "stage"), ("rules", "Documents hit, where it differs", "hits", "rule"), ("edits", "Lines changed, where it differs", "lines", "rule"),
    ("languages", "Documents kept by language, where it differs", "kept", "language"), ("duplicates", "Duplicates removed, where it differs", "removed", "stage"),
    ("quarantine", "Records quarantined, where it differs", "records", "cause"),
]  # fmt: skip


def rows_of(found: dict[str, Any], section: str, key: str) -> list[list[Any]]:
    """Name, A, B and difference; of the funnel every stage, else where there is a difference."""
    rows = [[row["name"] or "unknown", *values(row, key)] for row in found[section]]
    return [row for row in rows if section == "funnel" or row[3] != "0"]


def values(row: dict[str, Any], key: str) -> list[Any]:
    """A number on both sides, and the difference."""
    a, b = (row[side][key] if row[side] else None for side in "ab")
    return [ABSENT if a is None else a, ABSENT if b is None else b, _difference(a or 0, b or 0)]


def _difference(a: int, b: int) -> str:
    return f"{b - a:+,}" if b != a else "0"


def write_comparison(found: dict[str, Any], folder: Path) -> None:
    """compared.html, compared.md and compared.json in `folder`."""
    sections = [(title, what, rows_of(found, section, key)) for section, title, key, what in SECTIONS]
    for name, text in ((COMPARED_HTML, compared_html(found, sections)), (COMPARED_MD, compared_markdown(found))):
        with whole_file(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    write_json(folder / COMPARED_JSON, found)
