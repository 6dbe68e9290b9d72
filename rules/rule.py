"""What a rule and a pack are, as plain data. Reading them from YAML is in rules/format/pack.py, deciding in rules/engine.py.

A pack's hash covers everything that can change a verdict or a text, and nothing else (not `why`, not examples, not evidence), so a
better explanation never makes a corpus stale.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Literal

from rules.format.evidence import Evidence
from rules.format.pack_files import PackFile
from rules.line_rules.line_forms import form_version
from rules.measures.tokenizers import TokenizerFile
from rules.measures.word_lists import WordList
from rules.places import KeyPath, Located
from rules.splitters.words import Splitter

# Signals that the engine itself knows because it applied the line rules.
ENGINE_SIGNALS = {
    "removed_line_frac": "lines that this pack's line rules removed / lines before",
    "removed_char_frac": "characters (code points) that this pack's line rules removed / characters before",
}

MATCHING_LINES, URL_MATCHES = "matching_lines", "url_matches"  # what a hit of a pattern and of a URL rule counts


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


@dataclass(frozen=True)
class UrlTest:
    """Which URLs a rule is about: every part that is given must hold, and a part holds for one entry of its list."""

    host: WordList | None = None  # the host is one of these domains, or below one
    path: WordList | None = None  # the path is one of these, or below one
    words: WordList | None = None  # a word of the URL (letters and digits, in lower case) is one of these
    at_least: int = 1  # ... so many different ones
    match: str | None = None  # an RE2 pattern over the whole URL


Example = str | dict[str, float]


@dataclass(frozen=True)
class Examples:
    """Texts (or measured values, or URLs) that the rule must act on, must leave alone, or must change exactly so."""

    drop: tuple[Example, ...] = ()
    keep: tuple[Example, ...] = ()
    change: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """Where something was written: a file that was read, and a key path in it."""

    located: Located
    at: KeyPath


@dataclass(frozen=True)
class Rule:
    """One rule. `drop_when` or `url` make it a document rule, `lines` a line rule; `match` alone drops a document by a line."""

    id: str
    why: str
    source: str = ""
    action: Literal["drop", "tag", "off"] = "drop"
    languages: tuple[str, ...] = ()
    drop_when: tuple[Condition, ...] = ()
    url: UrlTest | None = None
    lines: Literal["drop", "trim", "replace", "ftfy", "nfc", "nfkc"] | None = None
    match: str | None = None
    with_: str = ""
    when: tuple[Condition, ...] = ()
    ascii: bool = False  # classes that know ASCII only are meant; for the warning, changes nothing
    within: tuple[str, int] | None = None  # ("first", n) or ("last", n): only these lines of the text
    false_positives: tuple[str, ...] = ()
    formerly: tuple[str, ...] = ()  # ids it had before
    expect_drop: float | None = None  # share of a sample that it may drop before `check` calls it a mistake
    evidence: tuple[Evidence, ...] = ()  # what ablations found
    examples: Examples = Examples()
    except_languages: tuple[str, ...] = ()  # languages for which `by_language` says something else
    variant: bool = False  # a form of the rule before it, for the one language in `languages`
    place: Place | None = field(default=None, compare=False, repr=False)
    examples_place: Place | None = field(default=None, compare=False, repr=False)

    @property
    def acts_on_lines(self) -> bool:
        """Does it need the lines of a text: to change them, or to find a pattern in them?"""
        return self.action != "off" and not self.drop_when and self.url is None

    @property
    def form(self) -> str:
        """Its id, with the language of a form that `by_language` made."""
        return f"{self.id},{self.languages[0]}" if self.variant else self.id

    def measured(self) -> list[Any]:
        """What decides which texts it changes and what it counts, but not what follows from a count."""
        url = self.url and [self.url.host and self.url.host.sha256, self.url.path and self.url.path.sha256, self.url.words and self.url.words.sha256]
        return [
            self.form, self.languages, self.except_languages, self.lines, self.match, self.with_, conditions_text(self.when), self.within,
            url, self.url and [self.url.at_least, self.url.match], *filter(None, [form_version(self.lines or "")]),
        ]  # fmt: skip


@dataclass(frozen=True)
class Pack:
    """A named list of rules that share a word splitter, a definition of lines, word lists, and a scope."""

    name: str
    about: str
    rules: tuple[Rule, ...]
    source: str = ""
    languages: tuple[str, ...] = ()
    words: Splitter = "unicode"
    line_breaks: Literal["newline", "unicode"] = "newline"
    lists: dict[str, WordList] = field(default_factory=dict)
    files: dict[str, PackFile] = field(default_factory=dict)  # by section.name (rules/format/pack_files.py)
    tokenizer: TokenizerFile | None = None  # for signals of tokens
    located: Located | None = field(default=None, compare=False, repr=False)

    @property
    def sha256(self) -> str:
        """Hash of everything that can change a verdict or a text."""
        rules = [[*r.measured(), r.action, conditions_text(r.drop_when)] for r in self.rules if r.action != "off"]
        return _hash([self.name, self.languages, self.words, self.line_breaks, self._named(), *self.files_sha256, rules])

    @property
    def lines_sha256(self) -> str:
        """Hash of what decides how this pack changes texts; the same for packs that change none."""
        rules = [r.measured() for r in self.rules if r.acts_on_lines and r.lines]
        return _hash([self.languages, self.line_breaks, *(self.files_sha256 if any(r.when for r in self.rules) else ()), rules] if rules else [])

    @property
    def files_sha256(self) -> list[list[str]]:
        """Names and hashes of the files that signals measure with."""
        return sorted([name, file.sha256] for name, file in self.files.items())

    def rule_sha256(self, rule: Rule) -> str:
        """Hash of everything that decides what `rule` of this pack drops or changes; its action is not part of it."""
        forms = [[*form.measured(), conditions_text(form.drop_when)] for form in self.rules if form.id == rule.id]
        return _hash([self.languages, self.words, self.line_breaks, self._named(), *self.files_sha256, forms])

    def _named(self) -> list[tuple[str, str]]:
        """The contents of lists, and of the tokenizer if there is one."""
        lists = sorted((name, words.sha256) for name, words in self.lists.items())
        return [*lists, ("tokenizer:", self.tokenizer.sha256)] if self.tokenizer else lists

    def rule(self, name: str) -> Rule | None:
        """The rule with this id, or that once had it."""
        own = [rule for rule in self.rules if not rule.variant]
        return next((r for r in own if r.id == name), None) or next((r for r in own if name in r.formerly), None)


def conditions_text(conditions: tuple[Condition, ...]) -> list[list[Any]]:
    return [[c.signal, [str(x) for x in c.any_of]] for c in conditions]


def _hash(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
