"""Before and after: what one rule, or all of them, did to the lines of one document.

Lines are told by the edits that the engine recorded (inspect_ui/replay.py), so nothing is guessed; only where a pack
splits lines at other breaks than line feeds are the two texts compared (difflib).
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from inspect_ui.judging import Judged
from inspect_ui.replay import LineHit, replay


@dataclass(frozen=True)
class DiffLine:
    """One line of a diff: ` ` the same, `-` removed or as it was, `+` as it became, `@` lines left out.

    `before` and `after` are numbers of the line (from 1) in the two texts; `rule` is who changed it."""

    kind: Literal[" ", "-", "+", "@"]
    before: int | None
    after: int | None
    text: str  # show it through rules.visible
    rule: str = ""


@dataclass
class DiffView:
    """What changed in a document. A document that is dropped has no text afterwards; its lines are shown as far as rules changed them."""

    row: int
    id: str
    rule: str  # empty: all rules
    dropped: bool
    reason: str
    removed: int  # lines
    changed: int  # lines
    characters_before: int
    characters_after: int
    lines: list[DiffLine] = field(repr=False)


def diff_lines(judged: Judged, row: int, rule: str = "", context: int = 3) -> list[DiffLine]:
    """The lines that `rule` (pack/id; empty: all) changed, in order, with `context` lines around them; none: no change."""
    before = judged.texts[row].as_py().split("\n")
    hits = [hit for hit in replay(judged, row) if hit.after != hit.before and rule in ("", hit.rule)]
    if not hits:
        return []
    finer = {pack.name for pack in judged.packs if pack.line_breaks == "unicode"}
    if any(hit.rule.partition("/")[0] in finer or hit.rule.rpartition("/")[0] in finer for hit in hits):
        lines = compared(before, _after_text(judged, row, hits, rule, before), {hit.before: hit.rule for hit in hits})
    else:
        lines = _told(before, hits)
    return around(lines, context)


def _told(before: Sequence[str], hits: Sequence[LineHit]) -> list[DiffLine]:
    last: dict[int, LineHit] = {hit.origin: hit for hit in hits}
    first = {hit.origin: hit for hit in reversed(hits)}
    lines, number = [], 0
    for origin, text in enumerate(before):
        hit = last.get(origin)
        if hit is None:
            number += 1
            lines.append(DiffLine(" ", origin + 1, number, text))
            continue
        lines.append(DiffLine("-", origin + 1, None, first[origin].before, hit.rule))
        if hit.after is not None:
            number += 1
            lines.append(DiffLine("+", None, number, hit.after, hit.rule))
    return lines


def _after_text(judged: Judged, row: int, hits: Sequence[LineHit], rule: str, before: Sequence[str]) -> list[str]:
    """The text after all rules; of one rule, with its own changes alone."""
    if not rule:
        return judged.measured.texts[row].as_py().split("\n")
    lines = list(before)
    for hit in hits:
        text = lines[hit.origin]
        lines[hit.origin] = text[: hit.part] + (hit.after or "") + text[hit.part + len(hit.before) :]
    gone = {hit.origin for hit in hits if hit.after is None and not lines[hit.origin].strip()}
    return [line for number, line in enumerate(lines) if number not in gone]


def compared(before: Sequence[str], after: Sequence[str], rules: dict[str, str]) -> list[DiffLine]:
    """The lines of two texts, by difflib; `rules`: text of a line -> who removed it."""
    lines = []
    for tag, b, b_end, a, a_end in difflib.SequenceMatcher(None, before, after, autojunk=len(before) > 5000).get_opcodes():
        if tag == "equal":
            lines += [DiffLine(" ", b + k + 1, a + k + 1, before[b + k]) for k in range(b_end - b)]
            continue
        lines += [DiffLine("-", k + 1, None, before[k], rules.get(before[k], "")) for k in range(b, b_end)]
        lines += [DiffLine("+", None, k + 1, after[k]) for k in range(a, a_end)]
    return lines


def around(lines: Sequence[DiffLine], context: int) -> list[DiffLine]:
    """The changed lines and `context` lines around them; `@` says how many are left out. None where nothing is changed."""
    if all(line.kind == " " for line in lines):
        return []
    shown = [False] * len(lines)
    for number, line in enumerate(lines):
        if line.kind != " ":
            for near in range(max(number - context, 0), min(number + context + 1, len(lines))):
                shown[near] = True
    found: list[DiffLine] = []
    left_out = 0
    for line, here in zip([*lines, None], [*shown, True]):
        if here and left_out:
            found.append(DiffLine("@", None, None, f"{left_out:,} lines"))
            left_out = 0
        if line is not None and here:
            found.append(line)
        left_out += not here
    return found
