"""Predicting a task in two stages, as OLMo's ladder (arXiv 2412.04403) and Llama 3 (arXiv 2407.21783, section 3.2.1) do.

Stage one: runs -> NLL of the correct answer per byte, by E + A/N**alpha + B/D**beta (parametric.py), or by E + A/C**alpha
where only FLOPs are known; from the end of each run (the mean of its last five checkpoints).
Stage two: that NLL -> accuracy, by a sigmoid; from all checkpoints but the first tenth of a run, the NLL a mean over five (its
noise would flatten the curve; that of accuracy averages out), and the point where an NLL of 0 is always right.

A small error of fit says little: fits of 0.5 % have missed by 11 points. So the error that is told is that of the whole
prediction for the largest size, made without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from train.config import TrainError
from train.scaling.least_squares import fit
from train.scaling.parametric import DELTA, Law, fit_parametric
from train.scaling.power_law import Interval, interval, resampled_residuals
from train.scaling.runs import Table

COLUMNS = ("task", "run", "params", "tokens", "flops", "nll", "accuracy")
LAST_CHECKPOINTS = 5
SKIPPED_FRAC = 0.1
LOW, HIGH = np.array([-1.0, 0.0, -50.0, 0.0]), np.array([0.0, 200.0, 50.0, 1.0])  # of the sigmoid: a, k, x0, b


@dataclass(frozen=True)
class Points:
    """The checkpoints of one task, arrays [n], those of a run in order of tokens. `flops` where there are no params."""

    run: np.ndarray
    params: np.ndarray
    tokens: np.ndarray
    flops: np.ndarray
    nll: np.ndarray
    accuracy: np.ndarray

    def chosen(self, which: np.ndarray) -> Points:
        return Points(*(getattr(self, name)[which] for name in ("run", "params", "tokens", "flops", "nll", "accuracy")))

    @property
    def by_flops(self) -> bool:
        return bool(np.isnan(self.params).any())


@dataclass(frozen=True)
class Target:
    """What to predict for: a size on so many tokens, or FLOPs alone."""

    params: float = float("nan")
    tokens: float = float("nan")
    flops: float = float("nan")


@dataclass(frozen=True)
class StageOne:
    """Ends of runs [runs], the NLL predicted there, and the NLL at a target with resampled ones [R]."""

    ends: Points
    fitted: np.ndarray
    predict: Callable[[Target], float]
    resampled: Callable[[Target], np.ndarray]

    @property
    def relative_error(self) -> float:
        return float(np.abs(self.fitted / self.ends.nll - 1).mean())


@dataclass(frozen=True)
class StageTwo:
    """accuracy = a / (1 + exp(-k (nll - x0))) + b; parameters [4], resampled ones [R, 4], the points it was fitted to."""

    parameters: np.ndarray
    resampled: np.ndarray
    nll: np.ndarray
    accuracy: np.ndarray

    def at(self, nll: ArrayLike) -> np.ndarray:
        return sigmoid_curve(np.atleast_1d(nll))(self.parameters[None])[0][0]


@dataclass(frozen=True)
class Prediction:
    nll: float
    nll_within: Interval
    accuracy: float
    accuracy_within: Interval


@dataclass(frozen=True)
class HeldOut:
    """The end of a run of the largest size, predicted from the smaller ones."""

    run: str
    nll: float
    nll_predicted: float
    accuracy: float
    accuracy_predicted: float


@dataclass(frozen=True)
class Ladder:
    task: str
    first: StageOne
    second: StageTwo
    held_out: list[HeldOut]

    @property
    def held_out_error(self) -> float:
        """The mean error of accuracy, sign aside, over the runs that were left out; NaN where none could be."""
        return float(np.mean([abs(one.accuracy_predicted - one.accuracy) for one in self.held_out])) if self.held_out else float("nan")

    def predict(self, target: Target) -> Prediction:
        nll, drawn = self.first.predict(target), self.first.resampled(target)
        accuracies = np.array([sigmoid_curve(np.array([value]))(row[None])[0][0, 0] for value, row in zip(drawn, self.second.resampled)])
        return Prediction(nll, interval(drawn), float(self.second.at(nll)[0]), interval(accuracies))


def read_points(table: Table, names: dict[str, str]) -> dict[str, Points]:
    """The points of each task. Raises TrainError for columns that are missing; rows without a number are left out."""
    for name in names:
        if name not in COLUMNS:
            raise TrainError(f"column {name!r} is none that points of a ladder have ({', '.join(COLUMNS)}).")
    column = {name: names.get(name, name) for name in COLUMNS}
    tasks, runs = np.array(table.texts(column["task"])), np.array(table.texts(column["run"]))
    nll, accuracy = table.numbers(column["nll"]), table.numbers(column["accuracy"], positive=False)
    empty = np.full(len(nll), np.nan)
    given = {name: table.numbers(column[name]) if column[name] in table.columns else empty for name in ("params", "tokens", "flops")}
    sized = np.isfinite(given["params"] * given["tokens"]) | np.isfinite(given["flops"])
    if not sized.any():
        raise TrainError(f"{table.path}: has neither params and tokens nor flops; it has {', '.join(table.columns)}.")
    order = np.lexsort((np.nan_to_num(given["tokens"]), np.nan_to_num(given["flops"]), runs))
    there = order[(sized & np.isfinite(nll) & np.isfinite(accuracy))[order]]
    points = Points(runs, given["params"], given["tokens"], given["flops"], nll, accuracy)
    return {task: points.chosen(there[tasks[there] == task]) for task in dict.fromkeys(tasks.tolist())}


def fit_ladder(task: str, points: Points, resamples: int = 200, seed: int = 0) -> Ladder:
    """Both stages, and the runs of the largest size predicted without it. Raises ValueError for too few runs."""
    first, second = fit_stage_one(points, resamples, seed), fit_stage_two(points, resamples, seed)
    return Ladder(task, first, second, _held_out(points, seed))


def fit_stage_one(points: Points, resamples: int, seed: int) -> StageOne:
    ends = run_ends(points)
    if points.by_flops:
        return _by_flops(ends, resamples, seed)
    found = fit_parametric(ends.params, ends.tokens, ends.nll, resamples, seed)
    law, drawn = found.law, found.resampled
    return StageOne(
        ends, law.loss(ends.params, ends.tokens),
        lambda target: float(law.loss(target.params, target.tokens)), lambda target: drawn.loss(target.params, target.tokens),
    )  # fmt: skip


def fit_stage_two(points: Points, resamples: int, seed: int) -> StageTwo:
    """Least squares; resamplings draw whole runs, since the checkpoints of one are alike."""
    runs = _runs(points)
    smoothed = [(_smoothed(points.nll[where]), _later(points.accuracy[where])) for where in runs]
    nll = np.concatenate([np.zeros(1), *(pair[0] for pair in smoothed)])
    accuracy = np.concatenate([np.ones(1), *(pair[1] for pair in smoothed)])
    owner = np.concatenate([[0], *(np.full(len(pair[0]), number + 1) for number, pair in enumerate(smoothed))])
    curve = sigmoid_curve(nll)
    best = fit(curve, _sigmoid_starts(nll, accuracy), accuracy, low=LOW, high=HIGH, steps=300).best()
    random = np.random.default_rng(seed)
    drawn = random.multinomial(len(runs), np.full(len(runs), 1 / len(runs)), resamples)
    weights = np.column_stack((np.ones(resamples), drawn))[:, owner].astype(np.float64)
    again = fit(curve, np.tile(best, (resamples, 1)), accuracy, weights=weights, low=LOW, high=HIGH, tolerance=1e-6)
    return StageTwo(best, again.parameters, nll, accuracy)


def sigmoid_curve(nll: np.ndarray) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """a / (1 + exp(-k (nll - x0))) + b and its derivatives by (a, k, x0, b)."""

    def curve(parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        a, k, x0, b = (column[:, None] for column in parameters.T)
        rise = 0.5 * (1 + np.tanh(0.5 * k * (nll - x0)))
        steep = a * rise * (1 - rise)
        return a * rise + b, np.stack((rise, steep * (nll - x0), -steep * k, np.ones_like(rise)), 2)

    return curve


def run_ends(points: Points) -> Points:
    """One point for each run: its last size, with the means over its last five checkpoints."""
    runs = _runs(points)
    last = points.chosen(np.array([where[-1] for where in runs]))
    means = [np.array([getattr(points, name)[where[-LAST_CHECKPOINTS:]].mean() for where in runs]) for name in ("nll", "accuracy")]
    return Points(last.run, last.params, last.tokens, last.flops, *means)


def _runs(points: Points) -> list[np.ndarray]:
    return [np.flatnonzero(points.run == run) for run in dict.fromkeys(points.run.tolist())]


def _smoothed(values: np.ndarray) -> np.ndarray:
    """Without the first tenth, each the mean of itself and up to four before it."""
    kept = _later(values)
    sums = np.concatenate([[0.0], np.cumsum(kept)])
    ends = np.arange(1, len(kept) + 1)
    firsts = np.maximum(ends - LAST_CHECKPOINTS, 0)
    return (sums[ends] - sums[firsts]) / (ends - firsts)


def _later(values: np.ndarray) -> np.ndarray:
    """Without the first tenth."""
    return values[int(np.ceil(SKIPPED_FRAC * len(values))) if len(values) > 1 else 0 :]


def _sigmoid_starts(nll: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    """Falling from 1 to the lowest accuracy, somewhere among the points, gently to steeply."""
    floor = float(np.clip(accuracy.min(), 0.0, 0.9))
    places, slopes = (grid.ravel() for grid in np.meshgrid(np.quantile(nll, [0.05, 0.3, 0.5, 0.7, 0.95]), [1.0, 3.0, 8.0, 20.0]))
    return np.column_stack((np.full(len(places), floor - 1), slopes / max(float(np.median(nll)), 1e-6), places, np.ones(len(places))))


def _by_flops(ends: Points, resamples: int, seed: int) -> StageOne:
    """E + A / C**alpha in log space, as parametric.py with one size; Llama 3's line between NLL and log FLOPs, bent."""
    if len(ends.nll) < 4:
        raise ValueError(f"E + A/C^alpha needs four runs or more, there are {len(ends.nll)}")
    mean, logs, target = float(np.log(ends.flops).mean()), np.log(ends.flops), np.log(ends.nll)

    def curve_at(flops: np.ndarray) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
        x = np.log(flops) - mean

        def curve(parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            a, e, alpha = (column[:, None] for column in parameters.T)
            values = np.logaddexp(a - alpha * x, e)
            share = np.exp(a - alpha * x - values)
            return values, np.stack((share, 1 - share, -share * x), 2)

        return curve

    curve, middle = curve_at(np.exp(logs)), float(np.log(ends.nll.mean() / 2))
    low = np.array([target.min() - 30, target.min() - 30, 0.0])
    starts = np.array([[middle + shift, middle - shift, alpha] for shift in (-1, 0, 0.6) for alpha in (0.05, 0.15, 0.4, 1.0)])
    best = fit(curve, starts, target, DELTA, low=low, steps=300).best()
    fitted = curve(best[None])[0][0]
    drawn = fitted - resampled_residuals(fitted - target, 3, resamples, seed, robust=True)
    again = fit(curve, np.tile(best, (resamples, 1)), drawn, DELTA, low=low, tolerance=1e-6).parameters

    def at(target: Target, parameters: np.ndarray) -> np.ndarray:
        return np.exp(curve_at(np.array([target.flops]))(parameters)[0][:, 0])

    return StageOne(ends, np.exp(fitted), lambda target: float(at(target, best[None])[0]), lambda target: at(target, again))


def _held_out(points: Points, seed: int) -> list[HeldOut]:
    """The runs of the largest size (or the run of most FLOPs), predicted by a ladder without them."""
    size = points.flops if points.by_flops else points.params
    largest = size == size.max() if not points.by_flops else points.run == points.run[int(np.argmax(size))]
    try:
        first, second = fit_stage_one(points.chosen(~largest), 2, seed), fit_stage_two(points.chosen(~largest), 2, seed)
    except ValueError:
        return []  # too few are left to predict from
    ends = run_ends(points.chosen(largest))
    found = []
    for run, params, tokens, flops, nll, accuracy in zip(ends.run, ends.params, ends.tokens, ends.flops, ends.nll, ends.accuracy):
        predicted = first.predict(Target(params, tokens, flops))
        found.append(HeldOut(str(run), float(nll), predicted, float(accuracy), float(second.at(predicted)[0])))
    return found


__all__ = ["Ladder", "Law", "Points", "Target", "fit_ladder", "read_points"]
