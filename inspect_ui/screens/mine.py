"""Mine: what repeats in the sample, of all of it or of one host or language; rows are marked and made into a rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.binding import Binding
from textual.widget import Widget
from textual.widgets import Static

from inspect_ui.looking import look, narrow
from inspect_ui.mine import KINDS, MinedRow
from inspect_ui.patterns import Mined
from inspect_ui.screens.asking import Choice, Prompt
from inspect_ui.screens.frame import Frame
from inspect_ui.screens.promoting import promote
from inspect_ui.session import InspectError
from inspect_ui.suggest import LineSuggestion
from inspect_ui.widgets.table import Column, Table
from rules.visible import excerpt, visible

KIND_NAMES = {
    "lines": "lines", "prefixes": "first 3 words", "suffixes": "last 3 words", "ngrams": "5 words", "words": "words",
    "templates": "templates", "hosts": "hosts",
}  # fmt: skip
GONE = 0.995  # removed but for a rest: shown as done


class Mine(Frame):
    """One table of what repeats. Every kind is mined once for a scope, and kept while the rules stay the same."""

    NUMBER = 5
    BINDINGS = [
        Binding("right_square_bracket", "kind(1)", "Next kind", tooltip="lines, first words, last words, n-grams, templates, hosts"),
        Binding("left_square_bracket", "kind(-1)", "Kind before", show=False),
        Binding("ampersand", "scope", "Scope", tooltip="only one host or language: host:NAME lang:CODE"),
        Binding("slash", "search", "Search", tooltip="only lines that an RE2 pattern matches"),
        Binding("p", "promote", "Promote", tooltip="make a rule of the marked rows, or of this one"),
        Binding("f", "suggest", "Suggest", tooltip="line patterns that would remove most words at least risk"),
        Binding("r", "read", "Read", tooltip="read the documents that have it"),
        Binding("c", "copy", "Copy", show=False, tooltip="copy the text of this row"),
        Binding("escape", "unmark", "Unmark", show=False, tooltip="unmark all rows"),
        Binding("v", "left", "What is left", tooltip="only what rules in force do not remove yet, or everything"),
        Binding("S", "sort", "Sort", show=False, tooltip="sort by the next column; or click its title"),
    ]
    SORTS = ("documents", "count", "hosts", "removed", "variants")
    COLUMNS = [
        Column("text", 26, grows=True), Column("docs", 7, right=True), Column("count", 7, right=True),
        Column("hosts", 5, right=True), Column("gone", 4, right=True), Column("variants", 8, right=True, rank=1),
    ]  # fmt: skip

    def __init__(self):
        super().__init__()
        self.kind = KINDS[0]
        self.host: str | None = None
        self.language: str | None = None
        self.match: str | None = None  # RE2: only lines that it matches
        self.mined: Mined | None = None
        self.order: Sequence[int] = []  # rows of the table, as numbers in `mined`
        self.sorted_by = 0
        self.only_left = False
        self._kept: dict[tuple, tuple[object, Mined]] = {}

    def body(self) -> Iterable[Widget]:
        yield Static(id="effect", markup=False)
        yield Table(self.COLUMNS, marking=True, id="mined")
        yield Static(id="why", markup=False)

    # ---- mining

    def fill(self) -> None:
        asked = (self.kind, self.host, self.language, self.match)
        self._tell(f"mining {KIND_NAMES[self.kind]} ...")
        if self.focused is None:
            self.query_one(Table).focus()
        self.work("mining", lambda: self._mined(*asked), self._show)

    def _mined(self, *asked) -> Mined:
        judged = self.session.judged
        known = self._kept.get(asked)
        if known is None or known[0] is not judged:
            self._kept[asked] = known = (judged, self.session.patterns.mine(*asked))
        return known[1]

    def _show(self, mined: Mined) -> None:
        self.mined = mined
        key = self.SORTS[self.sorted_by]
        numbers = [i for i, row in enumerate(mined.rows) if not self.only_left or row.removed < GONE]
        self.order = sorted(numbers, key=lambda i: -getattr(mined.rows[i], key)) if self.sorted_by else numbers
        table = self.query_one(Table)
        table.empty = "nothing repeats here"
        table.show(len(self.order), lambda i: mined_cells(self._row(i)), lambda i: "dim" if self._row(i).removed >= GONE else "")
        self._tell(f"{len(self.order):,} {'that rules leave, ' if self.only_left else ''}of most documents, in {mined.lines:,} lines of {mined.documents:,} documents")

    def _row(self, place: int) -> MinedRow:
        return self.mined.rows[self.order[place]]

    @property
    def row(self) -> MinedRow | None:
        cursor = self.query_one(Table).cursor
        return self._row(cursor) if self.mined and cursor < len(self.order) else None

    def _tell(self, found: str) -> None:
        kinds = "  ".join(f"[{name}]" if kind == self.kind else name for kind, name in KIND_NAMES.items())
        scope = " ".join([self._scope, *([f"/{self.match}/"] if self.match else [])]).strip()
        self.query_one("#effect", Static).update(visible(f"{kinds}\n{scope + ': ' if scope else ''}{found}"))

    def on_table_highlighted(self, message: Table.Highlighted) -> None:
        marked = len(message.control.marks)
        told = f"{marked} marked; p makes a rule of them" if marked else "space marks, p makes a rule"
        self.query_one("#why", Static).update(visible(f"{excerpt(self.row.text, 500)}\n{told}") if self.row else "")

    def on_table_chosen(self, message: Table.Chosen) -> None:
        """Of a host, its lines; else the place in a document where it is."""
        if self.kind == "hosts" and self.row:
            self.host, self.kind = self.row.text, "lines"
            self.fill()
        elif self.row:
            self.app.read_document(self.row.row, self.row.line)

    def on_table_header_clicked(self, message: Table.HeaderClicked) -> None:
        self._sort({1: 0, 2: 1, 3: 2, 4: 3, 5: 4}.get(message.column, 0))

    def on_click(self, event) -> None:
        """A click on the name of a kind."""
        if event.widget is self.query_one("#effect") and event.y == 0:
            end = 1
            for kind, name in KIND_NAMES.items():
                end += len(name) + (2 if kind == self.kind else 0) + 2
                if event.x < end:
                    self.kind = kind
                    self.fill()
                    return

    # ---- keys

    def action_kind(self, step: int) -> None:
        self.kind = KINDS[(KINDS.index(self.kind) + step) % len(KINDS)]
        self.fill()

    def action_sort(self) -> None:
        self._sort((self.sorted_by + 1) % len(self.SORTS))

    def _sort(self, by: int) -> None:
        self.sorted_by = by
        self.fill()
        self.say(f"sorted by {self.SORTS[by]}")

    def action_left(self) -> None:
        self.only_left = not self.only_left
        self.fill()

    def action_unmark(self) -> None:
        table = self.query_one(Table)
        table.marks.clear()
        table.refresh()

    def action_scope(self) -> None:
        self.app.push_screen(Prompt("& only host:NAME and lang:CODE; empty: everything", self._scope), self._scoped)

    @property
    def _scope(self) -> str:
        return " ".join([f"host:{self.host}"] * (self.host is not None) + [f"lang:{self.language}"] * (self.language is not None))

    def action_search(self) -> None:
        self.app.push_screen(Prompt("/ only lines that match (RE2); empty: all lines", self.match or ""), self._searched)

    def _searched(self, pattern: str | None) -> None:
        if pattern is not None:
            self._ask(self.host, self.language, pattern or None)

    def _scoped(self, wanted: str | None) -> None:
        if wanted is None:
            return
        parts = dict(word.split(":", 1) for word in wanted.split() if ":" in word)
        if len(parts) < len(wanted.split()) or not parts.keys() <= {"host", "lang"}:
            self.say(f"{wanted!r}: a scope is host:NAME, lang:CODE, or both", error=True)
            return
        self._ask(parts.get("host"), parts.get("lang"), self.match)

    def _ask(self, host: str | None, language: str | None, match: str | None) -> None:
        """Mine a scope, and keep to it if there is something in it."""
        asked = (self.kind, host, language, match)
        self.work("mining", lambda: self._mined(*asked), lambda mined: self._enter(mined, *asked[1:]))

    def _enter(self, mined: Mined, host: str | None, language: str | None, match: str | None) -> None:
        self.host, self.language, self.match = host, language, match
        self._show(mined)

    def action_promote(self) -> None:
        table, mined = self.query_one(Table), self.mined
        numbers = [self.order[place] for place in sorted(table.marks)] or ([self.order[table.cursor]] if self.row else [])
        if mined and numbers:
            promote(self.app, lambda: self.session.patterns.draft_of_rows(mined, numbers))
        else:
            self.say("there is no row to make a rule of")

    def action_suggest(self) -> None:
        host, language = self.host, self.language
        self.work("suggesting", lambda: self.session.patterns.suggest_lines(10, host, language), self._suggested)

    def _suggested(self, found: list[LineSuggestion]) -> None:
        if not found:
            self.say("nothing that repeats here is safe enough to suggest")
            return
        rows = [(one.text, f"{one.words:,} words, {one.lines:,} lines, {one.hosts:,} hosts, risk at most {one.risk.interval[1]:.1%}") for one in found]
        self.app.push_screen(Choice("Lines that would remove most words at least risk; Enter previews one as a rule", rows), lambda chosen: self._take(found, chosen))

    def _take(self, found: list[LineSuggestion], chosen: int | None) -> None:
        if chosen is not None:
            promote(self.app, lambda: self.session.patterns.draft_of_suggestion(found[chosen]))

    def action_read(self) -> None:
        if self.row:
            wanted = self.row
            self.work("searching", lambda: self._documents(wanted), self.app.look_at)

    def _documents(self, row: MinedRow):
        if row.kind == "hosts":
            return narrow(self.session, look(self.session), f"host:{row.text}")
        raise InspectError("choose a host, or press Enter to see where a line is")

    def action_copy(self) -> None:
        if self.row:
            self.app.copy_to_clipboard(self.row.text)
            self.say(f"copied {len(self.row.text):,} characters")


def mined_cells(row: MinedRow) -> tuple[str, ...]:
    return row.text, f"{row.documents:,}", f"{row.count:,}", f"{row.hosts:,}", f"{row.removed:.0%}", f"{row.variants:,}"
