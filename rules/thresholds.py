"""Comparisons of measured values with thresholds, over whole columns at once.

The one meaning of `drop_when` and `when`: several signals are AND, several comparisons of one signal are OR, and NaN
(a signal that the document does not have) meets no comparison.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rules.rule import Comparison, Condition

_OPERATORS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def meets(values: np.ndarray, comparison: Comparison) -> np.ndarray:
    """bool [n]: which of `values` (float64 [n]) meet the comparison; NaN never does."""
    hit: np.ndarray = _OPERATORS[comparison.operator](values, comparison.threshold)
    return hit & ~np.isnan(values) if comparison.operator == "!=" else hit


def condition_holds(condition: Condition, values: np.ndarray) -> np.ndarray:
    """bool [n]: one of the condition's comparisons is met."""
    met: np.ndarray = np.logical_or.reduce([meets(values, comparison) for comparison in condition.any_of])
    return met


def conditions_hold(conditions: tuple[Condition, ...], signals: dict[str, np.ndarray]) -> np.ndarray:
    """bool [n]: every condition holds."""
    hold: np.ndarray = np.logical_and.reduce([condition_holds(c, signals[c.signal]) for c in conditions])
    return hold
