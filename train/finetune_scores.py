"""How good predictions on held-out items are, each figure with an interval from resampled items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from train.evaluate.intervals import COVERAGE, RESAMPLES, estimate

Score = Callable[[np.ndarray, np.ndarray], float]  # predicted, right -> figure


def class_scores(predicted: np.ndarray, right: np.ndarray, classes: int) -> dict[str, Any]:
    """Accuracy, macro F1 over `classes`, and what always saying the most frequent class would reach."""
    f1 = _resampled(lambda p, r: macro_f1(p, r, classes), predicted, right)
    return {"accuracy": estimate((predicted == right).astype(float)).record(), "macro_f1": f1, "majority": _plain(_majority(right))}


def choice_scores(predicted: np.ndarray, right: np.ndarray, choices: np.ndarray) -> dict[str, Any]:
    """Accuracy, and that of chance, for items with so many choices."""
    return {"accuracy": estimate((predicted == right).astype(float)).record(), "chance": _plain(float((1 / choices).mean()))}


def number_scores(predicted: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    """Pearson's and Spearman's correlation, and the root of the mean square error."""
    return {
        "pearson": _resampled(pearson, predicted, right),
        "spearman": _resampled(spearman, predicted, right),
        "rmse": _resampled(lambda p, r: float(np.sqrt(((p - r) ** 2).mean())), predicted, right),
    }


def macro_f1(predicted: np.ndarray, right: np.ndarray, classes: int) -> float:
    """The mean of F1 over classes that occur among predictions or right answers."""
    hits = np.bincount(right[predicted == right], minlength=classes)
    sums = np.bincount(predicted, minlength=classes) + np.bincount(right, minlength=classes)
    return float((2 * hits[sums > 0] / sums[sums > 0]).mean())


def pearson(predicted: np.ndarray, right: np.ndarray) -> float:
    """NaN where one of them never varies."""
    a, b = predicted - predicted.mean(), right - right.mean()
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 0 else float("nan")


def spearman(predicted: np.ndarray, right: np.ndarray) -> float:
    """Pearson's correlation of ranks, equal values sharing the mean of theirs."""
    return pearson(_ranks(predicted), _ranks(right))


def _ranks(values: np.ndarray) -> np.ndarray:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(count)
    return ((ends - count) + (ends - 1))[place] / 2


def _resampled(score: Score, predicted: np.ndarray, right: np.ndarray, seed: int = 0) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    places = random.integers(0, len(right), (RESAMPLES, len(right))) if len(right) > 1 else np.zeros((0, 1), np.int64)
    drawn = np.array([score(predicted[where], right[where]) for where in places])
    drawn = drawn[np.isfinite(drawn)]
    value = score(predicted, right)
    if not np.isfinite(value):
        return _plain(None)
    if not len(drawn):
        return _plain(value)
    low, high = np.quantile(drawn, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return {"value": value, "stderr": float(drawn.std(ddof=1)), "low": float(low), "high": float(high)}


def _majority(right: np.ndarray) -> float:
    return float(np.unique(right, return_counts=True)[1].max() / len(right))


def _plain(value: float | None) -> dict[str, Any]:
    return {"value": value, "stderr": None, "low": None, "high": None}
