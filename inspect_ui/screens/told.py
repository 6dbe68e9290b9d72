"""A text over the screen, such as the mistakes of a pack, with keys for what to do about it."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from inspect_ui.widgets.document import Document
from rules.visible import visible


class Told(ModalScreen[str | None]):
    """Ends with the answer that was chosen: `edit`, `use`, or None when it was left."""

    BINDINGS = [
        Binding("e", "answer('edit')", "Edit again"),
        Binding("enter", "answer('use')", "Keep it"),
        Binding("escape,q", "answer(None)", "Leave"),
    ]

    def __init__(self, heading: str, text: str, answers: tuple[str, ...] = ("edit",)):
        super().__init__()
        self.heading, self.text, self.answers = heading, text, answers

    def compose(self) -> ComposeResult:
        with Vertical(id="told"):
            yield Static(visible(self.heading), markup=False, classes="heading")
            yield Document()
            yield Footer(compact=True)

    def on_mount(self) -> None:
        text = self.query_one(Document)
        rows = self.text.count("\n") + sum(len(line) // 90 for line in self.text.split("\n")) + 1
        text.styles.height = max(3, min(rows + 1, self.app.size.height - 8))
        text.show(self.text)
        text.focus()

    def check_action(self, action: str, parameters: tuple) -> bool | None:
        return not (action == "answer" and parameters[0] not in (None, *self.answers))

    def action_answer(self, answer: str | None) -> None:
        self.dismiss(answer)
