"""Small questions over a screen: a line of text, or one of several choices."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from inspect_ui.widgets.table import Column, Table
from rules.visible import visible


class Prompt(ModalScreen[str | None]):
    """One line of text, asked at the bottom of the screen; None when it was left with escape."""

    BINDINGS = [Binding("escape", "leave", "Leave")]

    def __init__(self, question: str, value: str = ""):
        super().__init__()
        self.question, self.value = question, value

    def compose(self) -> ComposeResult:
        with Vertical(id="prompt"):
            yield Static(visible(self.question), markup=False)
            yield Input(self.value, compact=True)

    def on_input_submitted(self, message: Input.Submitted) -> None:
        self.dismiss(message.value)

    def action_leave(self) -> None:
        self.dismiss(None)


class Choice(ModalScreen[int | None]):
    """One of several rows, by keys or mouse; None when it was left with escape. `again` is the key that goes down, too."""

    BINDINGS = [Binding("escape,q", "leave", "Leave")]

    def __init__(self, question: str, rows: Sequence[tuple[str, str]], chosen: int = 0, again: str = ""):
        super().__init__()
        self.question, self.rows, self.chosen, self.again = question, rows, chosen, again

    def compose(self) -> ComposeResult:
        with Vertical(id="choice"):
            yield Static(visible(self.question), markup=False, classes="heading")
            widest = max((len(visible(row[0])) for row in self.rows), default=0)
            yield Table([Column("", min(widest, 44)), Column("", 8, grows=True)])

    def on_mount(self) -> None:
        table = self.query_one(Table)
        table.styles.height = min(len(self.rows) + 1, max(4, self.app.size.height - 6))
        table.show(len(self.rows), lambda row: self.rows[row], cursor=self.chosen)
        table.focus()

    def on_table_chosen(self, message: Table.Chosen) -> None:
        self.dismiss(message.row)

    def on_key(self, event) -> None:
        if self.again and event.key == self.again:
            table = self.query_one(Table)
            table.move_to((table.cursor + 1) % max(1, table.count))
            event.stop()

    def action_leave(self) -> None:
        self.dismiss(None)
