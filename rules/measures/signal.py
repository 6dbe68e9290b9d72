"""A signal: a number that a text has, as arithmetic on counts. The families of signals are built from this.

To add a signal of counts that exist, write one `Signal`; for a new count, add it to a kernel of its family (or a new
kernel to rules/measures/counts.py) and to the plain definitions that the tests compare with. A signal is NaN where its
denominator is zero, so in an empty text every fraction is NaN and every number zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# What `gristmill signals NAME` measures when a signal brings no example of its own.
EXAMPLE = """\
# Fresh bread {1}

- 500 g flour
- 300 ml water...

Knead the dough and let it rest. Bake the bread with steam at 230 degrees for 40 minutes and let it cool.
Bake the bread with steam at 230 degrees for 40 minutes and let it cool.

- 500 g flour
- 300 ml water...

"""


@dataclass(frozen=True)
class Signal:
    """A number that a text has: `formula` of its `counts` (int64 [docs] each) as float64 [docs]."""

    name: str
    meaning: str
    unit: str
    source: str
    counts: tuple[str, ...]
    formula: Callable[..., np.ndarray]
    example: str = EXAMPLE

    def value(self, counts: dict[str, np.ndarray]) -> np.ndarray:
        """The signal of each document, float64 [docs]; NaN where a document has none."""
        return self.formula(*(counts[name] for name in self.counts))


def number(found: np.ndarray) -> np.ndarray:
    """The count itself."""
    return found.astype(np.float64)


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole; NaN where there is no whole."""
    found = np.full(len(part), np.nan)
    np.divide(part, whole, out=found, where=whole != 0)
    return found


def ratio_of_difference(part: np.ndarray, whole: np.ndarray, less: np.ndarray) -> np.ndarray:
    """part / (whole - less); NaN where nothing is left."""
    return ratio(part, whole - less)


def total(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Both counts together."""
    return number(first + second)
