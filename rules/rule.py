"""What a rule and a pack are, as plain data. Reading them from YAML is in rules/pack.py, deciding in rules/engine.py.

A pack's hash covers everything that can change a verdict or a text, and nothing else (not `why`, not examples), so a
better explanation never makes a corpus stale.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Literal

from rules.places import Located

# Signals that the engine itself knows because it applied the line rules.
ENGINE_SIGNALS = {
    "removed_line_frac": "lines that this pack's line rules removed / lines before",
    "removed_char_frac": "characters (code points) that this pack's line rules removed / characters before",
}


@dataclass(frozen=True)
class Comparison:
    """`operator threshold`, such as `> 0.9`. Strictness is visible in the operator; NaN meets no comparison."""

    operator: str
    threshold: float

    def __str__(self) -> str:
        return f"{self.operator} {self.threshold:g}"


@dataclass(frozen=True)
class Condition:
    """A signal and its comparisons; it holds when one of them does."""

    signal: str
    any_of: tuple[Comparison, ...]


Example = str | dict[str, float]


@dataclass(frozen=True)
class Examples:
    """Texts (or measured values) that the rule must act on, must leave alone, or must change exactly so."""

    drop: tuple[Example, ...] = ()
    keep: tuple[Example, ...] = ()
    change: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """One rule. `drop_when` makes it a document rule; `lines` a line rule; `match` alone drops a document by a line."""

    id: str
    why: str
    source: str = ""
    action: Literal["drop", "tag", "off"] = "drop"
    languages: tuple[str, ...] = ()
    drop_when: tuple[Condition, ...] = ()
    lines: Literal["drop", "trim", "replace"] | None = None
    match: str | None = None
    with_: str = ""
    when: tuple[Condition, ...] = ()
    within: tuple[str, int] | None = None  # ("first", n) or ("last", n): acts only on so many lines of a document
    false_positives: tuple[str, ...] = ()
    examples: Examples = Examples()
    except_languages: tuple[str, ...] = ()  # languages for which `by_language` says something else
    variant: bool = False  # a form of the rule before it, for the one language in `languages`


@dataclass(frozen=True)
class Pack:
    """A named list of rules that share a word splitter, a definition of lines, and a scope."""

    name: str
    about: str
    rules: tuple[Rule, ...]
    source: str = ""
    languages: tuple[str, ...] = ()
    words: Literal["space", "unicode"] = "unicode"
    line_breaks: Literal["newline", "unicode"] = "newline"
    located: Located | None = field(default=None, compare=False, repr=False)

    @property
    def sha256(self) -> str:
        """Hash of everything that can change a verdict or a text."""
        rules = [
            [r.id, r.action, r.languages, r.except_languages, _plain(r.drop_when), r.lines, r.match, r.with_, _plain(r.when), r.within]
            for r in self.rules
            if r.action != "off"
        ]
        data = [self.name, self.languages, self.words, self.line_breaks, rules]
        return hashlib.sha256(json.dumps(data, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _plain(conditions: tuple[Condition, ...]) -> list:
    return [[c.signal, [str(x) for x in c.any_of]] for c in conditions]
