"""What a search for a mixture found: lines to print, report.json and report.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from curation.ablate.report import REPORT_JSON, REPORT_MD
from curation.shards import whole_file, write_json
from rules.visible import excerpt, visible

TRUSTED = 0.5  # rank correlation at left-out runs below which the regression is not to be trusted
MOST_SHOWN = 8


def write_mix_report(report: dict[str, Any], output: Path) -> None:
    write_json(output / REPORT_JSON, report)
    with whole_file(output / REPORT_MD) as temporary:
        temporary.write_text("# Mixture\n\n```\n" + "\n".join(mix_lines(report, len(report["tried"]))) + "\n```\n", encoding="utf-8")


def mix_lines(report: dict[str, Any], shown: int = MOST_SHOWN) -> list[str]:
    """The best mixture, how far to trust it, and what was tried."""
    comparison, regression = report["comparison"], report["regression"]
    low, high = comparison["interval"]
    off = sum(one["off_zero"] for one in comparison["of_seeds"])
    found = [
        f"best against natural: {comparison['verdict']}. {comparison['difference']:+.4f} bits per byte [{low:+.4f}, {high:+.4f}]; off zero in {off} of {comparison['seeds']} seeds",
        *_doubts(regression),
        "",
        *_group_lines(report),
        *_left_out_line(report),
        "",
        f"regression linear in {regression['linear_in']}; error at left-out runs {regression['left_out_error']:.4f}, of losses that spread by {regression['spread_of_losses']:.4f}",
        "",
        "tried                                loss   left out   " + "  ".join(excerpt(name, 12) for name in report["groups"]),
    ]  # fmt: skip
    order = sorted(enumerate(report["tried"]), key=lambda pair: pair[1]["loss"])
    for number, row in order[:shown]:
        weights = "  ".join(f"{weight:>{len(excerpt(name, 12))}.2f}" for name, weight in row["weights"].items())
        found.append(f"mix-{number:02d}{' (natural)' if number == 0 else '':<22}  {row['loss']:>9.4f}  {row['left_out']:>9.4f}   {weights}")
    found += [f"and {len(order) - shown} more, in the report"] if len(order) > shown else []
    return [visible(line) for line in [*found, "", "in a job:", *_snippet(report)]]


def _doubts(regression: dict[str, Any]) -> list[str]:
    if regression["left_out_rank_correlation"] >= TRUSTED:
        return []
    return [f"  the regression does not predict left-out runs (rank correlation {regression['left_out_rank_correlation']:.2f}): try more mixtures, or more tokens"]


def _group_lines(report: dict[str, Any]) -> list[str]:
    width = max(len(report["by"]), *(len(excerpt(name, 40)) for name in report["groups"]))
    lines = [f"{report['by']:<{width}}  natural     best   epochs     loss   loss of natural"]
    for name in report["groups"]:
        loss = [report["losses"][arm].get(name) for arm in ("best", "natural")]
        figures = "  ".join("" if value is None else f"{value:>8.4f}" for value in loss)
        lines.append(f"{excerpt(name, 40):<{width}}  {report['natural'][name]:>7.3f}  {report['best'][name]:>7.3f}  {report['epochs_of_best'][name]:>7.2f}  {figures}")
    return lines


def _left_out_line(report: dict[str, Any]) -> list[str]:
    left = report.get("left_out") or {}
    named = ", ".join(f"{excerpt(name, 40)} ({documents:,})" for name, documents in list(left.items())[:MOST_SHOWN])
    more = f" and {len(left) - MOST_SHOWN} more" if len(left) > MOST_SHOWN else ""
    return [f"left out, with too few documents to train on and to hold out: {named}{more}"] if left else []


def _snippet(report: dict[str, Any]) -> list[str]:
    """The mixture as a job says it."""
    quoted = ", ".join(f'"{name}": {weight:.3f}' for name, weight in report["best"].items() if not name.startswith("("))
    other = f', "*": {report["best"]["(other)"]:.3f}' if "(other)" in report["best"] else ""
    return ["pack:", f"  mixture: {{by: {report['by']}, weights: {{{quoted}{other}}}}}"]
