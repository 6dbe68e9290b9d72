"""report.md and the lines that a run prints, from the numbers of report.json."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rules.visible import excerpt, visible

FLAGGED_MEANS = "Languages of which a pack drops more than 15 % of the documents. Where these are good, its thresholds do not fit."


def funnel_lines(report: dict[str, Any]) -> list[str]:
    """The funnel as aligned plain text: what `gristmill run` prints."""
    rows = [("stage", "in", "removed", "quarantined", "kept", "kept MB")]
    for r in report["funnel"]:
        rows.append((r["stage"], *(f"{r[k]:,}" for k in ("in", "removed", "quarantined", "kept")), f"{r['kept_bytes'] / 1e6:.2f}"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))) for row in rows]
    return [*lines, total_line(report)]


def total_line(report: dict[str, Any]) -> str:
    return f"{report['in']:,} in = {report['kept']:,} kept + {report['removed']:,} removed + {report['quarantined']:,} quarantined"


def table_lines(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """A table in Markdown; all columns but the first are figures."""
    align = ["---"] + ["---:"] * (len(header) - 1)
    return ["| " + " | ".join(cell(v) for v in row) + " |" for row in [header, align, *rows]]


def cell(value: Any) -> str:
    """What stands in a cell: safe to show, and never the end of it."""
    return f"{value:,}" if isinstance(value, int) else visible(str(value)).replace("|", "\\|").replace("\n", " ")


def markdown(report: dict[str, Any]) -> str:
    """report.md from the numbers of report.json."""
    lines = ["# Run report", "", f"**{total_line(report)}**", ""]
    lines += [f"> Warning: {visible(w)}" for w in report["warnings"]] + ([""] if report["warnings"] else [])
    keys = ("in", "removed", "quarantined", "kept", "in_bytes", "kept_bytes", "in_lines", "kept_lines")
    rows = [[r["stage"], *(r.get(k, "") for k in keys), *report["tokens"].get("stages", [])[i : i + 1]] for i, r in enumerate(report["funnel"])]
    tokens = ["kept tokens"] if report["tokens"]["kept"] else []
    lines += ["## Funnel", "", *table_lines(["stage", *(k.replace("_", " ") for k in keys), *tokens], rows), ""]
    lines += [f"Tokens before packing are estimated from bytes, at {report['tokens']['bytes_per_token']:.4g} bytes a token.", ""] if tokens else []
    lines += _rules_section(report) + _evidence_section(report) + _edits_section(report) + _time_section(report)
    lines += _language_section(report) + _pack_language_section(report["pack_languages"]) + _duplicates_section(report)
    lines += _hosts_section(report["hosts"]) + _evaluation_section(report["evaluation"])
    lines += _named_section("Quarantine", "records by cause", report["quarantine"])
    lines += _named_section("Input", "records that are no documents, by reason", report["input"]["skipped"])
    lines += _named_section("Repaired", "texts repaired while reading", report["input"]["repaired"])
    lines += _packed_section(report)
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    return "\n".join([*lines, "## Provenance", "", f"Job {report['job_sha256'][:12]}; {versions}.", ""])


def _rules_section(report: dict[str, Any]) -> list[str]:
    if not report["rules"]:
        return []
    rows = [[name, r["hits"], r["only"], r["reason"], r["words"], r["bytes"]] for name, r in report["rules"].items()]
    header = ["rule", "documents hit", "hit by no other rule that drops", "first reason", "words hit", "bytes hit"]
    return ["## Rules", "", *table_lines(header, rows), ""]


def _evidence_section(report: dict[str, Any]) -> list[str]:
    """What ablations found about the rules of this run."""
    rows = [[name, found] for name, records in report["evidence"].items() for found in records]
    return ["## Evidence", "", *table_lines(["rule", "models trained with it, against models trained without it"], rows), ""] if rows else []


def _edits_section(report: dict[str, Any]) -> list[str]:
    if not report["edits"]:
        return []
    rows = [[name, r["lines"], r["documents"], r["words"], r["bytes"]] for name, r in report["edits"].items()]
    return ["## Edits", "", *table_lines(["rule", "lines changed", "in documents", "words removed", "bytes removed"], rows), ""]


def _time_section(report: dict[str, Any]) -> list[str]:
    """What each rule cost, most first. Signals are measured for all rules of a pack together."""
    size = sum(row["in_bytes"] for row in report["funnel"] if row["stage"] == "rules")
    slow = sorted(((s, n) for n, s in report["seconds"].items() if s >= 0.0005), key=lambda item: (-item[0], item[1]))
    rows = [[name, f"{seconds:.3f}", f"{size / 1e6 / seconds:,.0f}"] for seconds, name in slow]
    return ["## Time", "", *table_lines(["rule, or what a pack does for all its rules", "seconds of one core", "MB/s"], rows), ""] if rows else []


def _named_section(title: str, what: str, counts: dict[str, int]) -> list[str]:
    if not counts:
        return []
    rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [f"## {title}", "", *table_lines([what, "count"], rows), ""]


def _language_section(report: dict[str, Any]) -> list[str]:
    before, after = report["languages"]["in"], report["languages"]["kept"]
    names = sorted(set(before) | set(after), key=lambda n: (-before.get(n, after.get(n, 0)), n))
    if not names:
        return []
    rows = [[name or "unknown", before.get(name, 0) if before else "", after.get(name, 0)] for name in names]
    other_script = report["languages"]["script_mismatch"]
    if not other_script:
        return ["## Languages", "", *table_lines(["language", "in", "kept"], rows), ""]
    rows = [[*row, other_script.get(name, 0)] for name, row in zip(names, rows)]
    return ["## Languages", "", *table_lines(["language", "in", "kept", "in a script of no such language"], rows), ""]


def _pack_language_section(rows: list[dict[str, Any]]) -> list[str]:
    """What packs drop of each language: those of which they drop much, most first."""
    flagged = flagged_rows(rows)
    if not flagged:
        return []
    cells = [[r["pack"], r["language"] or "unknown", r["documents"], f"{r['share']:.1%}", "" if r["others"] is None else f"{r['others']:.1%}"] for r in flagged]
    return ["## Packs and languages", "", f"{FLAGGED_MEANS} See docs/fit-thresholds.md.", "", *table_lines(["pack", "language", "documents", "dropped", "of all others"], cells), ""]


def flagged_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The packs and languages to look at, those dropped most first."""
    return sorted((row for row in rows if row["flagged"]), key=lambda row: (-row["share"], row["pack"], row["language"]))


