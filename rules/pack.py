"""Read rule packs from YAML.

A pack is one YAML file. Reading it checks everything a file can get wrong (shape, names, comparisons, patterns) and
reports all mistakes at once, each at its line and column.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from rules.languages import normalise
from rules.line_signals import LINE_SIGNALS
from rules.places import KEY, KeyPath, Located, Problem, Problems, SettingError, build, did_you_mean, load
from rules.rewriting import missing_package
from rules.rule import ENGINE_SIGNALS, Comparison, Condition, Examples, Pack, Rule
from rules.signals import SIGNALS

SHIPPED = Path(__file__).parent / "packs"

_COMPARISON = re.compile(r"(<=|>=|==|!=|<|>)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)")
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_PACK_NAME = re.compile(r"[a-z0-9]+(?:[_-][a-z0-9]+)*")


# --- the YAML shape: what `build` checks -----------------------------------------------------------


@dataclass(frozen=True)
class _ExamplesYaml:
    drop: tuple[str | dict[str, float], ...] = ()
    keep: tuple[str | dict[str, float], ...] = ()
    change: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _OverrideYaml:
    """What `by_language` may say differently for one language; each field replaces the rule's own whole."""

    action: Literal["drop", "tag", "off"] | None = None
    drop_when: dict[str, str | list[str]] | None = None
    match: str | None = None
    with_: str | None = field(default=None, metadata={"yaml": "with"})
    when: dict[str, str | list[str]] | None = None


@dataclass(frozen=True)
class _RuleYaml:
    id: str
    why: str
    source: str = ""
    action: Literal["drop", "tag", "off"] = "drop"
    languages: tuple[str, ...] = ()
    drop_when: dict[str, str | list[str]] = field(default_factory=dict)
    lines: Literal["drop", "trim", "replace"] | None = None
    match: str | None = None
    with_: str = field(default="", metadata={"yaml": "with"})
    when: dict[str, str | list[str]] = field(default_factory=dict)
    by_language: dict[str, Literal["off"] | _OverrideYaml] = field(default_factory=dict)
    false_positives: tuple[str, ...] = ()
    examples: _ExamplesYaml = _ExamplesYaml()


@dataclass(frozen=True)
class _PackYaml:
    pack: str
    about: str
    rules: list[Any]
    source: str = ""
    languages: tuple[str, ...] = ()
    words: Literal["space", "unicode", "spacy"] = "unicode"
    line_breaks: Literal["newline", "unicode"] = "newline"

    def __post_init__(self) -> None:
        message = missing_package(self.words)
        if message:
            raise SettingError("words", message)


def find_pack(name: str, folder: Path) -> Path:
    """The file of pack `name`: a path (relative to `folder`) when it ends in .yaml or .yml, else a shipped pack.

    Raises ValueError when there is none."""
    if name.endswith((".yaml", ".yml")):
        path = folder / name
        if not path.is_file():
            raise ValueError(f"no pack file {str(path)!r}")
        return path
    shipped = shipped_packs()
    if name not in shipped:
        raise ValueError(f"no shipped pack {name!r}{did_you_mean(name, shipped)}; a pack of your own is given as a path ending in .yaml")
    return shipped[name]


