"""Read one rule of a pack: its shape, its body, its comparisons and its patterns; every mistake at its line and column.

All checks run on the raw data, so one mistake hides no other. A rule that changes one of an extended pack gives only
the fields that differ; what it must be whole is checked on both together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rules.format.pack_files import FILE_SIGNALS, PackFile, file_key, spelled
from rules.format.pack_yaml import PartialRuleYaml, RuleYaml
from rules.languages import normalise
from rules.line_rules.line_forms import LINE_FORMS, form_pattern
from rules.line_rules.line_signals import LINE_SIGNALS
from rules.matching.patterns import check_pattern, check_url_pattern
from rules.measures.signals import SIGNALS
from rules.measures.token_signals import TOKEN_SIGNALS
from rules.measures.word_lists import LIST_SIGNALS, WordList, parse_call
from rules.places import KEY, KeyPath, Located, Problem, Problems, build, did_you_mean
from rules.rule import ENGINE_SIGNALS, Comparison, Condition, Examples, Place, Rule, UrlTest

_COMPARISON = re.compile(r"(<=|>=|==|!=|<|>)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)")
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_BODIES = {"drop_when", "lines", "match", "url"}

JUDGED_BY_JOBS = {  # columns that are no signals: what a job sets instead of a rule
    "lang_score": "language: {min_scores: {de: 0.6}}",
    "lang_line_frac": "language: {lines: true, min_line_frac: 0.5}",
}


@dataclass(frozen=True)
class Draft:
    """A rule as far as it is read: fields of Rule, what each language says differently, and the raw data of both."""

    fields: dict[str, Any]
    by_language: dict[str, dict[str, Any]]
    raw: dict[str, Any]
    place: Place
    examples_place: Place
    names: frozenset[str] = frozenset()  # pack/id, of this pack and of those it was taken from

    def changed_by(self, other: Draft) -> Draft:
        """This rule with the fields of `other` in place of its own."""
        by_language = other.by_language if "by_language" in other.raw else self.by_language
        examples = other.examples_place if "examples" in other.raw else self.examples_place
        fields = self.fields | other.fields | {"id": self.fields["id"]}
        return Draft(fields, by_language, self.raw | other.raw, other.place, examples, self.names)

    def forms(self) -> list[Rule]:
        """The rule, then its forms for single languages."""
        places: dict[str, Any] = {"place": self.place, "examples_place": self.examples_place}
        rule = Rule(**self.fields, except_languages=tuple(self.by_language), **places)
        changes = [(code, fields) for code, fields in self.by_language.items() if fields]
        return [rule, *(replace(rule, languages=(code,), except_languages=(), variant=True, **fields) for code, fields in changes)]


@dataclass
class RuleReader:
    """Reads the rules of one file; `lists` and `files` are those that its signals may name."""

    located: Located
    lists: Mapping[str, WordList]
    problems: list[Problem]
    folder: Path = field(default_factory=Path)
    draft: bool = False  # a rule may still lack its `why`
    files: Mapping[str, PackFile] = field(default_factory=dict)

    def fail(self, at: KeyPath, code: str, message: str) -> None:
        self.problems.append(self.located.problem(at, code, message))

    def read(self, index: int, data: Any, parent: Draft | None = None) -> Draft | None:
        """Rule number `index`; `parent`: the rule of an extended pack that it changes. None where it is not even a mapping."""
        at = ("rules", index)
        shape = self._shape(PartialRuleYaml if parent else RuleYaml, at)
        if not isinstance(data, dict):
            return None
        if not parent and isinstance(data.get("id"), str) and not _ID.fullmatch(data["id"]):
            self.fail((*at, "id"), "R101", "an id is lower-case words joined by -")
        if data.get("why") == "" and not self.draft:
            self.fail((*at, "why"), "R101", "say in one sentence why this rule exists")
        check_languages(data.get("languages"), self.located, (*at, "languages"), self.problems)
        whole = {**parent.raw, **data} if parent else data
        self._check_body(whole, data, at)
        fields = self._checked_fields(data, whole, at)
        fields["url"] = self._url(data.get("url"), (*at, "url"))
        by_language = self._by_language(data, whole, at)
        if shape is None:
            return None
        fields |= _plain_fields(shape)
        if shape.lines in LINE_FORMS and whole.get("match") is None:
            fields["match"] = form_pattern(shape.lines)
            data = data | {"match": None}
        given = {"with_" if key == "with" else key for key in data}
        if parent:
            fields = {key: value for key, value in fields.items() if key in given}
        place = Place(self.located, at)
        return Draft(fields, by_language, data, place, Place(self.located, (*at, "examples")))

    def _shape(self, kind: type, at: KeyPath) -> Any:
        try:
            return build(kind, self.located, at)
        except Problems as found:
            self.problems.extend(found.problems)
            return None

    def _checked_fields(self, data: dict[str, Any], whole: dict[str, Any], at: KeyPath) -> dict[str, Any]:
        """drop_when, when and within, checked; and the pattern is."""
        if "match" in data or "with" in data:
            check_pattern({key: whole[key] for key in ("match", "with", "lines") if key in whole}, data, self.located, at, self.problems)
        known: dict[str, Mapping[str, Any]] = {"drop_when": {**SIGNALS, **TOKEN_SIGNALS, **ENGINE_SIGNALS}, "when": LINE_SIGNALS}
        fields: dict[str, Any] = {key: self._conditions(data, key, signals, at) for key, signals in known.items()}
        return fields | {"within": self._within(data.get("within"), (*at, "within"))}

    def _within(self, data: Any, at: KeyPath) -> tuple[str, int] | None:
        if not isinstance(data, dict):
            return None
        given = [(side, data[side]) for side in ("first", "last") if isinstance(data.get(side), int)]
        if len(given) != 1:
            self.fail(at, "R101", "within is {first: n} or {last: n}")
            return None
        if given[0][1] < 1:
            self.fail((*at, given[0][0]), "R103", "a number of lines, from 1")
        return given[0]

    def _by_language(self, data: dict[str, Any], whole: dict[str, Any], at: KeyPath) -> dict[str, dict[str, Any]]:
        """Language code -> the fields that replace the rule's own; empty: the rule is off for that language."""
        wanted = data.get("by_language")
        found: dict[str, dict[str, Any]] = {}
        for name, override in wanted.items() if isinstance(wanted, dict) else ():
            place = (*at, "by_language", name)
            check_languages([name], self.located, (*place, KEY), self.problems)
            fields = self._override(override, whole, place) if isinstance(override, dict) else {}
            try:
                found[normalise(str(name))] = fields
            except ValueError:
                continue
        return found

    def _override(self, override: dict[str, Any], whole: dict[str, Any], at: KeyPath) -> dict[str, Any]:
        checked = self._checked_fields(override, {**whole, **override}, at)
        fields = {key: value for key, value in checked.items() if key in override}
        fields |= {"with_" if key == "with" else key: override[key] for key in ("action", "match", "with") if key in override}
        for key in ("drop_when", "match", "with", "when"):
            if key in override and key not in whole:
                self.fail((*at, key, KEY), "R101", f"{key} replaces nothing: the rule has no {key}")
        return {} if fields.get("action") == "off" else fields

    def _conditions(self, data: dict[str, Any], key: str, known: Mapping[str, Any], at: KeyPath) -> tuple[Condition, ...]:
        wanted = data.get(key)
        found = []
        for signal, texts in wanted.items() if isinstance(wanted, dict) else ():
            place = (*at, key, signal)
            self._check_signal(str(signal), key, known, (*place, KEY))
            items = [(place, texts)] if not isinstance(texts, list) else [((*place, i), t) for i, t in enumerate(texts)]
            comparisons = [self._comparison(text, where) for where, text in items]
            found.append(Condition(str(signal), tuple(c for c in comparisons if c)))
        return tuple(found)

    def _check_signal(self, signal: str, key: str, known: Mapping[str, Any], at: KeyPath) -> None:
        call = parse_call(signal)
        lists = LIST_SIGNALS if key == "drop_when" else {}
        if call is None:
            if signal not in known:
                hint = f", which takes a list: {signal}(name)" if signal in lists else did_you_mean(signal, known)
                hint = f", which needs a file of the pack: {spelled(signal, 'name')}" if signal in FILE_SIGNALS else hint
                hint = f", which a job's language stage judges: {JUDGED_BY_JOBS[signal]}" if signal in JUDGED_BY_JOBS else hint
                self.fail(at, "R102", f"unknown signal {signal!r}{hint}")
        elif call[0] in FILE_SIGNALS:
            self._check_file(*call, at)
        elif call[0] not in lists:
            self.fail(at, "R102", f"unknown signal {call[0]!r}{did_you_mean(call[0], [*lists, *FILE_SIGNALS])}")
        elif call[1] not in self.lists:
            self.fail(at, "R102", f"the pack has no list {call[1]!r}{did_you_mean(call[1], self.lists)}")

    def _check_file(self, kind: str, name: str, at: KeyPath) -> None:
        section = FILE_SIGNALS[kind].section
        if file_key(kind, name) not in self.files:
            known = [key.partition(".")[2] for key in self.files if key.startswith(f"{section}.")]
            named = isinstance(self.located.data.get(section), dict) and name in self.located.data[section]  # then it has been reported
            if not named:
                self.fail(at, "R102", f"the pack has no {section[:-1].replace('_', ' ')} {name!r}{did_you_mean(name, known)}; give its file: {section}: {{{name}: PATH}}")

    def _comparison(self, text: Any, at: KeyPath) -> Comparison | None:
        """None, and a problem, unless `text` is a comparison."""
        if not isinstance(text, str):
            return None  # the shape check has said so
        parts = _COMPARISON.fullmatch(text.strip())
        if not parts:
            self.fail(at, "R103", f"expected a comparison such as '> 0.9', got {text!r}")
            return None
        return Comparison(parts[1], float(parts[2]))

    def _url(self, data: Any, at: KeyPath) -> UrlTest | None:
        if not isinstance(data, dict):
            return None
        if not set(data) & {"host", "path", "words", "match"}:
            self.fail(at, "R101", "url needs host, path, words or match")
        lists = {key: self.url_list(data.get(key), (*at, key), key) for key in ("host", "path", "words")}
        at_least = data.get("at_least", 1)
        if isinstance(at_least, int) and (at_least < 1 or (at_least > 1 and "words" not in data)):
            self.fail((*at, "at_least"), "R103", "at_least is a number from 1 and goes with words")
        check_url_pattern(data.get("match"), self.located, (*at, "match"), self.problems)
        return UrlTest(**lists, at_least=at_least, match=data.get("match"))

    def url_list(self, data: Any, at: KeyPath, kind: str) -> WordList | None:
        entries = read_entries(data, at, self) if isinstance(data, str) else data
        if not isinstance(entries, (list, tuple)):
            return None
        entries = [str(e).strip().lower() if kind != "path" else str(e).strip() for e in entries]
        if kind == "host":
            entries = [e.removeprefix("*").strip(".") for e in entries]
        if kind == "path":
            entries = ["/" + e.strip("/") for e in entries]
        return WordList(tuple(dict.fromkeys(e for e in entries if e)), case="exact")

    def _check_body(self, whole: dict[str, Any], data: dict[str, Any], at: KeyPath) -> None:
        """A rule has exactly one body, and only the fields that belong to it."""

        def fail(key: str | None, message: str) -> None:
            self.fail((*at, key, KEY) if key in data else at, "R101", message)

        has = {key for key in ("drop_when", "lines", "match", "when", "with", "url", "within") if whole.get(key) is not None}
        if not has & _BODIES:
            fail(None, "a rule needs drop_when, url, lines (with match or when), or match")
        if has & {"drop_when", "url"}:
            if whole.get("drop_when") == {}:
                fail("drop_when", "drop_when needs at least one signal")
            for key in sorted(has - {"drop_when", "url"}):
                fail(key, f"{key} does not go with {'drop_when' if 'drop_when' in has else 'url'}")
        elif "lines" in has and not has & {"match", "when"} and whole["lines"] not in LINE_FORMS:
            fail("lines", "a line rule needs match or when")
        if whole.get("lines") in ("trim", "replace") and "match" not in has:
            fail("lines", f"lines: {whole['lines']} needs match")
        if "with" in has and whole.get("lines") != "replace":
            fail("with", "with goes with lines: replace")
        if whole.get("lines") == "replace" and "with" not in has:
            fail("lines", "lines: replace needs with")
        if whole.get("action") == "tag" and "lines" in has:
            fail("action", "a line rule changes lines or is off; to count lines only, use match without lines and action: tag")


