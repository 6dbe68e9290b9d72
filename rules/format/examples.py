"""Examples are tests: every example of a rule is run through the same engine that runs over the corpus.

A `drop` example must be dropped (document rules) or changed (line rules), a `keep` example must be left alone, and a
`change` example must become exactly the text given. An example may be measured values instead of a text;
of a URL rule it is a URL.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from rules.engine import Applied, apply
from rules.places import KeyPath, Problem
from rules.rule import ENGINE_SIGNALS, Pack, Rule
from rules.thresholds import conditions_hold


def count_examples(pack: Pack) -> int:
    return sum(len(r.examples.drop) + len(r.examples.keep) + len(r.examples.change) for r in pack.rules)


def example_problems(pack: Pack) -> list[Problem]:
    """Every example that disagrees with its rule, and every active rule that lacks examples on both sides."""
    problems = []
    for rule in (rule for rule in pack.rules if not rule.variant):
        assert rule.place is not None and rule.examples_place is not None, "examples are checked on packs read from a file"
        for at, message in _rule_problems(pack, rule):
            place = rule.examples_place if at else rule.place
            message = f"{pack.name}/{rule.id}: {message}"
            problems.append(place.located.problem((*place.at, *at), "R106" if at else "R108", message))
    return problems


def _rule_problems(pack: Pack, rule: Rule) -> Iterator[tuple[KeyPath, str]]:
    examples = rule.examples
    if rule.action == "off":
        return
    if not (examples.keep and (examples.drop or examples.change)):
        yield (), "needs at least one example that it acts on and one that it leaves alone"
    sides = [(side, i, example) for side in ("drop", "keep") for i, example in enumerate(getattr(examples, side))]
    for side, i, example in sides:
        if isinstance(example, dict) and (message := _values_disagree(rule, example, side == "drop")):
            yield (side, i), message
    texts = [example for _, _, example in sides if isinstance(example, str)] + list(examples.change)
    if texts:
        yield from _texts_disagree(rule, _run(_alone(pack, rule), texts), sides)


def _texts_disagree(rule: Rule, applied: Applied, sides: list[tuple[str, int, Any]]) -> Iterator[tuple[KeyPath, str]]:
    """All examples that are texts are run together: `applied` has a row for each of `sides`, then for each `change`."""
    edited = set(applied.edits["row"].to_pylist())
    places = [(side, i) for side, i, example in sides if isinstance(example, str)]
    for row, (side, i) in enumerate(places):
        acted = row in edited if rule.lines else bool(applied.dropped[row])
        if acted != (side == "drop"):
            yield (side, i), _disagreement(rule, applied, row, side == "drop")
    for row, (before, after) in enumerate(rule.examples.change.items(), len(places)):
        if applied.texts[row].as_py() != after:
            yield ("change", before), f"becomes {applied.texts[row].as_py()!r}, not {after!r}"


def _alone(pack: Pack, rule: Rule) -> Pack:
    """A pack of this rule alone, for every language; with the line rules too when the rule looks at their effect."""
    rule = dataclasses.replace(rule, action="drop", languages=(), except_languages=())
    looks_at_edits = any(condition.signal in ENGINE_SIGNALS for condition in rule.drop_when)
    editors = [r for r in pack.rules if r.lines and not r.variant and r.action != "off"] if looks_at_edits else []
    return dataclasses.replace(pack, languages=(), rules=(rule, *editors))


def _disagreement(rule: Rule, applied: Applied, row: int, expected: bool) -> str:
    measured = "".join(f"; {name.partition('.')[2]} is {column[row].as_py():g}" for name, column in _columns(applied))
    verb = ("be changed", "is left alone") if rule.lines else ("be dropped", "is kept")
    return f"this example should {verb[0]} but {verb[1]}{measured}" if expected else f"this example should be left alone but is acted on{measured}"


def _values_disagree(rule: Rule, values: dict[str, float], expected: bool) -> str | None:
    conditions = rule.drop_when or rule.when
    if not conditions or rule.match or rule.url:
        return "measured values say nothing about a pattern or a URL; give a text (of a URL rule, a URL)"
    wanted = {condition.signal for condition in conditions}
    if set(values) != wanted:
        return f"give exactly the signals of the rule: {', '.join(sorted(wanted))}"
    acted = bool(conditions_hold(conditions, {k: np.array([v]) for k, v in values.items()})[0])
    if acted != expected:
        return "these values should drop but keep" if expected else "these values should keep but drop"
    return None


def _columns(applied: Applied) -> Iterator[tuple[str, pa.ChunkedArray]]:
    for name in applied.signals.column_names:
        if "." in name and name.partition(".")[2] not in ENGINE_SIGNALS:
            yield name, applied.signals[name]


def _run(alone: Pack, examples: list[str]) -> Applied:
    """Examples of a rule about URLs alone are URLs, all others texts."""
    rule = alone.rules[0]
    if rule.url is not None and not rule.drop_when:
        return apply([alone], pa.array([""] * len(examples), pa.large_string()), urls=pa.array(examples, pa.string()))
    return apply([alone], pa.array(examples, pa.large_string()))
