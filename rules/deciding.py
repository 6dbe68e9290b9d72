"""Decide: compare what was measured with thresholds. No text is needed, so a corpus can be decided again in seconds.

Every rule is evaluated on every document and every hit is recorded with its value and threshold; the first `drop` hit
in the order of packs and rules is the reason. Cost: a few passes over each column.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rules.rule import MATCHING_LINES, URL_MATCHES, Pack, Rule
from rules.thresholds import condition_holds, meets

HIT_FIELDS = [
    ("rule", pa.string()), ("action", pa.string()), ("signal", pa.string()),
    ("value", pa.float64()), ("comparison", pa.string()), ("threshold", pa.float64()),
]  # fmt: skip

Languages: TypeAlias = Sequence[str | None] | pa.Array | pa.ChunkedArray | None


@dataclass
class Decision:
    """The verdict on `n` documents."""

    dropped: np.ndarray  # bool [n]
    reasons: pa.StringArray  # [n] full name of the first rule that dropped it; null when kept
    hits: pa.ListArray  # [n] of HIT_FIELDS: every rule that hit, in job order
    rule_hits: dict[str, np.ndarray]  # full name -> bool [n], rules that drop or tag a document
    seconds: dict[str, float]  # full name -> time


@dataclass
class _Hits:
    """Hits as flat columns, gathered rule by rule."""

    rows: list[np.ndarray] = field(default_factory=list)
    columns: list[tuple[object, ...]] = field(default_factory=list)  # rule, action, signal, comparison, threshold
    values: list[np.ndarray] = field(default_factory=list)

    def add(self, rows: np.ndarray, values: np.ndarray, *columns: object) -> None:
        if len(rows):
            self.rows.append(rows)
            self.values.append(values)
            self.columns.append(columns)


def decide(packs: Sequence[Pack], columns: Mapping[str, np.ndarray], count: int, langs: Languages = None) -> Decision:
    """The verdict of `packs` on `count` documents from `columns` (float64 [count] each, as rules/engine.py measures them).

    Raises KeyError for a column that a rule needs and that is not there."""
    hits, langs = _Hits(), language_codes(langs)
    rule_hits: dict[str, np.ndarray] = {}
    seconds: dict[str, float] = {}
    for pack in packs:
        for rule in pack.rules:
            if rule.action == "off" or rule.lines:
                continue
            began, name = time.thread_time(), f"{pack.name}/{rule.id}"
            holds = _holds(pack, rule, columns, langs, count)
            _add_hits(hits, pack, rule, holds, columns)
            rule_hits[name] = rule_hits[name] | holds if name in rule_hits else holds
            seconds[name] = seconds.get(name, 0.0) + time.thread_time() - began
    dropped, reasons = _reasons(hits, count)
    return Decision(dropped, reasons, _hit_lists(hits, count), rule_hits, seconds)


def column_of(pack: Pack, rule: Rule) -> str:
    """The column of what a pattern or a URL rule counts."""
    return f"{pack.name}.{MATCHING_LINES if rule.url is None else URL_MATCHES}({rule.form})"


def scope_of(pack: Pack, rule: Rule, langs: Languages, count: int) -> np.ndarray:
    """bool [count]: documents whose language both the pack and the rule are meant for, and those whose language nobody knows,
    unless the rule is a form for some languages. Each is looked at alone: which others are in its batch changes nothing."""
    if langs is None:
        return np.full(count, not rule.variant)
    scope = np.ones(count, bool)
    if pack.languages or rule.languages or rule.except_languages:
        codes = language_codes(langs)
        assert codes is not None
        unknown = codes.is_null().to_numpy(zero_copy_only=False) & (not rule.variant)
        for languages in (pack.languages, rule.languages):
            if languages:
                scope &= _are_among(codes, languages) | unknown
        if rule.except_languages:
            scope &= ~_are_among(codes, rule.except_languages)
    return scope


def language_codes(langs: Languages) -> pa.Array | pa.ChunkedArray | None:
    """`langs` as Arrow strings, as which they are compared fast; None if there are none."""
    if langs is None or (isinstance(langs, (pa.Array, pa.ChunkedArray)) and langs.type == pa.string()):
        return langs
    return langs.cast(pa.string()) if isinstance(langs, (pa.Array, pa.ChunkedArray)) else pa.array(langs, pa.string())


def _are_among(codes: pa.Array | pa.ChunkedArray, languages: Sequence[str]) -> np.ndarray:
    """Which codes are among `languages` (none null), bool."""
    return pc.is_in(codes, pa.array(languages, pa.string())).to_numpy(zero_copy_only=False) if len(codes) else np.zeros(0, bool)


def _holds(pack: Pack, rule: Rule, columns: Mapping[str, np.ndarray], langs: Languages, count: int) -> np.ndarray:
    holds = scope_of(pack, rule, langs, count)
    for condition in rule.drop_when:
        holds &= condition_holds(condition, columns[f"{pack.name}.{condition.signal}"])
    if rule.url is not None or rule.acts_on_lines:
        holds &= columns[column_of(pack, rule)] > 0
    return holds


def _add_hits(hits: _Hits, pack: Pack, rule: Rule, holds: np.ndarray, columns: Mapping[str, np.ndarray]) -> None:
    """One hit per signal: with the first comparison that the document meets; one for a pattern, one for a URL."""
    name = f"{pack.name}/{rule.id}"
    if rule.url is not None or rule.acts_on_lines:
        rows = np.flatnonzero(holds)
        signal = MATCHING_LINES if rule.url is None else URL_MATCHES
        hits.add(rows, columns[column_of(pack, rule)][rows], name, rule.action, signal, ">", 0.0)
    for condition in rule.drop_when:
        left, values = holds.copy(), columns[f"{pack.name}.{condition.signal}"]
        for comparison in condition.any_of:
            met = left & meets(values, comparison)
            rows = np.flatnonzero(met)
            hits.add(rows, values[rows], name, rule.action, condition.signal, comparison.operator, comparison.threshold)
            left &= ~met


def _reasons(hits: _Hits, count: int) -> tuple[np.ndarray, pa.StringArray]:
    dropped, reason = np.zeros(count, bool), np.full(count, -1)
    for i in range(len(hits.columns) - 1, -1, -1):  # backwards, so that the first rule in order has the last word
        if hits.columns[i][1] == "drop":
            dropped[hits.rows[i]] = True
            reason[hits.rows[i]] = i
    names = pa.array([columns[0] for columns in hits.columns], pa.string())
    return dropped, names.take(pa.array(reason, mask=reason < 0)) if len(names) else pa.nulls(count, pa.string())


def _hit_lists(hits: _Hits, count: int) -> pa.ListArray:
    """Flat hits as one list per document; within a document in the order of the rules."""
    if not hits.rows:
        offsets, order, piece = np.zeros(count + 1, np.int64), np.empty(0, np.int64), np.empty(0, np.int64)
    else:
        rows = np.concatenate(hits.rows)
        piece = np.repeat(np.arange(len(hits.rows)), [len(r) for r in hits.rows])
        order = np.argsort(rows, kind="stable")
        offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=count))])
        piece = piece[order]
    values = np.concatenate(hits.values)[order] if hits.values else np.empty(0)
    columns = list(zip(*hits.columns)) if hits.columns else [()] * 5
    taken = [pa.array(c, t).take(pa.array(piece)) for c, t in zip(columns, (pa.string(), pa.string(), pa.string(), pa.string(), pa.float64()))]
    rule, action, signal, comparison, threshold = taken
    struct = pa.StructArray.from_arrays([rule, action, signal, pa.array(values), comparison, threshold], [n for n, _ in HIT_FIELDS])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), struct)
