"""Which proportions are best, from the losses of small runs on random ones: drawing mixtures, and a regression over them.

As RegMix (arXiv 2407.01492) does: mixtures are drawn from Dirichlet distributions around the natural proportions, some near
them and some far; a regression predicts the loss from the weights; of many drawn mixtures those with the lowest predicted
losses are averaged. The regression is ridge, linear in the weights or in their logarithms, whichever (with whichever
penalty) predicts left-out runs best; the error at left-out runs is told, since that of the fit says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import spearmanr

NEAREST, FARTHEST = 12.0, 0.7  # concentrations of the Dirichlet distributions, in multiples of the number of groups
CANDIDATES, AVERAGED = 20_000, 100
SMALLEST_WEIGHT = 0.01  # added below logarithms
PENALTIES = tuple(10.0**power for power in range(-4, 3))
Features = Literal["weights", "logarithms"]


def draw_mixtures(natural: np.ndarray, most: np.ndarray, count: int, seed: int) -> np.ndarray:
    """`count` mixtures, [count, groups], each row summing to 1: around `natural`, none above `most` (weights)."""
    random = np.random.default_rng(seed)
    groups = len(natural)
    around = 0.5 * natural + 0.5 / groups  # so that small groups are tried, too
    concentrations = groups * np.exp(random.uniform(np.log(FARTHEST), np.log(NEAREST), count))
    drawn = np.stack([random.dirichlet(np.maximum(around * each, 1e-3)) for each in concentrations])
    return np.stack([capped(each, most) for each in drawn])


def capped(weights: np.ndarray, most: np.ndarray) -> np.ndarray:
    """The nearest weights by ratio of which none is above `most`; what is over goes to the others. `most` must sum to 1 or more."""
    weights = np.maximum(weights, 0.0) / weights.sum()
    fixed = np.zeros(len(weights), bool)
    while (over := (weights > most + 1e-12) & ~fixed).any():
        fixed |= over
        weights = np.where(fixed, most, weights)
        free = weights[~fixed].sum()
        if not fixed.all():
            share = 1 - most[fixed].sum()
            weights = np.where(fixed, most, weights * (share / free) if free > 0 else share / (~fixed).sum())
    return weights / weights.sum()


@dataclass(frozen=True)
class Regression:
    """Loss from weights. `left_out`: what each run is predicted to lose by a regression on the others."""

    features: Features
    penalty: float
    mean: np.ndarray
    scale: np.ndarray
    slopes: np.ndarray
    intercept: float
    left_out: np.ndarray
    error: float  # root mean square at left-out runs
    rank_correlation: float  # Spearman's, at left-out runs

    def predict(self, weights: np.ndarray) -> np.ndarray:
        return ((_features(weights, self.features) - self.mean) / self.scale) @ self.slopes + self.intercept


def fit_mixtures(weights: np.ndarray, losses: np.ndarray) -> Regression:
    """The regression that predicts left-out runs best; `weights` [runs, groups], `losses` [runs]. Needs 4 runs or more."""
    kinds: tuple[Features, ...] = ("weights", "logarithms")
    fits = [_fit(weights, losses, kind, penalty) for kind in kinds for penalty in PENALTIES]
    return min(fits, key=lambda fit: fit.error)


def best_mixture(regression: Regression, natural: np.ndarray, most: np.ndarray, seed: int) -> np.ndarray:
    """The mean of the mixtures with the lowest predicted losses, among many drawn as the runs' were."""
    candidates = draw_mixtures(natural, most, CANDIDATES, seed)
    lowest = np.argsort(regression.predict(candidates), kind="stable")[:AVERAGED]
    return candidates[lowest].mean(0)


def _features(weights: np.ndarray, kind: Features) -> np.ndarray:
    return weights if kind == "weights" else np.log(weights + SMALLEST_WEIGHT)


def _fit(weights: np.ndarray, losses: np.ndarray, kind: Features, penalty: float) -> Regression:
    columns = _features(weights, kind)
    mean, scale = columns.mean(0), np.maximum(columns.std(0), 1e-9)
    centred, intercept = (columns - mean) / scale, float(losses.mean())
    inverse = np.linalg.inv(centred.T @ centred + penalty * np.eye(columns.shape[1]))
    slopes = inverse @ centred.T @ (losses - intercept)
    leverage = np.einsum("ij,jk,ik->i", centred, inverse, centred) + 1 / len(losses)
    residuals = losses - (centred @ slopes + intercept)
    left_out = losses - residuals / np.maximum(1 - leverage, 1e-6)
    error = float(np.sqrt(np.mean((left_out - losses) ** 2)))
    varied = np.ptp(left_out) > 0 and np.ptp(losses) > 0
    rank = float(spearmanr(left_out, losses).statistic) if varied else 0.0
    return Regression(kind, penalty, mean, scale, slopes, intercept, left_out, error, rank)
