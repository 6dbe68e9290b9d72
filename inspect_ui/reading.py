"""One document to read: its text, every part that a rule hit, every signal with its threshold and distance.

Places are given three ways, for whoever colours them: in the line (characters), in the text (characters), and in its
UTF-8 (bytes). Only the lines that a rule hit are looked at, so a document of 10 MB opens as fast as its lines are split.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from inspect_ui.judging import Judged
from inspect_ui.pattern_groups import without_captures
from inspect_ui.replay import LineHit, replay
from rules.deciding import scope_of
from rules.rule import MATCHING_LINES, Pack, Rule
from rules.thresholds import meets


@dataclass(frozen=True)
class Span:
    """A part of a text that a rule hit. Lines are counted from 1; `end` is not included.

    `start`, `end`: characters (code points) of the line; `text_start`, `text_end`: of the text; `byte_start`, `byte_end`:
    bytes of its UTF-8. `whole_line`: the rule takes the whole line, and the span is the part that made it."""

    line: int
    start: int
    end: int
    text_start: int
    text_end: int
    byte_start: int
    byte_end: int
    rule: str  # pack/id
    action: str  # tag or drop (of the document); drop, trim or replace of the line
    whole_line: bool
    after: str | None  # what the line becomes; None: removed


@dataclass(frozen=True)
class SignalRow:
    """A signal of a document beside one comparison of one rule. `value` is NaN where the document does not have it."""

    signal: str
    value: float
    rule: str
    action: str
    comparison: str  # operator
    threshold: float
    distance: float  # value - threshold
    hit: bool  # this comparison is met and the rule is meant for the document's language


@dataclass(frozen=True)
class HitRow:
    """A rule that hit a document: by lines (`lines` of them), or by a signal."""

    rule: str
    action: str
    why: str
    lines: int
    signal: str
    value: float
    comparison: str
    threshold: float


@dataclass
class DocumentView:
    """Everything there is to show of one document of the sample."""

    row: int
    id: str
    url: str
    host: str
    source: str
    lang: str
    text: str  # as it came; show it through rules.visible
    words: int
    dropped: bool
    reason: str  # first rule that drops it; empty: kept
    run_stage: str  # of a run: the stage that removed it there; empty: kept there, or no run
    run_reason: str
    edited: bool
    line_starts: list[int] = field(repr=False)  # characters before each line
    told_lines: int | None  # of a document with thousands of hits, the first lines, which have spans; None: all have
    spans: list[Span] = field(repr=False)  # by line and start
    signals: list[SignalRow] = field(repr=False)
    hits: list[HitRow] = field(repr=False)
    label: str = ""  # keep, drop, unsure; empty: none

    def line(self, number: int) -> str:
        """The text of line `number`, from 1, without its line feed."""
        start = self.line_starts[number - 1]
        end = self.line_starts[number] - 1 if number < len(self.line_starts) else len(self.text)
        return self.text[start:end]


def starts_of(text: str) -> list[int]:
    """Characters before each line of `text`, as str.split("\\n") divides it."""
    starts, at = [0], text.find("\n")
    while at >= 0:
        starts.append(at + 1)
        at = text.find("\n", at + 1)
    return starts


def spans_of(judged: Judged, row: int, text: str, starts: Sequence[int]) -> list[Span]:
    """Every part of the text of document `row` that a rule hit, by line and place."""
    ends = [start - 1 for start in starts[1:]] + [len(text)]
    of_rule: dict[str, list[LineHit]] = {}
    for hit in replay(judged, row):
        of_rule.setdefault(hit.rule, []).append(hit)
    bytes_before = _bytes_before(text, [starts[hit.origin] for hits in of_rule.values() for hit in hits])
    spans = []
    for name, hits in of_rule.items():
        forms = forms_of(judged.packs, name)
        matches = first_matches([hit.before for hit in hits], [form.match for form in forms if form.match])
        for hit, match in zip(hits, matches):
            line_start = starts[hit.origin]
            line = text[line_start : ends[hit.origin]]
            start, end = _place(hit, line, match)
            spans.append(_span(hit, line, start, end, line_start, bytes_before[line_start], forms[0]))
    return sorted(spans, key=lambda span: (span.line, span.start))


def forms_of(packs: Sequence[Pack], name: str) -> list[Rule]:
    """The rule called pack/id, then its forms for single languages. Raises KeyError where there is none."""
    pack_name, _, rule_id = name.rpartition("/")
    found = [rule for pack in packs if pack.name == pack_name for rule in pack.rules if rule.id == rule_id]
    if not found:
        raise KeyError(name)
    return found


def first_matches(texts: Sequence[str], patterns: Sequence[str]) -> list[tuple[int, int] | None]:
    """Where RE2 finds the first of `patterns` that is in each text (characters: start and end); None: none of them."""
    column, found = pa.array(texts, pa.large_string()), [None] * len(texts)
    for pattern in patterns:
        for number, match in enumerate(pc.extract_regex_span(column, f"(?P<gristmill>{without_captures(pattern)})").to_pylist()):
            if match is not None and found[number] is None:
                found[number] = _characters(texts[number], *match["gristmill"])
    return found


def _characters(text: str, begin: int, size: int) -> tuple[int, int]:
    """Bytes begin to begin + size of the UTF-8 of `text` as characters."""
    whole = text.encode()
    start = len(whole[:begin].decode(errors="ignore"))
    return start, start + len(whole[begin : begin + size].decode(errors="ignore"))


def _place(hit: LineHit, line: str, match: tuple[int, int] | None) -> tuple[int, int]:
    """Where in `line` (characters) the hit is: all of it where an earlier rule had changed it."""
    if line[hit.part : hit.part + len(hit.before)] != hit.before:
        return 0, len(line)
    start, end = match or (0, len(hit.before))
    return hit.part + start, hit.part + end


def _bytes_before(text: str, places: Sequence[int]) -> dict[int, int]:
    """Bytes of UTF-8 before each of `places` (characters), in one pass."""
    found, at, size = {}, 0, 0
    for place in sorted(set(places)):
        size += len(text[at:place].encode())
        found[place], at = size, place
    return found


def _span(hit: LineHit, line: str, start: int, end: int, line_start: int, line_bytes: int, rule: Rule) -> Span:
    before = line_bytes + len(line[:start].encode())
    action = rule.lines or rule.action
    return Span(
        hit.origin + 1, start, end, line_start + start, line_start + end, before, before + len(line[start:end].encode()),
        hit.rule, action, rule.lines == "drop" and hit.after is None, hit.after,
    )  # fmt: skip


def signal_rows(judged: Judged, row: int) -> list[SignalRow]:
    """Every comparison of every rule in force beside what document `row` measures, in the order of packs and rules."""
    found = []
    for pack, rule, in_scope in _rules_for(judged, row):
        for condition in rule.drop_when:
            value = float(judged.columns[f"{pack.name}.{condition.signal}"][row])
            for comparison in condition.any_of:
                hit = in_scope and bool(meets(np.array([value]), comparison)[0])
                found.append(SignalRow(condition.signal, value, f"{pack.name}/{rule.id}", rule.action, comparison.operator, comparison.threshold, value - comparison.threshold, hit))
    return found


def _rules_for(judged: Judged, row: int) -> Iterator[tuple[Pack, Rule, bool]]:
    """Active document rules (of several forms, the one that is meant for the document), and whether they are meant for it."""
    langs = judged.langs[row : row + 1]
    langs = None if judged.langs.null_count == len(judged.langs) else langs
    for pack in judged.packs:
        for rule in pack.rules:
            if rule.action != "off" and not rule.lines:
                in_scope = bool(scope_of(pack, rule, langs, 1)[0])
                if in_scope or not (rule.variant or rule.except_languages):
                    yield pack, rule, in_scope


def hit_rows(judged: Judged, row: int) -> list[HitRow]:
    """Every rule that hit document `row`: line rules with how many lines they changed, then document rules with what they measured."""
    rules = {f"{pack.name}/{rule.id}": rule for pack in judged.packs for rule in reversed(pack.rules)}
    nothing = ("", float("nan"), "", float("nan"))
    found = [HitRow(name, rules[name].lines or "", rules[name].why, count, *nothing) for name, count in judged.edited_lines_of(row).items()]
    for hit in judged.decision.hits[row].as_py() or ():
        lines = int(hit["value"]) if hit["signal"] == MATCHING_LINES else 0
        found.append(HitRow(hit["rule"], hit["action"], rules[hit["rule"]].why, lines, hit["signal"], hit["value"], hit["comparison"], hit["threshold"]))
    return found
