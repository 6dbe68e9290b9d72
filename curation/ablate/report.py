"""What an ablation found: report.json (every number), report.md and the lines that are printed, and evidence beside the rule."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from curation.shards import whole_file, write_json
from rules.visible import excerpt, visible

REPORT_JSON, REPORT_MD = "report.json", "report.md"
MOST_LINES = 8
OUTCOMES = {"A better": "better", "B better": "worse", "not distinguishable": "not distinguishable", "needs more tokens": "needs more tokens"}


def write_report(report: dict[str, Any], output: Path) -> None:
    write_json(output / REPORT_JSON, report)
    with whole_file(output / REPORT_MD) as temporary:
        temporary.write_text(markdown(report), encoding="utf-8")


def evidence_record(report: dict[str, Any], rule_sha256: str) -> dict[str, Any]:
    """The fields of rules.format.evidence.Evidence: the largest size, the rule's arm against the one without."""
    size = report["sizes"][-1]
    comparison = size["comparisons"][0]
    return {
        "date": report["date"], "verdict": OUTCOMES[comparison["outcome"]], "difference": comparison["difference"], "interval": tuple(comparison["interval"]),
        "on": said_of(report["judged_on"]), "tokens": size["tokens"], "seeds": comparison["seeds"], "parameters": size["parameters"], "flops": report["flops"],
        "rule": rule_sha256, "ablation": report["sha256"],
    }  # fmt: skip


def said_of(judged_on: str) -> str:
    named = {"reference": "reference documents", "all arms": "held-out documents that all arms keep"}
    return named.get(judged_on, f"held-out documents of {judged_on}")


def dated(report: dict[str, Any], output: Path) -> dict[str, Any]:
    """The report with the day on which the same was found first."""
    path = output / REPORT_JSON
    if path.exists():
        old = json.loads(path.read_text(encoding="utf-8"))
        same = all(old.get(name) == json.loads(json.dumps(report[name])) for name in ("sha256", "data_sha256", "sizes"))
        return report | {"date": old["date"]} if same else report
    return report


def today() -> str:
    return datetime.date.today().isoformat()


# --- lines ------------------------------------------------------------------------------------------------


def lines(report: dict[str, Any]) -> list[str]:
    """What `gristmill ablate` prints."""
    found = []
    for size in report["sizes"]:
        found += [f"{size['name']}: {size['parameters']:,} parameters, {size['tokens']:,} tokens, {report['seeds']} seeds"] if len(report["sizes"]) > 1 else []
        for comparison in size["comparisons"]:
            found += [headline(comparison, report), *_advice(comparison, size), ""]
            found += _table(comparison, report["judged_on"]) + [""]
    found += [_arm_line(name, arm) for name, arm in report["arms"].items()]
    size = report["sizes"][-1]
    found.append(f"{size['parameters']:,} parameters, {size['tokens']:,} tokens and {report['flops']:.3g} FLOPs in all; bits per byte; below 0: {size['comparisons'][0]['a']} is better")
    return [visible(line) for line in found]


def headline(comparison: dict[str, Any], report: dict[str, Any]) -> str:
    """The verdict in a line."""
    low, high = comparison["interval"]
    off = sum(one["off_zero"] for one in comparison["of_seeds"])
    verdict = comparison["verdict"]
    pair = f"{comparison['a']} against {comparison['b']}: {verdict}"
    same = "; the arms are the same, byte for byte" if comparison["same_data"] else ""
    return f"{pair}. {comparison['difference']:+.4f} [{low:+.4f}, {high:+.4f}] on {comparison['documents']:,} {said_of(report['judged_on'])}; off zero in {off} of {comparison['seeds']} seeds{same}"


def _advice(comparison: dict[str, Any], size: dict[str, Any]) -> list[str]:
    said = []
    if comparison["more_seeds"]:
        more = comparison["more_seeds"] * 2 * size["tokens"]
        said.append(f"  needs {more:,} more tokens: {comparison['more_seeds']} more seeds of both arms, at the difference found")
    elif comparison["outcome"] == "not distinguishable" and not comparison["same_data"]:
        why = f" ({comparison['why']})" if comparison["why"] else ""
        said.append(f"  the smallest difference that would have been seen: {comparison['smallest_distinguishable']:.4f}{why}")
    if comparison["seeds"] == 1:
        said.append("  one seed: the interval allows for other documents, but not for other seeds")
    return said


