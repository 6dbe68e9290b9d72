"""PNG pictures of a report, for slides and papers: the funnel, hits of rules, signals, languages, cluster sizes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from curation.reports.page import is_logarithmic
from curation.shards import whole_file
from rules.visible import excerpt

KEPT, REMOVED, QUARANTINED, GONE = "#1f6f78", "#c8553d", "#d9a441", "#e4e1d8"
MOST = 40  # bars of a picture
PER_ROW = 4


def draw(report: dict[str, Any], folder: Path) -> list[Path]:
    """Write the pictures that `report` has numbers for into `folder`; returns their paths."""
    from matplotlib import rc_context

    written = []
    with rc_context({"axes.spines.top": False, "axes.spines.right": False, "font.size": 9, "svg.hashsalt": "gristmill", "text.parse_math": False}):
        for name, plot, there in _plots(report):
            if there:
                path = folder / f"{name}.png"
                _write(plot(report), path)
                written.append(path)
    return written


def _plots(report: dict[str, Any]) -> list[tuple[str, Callable[[dict[str, Any]], Any], Any]]:
    return [
        ("funnel", funnel, report["funnel"]),
        ("rules", rules, any(said["hits"] for said in report["rules"].values())),
        ("signals", signals, report["histograms"]),
        ("languages", languages, report["languages"]["in"] or report["languages"]["kept"]),
        ("hosts", hosts, report["hosts"]["rows"]),
        ("duplicates", duplicates, any(said["clusters"] for said in report["duplicates"].values())),
    ]


def _write(figure: Any, path: Path) -> None:
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png", metadata={"Software": None})


def _figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Any, Any]:
    """A figure that no window belongs to, and its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def _bars(names: list[str], series: list[tuple[str, list[float], str]], label: str) -> Any:
    """Horizontal bars, first name on top; the series are drawn over each other, widest first."""
    figure, axes = _figure(8, 1 + 0.26 * len(names))
    axis = axes[0][0]
    for title, values, colour in series:
        axis.barh(range(len(names)), values, color=colour, label=title)
    axis.set_yticks(range(len(names)), [excerpt(name, 60) or "unknown" for name in names])
    axis.invert_yaxis()
    axis.set_xlabel(label)
    if len(series) > 1:
        axis.legend(frameon=False)
    return figure


def _plain_ticks(axis: Any) -> None:
    """Figures as they are, where a logarithmic scale would write powers, which need the parser of formulas that is off."""
    from matplotlib.ticker import NullFormatter, StrMethodFormatter

    axis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


def funnel(report: dict[str, Any]) -> Any:
    rows = report["funnel"]
    kept = [row["kept"] for row in rows]
    lost = [row["kept"] + row["removed"] for row in rows]
    series = [("quarantined", [row["in"] for row in rows], QUARANTINED), ("removed", lost, REMOVED), ("kept", kept, KEPT)]
    return _bars([row["stage"] for row in rows], series, "documents")


def rules(report: dict[str, Any]) -> Any:
    some = sorted(((said["hits"], name) for name, said in report["rules"].items() if said["hits"]), reverse=True)[:MOST]
    names = [name for _, name in some]
    return _bars(names, [("hit", [hits for hits, _ in some], GONE), ("first reason", [report["rules"][n]["reason"] for n in names], REMOVED), ("hit by no other rule", [report["rules"][n]["only"] for n in names], KEPT)], "documents")


def languages(report: dict[str, Any]) -> Any:
    before, after = report["languages"]["in"], report["languages"]["kept"]
    names = sorted(before or after, key=lambda name: -(before or after)[name])[:MOST]
    return _bars(names, [("in", [before.get(n, 0) for n in names], GONE), ("kept", [after.get(n, 0) for n in names], KEPT)], "documents")


def hosts(report: dict[str, Any]) -> Any:
    rows = report["hosts"]["rows"]
    return _bars([row["host"] for row in rows], [("in", [row["in"] for row in rows], GONE), ("kept", [row["kept"] for row in rows], KEPT)], "documents")


def duplicates(report: dict[str, Any]) -> Any:
    some = {stage: said["clusters_by_size"] for stage, said in report["duplicates"].items() if said["clusters"]}
    figure, axes = _figure(4 * len(some), 3, 1, len(some))
    for axis, (stage, sizes) in zip(axes[0], some.items()):
        axis.scatter([int(size) for size in sizes], list(sizes.values()), color=KEPT, s=14)
        axis.set(xscale="log", yscale="log", xlabel="documents in a cluster", ylabel="clusters", title=stage)
        _plain_ticks(axis.xaxis)
        _plain_ticks(axis.yaxis)
    return figure


def signals(report: dict[str, Any]) -> Any:
    found = report["histograms"]
    rows = -(-len(found) // PER_ROW)
    figure, axes = _figure(3 * PER_ROW, 2 * rows, rows, PER_ROW)
    flat = [axis for row in axes for axis in row]
    for axis, said in zip(flat, found):
        edges = said["edges"]
        axis.bar(edges[:-1], said["counts"], [b - a for a, b in zip(edges, edges[1:])], align="edge", color=KEPT, log=is_logarithmic(said))
        _plain_ticks(axis.yaxis)
        for threshold in (t for t in said["thresholds"] if edges[0] <= t["threshold"] <= edges[-1]):
            axis.axvline(threshold["threshold"], color=REMOVED, linestyle="--", linewidth=1)
        axis.set_title(said["signal"], fontsize=8)
    for axis in flat[len(found) :]:
        axis.set_visible(False)
    return figure
