"""What run.json says of each rule, so that a report explains a run whose packs have changed since."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rules.rule import Pack


def told_rules(packs: Iterable[Pack]) -> dict[str, list[dict[str, Any]]]:
    """By name, the forms of each rule (one for all languages, more where `by_language` says something else)."""
    found: dict[str, list[dict[str, Any]]] = {}
    for pack in packs:
        for rule in pack.rules:
            conditions = [{"signal": c.signal, "any_of": [{"operator": o.operator, "threshold": o.threshold} for o in c.any_of]} for c in rule.drop_when]
            found.setdefault(f"{pack.name}/{rule.id}", []).append({
                "why": rule.why, "action": rule.action, "lines": rule.lines, "languages": list(rule.languages), "drop_when": conditions,
                "other_tests": rule.url is not None or rule.match is not None,
            })  # fmt: skip
    return found
