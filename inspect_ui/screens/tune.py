"""Tune: the threshold of a rule over a histogram, what it drops, and the documents next to it on both sides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from textual.binding import Binding
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Static

from inspect_ui.looking import look
from inspect_ui.screens.asking import Prompt
from inspect_ui.screens.frame import Frame
from inspect_ui.screens.read import LABEL_SIGNS
from inspect_ui.session import InspectError, Session
from inspect_ui.tune import Moved, Tuning
from inspect_ui.widgets.document import Document
from inspect_ui.widgets.histogram import Histogram, number
from inspect_ui.widgets.spans import Span
from inspect_ui.widgets.table import Column, Table
from rules.visible import visible

NEAR = 5  # documents on each side


@dataclass(frozen=True)
class Near:
    """A document next to the threshold, or, of a rule that finds lines, a line of one (from 1; else 0)."""

    row: int
    line: int
    id: str
    host: str
    lang: str
    value: float
    label: str


class Tune(Frame):
    """One comparison of one rule. `show_rule` chooses the rule."""

    NUMBER = 3
    BINDINGS = [
        Binding("y", "label('keep')", "Keep", tooltip="label this document keep, and go on"),
        Binding("x", "label('drop')", "Drop", tooltip="label this document drop, and go on"),
        Binding("u", "label('unsure')", "Unsure", show=False, tooltip="label this document unsure, and go on"),
        Binding("t", "type", "Type it", tooltip="type the threshold"),
        Binding("r", "reset", "Reset", tooltip="the threshold in force"),
        Binding("a", "answer", "Save", tooltip="write the threshold into the pack's file"),
        Binding("v", "language", "Language", tooltip="lay the documents of one language over the others"),
        Binding("s", "near", "Sample near", tooltip="read all documents by their distance from the threshold"),
        Binding("e", "app.edit_rule", "Edit", show=False, tooltip="edit this rule in $EDITOR"),
        Binding("right_square_bracket", "comparison(1)", "Next threshold", show=False, tooltip="the next comparison, of this rule and then of others"),
        Binding("left_square_bracket", "comparison(-1)", "Threshold before", show=False),
    ]

    def __init__(self):
        super().__init__()
        self.rule = ""
        self.tunings: Sequence[Tuning] = []
        self.which = 0
        self.threshold = 0.0
        self.language = ""
        self.near: list[Near] = []
        self.hit = 0  # how many of `near` the rule hits

    def body(self) -> Iterable[Widget]:
        yield Static(id="effect", markup=False)
        yield Histogram()
        with Horizontal(id="near-by"):
            yield Table([Column("", 3), Column("value", 9, right=True), Column("domain", 12, grows=True), Column("id", 10, rank=1)], id="near")
            yield Document(id="text")

    # ---- which rule, which of its comparisons

    @property
    def tuning(self) -> Tuning | None:
        return self.tunings[self.which] if self.which < len(self.tunings) else None

    def fill(self) -> None:
        if self.app.rule != self.rule or not self.tunings:
            self.which = 0
        self.rule = self.app.rule
        self.work("sorting", lambda: self._tunings(self.rule), self._show)

    def _tunings(self, rule: str) -> Sequence[Tuning]:
        """The comparisons of the rule; where it has none, of the first rule that has one."""
        found = self.session.tunings(rule) if rule else []
        names = [row.rule for row in self.session.rules() if row.thresholds] if not found else []
        return self.session.tunings(names[0]) if names else found

    def _show(self, tunings: Sequence[Tuning]) -> None:
        kept = self.tuning.threshold if self.tuning else None
        self.tunings = tunings
        self.which = min(self.which, max(0, len(tunings) - 1))
        if not tunings:
            self.query_one("#effect", Static).update("no rule in force has a threshold: open with --packs, or write a rule with drop_when")
            self.query_one(Histogram).show([0, 1], [0], 0, True)
            return
        if self.rule and self.rule != self.tuning.rule:
            self.say(f"{self.rule} has no threshold; this is the first rule that has one")
        self.rule = self.app.rule = self.tuning.rule
        if kept != self.tuning.threshold or self.threshold == 0.0:
            self.threshold = self.tuning.threshold
        self._draw()
        if self.focused is None:
            self.query_one(Histogram).focus()

    def action_comparison(self, step: int) -> None:
        """The next comparison of this rule; after the last, of the next rule that has one."""
        if 0 <= self.which + step < len(self.tunings):
            self._compare(self.which + step)
        else:
            self.work("sorting", lambda: self._rule_beside(step), self._compare_rule)

    def _rule_beside(self, step: int) -> tuple[str, int, Sequence[Tuning]]:
        names = [row.rule for row in self.session.rules() if row.thresholds]
        if not names:
            raise InspectError("no rule in force has a threshold")
        name = names[(names.index(self.rule) + step) % len(names)] if self.rule in names else names[0]
        tunings = self.session.tunings(name)
        return name, 0 if step > 0 else len(tunings) - 1, tunings

    def _compare_rule(self, found: tuple[str, int, Sequence[Tuning]]) -> None:
        self.app.rule, which, self.tunings = found
        self.rule = self.app.rule
        self._compare(which)

    def _compare(self, which: int) -> None:
        self.which = which
        self.threshold = self.tuning.threshold
        self._draw()

    # ---- the threshold

    def _draw(self) -> None:
        """The histogram, and everything that follows from the threshold."""
        histogram = self.query_one(Histogram)
        bins = max(10, histogram.size.width)
        counted = self.tuning.histogram(bins)
        over = self.tuning.histogram(bins, self.language).counts if self.language else None
        histogram.show(counted.edges, counted.counts, self.threshold, self.tuning.operator in (">", ">=", "=="), over)
        self._tell()

    def on_resize(self) -> None:
        if self.tuning:
            self.call_after_refresh(self._draw)

    def on_histogram_moved(self, message: Histogram.Moved) -> None:
        if self.tuning:
            self.threshold = message.threshold
            self._tell()

    def _tell(self) -> None:
        """What the threshold drops, and the documents next to it."""
        moved = self.tuning.move(self.threshold)
        score = self.session.tune_score(self.tuning, self.threshold)
        many = f" [{self.which + 1}/{len(self.tunings)}]" if len(self.tunings) > 1 else ""
        first = effect_line(self.tuning, moved)
        second = f"{self.tuning.rule}{many} · precision {score.precision}" + (f" · {self._language_part(moved)}" if self.language else "")
        self.query_one("#effect", Static).update(visible(f"{first}\n{second}"))
        self._show_near()

    def _language_part(self, moved: Moved) -> str:
        return f"• {self.language}: {moved.by_language.get(self.language, 0):,} of them"

    def _show_near(self) -> None:
        hit, left = self.tuning.nearest_places(self.threshold, NEAR)
        self.hit = len(hit)
        self.near = near_rows(self.session, self.tuning, self.threshold, [*hit[::-1], *left])
        table = self.query_one("#near", Table)
        table.empty = "no document has this signal"
        table.show(len(self.near), self._near_cells, lambda i: "drop" if i < self.hit else "keep", self.hit - 1 if self.hit else 0)

    def _near_cells(self, place: int) -> tuple[str, ...]:
        near = self.near[place]
        what = self.session.text_of(near.row, near.line) if near.line else near.host or near.lang or "-"
        return ("✗ " if place < self.hit else "✓ ") + LABEL_SIGNS[near.label], number(near.value), what, near.id

    def action_reset(self) -> None:
        if self.tuning:
            self._compare(self.which)
            self.say(f"{self.tuning.signal} {self.tuning.operator} {number(self.threshold)}, as in force")

    def action_type(self) -> None:
        if self.tuning:
            self.app.push_screen(Prompt(f"{self.tuning.rule}: {self.tuning.signal} {self.tuning.operator}", f"{self.threshold:.6g}"), self._typed)

    def _typed(self, text: str | None) -> None:
        if text is None:
            return
        try:
            self.threshold = float(text.replace(",", ""))
        except ValueError:
            self.say(f"{text!r} is no number", error=True)
            return
        self._draw()

    def action_language(self) -> None:
        """The next language with documents here; after the last, none."""
        if self.tuning:
            names = ["", *(name for name in self.tuning.by_language if name)]
            self.language = names[(names.index(self.language) + 1) % len(names)] if self.language in names else ""
            self._draw()

    def action_answer(self) -> None:
        if self.tuning:
            tuning, threshold = self.tuning, self.threshold
            self.work("writing", lambda: self.session.write_threshold(tuning, threshold), self._written, replaces=False)

    def _written(self, path) -> None:
        self.fill()
        self.say(f"{self.tuning.rule}: {self.tuning.signal} {self.tuning.operator} {number(self.threshold)} is in {path} and in force")

    # ---- documents next to it

    @property
    def document(self) -> Near | None:
        """The document, or the line of one, under the cursor."""
        cursor = self.query_one("#near", Table).cursor
        return self.near[cursor] if cursor < len(self.near) else None

    def on_table_highlighted(self, message: Table.Highlighted) -> None:
        text, near = self.query_one(Document), self.document
        if near is None:
            text.show("")
            return
        view = self.session.document(near.row)
        text.show(view.text, [Span(span.byte_start, span.byte_end, i) for i, span in enumerate(view.spans)])
        if near.line:
            text.reveal(text.line_start(near.line))

    def on_table_chosen(self, message: Table.Chosen) -> None:
        self.query_one(Document).focus()

    def action_label(self, answer: str) -> None:
        near = self.document
        if near is None or self.attempt(lambda: self.session.label(near.row, answer, self.tuning.rule, "near", near.line)) is None:
            return
        table = self.query_one("#near", Table)
        cursor = table.cursor
        self._tell()
        table.move_to(min(cursor + 1, table.count - 1))
        self.say(f"{answer}: {near.id}{f':{near.line}' if near.line else ''}   (z takes it back)")

    def action_near(self) -> None:
        if self.tuning:
            tuning, threshold = self.tuning, self.threshold
            self.work("sampling", lambda: look(self.session, "near", tuning.rule, tuning=tuning, threshold=threshold), self.app.look_at)


def near_rows(session: Session, tuning: Tuning, threshold: float, places: Sequence[tuple[int, int]]) -> list[Near]:
    """What is to be shown of documents, or lines of them, that are next to a threshold."""
    values, rows, lines = tuning.sorted.values, tuning.sorted.rows, tuning.sorted.lines
    first = max(0, int(np.searchsorted(values, threshold, "left")) - NEAR)
    last = int(np.searchsorted(values, threshold, "right")) + NEAR
    labels = session.merged.labels
    found = []
    for listed, (row, line) in zip(session.listed([row for row, _ in places]), places):
        here = rows[first:last] == row
        if lines is not None:
            here &= lines[first:last] == line
        label = labels.get((listed.id, line))
        found.append(Near(row, line, listed.id, listed.host, listed.lang, float(values[first + int(np.argmax(here))]), label.label if label else ""))
    return found


def effect_line(tuning: Tuning, moved: Moved) -> str:
    """`bullet_line_frac > 0.447  drops 816 of 20,000 (4.1 % docs, 2.0 % words)`"""
    was = "" if moved.threshold == tuning.threshold else f" (in force: {number(tuning.threshold)})"
    only = f", {moved.only:,} by this rule only" if moved.documents else ""
    return (
        f"{tuning.signal} {tuning.operator} {number(moved.threshold)}{was}  hits {moved.documents:,} of {tuning.documents:,} "
        f"({100 * moved.share:.1f} % {'docs' if tuning.unit == 'documents' else 'lines'}, {100 * moved.word_share:.1f} % words){only}"
    )
