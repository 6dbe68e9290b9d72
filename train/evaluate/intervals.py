"""How sure a mean over items is: its standard error, and a bootstrap interval (Efron 1979), seeded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

RESAMPLES = 1000
COVERAGE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over `count` items, its standard error, and the interval that holds it in 95 % of resamplings."""

    mean: float
    stderr: float | None
    low: float | None
    high: float | None
    count: int

    def record(self) -> dict[str, Any]:
        return {"value": self.mean, "stderr": self.stderr, "low": self.low, "high": self.high}


def estimate(values: np.ndarray, seed: int = 0) -> Estimate:
    """The mean of `values` [items] and how far off it may be. Of one value nobody knows: None."""
    values = np.asarray(values, np.float64)
    if len(values) < 2:
        return Estimate(float(values.mean()), None, None, None, len(values))
    low, high = np.quantile(_resampled_means(values, seed), [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    stderr = float(values.std(ddof=1) / np.sqrt(len(values)))
    return Estimate(float(values.mean()), stderr, float(low), float(high), len(values))


def _resampled_means(values: np.ndarray, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.array([values[random.integers(0, len(values), len(values))].mean() for _ in range(RESAMPLES)])
