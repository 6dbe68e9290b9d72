"""gristmill's shipped packs with the settings of a configuration, and their verdicts under the peer's names."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from oracle.checks import CHECKS, Configuration, Value
from rules.engine import Applied, apply
from rules.format.pack import load_pack, shipped_packs
from rules.rule import Comparison, Condition, Pack, Rule


def pack_of(configuration: Configuration, words: str) -> Pack:
    """The shipped pack with the thresholds of the configuration; rules without a check of the peer's stay out."""
    pack = load_pack(shipped_packs()[configuration.filter])
    rules = (_rule_with(rule, configuration) for rule in pack.rules)
    return dataclasses.replace(pack, words=words, rules=tuple(rule for rule in rules if rule))


def _rule_with(rule: Rule, configuration: Configuration) -> Rule | None:
    """The rule with what the settings make of its comparisons; None if no check is left of it."""
    if rule.id == "strip":  # a part of the peer's filter that no setting touches
        return rule
    checks = {c.operator: c for c in CHECKS[configuration.filter] if c.rule == rule.id}
    wanted = {c.operator: configuration.settings.get(c.setting, "default") for c in checks.values()}
    active = {operator: value for operator, value in wanted.items() if value != checks[operator].off}
    if not active:
        return None
    change = lambda conditions: tuple(_condition_with(condition, active) for condition in conditions)  # noqa: E731
    return dataclasses.replace(rule, drop_when=change(rule.drop_when), when=change(rule.when))


def _condition_with(condition: Condition, active: dict[str, Value | str]) -> Condition:
    kept = [comparison for comparison in condition.any_of if comparison.operator in active]
    moved = [c if active[c.operator] == "default" else Comparison(c.operator, float(active[c.operator])) for c in kept]
    return Condition(condition.signal, tuple(moved))


def verdicts(texts: pa.Array, configurations: Iterable[Configuration], words: str) -> dict[str, list[str | None]]:
    """As oracle.peer.verdicts: reasons, in the peer's words, and for C4 the texts of documents that are kept."""
    found: dict[str, list[str | None]] = {}
    for configuration in configurations:
        applied = apply([pack_of(configuration, words)], texts)
        found[configuration.name] = peer_reasons(configuration.filter, applied)
        if configuration.filter == "c4":
            kept = pc.if_else(pa.array(~applied.dropped), applied.texts, pa.scalar(None, pa.large_string()))
            found[f"{configuration.name} text"] = kept.to_pylist()
    return found


def peer_reasons(filter: str, applied: Applied) -> list[str | None]:
    """The peer's name for the first hit of each document."""
    reasons = {(f"{filter}/{c.rule}", c.operator or ">"): c.reason for c in CHECKS[filter]}
    offsets = applied.hits.offsets.to_numpy()
    first = offsets[:-1][np.diff(offsets) > 0]
    hits = applied.hits.values.take(pa.array(first))
    names = iter(zip(pc.struct_field(hits, "rule").to_pylist(), pc.struct_field(hits, "comparison").to_pylist()))
    return [reasons[next(names)] if has else None for has in np.diff(offsets) > 0]
