"""Help: every key that works now, made from the bindings themselves, so that it cannot be wrong."""

from __future__ import annotations

from collections.abc import Iterator

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from inspect_ui.widgets.table import Column, Table

SIGNS = {
    "up": "↑", "down": "↓", "left": "←", "right": "→", "pageup": "PgUp", "pagedown": "PgDn", "question_mark": "?",
    "slash": "/", "ampersand": "&", "left_square_bracket": "[", "right_square_bracket": "]", "escape": "Esc", "home": "Home",
    "end": "End", "shift+left": "Shift+←", "shift+right": "Shift+→", "enter": "Enter", "tab": "Tab", "space": "Space",
}  # fmt: skip


def key_rows(screen) -> list[tuple[str, str, str]]:
    """(where, keys, what they do) of the screen that is seen: its own keys, those of its parts, those of everywhere."""
    parts = {type(widget).__name__: widget for widget in screen.query("*") if widget.can_focus and widget.display}
    rows = list(rows_of("here", type(screen)))
    for name, widget in parts.items():
        rows += rows_of({"Document": "text", "Table": "list", "Histogram": "histogram"}.get(name, name.lower()), type(widget))
    return rows + list(rows_of("everywhere", type(screen.app)))


def rows_of(where: str, owner: type) -> Iterator[tuple[str, str, str]]:
    """(where, keys, what they do) of every binding that a class itself has."""
    for binding in owner.__dict__.get("BINDINGS", ()):
        if isinstance(binding, Binding):
            yield where, shown_keys(binding.key), binding.tooltip or binding.description


def shown_keys(keys: str) -> str:
    return " ".join(SIGNS.get(key, key.replace("ctrl+", "Ctrl+")) for key in keys.split(","))


class Keys(ModalScreen[None]):
    """The list of keys over the screen they are of."""

    BINDINGS = [Binding("escape,q,question_mark", "leave", "Leave")]

    def __init__(self, rows: list[tuple[str, str, str]]):
        super().__init__()
        self.rows = rows

    def compose(self) -> ComposeResult:
        with Vertical(id="keys"):
            yield Static("Keys (Esc leaves)", classes="heading")
            yield Table([Column("where", 10), Column("keys", 15), Column("what they do", 20, grows=True)])

    def on_mount(self) -> None:
        table = self.query_one(Table)
        table.show(len(self.rows), lambda row: self.rows[row])
        table.focus()

    def action_leave(self) -> None:
        self.dismiss()
