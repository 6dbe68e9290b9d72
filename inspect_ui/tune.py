"""Moving one threshold of one rule: what it would drop, at once, without deciding anything again.

The values of the documents whose verdict hangs on this comparison alone are sorted once; documents, words and languages
lost at any threshold are one binary search each, whatever the size of the sample. Of a rule that finds lines it is lines:
the conditions of its `when` are moved, and the lines that its pattern finds are counted (inspect_ui/line_tuning.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from inspect_ui.judging import Judged
from inspect_ui.reading import forms_of
from rules.deciding import scope_of
from rules.rule import Comparison, Rule
from rules.thresholds import condition_holds, meets


@dataclass(frozen=True)
class Moved:
    """What the rule hits with a threshold: documents, or of a rule that finds lines (Tuning.unit) those lines.

    `share` and `word_share`: of the sample's documents (lines) and words."""

    threshold: float
    documents: int
    share: float
    words: int
    word_share: float
    only: int  # documents that no other rule drops; lines that no other rule removes
    by_language: dict[str, int]


@dataclass(frozen=True)
class Histogram:
    """Documents by value: counts[i] of values from edges[i] to edges[i + 1] (the last one included)."""

    edges: np.ndarray  # float64 [bins + 1]
    counts: np.ndarray  # int64 [bins]
    below: int  # documents with a smaller value than the first edge
    above: int


@dataclass
class Sorted:
    """Documents (or lines) by their value: `values` ascending, `rows` of the sample, and sums over those before each."""

    values: np.ndarray  # float64 [m]
    rows: np.ndarray  # int64 [m]
    words: np.ndarray  # int64 [m + 1]
    only: np.ndarray  # int64 [m + 1]
    lines: np.ndarray | None = None  # int64 [m]: lines (from 1) of the documents `rows`; None: whole documents

    def sums(self, operator: str, threshold: float) -> tuple[int, int, int]:
        """Documents, words, and documents that no other rule drops, that meet the comparison."""
        low, high, last = int(np.searchsorted(self.values, threshold, "left")), int(np.searchsorted(self.values, threshold, "right")), len(self.values)
        met = {"<": [(0, low)], "<=": [(0, high)], ">": [(high, last)], ">=": [(low, last)], "==": [(low, high)], "!=": [(0, low), (high, last)]}
        found = np.zeros(3, np.int64)
        for begin, end in met[operator]:
            found += [end - begin, self.words[end] - self.words[begin], self.only[end] - self.only[begin]]
        return tuple(found.tolist())


@dataclass
class Tuning:
    """One comparison of one document rule over the sample ([n] documents).

    A rule may have several comparisons (one of a signal's must hold, and one of each signal): the others stay as they are."""

    rule: str  # pack/id
    signal: str
    operator: str
    threshold: float  # in force
    place: tuple[str, int]  # signal, and which of its comparisons
    documents: int  # of the sample (of a rule that finds lines: its lines)
    all_words: int
    sorted: Sorted = field(repr=False)
    fixed: tuple[int, int, int] = field(repr=False)  # documents, words, only that the rule's other comparisons hit anyway
    langs: np.ndarray = field(repr=False)  # int64 [n]: codes into lang_names
    lang_names: list[str] = field(repr=False)
    unit: Literal["documents", "lines"] = "documents"

    def move(self, threshold: float) -> Moved:
        """What the rule would hit with this threshold: a few binary searches."""
        documents, words, only = (a + b for a, b in zip(self.sorted.sums(self.operator, threshold), self.fixed))
        languages = {name: part.sums(self.operator, threshold)[0] for name, part in self.by_language.items()}
        counted = {name: count for name, count in languages.items() if count}
        return Moved(threshold, documents, documents / max(self.documents, 1), words, words / max(self.all_words, 1), only, counted)

    @cached_property
    def by_language(self) -> dict[str, Sorted]:
        """The same, of each language with documents here, most documents first."""
        codes = self.langs[self.sorted.rows]
        words, only = np.diff(self.sorted.words), np.diff(self.sorted.only)
        counts = np.bincount(codes, minlength=len(self.lang_names))
        found = {}
        for code in np.argsort(-counts, kind="stable")[: int((counts > 0).sum())]:
            mine = codes == code
            found[self.lang_names[code]] = Sorted(self.sorted.values[mine], self.sorted.rows[mine], sums_of(words[mine]), sums_of(only[mine]))
        return found

    def histogram(self, bins: int, language: str | None = None, low: float | None = None, high: float | None = None) -> Histogram:
        """Documents by value in `bins` equal steps from `low` to `high` (without them: where 99 % of the documents lie)."""
        part = self.sorted if language is None else self.by_language.get(language, Sorted(np.zeros(0), np.zeros(0, np.int64), np.zeros(1, np.int64), np.zeros(1, np.int64)))
        low, high = (given if given is not None else value for given, value in zip((low, high), self.range))
        edges = np.linspace(low, high, bins + 1)
        begin, end = np.searchsorted(part.values, low, "left"), np.searchsorted(part.values, high, "right")
        counts, _ = np.histogram(part.values[begin:end], edges)
        return Histogram(edges, counts, int(begin), int(len(part.values) - end))

    @cached_property
    def range(self) -> tuple[float, float]:
        """Where a histogram begins and ends: 99 % of the documents and the threshold in force."""
        finite = self.sorted.values[np.isfinite(self.sorted.values)]
        if not len(finite):
            return min(0.0, self.threshold), max(1.0, self.threshold)
        low, high = finite[int(0.005 * (len(finite) - 1))], finite[int(np.ceil(0.995 * (len(finite) - 1)))]
        low, high = min(float(low), self.threshold), max(float(high), self.threshold)
        return (low, high) if high > low else (low - 0.5, high + 0.5)

    def nearest(self, threshold: float, count: int = 5) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the sample next to the threshold, nearest first: those the rule hits, and those it just leaves."""
        hit, spared = self._next_to(threshold, count)
        return self.sorted.rows[hit], self.sorted.rows[spared]

    def nearest_places(self, threshold: float, count: int = 5) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """As `nearest`: (row, line) each; line 0 is the whole document."""
        lines = self.sorted.lines if self.sorted.lines is not None else np.zeros(len(self.sorted.rows), np.int64)
        hit, spared = ([(int(self.sorted.rows[i]), int(lines[i])) for i in part] for part in self._next_to(threshold, count))
        return hit, spared

    def _next_to(self, threshold: float, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Places in the sorted values next to the threshold, nearest first: on the side that is hit, and on the other."""
        at, last = int(np.searchsorted(self.sorted.values, threshold, "right" if self.operator in ("<=", ">") else "left")), len(self.sorted.values)
        below, above = np.arange(max(at - count, 0), at)[::-1], np.arange(at, min(at + count, last))
        return (below, above) if self.operator in ("<", "<=") else (above, below)

    def hit(self, rows: np.ndarray, threshold: float) -> np.ndarray:
        """bool: which of `rows` (of the sample) this comparison would hit; documents that the other comparisons hit are not counted."""
        met = meets(self.sorted.values, Comparison(self.operator, threshold))
        return np.isin(rows, self.sorted.rows[met])

    def step(self, columns: int) -> float:
        """How far one of `columns` columns of a histogram moves the threshold."""
        low, high = self.range
        return (high - low) / max(columns, 1)


