"""From a selection to a draft: a rule that tags, with a pattern, examples from the corpus, and an empty `why`.

A rule that matches lines and only tags cannot take anything away: it is how every rule begins. The draft is a rule in a
pack file of its own, which is made with the first one. It holds lines of the corpus as examples, and says so. Nothing
else in the file is touched, and it is never half written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from inspect_ui.effects import Effect, LineAt
from inspect_ui.generalise import Edge, general_pattern, literal_pattern
from inspect_ui.line_table import LineTable
from inspect_ui.sample import InspectError
from rules.format.file_text import replace_file
from rules.measures.word_lists import WordList
from rules.places import load
from rules.rule import Comparison, Condition, Pack, Rule, UrlTest
from rules.visible import is_hidden

KEEP_EXAMPLES, DROP_EXAMPLES = 3, 5
_EXAMPLE_CHARACTERS = (20, 200)  # of a line that is left alone: long enough to say something, short enough to read
_ROUND = (100, 200, 300, 400, 600, 800, 1000, 2000)
_TRIES = 400  # lines looked at for each that is wanted

HEAD = """\
pack: {name}
about: Drafts made while inspecting a corpus.
# Examples are lines of the corpus: look at them before you give this file away.

rules:
"""


@dataclass(frozen=True)
class Draft:
    """A rule that is not written yet. `literal` matches only what was selected; `pattern` what it is a case of.

    Of `hosts`, it is a rule about URLs and has no pattern; its examples are URLs."""

    id: str
    pattern: str
    literal: str
    drop: tuple[str, ...]  # lines of the corpus that it matches
    keep: tuple[str, ...]  # lines that it does not match
    hosts: tuple[str, ...] = ()
    most_chars: int | None = None  # only lines of at most so many characters; None: the pattern is a whole line

    @property
    def generalised(self) -> bool:
        return self.pattern != self.literal

    def rule(self, pattern: str | None = None) -> Rule:
        """The rule, as the engine takes it."""
        if self.hosts:
            return Rule(self.id, "", action="tag", url=UrlTest(host=WordList(self.hosts, case="exact")))
        when = (Condition("line_chars", (Comparison("<=", float(self.most_chars)),)),) if self.most_chars else ()
        return Rule(self.id, "", action="tag", match=self.pattern if pattern is None else pattern, when=when)


@dataclass(frozen=True)
class DraftEffect:
    """What a draft does, and what of that its generalisation adds to the texts that were selected."""

    effect: Effect
    literal: Effect
    added: list[LineAt] = field(repr=False)  # some of the lines that only the generalised pattern matches

    @property
    def added_lines(self) -> int:
        return (self.effect.lines or 0) - (self.literal.lines or 0)


def make_draft(texts: Sequence[str], edge: Edge, lines: Sequence[str], table: LineTable, taken: set[str], seed: int) -> Draft:
    """A draft for `texts` (what was selected, or what mined rows stand for), found in `lines` (whole lines of the corpus).

    `table`: the lines of the sample, from which lines that the pattern leaves alone are taken; `taken`: ids that are in use.
    Raises InspectError where the selection holds no text."""
    texts = [text for text in dict.fromkeys(text.strip() for text in texts) if text]
    if not texts:
        raise InspectError("nothing is selected: mark some text, or rows")
    if any("\n" in text for text in texts):
        raise InspectError("a pattern matches within one line: mark part of a line, or rows of the same kind")
    pattern, literal = general_pattern(texts, edge), literal_pattern(texts, edge)
    lines = list(dict.fromkeys(line.strip("\r\n") for line in lines))
    most = most_chars_of(lines) if edge != "line" else None
    drop = [line for line in lines if (most is None or len(line) <= most) and _matches(line, pattern)]
    drop = sorted(drop, key=lambda line: len(line) > _EXAMPLE_CHARACTERS[1])[:DROP_EXAMPLES]  # those that can be read at once first
    return Draft(free_id(texts[0], taken), pattern, literal, tuple(drop or texts[:1]), tuple(unhit_lines(table, pattern, seed)), most_chars=most)


def most_chars_of(lines: Sequence[str]) -> int:
    """A round number of characters that 95 % of the lines do not exceed: a pattern for part of a line is for short lines only,
    because better a menu line is kept than a paragraph lost."""
    sizes = sorted(map(len, lines)) or [0]
    enough = sizes[min(int(0.95 * len(sizes)), len(sizes) - 1)]
    return next((size for size in _ROUND if size >= enough), _ROUND[-1])


def host_draft(hosts: Sequence[str], urls: pa.LargeStringArray, of: pa.Array, taken: set[str], seed: int) -> Draft:
    """A draft that tags the documents of `hosts`. `urls` and `of` (their hosts): of the sample, [n]."""
    known = pa.array(hosts, pa.string())
    mine = pc.is_in(of.cast(pa.string()), value_set=known)
    drop = urls.filter(mine)[:DROP_EXAMPLES].to_pylist()
    below = pc.match_substring_regex(of, "(^|[.])(" + "|".join(re.escape(host) for host in hosts) + ")$")
    others = urls.filter(pc.and_(pc.invert(below), pc.greater(pc.binary_length(urls), 0)))
    chosen = np.random.default_rng(seed).permutation(len(others))[:KEEP_EXAMPLES]
    return Draft(free_id("-".join(hosts[:1]), taken), "", "", tuple(drop), tuple(others.take(pa.array(chosen)).to_pylist()), tuple(hosts))


def _matches(line: str, pattern: str) -> bool:
    return bool(pc.match_substring_regex(pa.array([line], pa.large_string()), pattern)[0].as_py())


def unhit_lines(table: LineTable, pattern: str, seed: int, count: int = KEEP_EXAMPLES) -> list[str]:
    """Single lines of the sample, chosen at random, that the pattern leaves alone; fewer where there are not so many."""
    sizes = table.ends - table.starts
    likely = np.flatnonzero((sizes >= _EXAMPLE_CHARACTERS[0]) & (sizes <= 2 * _EXAMPLE_CHARACTERS[1]))
    chosen = np.random.default_rng(seed).permutation(likely)[: _TRIES * count]
    texts = [text for text in (table.text(int(line)).strip() for line in chosen) if _EXAMPLE_CHARACTERS[0] <= len(text) <= _EXAMPLE_CHARACTERS[1]]
    texts = [text for text in dict.fromkeys(texts) if " " in text and not any(map(is_hidden, text))]
    hit = pc.match_substring_regex(pa.array(texts, pa.large_string()), pattern).to_pylist()
    return [text for text, matched in zip(texts, hit) if not matched][:count]


def free_id(text: str, taken: set[str]) -> str:
    """An id made of the first words of a text that nobody has."""
    words = re.findall(r"[a-z0-9]+", text.lower())[:4]
    name = "-".join(words)[:40].strip("-") or "draft"
    number, free = 2, name
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free


# ---- the file


def write_draft(path: Path, draft: Draft) -> None:
    """Add the draft as the last rule of the pack at `path`, which is made if it is not there.

    Raises InspectError where `rules` is not the last key of the file, Problems where it is no YAML."""
    if not path.exists():
        replace_file(path, HEAD.format(name=pack_name(path)) + rule_yaml(draft, "  "))
        return
    located = load(path)
    data = located.data
    if not isinstance(data, dict) or "rules" not in data:
        raise InspectError(f"{path} is no pack (it has no `rules:`); name another file for drafts")
    if list(data)[-1] != "rules":
        raise InspectError(f"{path}: move `rules:` to the end of the file, so that a rule can be added")
    text = path.read_text(encoding="utf-8")
    if not isinstance(data["rules"], list) or not data["rules"]:
        raise InspectError(f"{path}: `rules:` has no rule yet; remove the line, or write one")
    indent = _indent(text.split("\n"), located.place(("rules", 0))[0])
    replace_file(path, text.rstrip("\n") + "\n\n" + rule_yaml(draft, indent))


def _indent(lines: Sequence[str], line: int) -> str:
    """What stands before the dash of the first rule, which begins at `line` or above."""
    for text in reversed(lines[:line]):
        match = re.match(r"(\s*)-\s", text)
        if match:
            return match[1]
    raise InspectError("the rules of this file are written in one line; write each on lines of its own")


def pack_name(path: Path) -> str:
    """A name for the pack in a file."""
    return re.sub(r"[^a-z0-9]+", "_", path.stem.lower()).strip("_") or "drafts"


def rule_yaml(draft: Draft, indent: str) -> str:
    """The draft as YAML: one rule of a list."""
    body = f"url: {{host: [{', '.join(map(double_quoted, draft.hosts))}]}}" if draft.hosts else f"match: {single_quoted(draft.pattern)}"
    lines = [f"- id: {draft.id}", '  why: ""  # say in one sentence why this rule exists', "  action: tag", f"  {body}"]
    lines += [f'  when: {{line_chars: "<= {draft.most_chars}"}}'] if draft.most_chars else []
    lines += ["  examples:"]
    for side in ("drop", "keep"):
        texts = getattr(draft, side)
        lines += [f"    {side}:", *(f"      - {double_quoted(text)}" for text in texts)] if texts else [f"    {side}: []"]
    return "".join(f"{indent}{line}\n" for line in lines)


def single_quoted(text: str) -> str:
    """A pattern for YAML. What cannot be seen is written \\x{...} in patterns already."""
    return "'" + text.replace("'", "''") + "'"


def double_quoted(text: str) -> str:
    """Any text for YAML, with escapes for what cannot be seen."""
    shown = json.dumps(text, ensure_ascii=False)
    return "".join(_escaped(character) if is_hidden(character) or character == "\x85" else character for character in shown)


def _escaped(character: str) -> str:
    return f"\\U{ord(character):08X}" if ord(character) > 0xFFFF else f"\\u{ord(character):04X}"


def draft_pack(draft: Draft, pattern: str | None = None, name: str = "draft") -> Pack:
    """A pack of this draft alone, to see what it does before it is written."""
    return Pack(name, "A draft.", (draft.rule(pattern),))
