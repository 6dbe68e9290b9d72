"""Curves fitted to many sets of targets at once: Levenberg-Marquardt over a batch, with Huber's loss and bounds.

All fits share the points and differ in their targets, their starts or the weights of points, so a bootstrap of a thousand
fits is some dozens of NumPy calls. Huber's loss comes in by reweighting (each step minimises a square that bounds it from
above), so the objective never rises. Everything is float64, gradients are analytic.

Price: steps * fits * points * parameters squared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# parameters [R, p] -> values [R, n] and their derivatives [R, n, p]
Curve = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
NUMBERS_AT_ONCE = 4_000_000
FIRST_DAMPING, LEAST_DAMPING, MOST_DAMPING = 1e-3, 1e-9, 1e9


@dataclass(frozen=True)
class Fits:
    """Parameters [R, p] and the objective [R]: the mean of Huber's loss (or of squares / 2) over points."""

    parameters: np.ndarray
    objective: np.ndarray

    def best(self) -> np.ndarray:
        return self.parameters[int(np.nanargmin(self.objective))]


def fit(
    curve: Curve,
    starts: np.ndarray,
    targets: np.ndarray,
    delta: float | None = None,
    weights: np.ndarray | None = None,
    low: np.ndarray | None = None,
    high: np.ndarray | None = None,
    steps: int = 60,
    tolerance: float = 1e-13,
) -> Fits:
    """starts [R, p], targets [R, n] or [n], weights [R, n] of points, bounds [p] -> R fits.

    `delta` is where Huber's loss turns from a square to a line; None: least squares.
    Steps end when none lowers the objective by more than `tolerance` of it.
    """
    starts = np.asarray(starts, np.float64)
    targets = np.broadcast_to(targets, (len(starts), np.shape(targets)[-1]))
    at_once = max(1, NUMBERS_AT_ONCE // (targets.shape[1] * (starts.shape[1] + 4)))
    parts = [
        _fit(curve, starts[first : first + at_once], targets[first : first + at_once], delta,
             None if weights is None else weights[first : first + at_once], low, high, steps, tolerance)
        for first in range(0, len(starts), at_once)
    ]  # fmt: skip
    return Fits(np.concatenate([part.parameters for part in parts]), np.concatenate([part.objective for part in parts]))


def huber(residuals: np.ndarray, delta: float | None) -> np.ndarray:
    """Huber's loss (1964): half the square up to `delta`, a line beyond it."""
    half_square = 0.5 * residuals**2
    if delta is None:
        return half_square
    size = np.abs(residuals)
    return np.where(size <= delta, half_square, delta * (size - 0.5 * delta))


def _fit(curve, starts, targets, delta, weights, low, high, steps, tolerance) -> Fits:
    parameters = _within(starts.copy(), low, high)
    damping = np.full(len(parameters), FIRST_DAMPING)
    values, slopes = curve(parameters)
    objective = _objective(values - targets, delta, weights)
    for _ in range(steps):
        tried = _within(parameters + _step(values - targets, slopes, delta, weights, damping), low, high)
        tried_values, tried_slopes = curve(tried)
        tried_objective = _objective(tried_values - targets, delta, weights)
        better = tried_objective < objective  # False for what is not finite
        gain = np.where(better, objective - tried_objective, 0.0)
        parameters = np.where(better[:, None], tried, parameters)
        values = np.where(better[:, None], tried_values, values)
        slopes = np.where(better[:, None, None], tried_slopes, slopes)
        done = (better & (gain <= tolerance * objective)) | (~better & (damping >= MOST_DAMPING))
        objective = np.where(better, tried_objective, objective)
        damping = np.clip(np.where(better, damping / 5, damping * 4), LEAST_DAMPING, MOST_DAMPING)
        if done.all():
            break
    return Fits(parameters, objective)


def _step(residuals, slopes, delta, weights, damping) -> np.ndarray:
    """The damped Gauss-Newton step [R, p], damped by the diagonal, so that scales of parameters do not matter."""
    share = np.ones_like(residuals) if delta is None else np.minimum(1.0, delta / np.maximum(np.abs(residuals), 1e-300))
    if weights is not None:
        share = share * weights
    weighted = slopes * share[:, :, None]
    square = np.matmul(weighted.transpose(0, 2, 1), slopes)
    slope = np.matmul(weighted.transpose(0, 2, 1), residuals[:, :, None])
    diagonal = np.einsum("rpp->rp", square)
    diagonal += damping[:, None] * diagonal + 1e-12 * diagonal.max(1, keepdims=True) + 1e-30
    try:
        return -np.linalg.solve(square, slope)[:, :, 0]
    except np.linalg.LinAlgError:
        return -(slope[:, :, 0] / diagonal)


def _objective(residuals, delta, weights) -> np.ndarray:
    losses = huber(residuals, delta)
    return losses.mean(1) if weights is None else (losses * weights).sum(1) / weights.sum(1)


def _within(parameters: np.ndarray, low: np.ndarray | None, high: np.ndarray | None) -> np.ndarray:
    return parameters if low is None and high is None else np.clip(parameters, low, high)
