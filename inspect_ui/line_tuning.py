"""Moving a threshold of a rule that finds lines: a condition of its `when`, such as `line_chars: "<= 400"`.

The engine finds the lines that the rule would hit without this condition; their values are measured once and sorted.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa

from inspect_ui.effects import lines_found
from inspect_ui.judging import Judged
from inspect_ui.tune import Sorted, Tuning, language_numbers, sums_of
from rules.engine import WORDS
from rules.line_rules.line_signals import measure_lines
from rules.measures.signals import measure
from rules.rule import Pack, Rule
from rules.text.buffers import string_buffers
from rules.thresholds import meets


def line_tunings(judged: Judged, name: str, rule: Rule) -> list[Tuning]:
    """Every comparison of the `when` of rule `name`, in the order of the file."""
    pack = next(pack for pack in judged.packs if name == f"{pack.name}/{rule.id}")
    return [_line_tuning(judged, pack, rule, i, j) for i, condition in enumerate(rule.when) for j in range(len(condition.any_of))]


def _line_tuning(judged: Judged, pack: Pack, rule: Rule, condition_number: int, number: int) -> Tuning:
    condition, name = rule.when[condition_number], f"{pack.name}/{rule.id}"
    others = tuple(other for i, other in enumerate(rule.when) if i != condition_number)
    found = _found_without(judged, pack, dataclasses.replace(rule, when=others))
    offsets, data = string_buffers(found["before"])
    values = measure_lines(offsets, data, [condition.signal])[condition.signal].astype(np.float64)
    anyway = np.zeros(len(values), bool)
    for j, other in enumerate(condition.any_of):
        if j != number:
            anyway |= meets(values, other)
    rows, lines = found["row"].to_numpy(), found["line"].to_numpy()
    words = measure(found["before"], [WORDS], "space")[WORDS].astype(np.int64) if len(found) else np.zeros(0, np.int64)
    only = ~(judged.lines.removed(besides=name)[judged.lines.number(rows, lines, pack)] | judged.decision.dropped[rows])
    fixed = (int(anyway.sum()), int(words[anyway].sum()), int((only & anyway).sum()))
    left = np.flatnonzero(~anyway)
    left = left[np.argsort(values[left], kind="stable")]
    data_sorted = Sorted(values[left], rows[left], sums_of(words[left]), sums_of(only[left].astype(np.int64)), lines[left])
    own = condition.any_of[number]
    codes, names = language_numbers(judged.langs)
    return Tuning(
        name, condition.signal, own.operator, own.threshold, (condition.signal, number), len(judged.lines.starts), int(judged.words.sum()),
        data_sorted, fixed, codes, names, "lines",
    )  # fmt: skip


def _found_without(judged: Judged, pack: Pack, rule: Rule) -> pa.Table:
    """The lines that a rule finds in the texts as they came."""
    documents = pa.table({"text": judged.texts, "url": judged.urls, "lang": judged.langs})
    if not rule.match and not rule.when:  # every line meets a rule without conditions
        rule = dataclasses.replace(rule, match="")
    return lines_found(documents, dataclasses.replace(pack, rules=(rule,)), rule.id)
