"""Decide: apply packs to a batch of texts. The only code that decides; run, check and examples all call it.

In a pack: line rules in file order, then signals once on the result, then document rules. Packs act in the order
given, each on the text as the one before left it. Every rule is evaluated on every document and every hit is
recorded; the first `drop` hit in that order is the reason. Signals are shared between packs for as long as no line
rule changed a text, so a batch is usually measured once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from rules.buffers import large_strings
from rules.lines import EDIT_ROWS, apply_line_rules, has_line_rules
from rules.rule import ENGINE_SIGNALS, Pack, Rule
from rules.signals import measure
from rules.thresholds import condition_holds, meets

HIT_FIELDS = [
    ("rule", pa.string()), ("action", pa.string()), ("signal", pa.string()),
    ("value", pa.float64()), ("comparison", pa.string()), ("threshold", pa.float64()),
]  # fmt: skip
HITS = pa.list_(pa.struct(HIT_FIELDS))


@dataclass
class Applied:
    """What packs decided about `n` documents."""

    texts: pa.LargeStringArray  # [n] after all edits
    dropped: np.ndarray  # bool [n]
    reasons: pa.StringArray  # [n] full name of the first rule that dropped it; null when kept
    hits: pa.ListArray  # [n] of HITS: every rule that hit, in job order
    signals: pa.Table  # [n] float64, one column `pack.signal` each
    edits: pa.Table  # row, rule (full name), line, before, after
    rule_hits: dict[str, np.ndarray]  # full name -> bool [n], rules that drop or tag a document


@dataclass
class _Hits:
    """Hits as flat columns, gathered rule by rule."""

    rows: list[np.ndarray] = field(default_factory=list)
    columns: list[tuple] = field(default_factory=list)  # rule, action, signal, comparison, threshold
    values: list[np.ndarray] = field(default_factory=list)

    def add(self, rows: np.ndarray, values: np.ndarray, *columns: object) -> None:
        if len(rows):
            self.rows.append(rows)
            self.values.append(values)
            self.columns.append(columns)


def apply(packs: Sequence[Pack], texts: pa.Array | pa.ChunkedArray, langs: Sequence[str | None] | pa.Array | None = None) -> Applied:
    """Apply `packs` to `texts` ([n]); `langs` ([n] codes as rules.languages.normalise gives them) limits rules by language.

    Without `langs`, packs and rules that name languages act on every text."""
    texts = large_strings(texts)
    langs_array = None if langs is None else np.asarray(langs if not isinstance(langs, (pa.Array, pa.ChunkedArray)) else langs.to_pylist(), object)
    hits, rule_hits, edits = _Hits(), {}, []
    signal_columns: dict[str, np.ndarray] = {}
    measured: dict[str, dict[str, np.ndarray]] = {}
    for position, pack in enumerate(packs):
        scopes = {i: _scope(pack, rule, langs_array, len(texts)) for i, rule in enumerate(pack.rules)}
        values: dict[str, np.ndarray] = {name: np.zeros(len(texts)) for name in ENGINE_SIGNALS}
        matches: dict[int, np.ndarray] = {}
        if has_line_rules(pack):
            result = apply_line_rules(pack, texts, scopes)
            values, matches = result.signals, result.matches
            if result.texts is not texts:
                texts, measured = result.texts, {}
            edits.append(_named(result.edits, pack))
        values = values | _measured(packs[position:], texts, measured)
        signal_columns |= {f"{pack.name}.{name}": values[name] for name in _signals_of(pack)}
        _decide(pack, scopes, values, matches, hits, rule_hits)
    return _applied(texts, hits, rule_hits, signal_columns, edits)


def _scope(pack: Pack, rule: Rule, langs: np.ndarray | None, count: int) -> np.ndarray:
    """bool [n]: documents whose language both the pack and the rule are meant for."""
    scope = np.ones(count, bool)
    if langs is not None:
        for languages in (pack.languages, rule.languages):
            if languages:
                scope &= np.isin(langs, languages)
        if rule.except_languages:
            scope &= ~np.isin(langs, rule.except_languages)
    elif rule.variant:
        scope[:] = False
    return scope


def _signals_of(pack: Pack) -> list[str]:
    """Names of the signals the pack's active document rules look at, in order."""
    names = [c.signal for rule in pack.rules if rule.action != "off" for c in rule.drop_when]
    return list(dict.fromkeys(names))


