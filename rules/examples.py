"""Examples are tests: every example of a rule is run through the same engine that runs over the corpus.

A `drop` example must be dropped (document rules) or changed (line rules), a `keep` example must be left alone, and a
`change` example must become exactly the text given. An example may be measured values instead of a text;
of a URL rule it is a URL.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

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
    alone = _alone(pack, rule)
    for side in ("drop", "keep"):
        for i, example in enumerate(getattr(examples, side)):
            message = _disagrees(alone, example, side == "drop")
            if message:
                yield (side, i), message
    for before, after in examples.change.items():
        result = _run(alone, before)
        if result.texts[0].as_py() != after:
            yield ("change", before), f"becomes {result.texts[0].as_py()!r}, not {after!r}"


def _alone(pack: Pack, rule: Rule) -> Pack:
    """A pack of this rule alone, for every language; with the line rules too when the rule looks at their effect."""
    rule = dataclasses.replace(rule, action="drop", languages=(), except_languages=())
    looks_at_edits = any(condition.signal in ENGINE_SIGNALS for condition in rule.drop_when)
    editors = [r for r in pack.rules if r.lines and not r.variant and r.action != "off"] if looks_at_edits else []
    return dataclasses.replace(pack, languages=(), rules=(rule, *editors))


def _disagrees(alone: Pack, example: str | dict[str, float], expected: bool) -> str | None:
    rule = alone.rules[0]
    if isinstance(example, dict):
        return _values_disagree(rule, example, expected)
    applied = _run(alone, example) if rule.url is None or rule.drop_when else _run(alone, "", example)
    acted = len(applied.edits) > 0 if rule.lines else bool(applied.dropped[0])
    if acted == expected:
        return None
    measured = "".join(f"; {name.partition('.')[2]} is {column[0].as_py():g}" for name, column in _columns(applied))
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


def _run(alone: Pack, text: str, url: str | None = None) -> Applied:
    urls = None if url is None else pa.array([url], pa.string())
    return apply([alone], pa.array([text], pa.large_string()), urls=urls)
