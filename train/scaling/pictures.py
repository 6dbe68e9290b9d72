"""Scaling laws as pictures: PNG by matplotlib in the style of the papers, and the same in characters for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from train.scaling.isoflop import IsoFlop, Minima
from train.scaling.ladder import Ladder, Prediction, Target
from train.scaling.parametric import ParametricFit
from train.scaling.power_law import COVERAGE
from train.scaling.runs import Runs

DOTS_PER_INCH = 150
POINTS = 200


def isoflop_png(path: Path, runs: Runs, found: IsoFlop, target: float | None) -> None:
    """Left: a parabola for each budget over tokens, with its minimum. Right: the best tokens over FLOPs, with its band."""
    figure, (left, right) = _figure(2)
    for color, budget, curve in zip(_colors(len(found.tokens.budgets)), found.tokens.budgets, found.tokens.curves):
        which = runs.budget == budget
        sizes = np.geomspace(runs.tokens[which].min() / 1.2, runs.tokens[which].max() * 1.2, POINTS)
        left.scatter(runs.tokens[which], runs.loss[which], color=color, s=14)
        left.plot(sizes, curve.loss(sizes), color=color, lw=1.2, label=f"{budget:.1e}")
        left.scatter([curve.minimum], [curve.least_loss], color=color, marker="D", edgecolor="black", s=34, zorder=3)
    left.set(xscale="log", xlabel="training tokens", ylabel="held-out loss", title="IsoFLOP curves")
    left.legend(title="FLOPs", fontsize=7)
    _law_axis(right, found.tokens, None if found.no_target else target, "best number of tokens")
    _save(figure, path)


def _law_axis(axis: Any, minima: Minima, target: float | None, label: str) -> None:
    flops = np.geomspace(minima.budgets.min() / 2, max(minima.budgets.max() * 2, (target or 0) * 2), POINTS)
    if minima.has_intervals:
        drawn = np.array([minima.resampled.at(value) for value in flops])
        low, high = np.nanquantile(drawn, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2], axis=1)
        axis.fill_between(flops, low, high, color="tab:blue", alpha=0.15, lw=0, label="95 % of resamplings")
    axis.plot(flops, minima.law.at(flops), color="tab:blue", ls="--", label=f"{minima.law.coefficient:.3g} C^{minima.law.exponent:.3f}")
    axis.scatter(minima.budgets, [curve.minimum for curve in minima.curves], color="black", s=18, zorder=3)
    if target:
        axis.scatter([target], [minima.law.at(target)], color="tab:red", marker="*", s=90, zorder=3)
    axis.set(xscale="log", yscale="log", xlabel="training FLOPs", ylabel=label, title="Compute-optimal size")
    axis.legend(fontsize=7)


def parametric_png(path: Path, runs: Runs, found: ParametricFit) -> None:
    """Left: measured against fitted loss. Right: lines of equal loss over FLOPs and params, with the efficient frontier."""
    figure, (left, right) = _figure(2)
    fitted = found.law.loss(runs.params, runs.tokens)
    left.scatter(fitted, runs.loss, c=np.log10(runs.flops), s=14)
    ends = [min(fitted.min(), runs.loss.min()), max(fitted.max(), runs.loss.max())]
    left.plot(ends, ends, color="grey", lw=1)
    left.set(xlabel="fitted loss", ylabel="measured loss", title=f"mean error {found.relative_error:.2%}")
    flops, params = (np.geomspace(values.min() / 3, values.max() * 10, POINTS) for values in (runs.flops, runs.params))
    grid_flops, grid_params = np.meshgrid(flops, params)
    per = runs.per_param_token
    losses = found.law.loss(grid_params, grid_flops / per / grid_params)
    levels = found.law.loss(found.law.best_params(flops, per), found.law.best_tokens(flops, per))[:: POINTS // 10]
    if found.law.has_optimum and len(np.unique(levels)) > 1:  # else there is no frontier
        right.contour(grid_flops, grid_params, losses, levels=np.unique(levels), linewidths=0.8)
        right.plot(flops, found.law.best_params(flops, per), color="tab:blue", ls="--", label="efficient frontier")
    right.scatter(runs.flops, runs.params, color="black", s=10)
    right.set(xscale="log", yscale="log", xlabel="training FLOPs", ylabel="params", title="Equal loss", ylim=(params[0], params[-1]))
    if right.lines:
        right.legend(fontsize=7)
    _save(figure, path)


def ladder_png(path: Path, ladders: Sequence[Ladder], targets: Sequence[tuple[str, Target]], measured: dict[str, dict[str, tuple[float, float]]]) -> None:
    """A row for each task: NLL at the ends of runs against that fitted; accuracy over NLL, with what is predicted."""
    figure, axes = _figure(2, len(ladders))
    for (left, right), ladder in zip(np.reshape(axes, (-1, 2)), ladders):
        ends, second = ladder.first.ends, ladder.second
        cost = ends.flops if ends.by_flops else 6 * ends.params * ends.tokens
        left.scatter(cost, ends.nll, color="black", s=14, label="ends of runs")
        left.scatter(cost, ladder.first.fitted, color="tab:blue", marker="x", s=20, label="fitted")
        left.set(xscale="log", xlabel="training FLOPs", ylabel="NLL of the answer", title=_plain(ladder.task))
        nll = np.linspace(min(second.nll[second.nll > 0].min() * 0.8, *(ladder.predict(t).nll for _, t in targets)) if targets else second.nll[second.nll > 0].min() * 0.9, second.nll.max(), POINTS)
        right.scatter(second.nll[second.nll > 0], second.accuracy[second.nll > 0], color="grey", s=3, alpha=0.4)
        right.plot(nll, second.at(nll), color="tab:blue", ls="--")
        for name, target in targets:
            found = ladder.predict(target)
            below, above = found.accuracy - found.accuracy_within.low, found.accuracy_within.high - found.accuracy
            right.errorbar([found.nll], [found.accuracy], [[max(below, 0)], [max(above, 0)]], fmt="*", color="tab:red", label=f"{_plain(name)} predicted")
            if name in measured.get(ladder.task, {}):
                right.scatter(*[[value] for value in measured[ladder.task][name]], marker="x", color="black", zorder=3, label=f"{_plain(name)} measured")
        right.set(xlabel="NLL of the answer", ylabel="accuracy", title=_left_out(ladder))
        left.legend(fontsize=7)
        if targets:
            right.legend(fontsize=7)
    _save(figure, path)


def _left_out(ladder: Ladder) -> str:
    return f"error for the largest, left out: {ladder.held_out_error:.1%}" if ladder.held_out else "too few runs to leave some out"


def isoflop_text(runs: Runs, found: IsoFlop, width: int, height: int) -> list[str]:
    """The parabolas and their minima in characters."""
    plot = _text_plot(width, height, "loss over tokens, by budget")
    for budget in found.tokens.budgets:
        which = runs.budget == budget
        plot.scatter(np.log10(runs.tokens[which]).tolist(), runs.loss[which].tolist(), label=f"{budget:.1e}", marker="dot")
    minima = [(curve.minimum, curve.least_loss) for curve in found.tokens.curves if np.isfinite(curve.minimum)]
    plot.scatter(np.log10([size for size, _ in minima]).tolist(), [loss for _, loss in minima], label="minimum", marker="x")
    return _text(plot, "log10 tokens")


def parametric_text(runs: Runs, found: ParametricFit, width: int, height: int) -> list[str]:
    plot = _text_plot(width, height, "measured (dots) and fitted (x) loss over FLOPs")
    plot.scatter(np.log10(runs.flops).tolist(), runs.loss.tolist(), marker="dot")
    plot.scatter(np.log10(runs.flops).tolist(), found.law.loss(runs.params, runs.tokens).tolist(), marker="x")
    return _text(plot, "log10 FLOPs")


def ladder_text(ladder: Ladder, predictions: Sequence[Prediction], width: int, height: int) -> list[str]:
    plot = _text_plot(width, height, f"{_plain(ladder.task)}: accuracy over NLL; x is predicted")
    there = ladder.second.nll > 0
    plot.scatter(ladder.second.nll[there].tolist(), ladder.second.accuracy[there].tolist(), marker="dot")
    if predictions:
        plot.scatter([one.nll for one in predictions], [one.accuracy for one in predictions], marker="x")
    return _text(plot, "NLL of the answer")


def _figure(columns: int, rows: int = 1) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2 * columns, 4.2 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns)


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})  # so that equal figures make equal files


def _colors(count: int) -> Any:
    from matplotlib import colormaps

    return colormaps["viridis"](np.linspace(0, 0.9, count))


def _plain(text: str) -> str:
    """`text` without what matplotlib reads as mathematics, or a terminal as commands."""
    return "".join(character if character.isprintable() else "?" for character in text).replace("$", r"\$")


def _text_plot(width: int, height: int, title: str) -> Any:
    import plotext

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plotsize(width, height)
    plotext.title(title)
    return plotext


def _text(plot: Any, label: str) -> list[str]:
    plot.xlabel(label)
    return plot.uncolorize(plot.build()).split("\n")
