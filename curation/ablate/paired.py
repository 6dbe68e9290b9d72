"""Which of two arms is better, from losses of both on the same documents with the same seeds.

Differences are paired twice: a seed gives both arms the same first weights and the same order of the rows they share, and
both are judged on the same documents. Two things could have come out otherwise:

    documents   another sample of them: a paired bootstrap (Efron 1979), the seeds averaged; weights of a Poisson
                distribution stand for drawing with replacement
    seeds       other first weights and orders: Student's t over the differences of single seeds

The 95 % interval allows for both: its half width is the root of the sum of both half widths' squares. Losses are bits per
byte, whole sums divided by whole bytes, so long documents count for more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import t as student

COVERAGE = 0.95
RESAMPLES = 1000
MOST_SEEDS_FACTOR = 10  # more seeds than ten times those that ran are no advice
FEWEST_DOCUMENTS = 5  # fewer say nothing about others like them


@dataclass(frozen=True)
class Interval:
    """An estimate and how far it goes to both sides."""

    value: float
    low: float
    high: float

    def off_zero(self) -> bool:
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Difference:
    """Loss of arm A minus loss of arm B, in bits per byte: below 0, A is better.

    `interval` allows for documents and seeds; `of_seeds` has one for each seed, over documents alone. `document_half` is half
    the interval over documents with the seeds averaged; `seed_sd` the standard deviation between seeds, None with one seed.
    """

    value: float
    interval: Interval
    of_seeds: tuple[Interval, ...]
    document_half: float
    seed_sd: float | None
    documents: int

    @property
    def seeds(self) -> int:
        return len(self.of_seeds)

    def half_width(self, seeds: int) -> float:
        """Half the interval that `seeds` seeds would give, were all else as it is."""
        return float(np.hypot(self.document_half, _seed_half(self.seed_sd or 0.0, seeds)))

    def smallest(self) -> float:
        """The smallest difference whose interval would have been off zero."""
        return self.half_width(self.seeds)


Outcome = Literal["A better", "B better", "not distinguishable", "needs more tokens"]


@dataclass(frozen=True)
class Verdict:
    """`more_seeds`: how many more pairs of models would take the interval off zero, at the difference found."""

    outcome: Outcome
    more_seeds: int = 0
    why: str = ""


def paired_difference(bits_a: np.ndarray, bits_b: np.ndarray, sizes: np.ndarray, seed: int = 0) -> Difference:
    """The difference between arms from bits of each document under each seed, [seeds, documents]; `sizes` are their bytes.

    Of figures that are means already (a task's items), `sizes` are ones.
    """
    gap = np.asarray(bits_a, np.float64) - np.asarray(bits_b, np.float64)
    sizes = np.asarray(sizes, np.float64)
    of_seeds = gap.sum(1) / sizes.sum()
    draws = _resampled(gap, sizes, seed)  # [resamples, seeds]
    intervals = tuple(Interval(float(value), *_quantiles(column)) for value, column in zip(of_seeds, draws.T, strict=True))
    value = float(of_seeds.mean())
    low, high = _quantiles(draws.mean(1))
    seed_sd = float(of_seeds.std(ddof=1)) if len(of_seeds) > 1 else None
    seed_half = _seed_half(seed_sd or 0.0, len(of_seeds))
    below, above = (float(np.hypot(max(side, 0.0), seed_half)) for side in (value - low, high - value))
    return Difference(value, Interval(value, value - below, value + above), intervals, (high - low) / 2, seed_sd, len(sizes))


def judge(difference: Difference, of_interest: float) -> Verdict:
    """The verdict. Differences below `of_interest` (bits per byte) do not matter to whoever asks."""
    if difference.documents < FEWEST_DOCUMENTS:
        return Verdict("not distinguishable", why=f"only {difference.documents} documents to judge on")
    interval = difference.interval
    if interval.off_zero() and abs(difference.value) >= of_interest:
        return Verdict("A better" if difference.value < 0 else "B better")
    if interval.off_zero() or max(abs(interval.low), abs(interval.high)) < of_interest:
        return Verdict("not distinguishable", why=f"any difference is below {of_interest:g}, which does not matter")
    if difference.value == 0 or abs(difference.value) < of_interest:
        return Verdict("not distinguishable")
    seeds = _first(lambda count: difference.half_width(count) < abs(difference.value), difference.seeds + 1, MOST_SEEDS_FACTOR * max(difference.seeds, 2))
    if seeds is None:
        return Verdict("not distinguishable", why=_out_of_reach(difference))
    return Verdict("needs more tokens", more_seeds=seeds - difference.seeds)


def _out_of_reach(difference: Difference) -> str:
    if difference.document_half >= abs(difference.value):
        return "no number of seeds would do: more documents to judge on might"
    return f"more than {MOST_SEEDS_FACTOR} times as many seeds would be needed"


def _first(holds: Callable[[int], bool], low: int, high: int) -> int | None:
    return next((count for count in range(low, high + 1) if holds(count)), None)


def _seed_half(seed_sd: float, seeds: int) -> float:
    if seeds < 2:
        return 0.0
    return float(student.ppf((1 + COVERAGE) / 2, seeds - 1) * seed_sd / np.sqrt(seeds))


def _resampled(gap: np.ndarray, sizes: np.ndarray, seed: int) -> np.ndarray:
    """Differences of each seed over resampled documents, [resamples, seeds]. Memory is blocks of resamples x documents."""
    random = np.random.default_rng(seed)
    block = max(1, 4_000_000 // max(len(sizes), 1))
    parts = []
    for first in range(0, RESAMPLES, block):
        weights = random.poisson(1.0, (min(block, RESAMPLES - first), len(sizes))).astype(np.float64)
        total = weights @ sizes
        parts.append((weights @ gap.T) / np.where(total > 0, total, np.inf)[:, None])
    return np.concatenate(parts)


def _quantiles(values: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return float(low), float(high)