def shipped_packs() -> dict[str, Path]:
    """The packs that come with gristmill: name to file."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.yaml"))}


def load_pack(path: str | Path) -> Pack:
    """Read one pack file. Raises Problems with every mistake in it."""
    located = load(path)
    problems: list[Problem] = []
    shape = _try_build(_PackYaml, located, (), problems)
    data = located.data if isinstance(located.data, dict) else {}
    if isinstance(data.get("pack"), str) and not _PACK_NAME.fullmatch(data["pack"]):
        problems.append(located.problem(("pack",), "R101", "a pack name is lower-case words joined by _ or -"))
    _check_languages(data.get("languages"), located, ("languages",), problems)
    raw_rules = data.get("rules") if isinstance(data.get("rules"), list) else []
    if isinstance(data.get("rules"), list) and not raw_rules:
        problems.append(located.problem(("rules",), "R101", "a pack needs at least one rule"))
    rules = [form for i in range(len(raw_rules)) for form in _rule(located, i, raw_rules[i], problems)]
    _check_unique_ids(located, raw_rules, problems)
    if problems:
        raise Problems(problems)
    return Pack(
        name=shape.pack, about=shape.about, rules=tuple(rules), source=shape.source, languages=_codes(shape.languages),
        words=shape.words, line_breaks=shape.line_breaks, located=located,
    )  # fmt: skip


def _try_build(cls: type, located: Located, at: KeyPath, problems: list[Problem]) -> Any:
    try:
        return build(cls, located, at)
    except Problems as found:
        problems.extend(found.problems)
        return None


def _rule(located: Located, index: int, data: Any, problems: list[Problem]) -> list[Rule]:
    """Rule `index` and its forms for single languages; checks run on the raw data, so one mistake hides no other."""
    at = ("rules", index)
    shape = _try_build(_RuleYaml, located, at, problems)
    if not isinstance(data, dict):
        return []
    if isinstance(data.get("id"), str) and not _ID.fullmatch(data["id"]):
        problems.append(located.problem((*at, "id"), "R101", "an id is lower-case words joined by -"))
    if data.get("why") == "":
        problems.append(located.problem((*at, "why"), "R101", "say in one sentence why this rule exists"))
    _check_languages(data.get("languages"), located, (*at, "languages"), problems)
    _check_body(data, located, at, problems)
    changes = _checked_fields(data, located, at, problems)
    overrides = _overrides(data, located, at, problems)
    if shape is None:
        return []
    rule = Rule(
        id=shape.id, why=shape.why, source=shape.source, action=shape.action, languages=_codes(shape.languages),
        lines=shape.lines, match=shape.match, with_=shape.with_, false_positives=shape.false_positives,
        examples=Examples(shape.examples.drop, shape.examples.keep, shape.examples.change),
        except_languages=tuple(overrides), **changes,
    )  # fmt: skip
    forms = [dataclasses.replace(rule, languages=(code,), except_languages=(), variant=True, **o) for code, o in overrides.items() if o]
    return [rule, *forms]


def _checked_fields(data: dict, located: Located, at: KeyPath, problems: list[Problem]) -> dict[str, tuple[Condition, ...]]:
    """drop_when and when as conditions; the pattern is checked too."""
    _check_pattern(data, located, at, problems)
    known = {"drop_when": {**SIGNALS, **ENGINE_SIGNALS}, "when": LINE_SIGNALS}
    return {key: _conditions(data, key, signals, located, at, problems) for key, signals in known.items()}


def _overrides(data: dict, located: Located, at: KeyPath, problems: list[Problem]) -> dict[str, dict[str, Any]]:
    """Language code -> the fields that replace the rule's own; empty: the rule is off for that language."""
    wanted = data.get("by_language")
    overrides: dict[str, dict[str, Any]] = {}
    for name, override in wanted.items() if isinstance(wanted, dict) else ():
        place = (*at, "by_language", name)
        _check_languages([name], located, (*at, "by_language", name, KEY), problems)
        if not isinstance(override, dict):
            fields: dict[str, Any] = {}
        else:
            conditions = _checked_fields({**data, **override} if "with" in override else override, located, place, problems)
            fields = {key: value for key, value in conditions.items() if key in override}
            fields |= {"with_" if key == "with" else key: override[key] for key in ("action", "match", "with") if key in override}
            for key in ("drop_when", "match", "with", "when"):
                if key in override and key not in data:
                    problems.append(located.problem((*place, key, KEY), "R101", f"{key} replaces nothing: the rule has no {key}"))
            fields = {} if fields.get("action") == "off" else fields
        try:
            overrides[normalise(str(name))] = fields
        except ValueError:
            continue
    return overrides


def _conditions(
    data: dict, key: str, known: dict, located: Located, at: KeyPath, problems: list[Problem]
) -> tuple[Condition, ...]:
    wanted = data.get(key)
    if not isinstance(wanted, dict):
        return ()
    found = []
    for signal, texts in wanted.items():
        place = (*at, key, signal)
        if signal not in known:
            message = f"unknown signal {signal!r}{did_you_mean(signal, known)}"
            problems.append(located.problem((*place, KEY), "R102", message))
        items = [(place, texts)] if not isinstance(texts, list) else [((*place, i), t) for i, t in enumerate(texts)]
        comparisons = [_comparison(text, located, where, problems) for where, text in items]
        found.append(Condition(signal, tuple(c for c in comparisons if c)))
    return tuple(found)


