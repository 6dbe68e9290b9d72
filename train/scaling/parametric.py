"""L(N, D) = E + A / N**alpha + B / D**beta, Hoffmann's third approach (arXiv 2203.15556, section 3.3 and appendix D.3).

Algorithm: the three terms are linear once both exponents are given, so a grid of exponents is solved by non-negative least
squares (variable projection), and the best of that grid start the fit proper: Huber's loss (delta 1e-3) of ln L, the law
as a log of a sum of exponentials, whose parameters are those at the geometric mean of N and of D (well conditioned, where
A and B at N = D = 1 are not). A last BFGS with analytic gradients makes it exact. Intervals: residuals are drawn again.

Price: 0.1 s for a law, and as much for a thousand resamplings of 50 points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize

from train.scaling.least_squares import Fits, fit, huber
from train.scaling.power_law import PowerLaw, resampled_residuals

DELTA = 1e-3
EXPONENTS = np.linspace(0.04, 1.2, 30)
STARTS = 8
SMALLEST_SHARE = 1e-9  # of the loss: where a term starts that least squares leave out
LOWEST_LOG = 30.0  # a term this far (in logs) below the loss is none
LEAST_EXPONENT = 1e-3  # below, a size does not matter
PARAMETERS = ("A", "B", "E", "alpha", "beta")


@dataclass(frozen=True)
class Law:
    """Fields are numbers, or arrays [R] of as many laws. N and D as in the runs it was fitted to; L in their unit."""

    A: float
    B: float
    E: float
    alpha: float
    beta: float

    def loss(self, params: ArrayLike, tokens: ArrayLike) -> np.ndarray:
        return self.E + self.A / np.asarray(params) ** self.alpha + self.B / np.asarray(tokens) ** self.beta

    def best_params(self, flops: Any, per_param_token: float = 6.0) -> Any:
        """N that minimises the loss where flops = per_param_token * N * D."""
        return self._balance() * (flops / per_param_token) ** self._share(self.beta)

    def best_tokens(self, flops: Any, per_param_token: float = 6.0) -> Any:
        """D that minimises the loss where flops = per_param_token * N * D."""
        return (flops / per_param_token) ** self._share(self.alpha) * self._balance(-1)

    def params_law(self, per_param_token: float = 6.0) -> PowerLaw:
        """N*(C)."""
        exponent = self._share(self.beta)
        return PowerLaw(self._balance() * per_param_token**-exponent, exponent)

    def tokens_law(self, per_param_token: float = 6.0) -> PowerLaw:
        """D*(C)."""
        exponent = self._share(self.alpha)
        return PowerLaw(per_param_token**-exponent * self._balance(-1), exponent)

    @property
    def has_optimum(self) -> bool:
        """Whether both sizes matter, so that one can be weighed against the other. Of a single law."""
        return min(self.alpha, self.beta) > LEAST_EXPONENT and bool(np.isfinite(self._balance())) and self._balance() > 0

    def _share(self, exponent: float) -> float:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(exponent) / np.asarray(self.alpha + self.beta)

    def _balance(self, power: int = 1) -> float:
        """G ** power, G of appendix D.3; no (finite) number where one size does not matter."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio = np.asarray(self.alpha * self.A) / np.asarray(self.beta * self.B)
            return ratio ** (power / np.asarray(self.alpha + self.beta))


@dataclass(frozen=True)
class ParametricFit:
    """The law, as many laws fitted to resampled losses (fields [R]), and residuals of ln L [n]."""

    law: Law
    resampled: Law
    residuals: np.ndarray
    objective: float

    @property
    def relative_error(self) -> float:
        """The mean of |fitted - measured| / measured."""
        return float(np.abs(np.expm1(self.residuals)).mean())


def fit_parametric(
    params: np.ndarray, tokens: np.ndarray, losses: np.ndarray, resamples: int = 1000, seed: int = 0
) -> ParametricFit:
    """All [n], above 0. Raises ValueError for fewer runs than the law has parameters, or where N or D never varies."""
    params, tokens, losses = (np.asarray(values, np.float64) for values in (params, tokens, losses))
    _require_enough(params, tokens)
    means = float(np.log(params).mean()), float(np.log(tokens).mean())
    log_n, log_d, target = np.log(params) - means[0], np.log(tokens) - means[1], np.log(losses)
    curve, low = log_loss_curve(log_n, log_d), _lowest(target)
    found = fit(curve, starts(log_n, log_d, losses), target, DELTA, low=low, steps=200)
    best = _polished(curve, found.best(), target, low)
    residuals = curve(best[None])[0][0] - target
    again = _resampled(curve, best, residuals, resamples, seed, low)
    objective = float(huber(residuals, DELTA).mean())
    return ParametricFit(_law(best, means), _law(again.parameters.T, means), residuals, objective)


