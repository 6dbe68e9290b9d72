"""Rules: what each one hits, what only it hits, what goes with it, and what labels say about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.binding import Binding
from textual.widget import Widget
from textual.widgets import Static

from inspect_ui.looking import look
from inspect_ui.rule_table import RuleRow
from inspect_ui.screens.frame import Frame
from inspect_ui.widgets.table import Column, Table
from inspect_ui.wilson import Share
from rules.visible import visible


class Rules(Frame):
    """The table of rules. Enter opens a rule in Tune where it has a threshold, else the documents it hits in Read."""

    NUMBER = 2
    BINDINGS = [
        Binding("t", "tune", "Tune", tooltip="move the threshold of this rule"),
        Binding("r", "read('hits')", "Read hits", tooltip="read the documents that this rule hits"),
        Binding("o", "read('only')", "Only this", tooltip="read the documents that only this rule drops"),
        Binding("d", "diff", "Diff", tooltip="before and after of this rule"),
        Binding("e", "app.edit_rule", "Edit", tooltip="edit this rule in $EDITOR; it is read again when saved"),
        Binding("f", "app.suggest", "Suggest", tooltip="rules that the labels suggest"),
        Binding("S", "sort", "Sort", tooltip="sort by the next column; or click its title"),
    ]
    COLUMNS = [
        Column("rule", 30, grows=True), Column("action", 9), Column("docs", 7, right=True), Column("%", 5, right=True),
        Column("only", 6, right=True), Column("lines", 8, right=True, rank=2), Column("words %", 7, right=True),
        Column("precision", 18, rank=3), Column("recall", 18, rank=4), Column("labels", 6, right=True, rank=1),
    ]  # fmt: skip
    SORTS = ("order", "docs", "only", "words", "precision")

    def __init__(self):
        super().__init__()
        self.rows: Sequence[RuleRow] = []
        self.sorted_by = 0

    def body(self) -> Iterable[Widget]:
        yield Table(self.COLUMNS, id="rules")
        yield Static(id="why", markup=False)

    def fill(self) -> None:
        self.work("counting", self.session.rules, self._show)

    def _show(self, rows: Sequence[RuleRow]) -> None:
        self.rows = sorted(rows, key=self._key) if self.sorted_by else rows
        table = self.query_one(Table)
        table.empty = "no rules are in force: open with --packs, or write one (5 Mine, then p)"
        at = next((i for i, row in enumerate(self.rows) if row.rule == self.app.rule), 0)
        table.show(len(self.rows), lambda i: rule_cells(self.rows[i]), lambda i: style_of(self.rows[i]), at)
        if self.focused is None:
            table.focus()

    def _key(self, row: RuleRow) -> float:
        return -(row.documents, row.only or 0, row.words, row.score.precision.value if row.labels else -1.0)[self.sorted_by - 1]

    @property
    def row(self) -> RuleRow | None:
        cursor = self.query_one(Table).cursor
        return self.rows[cursor] if cursor < len(self.rows) else None

    def on_table_highlighted(self, message: Table.Highlighted) -> None:
        if self.row:
            self.app.rule = self.row.rule
            self.query_one("#why", Static).update(visible(told(self.row)))

    def on_table_chosen(self, message: Table.Chosen) -> None:
        self.action_tune() if self.row and self.row.thresholds else self.action_read("hits")

    def on_table_header_clicked(self, message: Table.HeaderClicked) -> None:
        title = self.COLUMNS[message.column].title
        self._sort({"docs": 1, "%": 1, "only": 2, "words %": 3, "precision": 4}.get(title, 0))

    def action_sort(self) -> None:
        self._sort((self.sorted_by + 1) % len(self.SORTS))

    def _sort(self, by: int) -> None:
        self.sorted_by = by
        self.say(f"sorted by {self.SORTS[by]}" if by else "in the order in which rules act")
        self.fill()

    def action_tune(self) -> None:
        if self.row:
            self.app.tune(self.row.rule)

    def action_read(self, mode: str) -> None:
        if self.row:
            self.work("sampling", lambda: look(self.session, mode, self.row.rule), self.app.look_at)

    def action_diff(self) -> None:
        if self.row:
            self.app.show_diff(self.row.rule)


def rule_cells(row: RuleRow) -> tuple[str, ...]:
    only, lines = ("" if number is None else f"{number:,}" for number in (row.only, row.lines))
    recall = short_share(row.score.recall) if row.score.recall else ""
    return (
        row.rule, row.action.removesuffix(" in line"), f"{row.documents:,}", f"{row.share:.1%}", only, lines, f"{row.word_share:.1%}",
        short_share(row.score.precision), recall, f"{row.labels:,}",
    )  # fmt: skip


def short_share(share: Share) -> str:
    """`0.91 [0.80, 0.96]`, or that labels are too few to say."""
    if not share.enough:
        return "too few" if share.labels else ""
    low, high = share.interval
    return f"{share.value:.2f} [{low:.2f}, {high:.2f}]"


def told(row: RuleRow) -> str:
    """What there was no room for in the table: why the rule exists, and what labels say in full."""
    recall = f"recall {row.score.recall}" if row.score.recall else "recall: label documents at random first"
    lines = [f"{row.rule}: {row.why}", f"precision {row.score.precision} · {recall}", *(f"trained with it: {found}" for found in row.evidence)]
    return "\n".join(lines)


def style_of(row: RuleRow) -> str:
    return "dim" if row.action == "off" or not row.documents else "drop" if row.action == "drop" else "tag" if row.action == "tag" else ""