def _table(comparison: dict[str, Any], judged_on: str) -> list[str]:
    rows = [(said_of(judged_on), comparison["losses"]["a"], comparison["losses"]["b"], comparison["difference"], comparison["interval"])]
    for column, groups in comparison["by"].items():
        shown = list(groups.items())[:MOST_LINES] if len(groups) > 1 else []
        rows += [(f"  {column} {excerpt(name, 40)}", row["a"], row["b"], row["difference"], row["interval"]) for name, row in shown]
    rows += [(_of_others(name, judged_on), row["a"], row["b"], row["difference"], row["interval"]) for name, row in comparison["kept_by_others"].items()]
    rows += [(f"task {name}, right answers", None, None, row["difference"], row["interval"]) for name, row in comparison["tasks"].items()]
    width = max(len(row[0]) for row in rows)
    head = f"{'':<{width}}  {comparison['a']:>9}  {comparison['b']:>9}  difference  95 % interval"
    return [head, *(f"{name:<{width}}  {_number(a):>9}  {_number(b):>9}  {gap:>+10.4f}  [{low:+.4f}, {high:+.4f}]" for name, a, b, gap, (low, high) in rows)]


def _of_others(kept_by: str, judged_on: str) -> str:
    if kept_by in ("all arms", "reference") or judged_on.startswith("the ") or kept_by.startswith("the "):
        return said_of(kept_by)
    return f"held-out documents that {kept_by} alone keeps"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _arm_line(name: str, arm: dict[str, Any]) -> str:
    if arm["documents"] is None:
        share = f", {arm['frac']:.0%} of the rows" if "frac" in arm else ""
        return f"{name}: {arm['tokens_there']:,} tokens there, {arm['epochs']:.2f} epochs of them read{share}"
    repeated = f", {arm['epochs']:.1f} epochs" if arm["epochs"] > 1 else ""
    return f"arm {name}: {arm['documents']:,} documents, {arm['bytes'] / 1e6:.2f} MB, {arm['shared_frac']:.0%} of it in all arms{repeated}"


# --- markdown ---------------------------------------------------------------------------------------------


def markdown(report: dict[str, Any]) -> str:
    """report.md from the numbers of report.json."""
    found = ["# Ablation", ""]
    for size in report["sizes"]:
        for comparison in size["comparisons"]:
            found += [f"## {comparison['a']} against {comparison['b']}, {size['parameters']:,} parameters, {size['tokens']:,} tokens", ""]
            found += [f"**{headline(comparison, report)}**", "", *(line.strip() for line in _advice(comparison, size)), ""]
            found += ["| | " + " | ".join((comparison["a"], comparison["b"], "difference", "95 % interval")) + " |", "|---|---:|---:|---:|---:|"]
            found += _markdown_rows(comparison, report["judged_on"])
            seeds = ", ".join(f"{one['value']:+.4f} [{one['low']:+.4f}, {one['high']:+.4f}]" for one in comparison["of_seeds"])
            found += ["", f"Single seeds, over documents alone: {seeds}.", ""]
    found += ["## Arms", "", *(f"- {_arm_line(name, arm)}" for name, arm in report["arms"].items()), ""]
    found += ["## Provenance", "", f"{report['date']}; ablation {report['sha256'][:12]}, data {report['data_sha256'][:12]}; {report['flops']:.3g} FLOPs.", ""]
    return "\n".join(visible(line) for line in found)


def _markdown_rows(comparison: dict[str, Any], judged_on: str) -> Sequence[str]:
    rows = [(said_of(judged_on), comparison["losses"]["a"], comparison["losses"]["b"], comparison)]
    rows += [(f"{column} {name}", row["a"], row["b"], row) for column, groups in comparison["by"].items() for name, row in groups.items()]
    rows += [(_of_others(name, judged_on), row["a"], row["b"], row) for name, row in comparison["kept_by_others"].items()]
    rows += [(f"task {name}: bits per byte of the right answer", None, None, row) for name, row in comparison["tasks"].items()]
    return [f"| {visible(name).replace('|', chr(92) + '|')} | {_number(a)} | {_number(b)} | {row['difference']:+.4f} | {row['interval'][0]:+.4f} to {row['interval'][1]:+.4f} |" for name, a, b, row in rows]
