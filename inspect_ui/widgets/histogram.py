"""A histogram of one signal with a threshold that moves by keys or by dragging it with the mouse.

It is given edges and counts and shows them; what a threshold means is told by whoever hears `Moved`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.segment import Segment
from textual import events
from textual.binding import Binding
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

BARS = " ▁▂▃▄▅▆▇█"
MARK, OVERLAY = "│", "•"


class Histogram(Widget, can_focus=True):
    """Counts by value, logarithmic in height; values on the side that is dropped are in another colour and lighter."""

    COMPONENT_CLASSES = {"histogram--kept", "histogram--dropped", "histogram--threshold", "histogram--overlay", "histogram--axis"}
    BINDINGS = [
        Binding("h,left", "nudge(-1)", "Threshold left", show=False),
        Binding("l,right", "nudge(1)", "Threshold right", show=False),
        Binding("H,shift+left", "nudge(-10)", "Ten left", show=False),
        Binding("L,shift+right", "nudge(10)", "Ten right", show=False),
    ]

    threshold = reactive(0.0)

    class Moved(Message):
        """The threshold was moved to `threshold`."""

        def __init__(self, histogram: Histogram, threshold: float):
            super().__init__()
            self.histogram, self.threshold = histogram, threshold

        @property
        def control(self) -> Histogram:
            return self.histogram

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.edges = np.array([0.0, 1.0])
        self.counts = np.array([0])
        self.overlay: np.ndarray | None = None
        self.drops_above = True

    def show(self, edges: Sequence[float], counts: Sequence[int], threshold: float, drops_above: bool, overlay: Sequence[int] | None = None) -> None:
        """Show `counts` ([bins]) between `edges` ([bins + 1], ascending), and the counts of a part of them as an overlay."""
        self.edges, self.counts = np.asarray(edges, float), np.asarray(counts, float)
        self.overlay = None if overlay is None else np.asarray(overlay, float)
        self.drops_above = drops_above
        self.set_reactive(Histogram.threshold, threshold)
        self.refresh()

    # ---- values and columns

    @property
    def columns(self) -> int:
        return max(2, self.size.width)

    def value_at(self, column: int) -> float:
        return value_at(self.edges, column, self.columns)

    def column_of(self, value: float) -> int:
        return column_of(self.edges, value, self.columns)

    def heights(self, counts: np.ndarray) -> np.ndarray:
        return bar_heights(counts, float(self.counts.max(initial=0)), self.columns, self._bar_rows)

    @property
    def _bar_rows(self) -> int:
        return max(1, self.size.height - 1)

    # ---- moving

    def move_to(self, column: int) -> None:
        self.threshold = self.value_at(column)
        self.post_message(self.Moved(self, self.threshold))

    def action_nudge(self, columns: int) -> None:
        self.move_to(self.column_of(self.threshold) + columns)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self.capture_mouse()
        self.move_to(event.get_content_offset_capture(self).x)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self.app.mouse_captured is self:
            self.move_to(event.get_content_offset_capture(self).x)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        self.release_mouse()

    # ---- drawing

    def render_line(self, y: int) -> Strip:
        if y >= self._bar_rows:
            return self._axis()
        level = self.heights(self.counts) - (self._bar_rows - 1 - y) * 8
        over = None if self.overlay is None else self.heights(self.overlay) - (self._bar_rows - 1 - y) * 8
        cut = self.column_of(self.threshold)
        return Strip([self._cell(x, int(level[x]), over, cut) for x in range(self.columns)])

    def _cell(self, x: int, level: int, over: np.ndarray | None, cut: int) -> Segment:
        bar = BARS[max(0, min(8, level))]
        if x == cut:
            return self._drawn(MARK if bar == " " else bar, "threshold")
        if over is not None and 0 < over[x] <= 8:
            return self._drawn(OVERLAY, "overlay")
        return self._drawn(bar, "dropped" if (x > cut) == self.drops_above else "kept")

    def _axis(self) -> Strip:
        low, high, middle = (number(self.edges[0]), number(self.edges[-1]), number(self.threshold))
        row = list(low.ljust(self.columns - len(high)) + high)[: self.columns]
        start = max(0, min(self.columns - len(middle), self.column_of(self.threshold) - len(middle) // 2))
        row[start : start + len(middle)] = middle
        return Strip([self._drawn("".join(row), "axis")])

    def _drawn(self, text: str, part: str) -> Segment:
        return Segment(text, self.get_component_rich_style(f"histogram--{part}"))


def value_at(edges: np.ndarray, column: int, columns: int) -> float:
    """The value at a column: edges are spread evenly over the columns, whatever the scale."""
    share = max(0, min(columns - 1, column)) / (columns - 1)
    return float(np.interp(share * (len(edges) - 1), np.arange(len(edges)), edges))


def column_of(edges: np.ndarray, value: float, columns: int) -> int:
    """The column of a value; values beyond the edges are at the sides."""
    place = np.interp(value, edges, np.arange(len(edges)))
    return round(float(place) / (len(edges) - 1) * (columns - 1))


def bar_heights(counts: np.ndarray, most: float, columns: int, rows: int) -> np.ndarray:
    """Eighths of a cell for each column ([columns]), logarithmic to `most` at `rows`; what is not empty is at least one."""
    bins = np.minimum(np.arange(columns) * len(counts) // columns, len(counts) - 1)
    eighths = np.round(np.log1p(counts[bins]) / max(np.log1p(most), 1e-9) * 8 * rows).astype(int)
    return np.where(counts[bins] > 0, np.maximum(eighths, 1), 0)


def number(value: float) -> str:
    """A value with as many digits as say something: 12,345, 0.447."""
    if abs(value) >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"
