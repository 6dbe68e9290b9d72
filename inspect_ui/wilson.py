"""How far a share of a few labels can be trusted: the Wilson score interval (E. B. Wilson, JASA 22, 1927)."""

from __future__ import annotations

import math
from dataclasses import dataclass

Z_95 = 1.959963984540054  # the normal quantile of 97.5 %
TOO_FEW = 20  # labels; of fewer, no share is said


@dataclass(frozen=True)
class Share:
    """`hits` of `labels` and the 95 % interval around their share."""

    hits: int
    labels: int

    @property
    def value(self) -> float:
        """NaN of no labels."""
        return self.hits / self.labels if self.labels else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.hits, self.labels)

    @property
    def enough(self) -> bool:
        return self.labels >= TOO_FEW

    def __str__(self) -> str:
        if not self.enough:
            return f"too few labels ({self.labels})"
        low, high = self.interval
        return f"{self.value:.2f} [{low:.2f}, {high:.2f}], {self.labels} labels"


def wilson(hits: int, count: int, z: float = Z_95) -> tuple[float, float]:
    """The interval for a probability of which `hits` of `count` trials came out; (0, 1) for no trials.

    Raises ValueError unless 0 <= hits <= count."""
    if not 0 <= hits <= count:
        raise ValueError(f"{hits} hits of {count} trials")
    if not count:
        return 0.0, 1.0
    share, denominator = hits / count, 1 + z * z / count
    centre = (share + z * z / (2 * count)) / denominator
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / denominator
    low, high = 0.0 if not hits else centre - half, 1.0 if hits == count else centre + half
    return max(low, 0.0), min(high, 1.0)