def _hosts_section(hosts: dict[str, Any]) -> list[str]:
    if not hosts["rows"]:
        return []
    rows = [[row["host"], row["in"], row["kept"]] for row in hosts["rows"]]
    some = f"{hosts['hosts']:,} hosts of {hosts['documents']:,} documents that have a URL and were looked at; the most frequent:"
    return ["## Hosts", "", some, "", *table_lines(["host", "in", "kept"], rows), ""]


def _duplicates_section(report: dict[str, Any]) -> list[str]:
    rows = [[stage, d["clusters"], d["removed"], d["largest"]] for stage, d in report["duplicates"].items()]
    if not rows:
        return []
    return ["## Duplicates", "", *table_lines(["stage", "clusters", "removed", "largest cluster"], rows), "", *_near_section(report["near"])]


def _evaluation_section(items: list[dict[str, Any]], shown: int = 50) -> list[str]:
    if not items:
        return []
    rows = [[f"{i['file']} {i['item']}", i["documents"], i["ngrams"], i["document"], excerpt(i["text"], 200)] for i in items[:shown]]
    lines = ["## Evaluation items in documents", "", *table_lines(["item", "documents", "n-grams at most", "in document", "text that is shared"], rows), ""]
    return lines + ([f"And {len(items) - shown:,} items more: overlaps/ has all.", ""] if len(items) > shown else [])


def _near_section(near: dict[str, Any]) -> list[str]:
    if not near:
        return []
    points = [(s, p) for s, p in near["s_curve"] if s >= 0.5]
    lines = [f"Near duplicates: {near['bands']} bands of {near['rows']} rows. Two documents meet with this probability:", ""]
    lines += [*table_lines(["similarity", *(f"{s:g}" for s, _ in points)], [["probability", *(f"{p:.3f}" for _, p in points)]]), ""]
    if "precision" in near:
        lines += [f"Of {near['candidates']:,} candidate pairs {near['verified']:,} have a true similarity of {near['verify']:g} or more: precision {near['precision']:.3f}.", ""]
    return lines


def _packed_section(report: dict[str, Any]) -> list[str]:
    statistics = report["packed"].get("statistics", {})
    rows = [[name.replace("_", " "), f"{v:.5g}" if isinstance(v, float) else v] for name, v in statistics.items() if v != "" and not isinstance(v, (dict, list))]
    return (["## Packed", "", *table_lines(["statistic", "value"], rows), ""] if rows else []) + _copies_section(statistics.get("rehydration", {}))


def _copies_section(said: dict[str, Any]) -> list[str]:
    """How often documents were packed by the size of their cluster, and why."""
    if not said:
        return []
    names = [("documents", "came to the rules"), ("removed", "removed by them"), ("removal_rate", "removal rate")]
    known = [(key, title) for key, title in names if said["sizes"] and key in said["sizes"][0]]
    rows = [[size_range(row), *(f"{row[k]:.4f}" if k == "removal_rate" else row[k] for k, _ in known), f"{row['copies']:.4g}"] for row in said["sizes"]]
    lines = ["## Copies by cluster size", "", *table_lines(["cluster size", *(title for _, title in known), "copies"], rows), ""]
    if "removal_rate" in said:
        lines += [
            f"Of {said['documents']:,} documents rules removed {said['removed']:,}: a rate of {said['removal_rate']:.4f}. Sizes of that rate or a higher one"
            f" are packed once, that of the lowest {said.get('max_copies', said.get('most_copies')):g} times, those between in proportion. Sizes of fewer than {said['rate_documents']:,}"
            " documents are taken together with others.", "",
        ]  # fmt: skip
    return lines


def size_range(row: dict[str, Any]) -> str:
    """Cluster sizes that copies are counted for together."""
    return f"{row['from']}" if row["to"] == row["from"] else f"{row['from']} to {row['to']}" if row["to"] else f"from {row['from']}"
