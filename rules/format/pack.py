"""Read rule packs from YAML.

A pack is one YAML file. Reading it checks everything a file can get wrong (shape, names, comparisons, patterns) and
reports all mistakes at once, each at its line and column. A pack may extend others: it starts from their rules and
says what differs, rule by rule and field by field.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rules.format.pack_files import PackFile, read_files
from rules.format.pack_yaml import ListYaml, PackYaml
from rules.format.reading import Draft, RuleReader, check_languages, codes, read_entries
from rules.languages import normalise
from rules.matching.patterns import ascii_only
from rules.measures.list_counts import LONGEST
from rules.measures.token_signals import TOKEN_SIGNALS
from rules.measures.tokenizers import TokenizerFile, tokenizer_file
from rules.measures.word_lists import WordList
from rules.places import KEY, KeyPath, Located, Problem, Problems, build, did_you_mean, load
from rules.rule import Pack

SHIPPED = Path(__file__).parents[1] / "packs"

_PACK_NAME = re.compile(r"[a-z0-9]+(?:[_-][a-z0-9]+)*(/[a-z0-9]+(?:[_-][a-z0-9]+)*)?")
_LIST_NAME = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")


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
    """The packs that come with gristmill: name (with its folder, as in fineweb2/de) to file."""
    return {str(path.relative_to(SHIPPED).with_suffix("")): path for path in sorted(SHIPPED.rglob("*.yaml"))}


def load_pack(pack: str | Path, draft: bool = False, tokenizer: str | Path | None = None) -> Pack:
    """Read one pack: a shipped one by name, or any by the path of its file. Raises Problems with every mistake in it.

    In a `draft`, rules may have an empty `why`: to see what they do before saying why they are there. `tokenizer`: the
    tokenizer.json for signals of tokens where the pack names none. Raises ValueError when there is no such pack."""
    path = pack if isinstance(pack, Path) else find_pack(pack, Path())
    problems: list[Problem] = []
    read = _read(path, (), problems, draft)
    if read is not None and read.settings["tokenizer"] is None:
        problems += _find_tokenizer(read, tokenizer)
    if problems or read is None:
        raise Problems(problems)
    source = read.settings["source"]
    rules = tuple(form if form.source else replace(form, source=source) for rule in read.rules.values() for form in rule.forms())
    return Pack(rules=rules, located=read.located, lists=read.lists, files=read.files, **read.settings)


def _find_tokenizer(read: _PackDraft, given: str | Path | None) -> list[Problem]:
    """Give a pack without a tokenizer the one that was given, if its rules need one; else a problem at each signal."""
    wanting = [
        (rule.place, (*at, "drop_when", condition.signal))
        for rule in read.rules.values() if rule.fields["action"] != "off"
        for at, fields in [((), rule.fields), *((("by_language", code), fields) for code, fields in rule.by_language.items())]
        for condition in fields.get("drop_when", ()) if condition.signal in TOKEN_SIGNALS
    ]  # fmt: skip
    message = "{name} needs a tokenizer: say `tokenizer: PATH` in this pack, or under `pack:` in the job"
    if wanting and given is not None:
        try:
            read.settings["tokenizer"] = tokenizer_file(Path(given))
        except ValueError as error:
            message = str(error).replace("{", "{{").replace("}", "}}")
    if read.settings["tokenizer"] is not None:
        return []
    return [place.located.problem((*place.at, *at, KEY), "R102", message.format(name=at[-1])) for place, at in wanting]


@dataclass
class _PackDraft:
    """A pack as far as it is read; `rules` by id, in order."""

    located: Located
    settings: dict[str, Any]  # of Pack: name, about, source, languages, words, line_breaks, tokenizer
    lists: dict[str, WordList]
    files: dict[str, PackFile]
    rules: dict[str, Draft]


def _read(path: Path, above: tuple[Path, ...], problems: list[Problem], without_why: bool = False) -> _PackDraft | None:
    """Read a file and those it extends; `above` are the files that extend it. `without_why`: its own rules may lack one."""
    try:
        located = load(path)
    except Problems as found:
        problems.extend(found.problems)
        return None
    data = located.data if isinstance(located.data, dict) else {}
    shape = _shape(located, problems)
    _check_head(data, located, problems)
    parents = _parents(data, located, path, above, problems)
    reader = RuleReader(located, {}, problems, path.parent, without_why)
    lists = {name: words for parent in parents for name, words in parent.lists.items()} | _lists(data.get("lists"), reader)
    files = {name: file for parent in parents for name, file in parent.files.items()} | read_files(data, reader)
    reader.lists, reader.files = lists, files
    rules = _rules(data, parents, reader)
    if shape is None:
        return None
    own = {"name": shape.pack, "about": shape.about, "source": shape.source, "languages": codes(shape.languages)}
    own |= {"words": shape.words, "line_breaks": shape.line_breaks, "tokenizer": _tokenizer(shape.tokenizer, path.parent, located, problems)}
    return _PackDraft(located, own | _inherited(data, parents, located, problems), lists, files, rules)


def _tokenizer(name: str | None, folder: Path, located: Located, problems: list[Problem]) -> TokenizerFile | None:
    try:
        return tokenizer_file(folder / name) if name is not None else None
    except ValueError as error:
        problems.append(located.problem(("tokenizer",), "R103", str(error)))
        return None


def _shape(located: Located, problems: list[Problem]) -> Any:
    try:
        return build(PackYaml, located)
    except Problems as found:
        problems.extend(found.problems)
        return None


def _check_head(data: dict[str, Any], located: Located, problems: list[Problem]) -> None:
    if isinstance(data.get("pack"), str) and not _PACK_NAME.fullmatch(data["pack"]):
        problems.append(located.problem(("pack",), "R101", "a pack name is lower-case words joined by _ or -, below one folder at most"))
    if isinstance(data.get("rules"), list) and not data["rules"] and not data.get("extends"):
        problems.append(located.problem(("rules",), "R101", "a pack needs at least one rule"))
    check_languages(data.get("languages"), located, ("languages",), problems)


def _parents(data: dict[str, Any], located: Located, path: Path, above: tuple[Path, ...], problems: list[Problem]) -> list[_PackDraft]:
    parents = []
    names = data.get("extends")
    for index, name in enumerate(names if isinstance(names, list) else []):
        if not isinstance(name, str):
            continue
        at = ("extends", index)
        try:
            file = find_pack(name, path.parent)
        except ValueError as error:
            problems.append(located.problem(at, "R109", str(error)))
            continue
        chain = (*above, path.resolve())
        if file.resolve() in chain:
            problems.append(located.problem(at, "R109", f"a pack cannot extend itself: {' -> '.join([*(p.stem for p in chain), file.stem])}"))
            continue
        parent = _read_shipped(file) if file.is_relative_to(SHIPPED) else _read(file, chain, problems)
        if parent is not None:
            parents.append(parent)
    return parents


@functools.cache
def _read_shipped(path: Path) -> _PackDraft | None:
    """A shipped pack that others extend: read once."""
    problems: list[Problem] = []
    draft = _read(path, (), problems)
    if problems:
        raise Problems(problems)
    return draft


def _inherited(data: dict[str, Any], parents: list[_PackDraft], located: Located, problems: list[Problem]) -> dict[str, Any]:
    """Settings that this pack does not give and that the packs it extends agree on."""
    found = {}
    for key in ("languages", "words", "line_breaks", "tokenizer") if parents else ():
        if key in data:
            continue
        values = [parent.settings[key] for parent in parents]
        if any(value != values[0] for value in values):
            problems.append(located.problem(("extends",), "R109", f"the packs differ in {key}; say here which"))
        found[key] = values[0]
    return found


def _lists(data: Any, reader: RuleReader) -> dict[str, WordList]:
    found = {}
    for name, value in data.items() if isinstance(data, dict) else ():
        at = ("lists", name)
        if not _LIST_NAME.fullmatch(str(name)):
            reader.fail((*at, KEY), "R101", "the name of a list is lower-case words joined by _")
        words = _word_list(value, at, reader)
        if words is not None:
            found[str(name)] = words
    return found


def _word_list(value: Any, at: KeyPath, reader: RuleReader) -> WordList | None:
    settings = ListYaml()
    entries: Any = value
    if isinstance(value, dict):
        try:
            settings = build(ListYaml, reader.located, at)
        except Problems:
            return None  # the pack's own shape check says so
        if ("words" in value) == ("file" in value):
            reader.fail(at, "R101", "a list needs words or file, and not both")
            return None
        at, entries = (*at, "file" if settings.file else "words"), settings.file or list(settings.words)
    if isinstance(entries, str):
        entries = read_entries(entries, at, reader)
    if not isinstance(entries, list):
        return None
    if not entries:
        reader.fail(at, "R103", "an empty list")
    for entry in entries:
        if len(str(entry).split()) > LONGEST:
            reader.fail(at, "R103", f"an entry of more than {LONGEST} words: {str(entry)[:40]!r} ...")
    return WordList(tuple(map(str, entries)), settings.case, settings.anywhere)


def _rules(data: dict[str, Any], parents: list[_PackDraft], reader: RuleReader) -> dict[str, Draft]:
    """The rules of the parents, changed by those of this file, then the new ones."""
    rules: dict[str, Draft] = {}
    for parent in parents:
        for name, rule in parent.rules.items():
            if name in rules:
                reader.fail(("extends",), "R105", f"two extended packs have a rule {name!r}")
            full = f"{parent.settings['name']}/{name}"
            rules[name] = Draft(rule.fields, rule.by_language, rule.raw, rule.place, rule.examples_place, rule.names | {full})
    inherited, seen = dict(rules), set[str]()
    for index, raw in enumerate(data["rules"] if isinstance(data.get("rules"), list) else []):
        given = raw.get("id") if isinstance(raw, dict) else None
        own = _own_name(given, inherited, index, reader) if isinstance(given, str) else None
        if own in seen:
            reader.fail(("rules", index, "id"), "R105", f"duplicate id {given!r}")
        draft = reader.read(index, raw, inherited.get(own) if own else None)
        if own and draft:
            rules[own] = inherited[own].changed_by(draft) if own in inherited else draft
            seen.add(own)
    _check_former_ids(rules, reader)
    return rules


def _own_name(name: str, inherited: dict[str, Draft], index: int, reader: RuleReader) -> str | None:
    """The id of the inherited rule that `name` means, or a new id; None, and a problem, for pack/id that is not there."""
    if name in inherited:
        return name
    pack, _, short = name.rpartition("/")
    for own, rule in inherited.items():
        named = {*rule.names, *(n.rpartition("/")[0] + "/" + former for n in rule.names for former in rule.fields["formerly"])}
        if name in named or (not pack and short in rule.fields["formerly"]):
            return own
    if "/" in name and inherited:
        known = sorted(n for rule in inherited.values() for n in rule.names)
        reader.fail(("rules", index, "id"), "R110", f"no rule {name!r} in the extended packs{did_you_mean(name, known)}")
        return None
    return name


def _check_former_ids(rules: dict[str, Draft], reader: RuleReader) -> None:
    taken: dict[str, str] = {}
    for name, rule in rules.items():
        for former in rule.fields["formerly"] or ():
            if former in rules or taken.get(former, name) != name:
                message = f"{former!r} is another rule's {'id' if former in rules else 'former id'}"
                reader.problems.append(rule.place.located.problem((*rule.place.at, "formerly"), "R105", message))
            taken[former] = name


def pattern_warnings(pack: Pack) -> list[Problem]:
    r"""R107: `\w \d \s \b` know ASCII only, in rules that see other languages than English."""
    found = []
    for rule in pack.rules:
        languages = rule.languages or pack.languages
        if rule.action == "off" or not rule.match or rule.ascii or rule.place is None or languages and set(languages) <= {normalise("en")}:
            continue
        for name, instead in ascii_only(rule.match).items():
            at = (*rule.place.at, *(("by_language", rule.languages[0]) if rule.variant else ()), "match")
            message = f"{name} knows ASCII only in RE2, and this rule sees other languages; write {instead}, or say ascii: true"
            found.append(rule.place.located.problem(at, "R107", message))
    return found
