"""Diff: what one rule, or all of them, did to the lines of a document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from textual.binding import Binding
from textual.widget import Widget
from textual.widgets import Static

from inspect_ui.differences import DiffLine, DiffView
from inspect_ui.screens.frame import Frame
from inspect_ui.widgets.document import Document
from inspect_ui.widgets.spans import Span
from rules.visible import visible

REMOVED, ADDED = 0, 1  # colours
CONTEXTS = (3, 0, 1_000_000)  # lines around what changed


class Diff(Frame):
    """Before and after of one document."""

    NUMBER = 4
    BINDINGS = [
        Binding("right_square_bracket", "step(1)", "Next changed", tooltip="the next document that changed"),
        Binding("left_square_bracket", "step(-1)", "Changed before", tooltip="the changed document before"),
        Binding("r", "rule", "Rule or all", tooltip="what this rule did, or what all rules did"),
        Binding("v", "context", "Lines around", tooltip="more or fewer lines around what changed"),
        Binding("enter", "read", "Read", tooltip="read this document"),
        Binding("e", "app.edit_rule", "Edit", show=False, tooltip="edit the rule in $EDITOR"),
        Binding("c", "copy", "Copy", show=False, tooltip="copy what is marked, or the diff"),
    ]

    def __init__(self):
        super().__init__()
        self.row: int | None = None
        self.rule = ""  # empty: all
        self.changed = np.zeros(0, np.int64)
        self.context = CONTEXTS[0]

    def body(self) -> Iterable[Widget]:
        yield Static(id="effect", markup=False)
        yield Document(id="diff")

    def fill(self) -> None:
        """The document of Read, if it changed, or the first that did."""
        self.row = self.app.looking.row
        self.rule, self.app.diff_rule = self.app.diff_rule, ""
        self.query_one(Document).focus()
        self._find()

    def _find(self) -> None:
        rule = self.rule
        self.work("comparing", lambda: self.session.changed_documents(rule), self._found)

    def _found(self, changed: np.ndarray) -> None:
        self.changed = changed
        if not len(changed):
            self._tell(f"{self.rule or 'no rule'} changed no document of the sample", "")
            return
        if self.row is None or self.row not in changed:
            self.row = int(changed[0])
            self.say("the document on Read did not change; this is the first that did")
        self._draw()

    def _draw(self) -> None:
        row, rule, context = self.row, self.rule, self.context
        self.work("comparing", lambda: self.session.diff(row, rule, context), self._show)

    def _show(self, view: DiffView) -> None:
        place = int(np.searchsorted(self.changed, view.row))
        verdict = f"dropped by {view.reason}" if view.dropped else "kept"
        what = f"{view.removed:,} lines removed, {view.changed:,} changed, {view.characters_before:,} → {view.characters_after:,} characters"
        self._tell(f"{view.id} · {verdict} · {place + 1:,} of {len(self.changed):,} changed", f"{view.rule or 'all rules'}: {what}")
        text, spans, numbers = shown(view.lines)
        self.query_one(Document).show(text or "no line of this document changed", spans, numbers=numbers)

    def _tell(self, first: str, second: str) -> None:
        self.query_one("#effect", Static).update(visible(f"{first}\n{second}"))

    def action_step(self, documents: int) -> None:
        if len(self.changed) and self.row is not None:
            at = int(np.searchsorted(self.changed, self.row))
            self.row = int(self.changed[(at + documents) % len(self.changed)])
            self._draw()

    def action_rule(self) -> None:
        """All rules, or the one that keys are about."""
        self.rule = "" if self.rule else self.app.rule
        if not self.rule and not self.app.rule:
            self.say("choose a rule on 2 Rules first")
        self._find()

    def action_context(self) -> None:
        self.context = CONTEXTS[(CONTEXTS.index(self.context) + 1) % len(CONTEXTS)]
        if self.row is not None:
            self._draw()

    def action_read(self) -> None:
        if self.row is not None:
            self.app.read_document(self.row)

    def action_copy(self) -> None:
        text = self.query_one(Document)
        copied = text.selected_text if text.selection else text.text
        self.app.copy_to_clipboard(copied)
        self.say(f"copied {len(copied):,} characters")


def shown(lines: Sequence[DiffLine]) -> tuple[str, list[Span], list[str]]:
    """The lines as one text, spans of what was removed and added, and what stands before each line: its number and sign."""
    texts, spans, numbers, at = [], [], [], 0
    for line in lines:
        text = f"{line.text}   ← {line.rule}" if line.rule and line.kind == "-" else f"⋯ {line.text}" if line.kind == "@" else line.text
        size = len(text.encode("utf-8", "replace"))
        if line.kind in "-+":
            spans.append(Span(at, at + len(line.text.encode("utf-8", "replace")), REMOVED if line.kind == "-" else ADDED))
        number = line.after if line.kind == "+" else line.before
        numbers.append(f"{'' if number is None else number} {line.kind if line.kind in '-+' else ' '}")
        texts.append(text)
        at += size + 1
    return "\n".join(texts), spans, numbers
