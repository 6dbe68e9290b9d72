"""A text over the screen, with keys for what to do about it: mistakes of a pack, a draft, a rule that is in force."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from inspect_ui.widgets.document import Document
from rules.places import Problem
from rules.visible import visible


class Told(ModalScreen[str | None]):
    """Ends with the answer that was chosen, of `answers`; None when it was left."""

    def __init__(self, heading: str, text: str, answers: Sequence[str] = ()):
        super().__init__()
        self.heading, self.text, self.answers = heading, text, answers

    def compose(self) -> ComposeResult:
        with Vertical(id="told"):
            yield Static(visible(self.heading), markup=False, classes="heading")
            yield Document()
            yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        text = self.query_one(Document)
        width = min(110, self.app.size.width * 9 // 10) - 10
        rows = sum(1 + len(line) // width for line in self.text.split("\n"))
        text.styles.height = max(3, min(rows + 1, self.app.size.height - 8))
        text.show(self.text, numbers=[""] * (self.text.count("\n") + 1))
        text.focus()

    def check_action(self, action: str, parameters: tuple) -> bool | None:
        return not (action == "answer" and parameters[0] not in ("", *self.answers))

    def action_answer(self, answer: str) -> None:
        self.dismiss(answer or None)


class Mistakes(Told):
    """Mistakes in packs, each at its place; the rules that were in force still are."""

    BINDINGS = [Binding("e", "answer('edit')", "Edit again", priority=True), Binding("escape,q", "answer('')", "Leave", priority=True)]

    def __init__(self, problems: Sequence[Problem]):
        super().__init__("Mistakes: the rules as they were stay in force", "\n".join(map(str, problems)), ("edit",))


class Preview(Told):
    """What a draft would do, before anything is written."""

    BINDINGS = [
        Binding("enter", "answer('write')", "Write it and edit", priority=True),
        Binding("l", "answer('literal')", "Only what was selected", priority=True),
        Binding("escape,q", "answer('')", "Leave", priority=True),
    ]


class InForce(Told):
    """What a rule does, now that it is in force."""

    BINDINGS = [
        Binding("d", "answer('enforce')", "Let it drop lines", priority=True),
        Binding("e", "answer('edit')", "Edit again", priority=True),
        Binding("enter,escape,q", "answer('')", "Done", priority=True),
    ]
