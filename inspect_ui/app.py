"""The inspector: seven screens over one session. What is looked at, and which rule, is the same on all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
from textual.app import App, SystemCommand
from textual.binding import Binding
from textual.screen import Screen

from inspect_ui.labels import MODES, SamplingMode
from inspect_ui.looking import MODE_NAMES, Looking, look
from inspect_ui.screens.asking import Choice
from inspect_ui.screens.diff import Diff
from inspect_ui.screens.duplicates import Duplicates
from inspect_ui.screens.frame import NAMES, Frame
from inspect_ui.screens.keys import Keys, key_rows
from inspect_ui.screens.labels import Labels
from inspect_ui.screens.mine import Mine
from inspect_ui.screens.promoting import edit_rule
from inspect_ui.screens.read import Read
from inspect_ui.screens.rules import Rules
from inspect_ui.screens.tune import Tune
from inspect_ui.session import Session
from inspect_ui.suggest import SignalSuggestion
from inspect_ui.widgets.rows import lay_out

SAMPLED = [mode for mode in MODES if mode != "other"]


class Inspect(App):
    """The application. `run_app` runs it."""

    TITLE = "gristmill inspect"
    CSS_PATH = "app.tcss"
    MODES = {"read": Read, "rules": Rules, "tune": Tune, "diff": Diff, "mine": Mine, "duplicates": Duplicates, "labels": Labels}
    DEFAULT_MODE = "read"
    BINDINGS = [
        *(Binding(str(number), f"show({number})", name, show=False) for number, name in enumerate(NAMES, 1)),
        Binding("s", "sample", "Sample", show=False, tooltip="choose how documents are sampled"),
        Binding("z", "undo", "Undo", show=False, tooltip="take the last label back"),
        Binding("Z", "redo", "Redo", show=False, tooltip="give the label back that was taken back"),
        Binding("tab", "app.focus_next", "Next pane", show=False),
        Binding("shift+tab", "app.focus_previous", "Pane before", show=False),
        Binding("question_mark", "keys", "Keys", tooltip="this list"),
        Binding("ctrl+p", "command_palette", "Commands", show=False, tooltip="find a command by name"),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(self, session: Session):
        super().__init__()
        self.session = session
        self.looking: Looking = look(session)
        self.rule = ""  # the one that keys are about
        self.diff_rule = ""  # whose changes Diff shows next; empty: of all
        self.at_line: int | None = None  # where Read begins with the next document
        self.turn = asyncio.Lock()
        self.arriving: type[Frame] | None = Read  # the screen that is to be filled when it is shown
        self._busy: list[str] = []

    def on_mount(self) -> None:
        for notice in self.session.notices:
            self.notify(notice, markup=False, timeout=10)

    # ---- where we are

    @property
    def frame(self) -> Frame | None:
        """The screen that is seen, or that lies under a question."""
        return next((screen for screen in reversed(self.screen_stack) if isinstance(screen, Frame)), None)

    def action_show(self, number: int) -> None:
        """Go to screen `number`, from 1."""
        self.go(NAMES[number - 1].lower())

    def go(self, mode: str) -> None:
        """Go to a screen and fill it."""
        if mode == self.current_mode:
            self.frame.tell_title()
            self.frame.fill()
        else:
            self.arriving = self.MODES[mode]
            self.switch_mode(mode)

    def look_at(self, looking: Looking) -> None:
        """Look at these documents, on Read."""
        self.looking = looking
        self.go("read")

    def read_document(self, row: int, line: int | None = None) -> None:
        """Read this document, from a line on; it joins the documents that are looked at where it was not among them."""
        self.at_line = line
        places = np.flatnonzero(self.looking.rows == row)
        if not len(places):
            rows = np.insert(self.looking.rows, self.looking.place, row)
            self.looking = replace(self.looking, rows=rows, mode="other")
        else:
            self.looking = replace(self.looking, place=int(places[0]))
        self.look_at(self.looking)

    def tune(self, rule: str) -> None:
        """Show a rule on Tune."""
        self.rule = rule
        self.go("tune")

    def show_diff(self, rule: str) -> None:
        """Show what a rule did, on Diff."""
        self.diff_rule = rule
        self.go("diff")

    def action_diff(self) -> None:
        self.show_diff("")

    # ---- work

    @property
    def busy(self) -> str:
        return ", ".join(dict.fromkeys(self._busy))

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """A busy sign while something is computed."""
        self._busy.append(what)
        self._tell_titles()
        try:
            yield
        finally:
            self._busy.remove(what)
            self._tell_titles()

    def _tell_titles(self) -> None:
        if self.frame is not None and self.frame.is_attached:
            self.frame.tell_title()

    # ---- keys that work everywhere

    def get_system_commands(self, screen: Screen) -> Iterable[SystemCommand]:
        """What the command palette finds: the screens, what their keys do, and textual's own commands."""
        for number, name in enumerate(NAMES, 1):
            yield SystemCommand(name, f"go to screen {number}", partial(self.action_show, number))
        if isinstance(screen, Frame):
            for binding in type(screen).BINDINGS:
                yield SystemCommand(binding.description, binding.tooltip or "", partial(self.run_action, binding.action, screen))
        yield from super().get_system_commands(screen)

    def action_keys(self) -> None:
        if self.frame is self.screen:
            self.push_screen(Keys(key_rows(self.screen)))

    def action_sample(self) -> None:
        """Choose how documents are sampled; `s` again goes down the list."""
        rows = [(MODE_NAMES[mode], self.rule if mode in ("near", "only", "hits") else "") for mode in SAMPLED]
        self.push_screen(Choice("Look at documents", rows, SAMPLED.index(self.looking.mode), "s"), self._sampled)

    def _sampled(self, chosen: int | None) -> None:
        if chosen is not None and self.frame:
            mode: SamplingMode = SAMPLED[chosen]
            rule = self.rule if mode in ("near", "only", "hits", "disagreements") else ""
            self.frame.work("sampling", lambda: look(self.session, mode, rule), self.look_at)

    def action_undo(self) -> None:
        self._took_back(self.frame.attempt(self.session.undo), "taken back", "there is no label of yours to take back")

    def action_redo(self) -> None:
        self._took_back(self.frame.attempt(self.session.redo), "given back", "there is no label to give back")

    def action_edit_rule(self) -> None:
        edit_rule(self, self.rule)

    def action_suggest(self) -> None:
        """Thresholds that the labels suggest; a chosen one is copied, never applied."""
        self.frame.work("suggesting", self.session.patterns.suggest_signals, self._suggested)

    def _suggested(self, found: list[SignalSuggestion]) -> None:
        rows = [(one.rule_text.removeprefix("drop_when: "), f"precision {one.precision}; recall {one.recall.value:.2f}; hits {one.share:.1%}") for one in found]
        self.push_screen(Choice("Rules that the labels suggest; Enter copies one", rows), lambda chosen: self._copy_suggestion(found, chosen))

    def _copy_suggestion(self, found: list[SignalSuggestion], chosen: int | None) -> None:
        if chosen is not None:
            self.copy_to_clipboard(found[chosen].rule_text)
            self.frame.say(f"copied {found[chosen].rule_text}: put it into a rule of yours (e on 2 Rules)")

    def _took_back(self, label, done: str, nothing: str) -> None:
        self.frame.say(f"{done}: {label.label} of {label.doc}" if label else nothing)
        self.frame.fill()


def run_app(session: Session) -> None:
    """Show a session in this terminal until the user leaves."""
    lay_out(b"ready", 80)  # kernels are compiled before the screen opens
    Inspect(session).run()