def log_loss_curve(log_n: np.ndarray, log_d: np.ndarray) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """ln L and its derivatives by (a, b, e, alpha, beta): the log of the sum of exp(a - alpha ln N), exp(b - beta ln D), exp(e)."""

    def curve(parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        a, b, e, alpha, beta = (column[:, None] for column in parameters.T)
        terms = np.stack(np.broadcast_arrays(a - alpha * log_n, b - beta * log_d, e), 2)
        highest = terms.max(2, keepdims=True)
        shares = np.exp(terms - highest)
        total = shares.sum(2, keepdims=True)
        shares /= total
        values = (highest + np.log(total))[:, :, 0]
        slopes = np.concatenate((shares, shares[:, :, :2] * -np.stack((log_n, log_d), 1)), 2)
        return values, slopes

    return curve


def starts(log_n: np.ndarray, log_d: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """[STARTS, 5]: the best of a grid of exponents, the three terms solved by non-negative least squares of L / measured L."""
    alphas, betas = (grid.ravel() for grid in np.meshgrid(EXPONENTS, EXPONENTS))
    columns = np.stack((np.exp(-alphas[:, None] * log_n), np.exp(-betas[:, None] * log_d), np.ones((len(alphas), len(log_n)))), 2)
    factors, errors = nonnegative_least_squares(columns / losses[:, None], np.ones(len(losses)))
    best = np.argsort(errors)[:STARTS]
    logs = np.log(np.maximum(factors[best], SMALLEST_SHARE * losses.mean()))
    return np.column_stack((logs, alphas[best], betas[best]))


def nonnegative_least_squares(columns: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """columns [R, n, 3], target [n] -> factors [R, 3] at least 0 and the sum of squares [R], over all sets of columns."""
    square = np.matmul(columns.transpose(0, 2, 1), columns)
    product = np.matmul(columns.transpose(0, 2, 1), target)
    best = np.zeros((len(columns), 3))
    lowest = np.full(len(columns), float(target @ target))
    for chosen in ([0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]):
        part = square[:, chosen][:, :, chosen] + 1e-13 * np.eye(len(chosen)) * square[:, chosen, chosen].max(1)[:, None, None]
        factors = np.linalg.solve(part, product[:, chosen, None])[:, :, 0]
        errors = float(target @ target) - (factors * product[:, chosen]).sum(1)
        better = (factors >= 0).all(1) & (errors < lowest)
        lowest[better] = errors[better]
        best[better] = 0.0
        best[np.ix_(better, chosen)] = factors[better]
    return best, lowest


def _lowest(target: np.ndarray) -> np.ndarray:
    """Exponents are at least 0, and no term fades so far that its parameters mean nothing."""
    return np.array([*(3 * [target.min() - LOWEST_LOG]), 0.0, 0.0])


def _polished(curve: Callable, start: np.ndarray, target: np.ndarray, low: np.ndarray) -> np.ndarray:
    """`start` after L-BFGS-B on the very objective, where that lowers it."""

    def objective(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        values, slopes = curve(parameters[None])
        residuals = values[0] - target
        return float(huber(residuals, DELTA).mean()) * 1e6, np.clip(residuals, -DELTA, DELTA) @ slopes[0] / len(target) * 1e6

    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=[(bound, None) for bound in low],
                     options={"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-9})  # fmt: skip
    return found.x if found.fun < objective(start)[0] else start


def _resampled(curve: Callable, best: np.ndarray, residuals: np.ndarray, resamples: int, seed: int, low: np.ndarray) -> Fits:
    fitted = curve(best[None])[0][0]
    targets = fitted - resampled_residuals(residuals, len(PARAMETERS), resamples, seed, robust=True)
    return fit(curve, np.tile(best, (resamples, 1)), targets, DELTA, low=low, tolerance=1e-6)


def _law(parameters: np.ndarray, means: tuple[float, float]) -> Law:
    """The law of parameters [5] or [5, R] that count from the geometric means of N and D."""
    a, b, e, alpha, beta = parameters if parameters.ndim == 2 else map(float, parameters)
    return Law(np.exp(a + alpha * means[0]), np.exp(b + beta * means[1]), np.exp(e), alpha, beta)


def _require_enough(params: np.ndarray, tokens: np.ndarray) -> None:
    if len(params) <= len(PARAMETERS):
        raise ValueError(f"E + A/N^alpha + B/D^beta has 5 parameters and needs more than 5 runs, there are {len(params)}")
    for name, values in (("params", params), ("tokens", tokens)):
        if len(np.unique(values)) < 2:
            raise ValueError(f"all runs have the same {name}: the law cannot be told apart. Vary both sizes and tokens")
