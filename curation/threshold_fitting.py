"""Thresholds for a language from texts that are known to be good, as FineWeb-2 adapted English ones (arXiv:2506.20920).

A pack for English says which signals are compared, on which side, and where. For another language each threshold t follows
from the signal's values x in that language's reference texts, some methods also from its values e in English ones:

    tail          so that a share of the reference (10 %) lies beyond: quantile(x, 0.9) or, for a least value, quantile(x, 0.1)
    quantile      so that as much of the reference lies beyond as of the English one beyond the English threshold
    mean-std      mean(x) + z std(x), with z = (t - mean(e)) / std(e); without English texts z is a number that you choose
    median-ratio  t median(x) / median(e)

Wild results are clamped, and said. Of few texts the tails say little: a threshold may become stricter than the English one
only as far as there are texts to show for it. Rules that each drop little drop much together, so thresholds are then moved outwards,
all by the same share of what they drop, until the wanted share of the reference is kept. How much of the language a pack
keeps is told by texts that it was not fitted on (fitted_packs.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from rules.measures.signals import SIGNALS
from rules.rule import Comparison, Condition, Pack
from rules.thresholds import meets

Method = Literal["tail", "quantile", "mean-std", "median-ratio"]
MOST = {"fraction": 0.95, "ratio": 1.0, "characters": 60.0}  # of a threshold that something exceeds, by unit
STRICTER = 2.0  # how much stricter than the English threshold one may become, as a factor, when there are many texts
MANY = 1000  # texts with which it may become stricter by the square root of that factor
CONFIDENCE = 1.645  # standard errors
DECIMALS = 3
STEPS = 30  # of the search for how far thresholds are moved


class FitError(ValueError):
    """Thresholds cannot be fitted; the text says why, and what to do."""


@dataclass(frozen=True)
class Bound:
    """One comparison of one rule: where the pack that is adapted has its threshold."""

    rule: str
    signal: str
    comparison: Comparison

    @property
    def above(self) -> bool:
        """Are great values dropped, or small ones?"""
        return self.comparison.operator in (">", ">=")


@dataclass(frozen=True)
class Fitted:
    """A bound with the threshold for a language; None turns it off. `dropped`: its share of the fitted texts."""

    bound: Bound
    threshold: float | None
    dropped: float
    note: str = ""

    @property
    def comparison(self) -> Comparison | None:
        return None if self.threshold is None else Comparison(self.bound.comparison.operator, self.threshold)


def bounds_of(pack: Pack, signals: Sequence[str] = ()) -> list[Bound]:
    """The comparisons of `pack` that can be fitted: of active rules about one signal. FitError for a signal that has none."""
    found = [
        Bound(rule.id, condition.signal, comparison)
        for rule in pack.rules
        if rule.action != "off" and not rule.variant and len(rule.drop_when) == 1
        for condition in rule.drop_when
        for comparison in condition.any_of
        if comparison.operator in ("<", "<=", ">", ">=") and (not signals or condition.signal in signals)
    ]
    absent = sorted(set(signals) - {bound.signal for bound in found})
    if absent:
        known = ", ".join(dict.fromkeys(bound.signal for bound in bounds_of(pack)))
        raise FitError(f"pack {pack.name} compares no {', '.join(absent)} by itself; it does {known}")
    return found


def fitted(bound: Bound, values: np.ndarray, english: np.ndarray | None, method: Method, tail: float = 0.1, deviations: float = 2.0) -> Fitted:
    """The bound for the language of `values` (float64 [documents], NaN left out)."""
    values = values[~np.isnan(values)]
    if not len(values):
        return Fitted(bound, None, 0.0, "no text has this signal")
    english = english[~np.isnan(english)] if english is not None else None
    raw, note = _raw(bound, values, english, method, tail, deviations)
    threshold, clamped = _clamped(bound, raw, len(values))
    return _settled(bound, values, threshold, "; ".join(filter(None, (note, clamped))))


def _raw(bound: Bound, values: np.ndarray, english: np.ndarray | None, method: Method, tail: float, deviations: float) -> tuple[float, str]:
    """The threshold as the method has it, and what has to be said about it."""
    here = bound.comparison.threshold
    if method == "tail":
        return float(np.quantile(values, 1 - tail if bound.above else tail)), ""
    if method == "mean-std" and english is None:
        return float(values.mean() + (deviations if bound.above else -deviations) * values.std()), ""
    if english is None or not len(english):
        raise FitError(f"method {method} needs English texts: give --english FILES")
    if method == "quantile":
        beyond = float(meets(english, bound.comparison).mean())
        return float(np.quantile(values, 1 - beyond if bound.above else beyond)), ""
    if method == "mean-std":
        if english.std() == 0:
            return here, "English texts do not differ in it: the English threshold stays"
        return float(values.mean() + (here - english.mean()) / english.std() * values.std()), ""
    if np.median(english) == 0:
        return here, "the English median is 0: the English threshold stays"
    return float(here * np.median(values) / np.median(english)), ""


def _clamped(bound: Bound, raw: float, texts: int) -> tuple[float, str]:
    """`raw` within what makes sense for the signal, and what was done. Of fractions and lengths a least value may be somewhat
    greater than in English, with many texts; a count may not."""
    here, signal = bound.comparison.threshold, SIGNALS.get(bound.signal)
    known = texts / (texts + MANY)
    if bound.above:
        least, most = here / STRICTER**known, MOST.get(signal.unit if signal else "", math.inf)
        most = max(most, here)
    else:
        least, most = 0.0, here * (1.0 if signal is None or signal.unit not in MOST else 1.2**known)
    inside = min(max(raw, least), most)
    return inside, "" if inside == raw else f"clamped from {raw:.4g}"


def _settled(bound: Bound, values: np.ndarray, threshold: float, note: str) -> Fitted:
    """Rounded outwards; a least value of 0 or less drops nothing, so it is off."""
    scale = 10.0**DECIMALS
    threshold = math.ceil(threshold * scale - 1e-9) / scale if bound.above else math.floor(threshold * scale + 1e-9) / scale
    if not bound.above and threshold <= 0:
        return Fitted(bound, None, 0.0, note or "the reference goes down to 0")
    return Fitted(bound, threshold, float(meets(values, Comparison(bound.comparison.operator, threshold)).mean()), note)


def drops(found: Sequence[Fitted], columns: Mapping[str, np.ndarray], count: int) -> np.ndarray:
    """Which of `count` documents (bool) some bound drops; `columns` holds their signals."""
    gone = np.zeros(count, bool)
    for one in found:
        if one.comparison is not None:
            gone |= meets(columns[one.bound.signal], one.comparison)
    return gone


def relaxed(found: Sequence[Fitted], columns: Mapping[str, np.ndarray], others: np.ndarray, keep: float) -> list[Fitted]:
    """The bounds moved outwards, all by the same share of what they drop, until they and `others` (bool [documents], dropped
    by other rules) keep the share `keep` of the documents, or drop nothing any more.

    Texts that are fitted on flatter: of few, `aim` takes more."""

    def kept(some: Sequence[Fitted]) -> float:
        return 1 - float((drops(some, columns, len(others)) | others).mean()) if len(others) else 1.0

    keep = aim(keep, len(others))
    if kept(found) >= keep:
        return list(found)
    low, high = 0.0, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        if kept(_moved(found, columns, middle)) >= keep:
            low = middle
        else:
            high = middle
    return _moved(found, columns, low)


def aim(keep: float, texts: int) -> float:
    """The share to keep of so many texts for `keep` of others like them: the end of the one-sided interval of 95 %."""
    return min(1.0, keep + CONFIDENCE * math.sqrt(keep * (1 - keep) / max(texts, 1)))


def _moved(found: Sequence[Fitted], columns: Mapping[str, np.ndarray], share: float) -> list[Fitted]:
    """Each bound where it drops only `share` of what it dropped."""
    moved = []
    for one in found:
        if one.threshold is None or not one.dropped:
            moved.append(one)
            continue
        values = columns[one.bound.signal]
        values = values[~np.isnan(values)]
        beyond = one.dropped * share
        if one.bound.above:
            threshold = max(one.threshold, float(np.quantile(values, 1 - beyond, method="higher")))
        else:
            threshold = min(one.threshold, float(np.quantile(values, beyond, method="lower")))
        note = "; ".join(filter(None, (one.note, f"moved from {one.threshold:g}"))) if threshold != one.threshold else one.note
        moved.append(_settled(one.bound, values, threshold, note))
    return moved


def adapted(pack: Pack, found: Sequence[Fitted]) -> Pack:
    """`pack` with the fitted thresholds in its rules; a rule without any left is off."""
    by_rule: dict[str, list[Fitted]] = {}
    for one in found:
        by_rule.setdefault(one.bound.rule, []).append(one)
    rules = []
    for rule in pack.rules:
        if rule.id in by_rule and not rule.variant:
            comparisons = tuple(one.comparison for one in by_rule[rule.id] if one.comparison is not None)
            signal = by_rule[rule.id][0].bound.signal
            rule = replace(rule, drop_when=(Condition(signal, comparisons),)) if comparisons else replace(rule, action="off")
        rules.append(rule)
    return replace(pack, rules=tuple(rules))


def language_score_threshold(scores: np.ndarray) -> float:
    """FineWeb-2's least score of the language identifier: clip(median - standard deviation, 0.3, 0.9), of documents that
    it took for the language."""
    return float(np.clip(np.median(scores) - scores.std(), 0.3, 0.9)) if len(scores) else 0.3
