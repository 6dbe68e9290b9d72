"""IsoFLOP curves: for each budget, a parabola of the loss over the log of size; its minimum; power laws through the minima.

Hoffmann's second approach (arXiv 2203.15556, section 3.2), as in Llama 3's first figure of scaling laws (arXiv 2407.21783,
section 3.2.1): ordinary least squares of a second degree in ln D (and, by itself, in ln N), then a line between logs.
Intervals: losses are drawn again around the parabolas, the noise taken from all budgets together.

The method is biased where sizes lie far to one side of the minimum or spread widely, since the curves are no parabolas; so
minima outside of the sizes tried are flagged, and parametric.py is to be asked, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from train.scaling.power_law import Interval, PowerLaw, fit_power_law, interval, resampled_residuals
from train.scaling.runs import Runs

TERMS = 3  # of a parabola
FEWEST_MINIMA = 3  # a line goes through two of them exactly, and nothing is left to tell how uncertain it is


@dataclass(frozen=True)
class Curve:
    """The parabola of one budget: loss = terms @ [1, z, z**2], z = ln size - centre; `minimum` is a size (NaN: there is none)."""

    centre: float
    terms: np.ndarray
    minimum: float
    least_loss: float
    inside: bool  # the minimum lies between the smallest and the largest size tried

    def loss(self, size: np.ndarray) -> np.ndarray:
        z = np.log(size) - self.centre
        return self.terms[0] + self.terms[1] * z + self.terms[2] * z**2


@dataclass(frozen=True)
class Minima:
    """For one of "tokens" and "params": a curve for each budget, the law through their minima, and resampled laws [R]."""

    size: str
    budgets: np.ndarray
    curves: list[Curve]
    law: PowerLaw
    resampled: PowerLaw
    freedom: int

    def at(self, flops: float) -> tuple[float, Interval | None]:
        """The best size at `flops` and its interval."""
        return float(self.law.at(flops)), self.within(self.resampled.at(flops))

    @property
    def has_intervals(self) -> bool:
        """Are there minima enough, and runs that the parabolas do not pass through exactly?"""
        return sum(np.isfinite(curve.minimum) for curve in self.curves) >= FEWEST_MINIMA and self.freedom > 0

    def within(self, values: np.ndarray) -> Interval | None:
        """The interval of `values` [R] of the resampled laws; None where these runs cannot tell one."""
        return interval(values, self.freedom) if self.has_intervals else None


@dataclass(frozen=True)
class IsoFlop:
    tokens: Minima
    params: Minima
    warnings: tuple[str, ...]

    @property
    def no_target(self) -> str:
        """Why the laws say nothing about other budgets; empty where they may."""
        falling = [f"best number of {one.size} falls with the budget" for one in (self.tokens, self.params) if one.law.exponent <= 0]
        curves = [curve for curve in self.tokens.curves if np.isfinite(curve.minimum)]
        inside = sum(curve.inside for curve in curves)
        if falling:
            return f"by these runs the {' and the '.join(falling)}, which no scaling law does: add sizes around the minima, or budgets"
        if inside < max(2, len(curves) / 2):
            return f"only {inside} of {len(curves)} minima lie inside the sizes tried: add sizes on their side, see the warnings"
        return ""


def fit_isoflop(runs: Runs, resamples: int = 1000, seed: int = 0) -> IsoFlop:
    """Raises ValueError for fewer than two budgets with three sizes and a minimum each."""
    budgets, places = _groups(runs)
    found = [_minima(name, getattr(runs, name), runs.loss, budgets, places, resamples, seed) for name in ("tokens", "params")]
    return IsoFlop(found[0], found[1], tuple(_warnings(runs, found[0], len(places))))


def _groups(runs: Runs) -> tuple[np.ndarray, list[np.ndarray]]:
    """Budgets that have as many sizes as a parabola has terms, and the places of their runs."""
    budgets = np.unique(runs.budget)
    places = [np.flatnonzero(runs.budget == budget) for budget in budgets]
    enough = [len(np.unique(runs.tokens[where])) >= TERMS for where in places]
    if sum(enough) < 2:
        raise ValueError(
            f"IsoFLOP curves need two budgets with three sizes or more each, there are {sum(enough)} "
            f"(of {len(budgets)} budgets). Add runs, or name the column that tells the budget of each run"
        )
    return budgets[enough], [where for where, chosen in zip(places, enough) if chosen]


def _minima(
    name: str, sizes: np.ndarray, losses: np.ndarray, budgets: np.ndarray, places: list[np.ndarray], resamples: int, seed: int
) -> Minima:
    solved = [_solve(np.log(sizes[where]), losses[where]) for where in places]
    curves = [_curve(sizes[where], centre, terms) for where, (centre, _, terms) in zip(places, solved)]
    fitted = [curve.loss(sizes[where]) for curve, where in zip(curves, places)]
    residuals = np.concatenate([losses[where] - values for where, values in zip(places, fitted)])
    drawn = resampled_residuals(residuals, TERMS * len(places), resamples, seed)
    minima, first = np.empty((resamples, len(places))), 0
    for column, (values, (centre, solver, _)) in enumerate(zip(fitted, solved)):
        again = (values + drawn[:, first : first + len(values)]) @ solver.T
        minima[:, column] = _vertices(again, centre)
        first += len(values)
    bottoms = np.array([curve.minimum for curve in curves])
    if np.isfinite(bottoms).sum() < 2:
        raise ValueError(
            f"only {np.isfinite(bottoms).sum()} of {len(budgets)} curves over {name} have a minimum: the losses are too noisy, or all sizes "
            f"lie far to one side of it. Add sizes, or larger budgets"
        )
    law = fit_power_law(budgets, bottoms)
    return Minima(name, budgets, curves, law, fit_power_law(budgets, minima), len(residuals) - TERMS * len(places))


def _solve(log_sizes: np.ndarray, losses: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """The centre, the matrix [3, n] that takes losses to the terms of their parabola, and those terms."""
    centre = float(log_sizes.mean())
    solver = np.linalg.pinv(np.vander(log_sizes - centre, TERMS, increasing=True))
    return centre, solver, solver @ losses


def _curve(sizes: np.ndarray, centre: float, terms: np.ndarray) -> Curve:
    minimum = float(_vertices(terms[None], centre)[0])
    least = float(terms[0] - terms[1] ** 2 / (4 * terms[2])) if np.isfinite(minimum) else float("nan")
    return Curve(centre, terms, minimum, least, bool(sizes.min() <= minimum <= sizes.max()))


def _vertices(terms: np.ndarray, centre: float) -> np.ndarray:
    """Sizes [R] at the bottom of parabolas [R, 3]; NaN for those that open downwards."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        size = np.exp(centre - terms[:, 1] / (2 * terms[:, 2]))
    return np.where((terms[:, 2] > 0) & np.isfinite(size) & (size > 0), size, np.nan)


def _warnings(runs: Runs, minima: Minima, used: int) -> list[str]:
    found = []
    for budget, curve in zip(minima.budgets, minima.curves):
        if np.isnan(curve.minimum):
            found.append(f"budget {budget:.3g}: the curve has no minimum; its runs are left out of the laws")
        elif not curve.inside:
            side = "more" if curve.minimum > np.exp(curve.centre) else "fewer"
            found.append(f"budget {budget:.3g}: the minimum lies outside of the sizes tried; add runs on {side} tokens")
    ignored = len(np.unique(runs.budget)) - used
    if ignored:
        found.append(f"{ignored} budgets with fewer than three sizes are left out")
    return found
