"""y = coefficient * x ** exponent, by least squares between logarithms; many of them at once for resamplings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

COVERAGE = 0.95


@dataclass(frozen=True)
class Interval:
    """The middle 95 % of resamplings."""

    low: float
    high: float

    def record(self) -> dict[str, float]:
        return {"low": self.low, "high": self.high}


@dataclass(frozen=True)
class PowerLaw:
    """Fields are numbers, or arrays [R] of as many laws."""

    coefficient: Any
    exponent: Any

    def at(self, x: Any) -> Any:
        with np.errstate(over="ignore", invalid="ignore"):  # of wild resamplings, which intervals leave out
            return self.coefficient * x**self.exponent


def fit_power_law(x: np.ndarray, y: np.ndarray) -> PowerLaw:
    """x [n], y [n] above 0 -> the line of least squares through (ln x, ln y). y [R, n] gives R laws.

    Values of y that are not finite are left out. Raises ValueError for fewer than two points.
    """
    if np.shape(x)[-1] < 2:
        raise ValueError("a power law needs two points or more")
    log_x = np.log(np.asarray(x, np.float64))
    with np.errstate(invalid="ignore", divide="ignore"):
        log_y = np.log(np.asarray(y, np.float64))
    there = np.isfinite(log_y)
    count = np.maximum(there.sum(-1), 1)
    mean_x = np.where(there, log_x, 0.0).sum(-1) / count
    mean_y = np.where(there, log_y, 0.0).sum(-1) / count
    off_x = np.where(there, log_x - mean_x[..., None], 0.0)
    off_y = np.where(there, log_y - mean_y[..., None], 0.0)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        exponent = (off_x * off_y).sum(-1) / (off_x**2).sum(-1)
        coefficient = np.exp(mean_y - exponent * mean_x)
    return PowerLaw(float(coefficient), float(exponent)) if log_y.ndim == 1 else PowerLaw(coefficient, exponent)


def interval(values: ArrayLike, freedom: int | None = None) -> Interval:
    """The middle 95 % of `values` [R]; those that are not finite (resamplings without an answer) are left out.

    `freedom`: how many more points than parameters the fit had. With few, resamplings spread too little as an estimate of
    the noise is itself uncertain; the interval then takes the quantiles that Student's t asks for (Hesterberg 2015,
    arXiv 1411.5279, section 5.4).
    """
    found = np.asarray(values, np.float64)
    found = found[np.isfinite(found)]
    if not len(found):
        return Interval(float("nan"), float("nan"))
    outside = (1 - COVERAGE) / 2
    if freedom is not None:
        outside = float(stats.norm.cdf(stats.t.ppf(outside, max(freedom, 1))))
    low, high = np.quantile(found, [outside, 1 - outside])
    return Interval(float(low), float(high))


def resampled_residuals(residuals: np.ndarray, parameters: int, count: int, seed: int, robust: bool = False) -> np.ndarray:
    """[count, n] draws from `residuals` [n], centred, and widened for the `parameters` that were fitted to them.

    Fitted residuals are smaller than the noise by sqrt(1 - parameters / n) (Davison and Hinkley 1997, section 6.2.3). A
    `robust` fit leaves as many of them at 0 as it has parameters, a peak that the noise has not, on which its own error
    depends; so its draws are smoothed by noise of Silverman's width.
    """
    points = len(residuals)
    random = np.random.default_rng(seed)
    centred = residuals - residuals.mean()
    drawn = random.choice(centred, (count, points)) * np.sqrt(points / max(points - parameters, 1))
    if not robust:
        return drawn
    spread, between = float(centred.std()), float(np.subtract(*np.quantile(centred, [0.75, 0.25]))) / 1.349
    return drawn + 0.9 * (min(spread, between) or spread) * points**-0.2 * random.standard_normal((count, points))
