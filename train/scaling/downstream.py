"""Average error over tasks as a function of loss: error = eps - k * exp(-gamma * loss) (arXiv 2403.08540, equation 5).

With the parametric law of the loss, it ranks datasets by the error a larger run would have: losses on one validation set
do not, since the data nearest to that set wins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from train.scaling.least_squares import fit

LOW, HIGH = np.array([0.0, 0.0, 1e-3]), np.array([1.0, 100.0, 20.0])


@dataclass(frozen=True)
class ErrorLaw:
    eps: float
    k: float
    gamma: float

    def at(self, loss: np.ndarray) -> np.ndarray:
        return self.eps - self.k * np.exp(-self.gamma * np.asarray(loss))


def fit_error(losses: np.ndarray, errors: np.ndarray) -> ErrorLaw:
    """losses [n], errors [n] between 0 and 1, by least squares. Raises ValueError for fewer than four runs."""
    if len(losses) < 4:
        raise ValueError(f"eps - k exp(-gamma L) has 3 parameters and needs 4 runs or more, there are {len(losses)}")
    lowest = float(losses.min())

    def curve(parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        eps, k, gamma = (column[:, None] for column in parameters.T)
        fall = np.exp(-gamma * (losses - lowest))
        return eps - k * fall, np.stack((np.ones_like(fall), -fall, k * fall * (losses - lowest)), 2)

    starts = np.array([[errors.max(), max(float(np.ptp(errors)), 1e-3), gamma] for gamma in (0.1, 0.3, 1.0, 3.0)])
    eps, k, gamma = fit(curve, starts, errors, low=LOW, high=HIGH, steps=300).best()  # k counts from the lowest loss
    return ErrorLaw(float(eps), float(k * np.exp(gamma * lowest)), float(gamma))