def _plain_fields(shape: Any) -> dict[str, Any]:
    """The fields that need no further reading."""
    examples = shape.examples and Examples(shape.examples.drop, shape.examples.keep, shape.examples.change)
    plain = {name: getattr(shape, name) for name in ("id", "why", "source", "action", "lines", "match", "with_", "ascii", "expect_drop", "formerly", "false_positives", "evidence")}
    return plain | {"languages": codes(shape.languages or ()), "examples": examples}


def read_entries(name: str, at: KeyPath, reader: RuleReader) -> list[str] | None:
    """The entries of a list file, one a line; # after white space begins a comment. A file that cannot be read is a problem, and None."""
    path = reader.folder / name
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        reader.fail(at, "R103", f"cannot read the list {name!r}: {reason}")
        return None
    entries = [re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip() for line in lines]
    return [entry for entry in entries if entry]


def check_languages(names: Any, located: Located, at: KeyPath, problems: list[Problem]) -> None:
    for index, code in enumerate(names if isinstance(names, list) else []):
        try:
            normalise(str(code))
        except ValueError as error:
            problems.append(located.problem(at if at[-1] == KEY else (*at, index), "R103", str(error)))


def codes(languages: tuple[str, ...]) -> tuple[str, ...]:
    """Language codes in one form; those that are none are left out (they have been reported)."""
    found = []
    for language in languages:
        try:
            found.append(normalise(language))
        except ValueError:
            continue
    return tuple(found)
