"""Read: documents in a list, the text of one with what rules hit in it, and everything that was measured of it."""

from __future__ import annotations

from collections.abc import Iterable

from textual.binding import Binding
from textual.containers import Container, Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Static

from inspect_ui.looking import FILTERS, Listing, narrow
from inspect_ui.reading import DocumentView, HitRow, SignalRow
from inspect_ui.screens.asking import Prompt
from inspect_ui.screens.frame import Frame
from inspect_ui.screens.promoting import promote
from inspect_ui.widgets.document import Document
from inspect_ui.widgets.histogram import number
from inspect_ui.widgets.spans import SEARCH, Span
from inspect_ui.widgets.table import Column, Table
from rules.visible import visible

SMALL_BYTES = 1 << 18  # texts up to this are shown at once, larger ones by a thread
LABEL_SIGNS = {"keep": "+", "drop": "-", "unsure": "?", "": " "}


class Read(Frame):
    """The screen to read documents on."""

    NUMBER = 1
    BINDINGS = [
        Binding("y", "label('keep')", "Keep", tooltip="label the document keep, and go on to the next"),
        Binding("x", "label('drop')", "Drop", tooltip="label the document drop, and go on to the next"),
        Binding("u", "label('unsure')", "Unsure", tooltip="label the document unsure, and go on to the next"),
        Binding("s", "app.sample", "Sample", tooltip="choose how documents are sampled"),
        Binding("slash", "search", "Search", tooltip="search the text for an RE2 pattern"),
        Binding("n", "next_match(1)", "Next match", show=False),
        Binding("N", "next_match(-1)", "Match before", show=False),
        Binding("ampersand", "filter", "Filter", tooltip=f"list only documents with {FILTERS}"),
        Binding("p", "promote", "Promote", tooltip="make a rule of what is marked, or of the cursor's line"),
        Binding("m", "text('mark')", "Mark", show=False, tooltip="mark lines, then characters, then nothing"),
        Binding("w", "text('toggle_marked')", "Invisible", show=False, tooltip="show invisible characters"),
        Binding("o", "text('toggle_wrap')", "Wrap", show=False, tooltip="wrap lines, or not"),
        Binding("d", "app.diff", "Diff", show=False, tooltip="before and after of this document"),
        Binding("e", "app.edit_rule", "Edit", show=False, tooltip="edit the rule that hit in $EDITOR"),
        Binding("c", "copy_text", "Copy text", show=False, tooltip="copy what is marked, or the text"),
        Binding("C", "copy_id", "Copy id", show=False, tooltip="copy the document's id"),
        Binding("right_square_bracket", "step(1)", "Next document", show=False),
        Binding("left_square_bracket", "step(-1)", "Document before", show=False),
    ]

    def __init__(self):
        super().__init__()
        self.view: DocumentView | None = None
        self.listing: Listing | None = None
        self.pattern = ""

    def body(self) -> Iterable[Widget]:
        with Container(id="read"):
            with Horizontal(id="read-main"):
                yield Table([Column("", 2), Column("domain", 12, grows=True), Column("first reason", 12, grows=True, rank=1), Column("id", 10, rank=2)], id="list")
                with Vertical():
                    yield Static(id="about", markup=False)
                    yield Document(id="text")
            with Container(id="facts"):
                yield Table([Column("rule that hit", 28, grows=True), Column("by", 8), Column("action", 9, rank=1)], id="hits")
                columns = [Column("signal", 14, grows=True), Column("value", 7, right=True), Column("limit", 9), Column("apart", 7, right=True, rank=1)]
                yield Table(columns, gap=1, id="signals")

    # ---- the list

    def fill(self) -> None:
        self.listing = Listing(self.session, self.app.looking.rows)
        table = self.query_one("#list", Table)
        table.empty = "no documents"
        table.show(len(self.listing), self._cells, self._style, self.app.looking.place)
        if self.focused is None:
            table.focus()

    def _cells(self, place: int) -> tuple[str, ...]:
        row = self.listing[place]
        sign = ("✗" if row.dropped else "~" if row.edited else "✓") + LABEL_SIGNS[row.label]
        return sign, row.host or row.lang or "-", row.reason, row.id

    def _style(self, place: int) -> str:
        row = self.listing[place]
        return "drop" if row.dropped else "tag" if row.edited else ""

    def on_table_highlighted(self, message: Table.Highlighted) -> None:
        if message.control.id == "list" and message.control.count:
            self.app.looking.place = message.control.cursor  # a message may be late
            self.show_document(self.app.looking.row)
        if message.control.id == "hits" and self.view and message.control.cursor < len(self.view.hits):
            self.app.rule = self.view.hits[message.control.cursor].rule

    def on_table_chosen(self, message: Table.Chosen) -> None:
        if message.control.id == "list":
            self.query_one(Document).focus()
        elif message.control.id == "hits" and self.view and self.view.hits:
            self._show_hit(self.view.hits[message.row])
        elif message.control.id == "signals" and self.view and self.view.signals:
            self.app.rule = self.view.signals[message.row].rule
            self.app.tune(self.app.rule)

    def _show_hit(self, hit: HitRow) -> None:
        """Go to the next place where the rule hit; of a signal, to its threshold."""
        text = self.query_one(Document)
        places = [span.byte_start for span in self.view.spans if span.rule == hit.rule]
        if places:
            text.reveal(next((place for place in places if place > text.cursor), places[0]))
        else:
            self.app.tune(hit.rule)

    def action_step(self, documents: int) -> None:
        table = self.query_one("#list", Table)
        table.move_to(table.cursor + documents)

    # ---- the document

    def show_document(self, row: int) -> None:
        if self.session.texts[row].as_buffer().size <= SMALL_BYTES:
            self._show(self.session.document(row))
        else:
            self.work("reading", lambda: self.session.document(row), self._show)

    def _show(self, view: DocumentView) -> None:
        if view.row != self.app.looking.row:
            return  # the reader has gone on
        self.view = view
        text = self.query_one(Document)
        text.show(view.text, self._spans(view))
        if self.app.at_line:
            text.reveal(text.line_start(self.app.at_line))
            self.app.at_line = None
        elif self._lines_hit:
            text.reveal(text.line_start(self._lines_hit[0]))
        self.query_one("#about", Static).update(visible(about(view, self.app.looking.place, len(self.app.looking.rows))))
        self._show_facts(view)
        if self.pattern:
            self._show_matches()

    def _show_facts(self, view: DocumentView) -> None:
        hits = self.query_one("#hits", Table)
        hits.empty = "no rule hit it"
        colours = self._colours(view)
        at = next((i for i, hit in enumerate(view.hits) if hit.rule == self.app.rule), 0)
        hits.show(len(view.hits), lambda i: hit_cells(view.hits[i], colours), lambda i: "drop" if "drop" in view.hits[i].action else "tag", at)
        signals = self.query_one("#signals", Table)
        signals.empty = "no rule measures anything"
        signals.show(len(view.signals), lambda i: signal_cells(view.signals[i]), lambda i: "drop" if view.signals[i].hit else "")

    def _colours(self, view: DocumentView) -> dict[str, int]:
        """A colour for each rule, in the order of their first hits."""
        return {rule: colour for colour, rule in enumerate(dict.fromkeys(span.rule for span in view.spans))}

    def _spans(self, view: DocumentView) -> list[Span]:
        colours = self._colours(view)
        return [Span(span.byte_start, span.byte_end, colours[span.rule]) for span in view.spans]

    def action_text(self, action: str) -> None:
        getattr(self.query_one(Document), f"action_{action}")()

    # ---- labels

    def action_label(self, answer: str) -> None:
        if self.app.looking.row is None:
            return
        looking, line = self.app.looking, self._labelled_line()
        label = self.attempt(lambda: self.session.label(looking.row, answer, looking.rule, looking.mode, line))
        if label is None:
            return
        self.listing.forget()
        table = self.query_one("#list", Table)
        table.refresh()
        what = f"{label.doc}, line {line}" if line else label.doc
        self.say(f"{answer}: {what}   (z takes it back)")
        if table.cursor + 1 < table.count:
            self.action_step(1)
        else:
            self.say(f"{answer}: {what}   that was the last document of this list; s looks at others")

    @property
    def _lines_hit(self) -> list[int]:
        """Lines (from 1) that the rule whose documents are looked at hits in this one; none where it is no rule for lines."""
        rule = self.app.looking.rule
        return sorted({span.line for span in self.view.spans if span.rule == rule}) if rule and self.view else []

    def _labelled_line(self) -> int:
        """What a label is about: of a rule that finds lines, the line of the cursor or the first one hit; else 0, the document."""
        lines, text = self._lines_hit, self.query_one(Document)
        here = text.rows.line_of(text.cursor) + 1
        return here if here in lines else lines[0] if lines else 0

    # ---- search and filter

    def action_search(self) -> None:
        self.app.push_screen(Prompt("/ search the text (RE2), empty: stop searching", self.pattern), self._searched)

    def _searched(self, pattern: str | None) -> None:
        if pattern is not None:
            self.pattern = pattern
            self._show_matches()
            if pattern:
                self.action_next_match(1, here=True)

    def _show_matches(self) -> None:
        """Colour what the search finds in this text."""
        text, view = self.query_one(Document), self.view
        if view is None:
            return
        found = self.attempt(lambda: self.session.find(view.row, self.pattern)) if self.pattern else []
        matches = [Span(*text.bytes_of(line, start, end), SEARCH) for line, start, end in found or ()]
        text.set_spans([*self._spans(view), *matches])
        if self.pattern and found is not None:
            self.say(f"/{self.pattern}  {len(matches):,} lines of this document" + ("; n and N go through them" if matches else ""))

    def action_next_match(self, direction: int, here: bool = False) -> None:
        text = self.query_one(Document)
        match = text.spans.after(text.cursor - here, direction > 0, SEARCH)
        if match is not None:
            text.reveal(match.start)
        elif not self.pattern:
            self.say("search with / first")

    def action_filter(self) -> None:
        self.app.push_screen(Prompt(f"& list only {FILTERS}; empty: all", self.app.looking.narrowed), self._filtered)

    def _filtered(self, wanted: str | None) -> None:
        if wanted is not None:
            self.work("filtering", lambda: narrow(self.session, self.app.looking, wanted), self.app.look_at)

    # ---- copy and promote

    def action_copy_text(self) -> None:
        text = self.query_one(Document)
        copied = text.selected_text if text.selection else text.text
        self.app.copy_to_clipboard(copied)
        self.say(f"copied {len(copied):,} characters")

    def action_copy_id(self) -> None:
        if self.view:
            self.app.copy_to_clipboard(self.view.id)
            self.say(f"copied {self.view.id}")

    def action_promote(self) -> None:
        text, view = self.query_one(Document), self.view
        if view:
            start, end = text.selected_characters
            promote(self.app, lambda: self.session.patterns.draft_of_text(view.row, start, end))


def about(view: DocumentView, place: int, documents: int) -> str:
    """Two lines about a document: which it is, and what became of it."""
    where = " · ".join(part for part in (view.id, view.url or view.source) if part)
    verdict = f"dropped by {view.reason}" if view.dropped else "kept, lines changed" if view.edited else "kept"
    run = f"removed in the run by {view.run_stage} {view.run_reason}" if view.run_stage else ""
    facts = [f"{place + 1:,} of {documents:,}", verdict, run, f"labelled {view.label}" if view.label else "", view.lang, f"{view.words:,} words"]
    return f"{where}\n{' · '.join(fact for fact in facts if fact)}"


def hit_cells(hit: HitRow, colours: dict[str, int]) -> tuple[str, ...]:
    by = f"{hit.lines} line{'s' if hit.lines != 1 else ''}" if hit.lines else f"{hit.signal} {number(hit.value)}" if hit.signal else ""
    return hit.rule, by, hit.action


def signal_cells(row: SignalRow) -> tuple[str, ...]:
    limit = f"{row.comparison} {number(row.threshold)}"
    if row.value != row.value:
        return row.signal, "-", limit, ""
    return row.signal, number(row.value), limit, f"{'+' if row.distance > 0 else ''}{number(row.distance)}"
