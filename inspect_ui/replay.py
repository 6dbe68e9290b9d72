"""What packs did to the lines of one document, line by line, told from the edits that the engine recorded.

Edits name lines as their pack found them; a pack that follows finds fewer. Replaying the edits gives every line of the
original text its later forms. Packs whose lines end at other breaks than a line feed are told by the line that
their line is a part of. Cost: one pass over the lines for each pack that changed the document.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from inspect_ui.effects import lines_found
from inspect_ui.judging import Judged
from rules.rule import Pack, Rule


@dataclass
class Line:
    """A line of the document as it is at some moment: its text and the line of the original text that it was (from 0)."""

    text: str
    origin: int
    part: int = 0  # characters of the original line before it, where a pack splits finer


@dataclass(frozen=True)
class LineHit:
    """A rule that hit a line: what the line was when the rule saw it, and what it became (None: removed).

    Rules that count lines and change none leave it as it was."""

    rule: str  # pack/id
    origin: int  # line of the original text, from 0
    part: int
    before: str
    after: str | None


MOST_HITS = 5_000  # of more, those in the first lines of the document are told


def told_lines(judged: Judged, row: int) -> int | None:
    """Of document `row`, how many lines from the first have their hits told; None: all."""
    begin, end = judged.edit_starts[row : row + 2].tolist()
    if end - begin <= MOST_HITS:
        return None
    return int(np.partition(judged.edits["line"].slice(begin, end - begin).to_numpy(), MOST_HITS)[MOST_HITS])


def replay(judged: Judged, row: int) -> Iterator[LineHit]:
    """Every hit of every rule on a line of document `row`, in the order of packs; line rules as recorded, others found again.

    Of a document with very many hits, those of the first lines (`told_lines`)."""
    most = told_lines(judged, row)
    edits = judged.edits_of(row, most)
    tags = [(pack, rule) for pack in judged.packs for rule in pack.rules if _finds_lines(rule) and judged.decision.rule_hits[f"{pack.name}/{rule.id}"][row]]
    if not edits and not tags:
        return
    for hit in _replayed(judged, row, edits, tags, judged.texts[row].as_py().split("\n", -1 if most is None else most)[:most]):
        if most is None or hit.origin < most:
            yield hit


def _replayed(judged: Judged, row: int, edits: list[dict], tags: list[tuple[Pack, Rule]], texts: list[str]) -> Iterator[LineHit]:
    lines = [Line(text, number) for number, text in enumerate(texts)]
    for pack in judged.packs:
        mine = [edit for edit in edits if edit["rule"].startswith(f"{pack.name}/")]
        finders = [rule for owner, rule in tags if owner is pack]
        if not mine and not finders:
            continue
        lines = split_as(pack, lines)
        mine = [edit for edit in mine if edit["line"] <= len(lines)]
        for rule in finders:
            yield from _found_lines(judged, row, pack, rule, lines, _gone_before(pack, rule, mine))
        yield from _hits_of(mine, lines)
        lines = _after(mine, lines)


def _finds_lines(rule: Rule) -> bool:
    return rule.acts_on_lines and rule.lines is None and not rule.variant and rule.action != "off"


def split_as(pack: Pack, lines: list[Line]) -> list[Line]:
    """The lines as this pack splits them."""
    if pack.line_breaks == "newline":
        return lines
    found = []
    for line in lines:
        part = line.part
        for text in line.text.splitlines(keepends=True) or [""]:
            bare = text.splitlines()[0] if text else ""
            found.append(Line(bare, line.origin, part))
            part += len(text)
    return found


def _found_lines(judged: Judged, row: int, pack: Pack, rule: Rule, lines: Sequence[Line], gone: set[int]) -> Iterator[LineHit]:
    """Lines that meet a rule which changes none: the engine is asked what it would drop. `gone`: lines (from 0) removed before."""
    text = "\n".join(line.text for line in lines)
    document = pa.table({"text": pa.array([text], pa.large_string()), "url": judged.urls[row : row + 1], "lang": judged.langs[row : row + 1]})
    for number in lines_found(document, pack, rule.id)["line"].to_pylist():
        if number - 1 not in gone:
            line = lines[number - 1]
            yield LineHit(f"{pack.name}/{rule.id}", line.origin, line.part, line.text, line.text)


def _gone_before(pack: Pack, rule: Rule, edits: Sequence[dict]) -> set[int]:
    """Lines (from 0) that rules before this one removed."""
    order = {f"{pack.name}/{other.id}": number for number, other in enumerate(pack.rules)}
    limit = order[f"{pack.name}/{rule.id}"]
    return {edit["line"] - 1 for edit in edits if edit["after"] is None and order[edit["rule"]] < limit}


def _hits_of(edits: Sequence[dict], lines: Sequence[Line]) -> Iterator[LineHit]:
    for edit in edits:
        line = lines[edit["line"] - 1]
        yield LineHit(edit["rule"], line.origin, line.part, edit["before"], edit["after"])


def _after(edits: Sequence[dict], lines: list[Line]) -> list[Line]:
    """The lines that the next pack finds."""
    last = {edit["line"] - 1: edit["after"] for edit in edits}
    if not last:
        return lines
    kept = []
    for number, line in enumerate(lines):
        text = last.get(number, line.text)
        if text is not None:
            kept.append(Line(text, line.origin, line.part))
    return kept