def _measured(packs: Sequence[Pack], texts: pa.LargeStringArray, cache: dict[str, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Signals of packs[0] on `texts`, measured together with those of the next packs that will see the same texts."""
    words = packs[0].words
    if words not in cache:
        names: list[str] = []
        for i, pack in enumerate(packs):
            if i and has_line_rules(pack):
                break
            if pack.words == words:
                names += [name for name in _signals_of(pack) if name not in ENGINE_SIGNALS]
        cache[words] = measure(texts, list(dict.fromkeys(names)), words=words)
    missing = [n for n in _signals_of(packs[0]) if n not in cache[words] and n not in ENGINE_SIGNALS]
    if missing:  # a pack with line rules that changed nothing in this batch
        cache[words] |= measure(texts, missing, words=words)
    return cache[words]


def _decide(
    pack: Pack, scopes: dict[int, np.ndarray], values: dict[str, np.ndarray], matches: dict[int, np.ndarray],
    hits: _Hits, rule_hits: dict[str, np.ndarray],
) -> None:  # fmt: skip
    for number, rule in enumerate(pack.rules):
        if rule.action == "off" or rule.lines:
            continue
        name = f"{pack.name}/{rule.id}"
        if rule.drop_when:
            holds = scopes[number] & np.logical_and.reduce([condition_holds(c, values[c.signal]) for c in rule.drop_when])
            _add_conditions(hits, rule, name, holds, values)
        else:
            count = matches[number].astype(np.float64)
            holds = count > 0
            rows = np.flatnonzero(holds)
            hits.add(rows, count[rows], name, rule.action, "matching_lines", ">", 0.0)
        rule_hits[name] = rule_hits[name] | holds if name in rule_hits else holds


def _add_conditions(hits: _Hits, rule: Rule, name: str, holds: np.ndarray, values: dict[str, np.ndarray]) -> None:
    """One hit per signal: with the first comparison that the document meets."""
    for condition in rule.drop_when:
        left = holds.copy()
        for comparison in condition.any_of:
            met = left & meets(values[condition.signal], comparison)
            rows = np.flatnonzero(met)
            signal = values[condition.signal][rows]
            hits.add(rows, signal, name, rule.action, condition.signal, comparison.operator, comparison.threshold)
            left &= ~met


def _named(edits: pa.Table, pack: Pack) -> pa.Table:
    names = pa.array([f"{pack.name}/{rule.id}" for rule in pack.rules], pa.string())
    return edits.set_column(1, "rule", names.take(edits["rule"].combine_chunks()))


def _applied(
    texts: pa.LargeStringArray, hits: _Hits, rule_hits: dict[str, np.ndarray],
    signals: dict[str, np.ndarray], edits: list[pa.Table],
) -> Applied:  # fmt: skip
    count = len(texts)
    dropped, reason = np.zeros(count, bool), np.full(count, -1)
    rules = [columns[0] for columns in hits.columns]
    for i in range(len(rules) - 1, -1, -1):  # backwards, so that the first rule in order has the last word
        if hits.columns[i][1] == "drop":
            dropped[hits.rows[i]] = True
            reason[hits.rows[i]] = i
    names = pa.array(rules, pa.string())
    reasons = names.take(pa.array(reason, mask=reason < 0)) if rules else pa.nulls(count, pa.string())
    empty = EDIT_ROWS.set(1, pa.field("rule", pa.string())).empty_table()
    table = pa.concat_tables([empty, *edits]).sort_by([("row", "ascending")]) if edits else empty
    columns = pa.table({name: pa.array(values, pa.float64()) for name, values in signals.items()})
    return Applied(texts, dropped, reasons, _hit_lists(hits, count), columns, table, rule_hits)


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
