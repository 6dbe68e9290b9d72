"""The shape of a pack file: its keys, their types and defaults. What the reader checks and the editor's schema says.

Each field's `about` is what the schema shows in an editor.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal, get_type_hints

from rules.format.evidence import Evidence
from rules.places import SettingError
from rules.splitters.rewriting import missing_package
from rules.splitters.words import Splitter


def key(about: str, default: Any = dataclasses.MISSING, yaml: str | None = None) -> Any:
    """A field with what it means; `yaml` is its key where Python cannot have a field of that name."""
    metadata = {"about": about} | ({"yaml": yaml} if yaml else {})
    if default in (dict, list):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class ExamplesYaml:
    """Texts that the rule must act on and must leave alone."""

    drop: tuple[str | dict[str, float], ...] = key("texts (or measured values) that the rule must act on", ())
    keep: tuple[str | dict[str, float], ...] = key("texts (or measured values) that it must leave alone", ())
    change: dict[str, str] = key("before: after, for rules that change lines", dict)


@dataclass(frozen=True)
class WithinYaml:
    """Only the first or only the last lines of a text."""

    first: int | None = key("the first so many lines", None)
    last: int | None = key("the last so many lines", None)


@dataclass(frozen=True)
class ListYaml:
    """A word list with settings of its own."""

    words: tuple[str, ...] = key("the entries: words or phrases", ())
    file: str | None = key("a file with one entry a line, relative to the pack; # begins a comment", None)
    case: Literal["exact", "any"] = key("exact: upper and lower case are different", "any")
    anywhere: bool = key("an entry may be a part of a word (for scripts without spaces)", False)


@dataclass(frozen=True)
class ClassifierYaml:
    """A classifier with settings of its own."""

    file: str = key("a folder of `gristmill classifier train`, or a model file of fastText, relative to the pack")
    label: str | None = key("of a model file: the label whose probability is the score", None)
    words: Literal["space", "unicode"] = key("of a model file: words between white space, or unicode ones in lower case", "space")


@dataclass(frozen=True)
class LanguageModelYaml:
    """An n-gram model with settings of its own."""

    file: str = key("a model file of KenLM, ARPA or binary, relative to the pack")
    words: Literal["unicode", "space"] = key("what the model was made of: unicode words in lower case, or what is between white space", "unicode")


@dataclass(frozen=True)
class UrlYaml:
    """Which URLs a rule is about; every key that is given must hold."""

    host: str | list[str] | None = key("domains, or a file of them: the host is one of these or below one", None)
    path: str | list[str] | None = key("paths, or a file of them: the path is one of these or below one", None)
    words: str | list[str] | None = key("words, or a file of them: a word of the URL is one of these", None)
    at_least: int = key("so many different words", 1)
    match: str | None = key("RE2 pattern over the whole URL", None)


@dataclass(frozen=True)
class OverrideYaml:
    """What `by_language` may say differently for one language; each field replaces the rule's own whole."""

    action: Literal["drop", "tag", "off"] | None = key("drop, tag or off, for this language", None)
    drop_when: dict[str, str | list[str]] | None = key("signals and comparisons, for this language", None)
    match: str | None = key("RE2 pattern, for this language", None)
    with_: str | None = key("replacement, for this language", None, yaml="with")
    when: dict[str, str | list[str]] | None = key("line signals and comparisons, for this language", None)
    within: WithinYaml | None = key("only the first or last lines, for this language", None)


@dataclass(frozen=True)
class RuleYaml:
    """One rule: what it looks at (drop_when, url, lines with match or when, or match), what it does, and why."""

    id: str = key("lower-case words joined by -; unique in the pack. In a pack that extends another: a rule of that pack, as pack/id or id")
    why: str = key("one sentence: why this rule exists")
    source: str = key("paper, page or definition it is taken from", "")
    action: Literal["drop", "tag", "off"] = key("drop removes; tag counts and records only; off does nothing", "drop")
    languages: tuple[str, ...] = key("only documents in these languages", ())
    drop_when: dict[str, str | list[str]] = key("document rule: signal: comparison. Several signals: all hold. A list: one holds", dict)
    url: UrlYaml | None = key("document rule about the URL", None)
    lines: Literal["drop", "trim", "replace", "ftfy", "nfc", "nfkc"] | None = key("line rule: drop the line, trim the match, or replace it; ftfy: repair encodings; nfc, nfkc: normal forms", None)
    match: str | None = key("RE2 pattern over one line; without `lines` a matching line drops the document", None)
    with_: str = key("what the match becomes; \\1 is the first group", "", yaml="with")
    when: dict[str, str | list[str]] = key("line rule: line signal: comparison", dict)
    ascii: bool = key("\\w \\d \\s \\b know ASCII only, and that is meant: no warning", False)
    within: WithinYaml | None = key("line rule: only the first or last lines of the text", None)
    by_language: dict[str, Literal["off"] | OverrideYaml] = key("language: off, or the fields that differ", dict)
    false_positives: tuple[str, ...] = key("what it is known to hit wrongly, in words", ())
    formerly: tuple[str, ...] = key("ids this rule had before", ())
    expect_drop: float | None = key("share of a sample that it may drop before check calls it a mistake (0.2 otherwise)", None)
    evidence: tuple[Evidence, ...] = key("what ablations found: models trained with the rule against models without it", ())
    examples: ExamplesYaml = key("texts it must act on and must leave alone; each is a test", ExamplesYaml())


@dataclass(frozen=True)
class PackYaml:
    """A pack: rules that share a scope, a definition of words and of lines, and word lists."""

    pack: str = key("name: lower-case words joined by _ or -")
    about: str = key("one sentence: what this pack is for")
    rules: list[Any] = key("the rules, in order: line rules act one after the other, then signals are measured once")
    source: str = key("paper, page or definition", "")
    extends: tuple[str, ...] = key("packs whose rules this pack starts from: shipped ones by name, your own by path", ())
    languages: tuple[str, ...] = key("only documents in these languages (ISO 639 codes)", ())
    words: Splitter = key("what a word is: between white space; letters apart from punctuation; spaCy's tokens; or Chinese, Japanese or Thai by a dictionary", "unicode")
    line_breaks: Literal["newline", "unicode"] = key("what ends a line: line feeds, or all breaks that Unicode knows", "newline")
    lists: dict[str, str | list[str] | ListYaml] = key("word lists, for signals such as listed_words(name)", dict)
    profiles: dict[str, str] = key("files of `gristmill profile build`, for signals such as unigram_kl(name)", dict)
    classifiers: dict[str, str | ClassifierYaml] = key("folders of `gristmill classifier train`, or models of fastText, for the signal classifier.name", dict)
    language_models: dict[str, str | LanguageModelYaml] = key("models of KenLM, for the signal perplexity(name)", dict)

    tokenizer: str | None = key("a tokenizer.json, relative to the pack, for signals of tokens; without it, that of the job's pack", None)

    def __post_init__(self) -> None:
        message = missing_package(self.words)
        if message:
            raise SettingError("words", message)


def _optional(fields: tuple[dataclasses.Field[Any], ...]) -> list[tuple[str, Any] | tuple[str, Any, Any]]:
    types = get_type_hints(RuleYaml)
    return [(f.name, types[f.name]) if f.name == "id" else (f.name, types[f.name], field(default=None, metadata=f.metadata)) for f in fields]


# A rule of a pack that extends another gives only the fields that differ.
PartialRuleYaml = dataclasses.make_dataclass("PartialRuleYaml", _optional(dataclasses.fields(RuleYaml)), frozen=True)
