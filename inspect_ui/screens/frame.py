"""What the seven screens have in common: the line at the top, a line of messages, the keys at the bottom, and work.

Work that takes longer than a blink goes to a thread with a busy sign. It is done one piece at a time, because a session
is changed by one at a time; a piece that is asked for anew takes the place of the one before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer, Static

from curation.inputs import InputError
from inspect_ui.labels import LabelError
from inspect_ui.session import InspectError, Session
from inspect_ui.widgets.title import TitleBar
from rules.places import Problems
from rules.visible import visible

if TYPE_CHECKING:
    from inspect_ui.app import Inspect

T = TypeVar("T")
NAMES = ["Read", "Rules", "Tune", "Diff", "Mine", "Duplicates", "Labels"]
MISTAKES = (InspectError, LabelError, InputError, Problems, OSError)  # of the user or the surroundings: said, not raised


class Frame(Screen):
    """One of the seven screens. A subclass makes its `body` and fills it in `fill`, each time it is come back to."""

    NUMBER = 0
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]
    app: Inspect

    @property
    def session(self) -> Session:
        return self.app.session

    def compose(self) -> ComposeResult:
        yield TitleBar(NAMES, self.NUMBER)
        yield from self.body()
        yield Static(id="note", markup=False)
        yield Footer(compact=True, show_command_palette=False)

    def body(self) -> Iterable[Widget]:
        return ()

    def fill(self) -> None:
        """Show what there is now."""

    def on_mount(self) -> None:
        self.tell_title()

    def on_screen_resume(self) -> None:
        """Fill it when it is come to; not when a question over it has been answered."""
        self.tell_title()
        if self.app.arriving is type(self):
            self.app.arriving = None
            self.call_after_refresh(self.fill)

    # ---- messages

    def tell_title(self) -> None:
        for title in self.query(TitleBar):
            title.tell(self.session.title, self.app.looking.title, self.app.busy)

    def say(self, text: str, error: bool = False) -> None:
        """One line at the bottom, until the next."""
        note = self.query_one("#note", Static)
        note.set_class(error, "-error")
        note.update(visible(text))

    def on_title_bar_clicked(self, message: TitleBar.Clicked) -> None:
        self.app.action_show(message.number)

    # ---- work

    def work(self, what: str, function: Callable[[], T], then: Callable[[T], None], replaces: bool = True) -> None:
        """Call `function` in a thread, then `then` with what it returned, here. Mistakes are said at the bottom."""
        self.run_worker(partial(self._working, what, function, then), exclusive=replaces, group=what)

    async def _working(self, what: str, function: Callable[[], T], then: Callable[[T], None]) -> None:
        with self.app.working(what):
            try:
                async with self.app.turn:
                    found = await asyncio.to_thread(function)
            except MISTAKES as mistake:
                self.say(str(mistake), error=True)
                return
        if self.is_attached:
            then(found)

    def attempt(self, function: Callable[[], T]) -> T | None:
        """What `function` returns; None where it raised a mistake, which is then said."""
        try:
            return function()
        except MISTAKES as mistake:
            self.say(str(mistake), error=True)
            return None