def _comparison(text: Any, located: Located, at: KeyPath, problems: list[Problem]) -> Comparison | None:
    """None, and a problem, unless `text` is a comparison."""
    if not isinstance(text, str):
        return None  # the shape check has said so
    parts = _COMPARISON.fullmatch(text.strip())
    if not parts:
        problems.append(located.problem(at, "R103", f"expected a comparison such as '> 0.9', got {text!r}"))
        return None
    return Comparison(parts[1], float(parts[2]))


def pattern_error(pattern: str) -> str | None:
    """Why `pattern` is not a pattern for RE2, or None."""
    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except pa.ArrowInvalid as error:
        return str(error).removeprefix("Invalid regular expression: ")
    return None


def _check_pattern(data: dict, located: Located, at: KeyPath, problems: list[Problem]) -> None:
    pattern = data.get("match")
    if not isinstance(pattern, str):
        return
    error = pattern_error(pattern)
    if error:
        message = f"not an RE2 pattern: {error} (RE2 has no look-around and no back-references)"
        problems.append(located.problem((*at, "match"), "R104", message))
    elif isinstance(data.get("with"), str):
        _check_replacement(pattern, data["with"], located, (*at, "with"), problems)


def _check_replacement(pattern: str, text: str, located: Located, at: KeyPath, problems: list[Problem]) -> None:
    if "\n" in text:
        problems.append(located.problem(at, "R104", "a replacement stays on one line"))
    try:
        pc.replace_substring_regex(pa.array([""]), pattern, text)
    except pa.ArrowInvalid as error:
        problems.append(located.problem(at, "R104", f"bad replacement: {error}"))


def _check_body(data: dict, located: Located, at: KeyPath, problems: list[Problem]) -> None:
    """A rule has exactly one body, and only the fields that belong to it."""

    def fail(key: str | None, message: str) -> None:
        problems.append(located.problem((*at, key, KEY) if key else at, "R101", message))

    has = {key for key in ("drop_when", "lines", "match", "when", "with") if key in data}
    if not has & {"drop_when", "lines", "match"}:
        fail(None, "a rule needs drop_when, lines (with match or when), or match")
    if "drop_when" in has:
        if data["drop_when"] == {}:
            fail("drop_when", "drop_when needs at least one signal")
        for key in sorted(has - {"drop_when"}):
            fail(key, f"{key} does not go with drop_when")
    elif "lines" in has and not has & {"match", "when"}:
        fail("lines", "a line rule needs match or when")
    if data.get("lines") in ("trim", "replace") and "match" not in has:
        fail("lines", f"lines: {data['lines']} needs match")
    if "with" in has and data.get("lines") != "replace":
        fail("with", "with goes with lines: replace")
    if data.get("lines") == "replace" and "with" not in has:
        fail("lines", "lines: replace needs with")
    if data.get("action") == "tag" and "lines" in has:
        fail("action", "a line rule changes lines or is off; to count lines only, use match without lines and action: tag")


def _check_unique_ids(located: Located, raw_rules: list, problems: list[Problem]) -> None:
    seen: set[str] = set()
    for index, data in enumerate(raw_rules):
        name = data.get("id") if isinstance(data, dict) else None
        if name in seen:
            problems.append(located.problem(("rules", index, "id"), "R105", f"duplicate id {name!r}"))
        if isinstance(name, str):
            seen.add(name)


def _check_languages(codes: Any, located: Located, at: KeyPath, problems: list[Problem]) -> None:
    for index, code in enumerate(codes if isinstance(codes, list) else []):
        try:
            normalise(str(code))
        except ValueError as error:
            problems.append(located.problem(at if at[-1] == KEY else (*at, index), "R103", str(error)))


def _codes(languages: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(normalise(code) for code in languages)
