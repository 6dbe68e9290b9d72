"""The line at the top: which screen this is, how much is seen of how much, and whether something is being computed."""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from rules.visible import excerpt


class TitleBar(Widget):
    """Tabs at the left, what is seen at the right. When narrow, only the current tab has its name."""

    COMPONENT_CLASSES = {"titlebar--tab", "titlebar--current", "titlebar--sample", "titlebar--busy"}

    class Clicked(Message):
        """The tab of screen `number` (from 1) was clicked."""

        def __init__(self, number: int):
            super().__init__()
            self.number = number

    def __init__(self, tabs: list[str], current: int, **arguments):
        super().__init__(**arguments)
        self.tabs, self.current = tabs, current
        self.sample, self.order, self.busy = "", "", ""

    def tell(self, sample: str, order: str, busy: str) -> None:
        """Show the size of the sample, the order it is looked at in, and what is being computed."""
        self.sample, self.order, self.busy = sample, order, busy
        self.refresh()

    def _labels(self) -> list[str]:
        """` 1 Read ` for each tab, or ` 1 ` where there is no room for the names of all."""
        long = [f" {number} {name} " for number, name in enumerate(self.tabs, 1)]
        if sum(map(len, long)) + cell_len(self._right()) < self.size.width:
            return long
        return [label if number == self.current else f" {number} " for number, label in enumerate(long, 1)]

    def _right(self) -> str:
        parts = [part for part in (self.order, self.sample) if part]
        return excerpt(" · ".join(parts), 200) + " "

    def on_click(self, event: events.Click) -> None:
        end = 0
        for number, label in enumerate(self._labels(), 1):
            end += len(label)
            if event.x < end:
                self.post_message(self.Clicked(number))
                return

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        names = ["current" if number == self.current else "tab" for number in range(1, len(self.tabs) + 1)]
        left = [Segment(label, self._style(name)) for label, name in zip(self._labels(), names)]
        right = [Segment(self._right(), self._style("sample"))]
        if self.busy:
            right.insert(0, Segment(f" … {self.busy} ", self._style("busy")))
        space = width - sum(segment.cell_length for segment in (*left, *right))
        if space < 0:  # what is being computed goes first, the size of the sample never
            right, space = right[-1:], width - sum(segment.cell_length for segment in (*left, right[-1]))
        return Strip([*left, Segment(" " * max(0, space), self._style("tab")), *right]).adjust_cell_length(width)

    def _style(self, name: str):
        return self.get_component_rich_style(f"titlebar--{name}")