def sums_of(values: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(values)]).astype(np.int64)


def tunings(judged: Judged, name: str) -> list[Tuning]:
    """Every comparison of rule `name` (pack/id) that has a threshold, in the order of the file; none for rules without.

    Of a rule with other thresholds for some languages, those are left as they are and not counted here."""
    rule = forms_of(judged.packs, name)[0]
    return [_tuning(judged, name, rule, i, j) for i, condition in enumerate(rule.drop_when) for j in range(len(condition.any_of))]


def _tuning(judged: Judged, name: str, rule: Rule, condition_number: int, number: int) -> Tuning:
    condition = rule.drop_when[condition_number]
    pack = next(pack for pack in judged.packs if name == f"{pack.name}/{rule.id}" and rule in pack.rules)
    count = len(judged.texts)
    langs = None if judged.langs.null_count == len(judged.langs) else judged.langs
    holds = scope_of(pack, rule, langs, count) if rule.action != "off" else np.zeros(count, bool)
    for i, other in enumerate(rule.drop_when):
        if i != condition_number:
            holds &= condition_holds(other, _values(judged, pack.name, other.signal))
    values, anyway = _values(judged, pack.name, condition.signal), np.zeros(count, bool)
    for j, other in enumerate(condition.any_of):
        if j != number:
            anyway |= meets(values, other)
    hits_now = judged.decision.rule_hits.get(name, np.zeros(count, bool)) & (name in judged.dropping)
    only = (judged.drop_votes - hits_now) == 0
    fixed = (int((holds & anyway).sum()), int(judged.words[holds & anyway].sum()), int((only & holds & anyway).sum()))
    rows = np.flatnonzero(holds & ~anyway & ~np.isnan(values))
    rows = rows[np.argsort(values[rows], kind="stable")]
    codes, names = language_numbers(judged.langs)
    own = condition.any_of[number]
    data = Sorted(values[rows], rows, sums_of(judged.words[rows]), sums_of(only[rows]))
    return Tuning(name, condition.signal, own.operator, own.threshold, (condition.signal, number), count, int(judged.words.sum()), data, fixed, codes, names)


def _values(judged: Judged, pack: str, signal: str) -> np.ndarray:
    return judged.columns.get(f"{pack}.{signal}", np.full(len(judged.texts), np.nan))


def language_numbers(langs: pa.ChunkedArray | pa.Array) -> tuple[np.ndarray, list[str]]:
    """The language of each document as a number (int64 [n]), and their names; `` for documents without one."""
    filled = pc.fill_null(langs, "")
    names: Sequence[str] = filled.unique().to_pylist()
    return pc.index_in(filled, pa.array(names, pa.string())).to_numpy(zero_copy_only=False).astype(np.int64), list(names)
