"""What run.json says of each rule, so that a report explains a run whose packs have changed since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rules.rule import Pack

NAMED = 3  # rules in a line, at most


def told_rules(packs: Iterable[Pack]) -> dict[str, list[dict[str, Any]]]:
    """By name, the forms of each rule (one for all languages, more where `by_language` says something else)."""
    found: dict[str, list[dict[str, Any]]] = {}
    for pack in packs:
        for rule in pack.rules:
            conditions = [{"signal": c.signal, "any_of": [{"operator": o.operator, "threshold": o.threshold} for o in c.any_of]} for c in rule.drop_when]
            found.setdefault(f"{pack.name}/{rule.id}", []).append({
                "why": rule.why, "action": rule.action, "lines": rule.lines, "languages": list(rule.languages), "except_languages": list(rule.except_languages), "drop_when": conditions,
                "expect_drop": rule.expect_drop, "other_tests": rule.url is not None or rule.match is not None,
            })  # fmt: skip
    return found


def rules_that_name_languages(forms: Mapping[str, Sequence[Mapping[str, Any]]], packs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The rules in force that act on some languages only, or differ by language. `forms`, `packs`: as run.json has them."""
    limited = {name for name, pack in packs.items() if pack.get("languages")}
    return [
        name for name, told in forms.items()
        if any(form["action"] != "off" for form in told) and (name.rpartition("/")[0] in limited or any(form["languages"] or form.get("except_languages") for form in told))
    ]  # fmt: skip


def rules_for_others(lang: str, forms: Mapping[str, Sequence[Mapping[str, Any]]], packs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The rules in force none of whose forms is for documents in `lang`. `forms`, `packs`: as run.json has them."""
    found = []
    for name, told in forms.items():
        of_pack = packs.get(name.rpartition("/")[0], {}).get("languages")
        acting = [form for form in told if form["action"] != "off"]
        if acting and (not _among(lang, of_pack) or all(not _among(lang, form["languages"]) or lang in form.get("except_languages", ()) for form in acting)):
            found.append(name)
    return found


def _among(lang: str, languages: Sequence[str] | None) -> bool:
    """Is it for documents in `lang`? Without languages it is for all."""
    return not languages or lang in languages


def no_language_warning(names: Sequence[str], some: bool = False) -> str:
    """The one line about rules that name languages, where no document has one, or `some` have none."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    whose, which = ("some documents have no", "these as on their own") if some else ("no document has a", "every document")
    return f"{whose} language, so rules that name languages act on {which} ({', '.join(names[:NAMED])}{more}); add `language: {{}}` to the job to identify them"
