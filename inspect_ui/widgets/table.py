"""A table of any length: only the rows on screen are asked for. Cells are plain text and are shown, never obeyed.

When the screen is narrow, columns give way by their rank, so that names stay whole. The column that grows gets the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from rules.visible import excerpt

HEADER_ROWS = 1


@dataclass(frozen=True)
class Column:
    """A column: its title, its cells at least, whether it grows, and its rank: the highest gives way first."""

    title: str
    cells: int
    right: bool = False
    grows: bool = False
    rank: int = 0


class Table(ScrollView, can_focus=True):
    """Rows with a cursor, and marks where `marking` is on."""

    COMPONENT_CLASSES = {
        "table--header", "table--cursor", "table--marked", "table--dim",
        "table--drop", "table--keep", "table--tag", "table--unsure",
    }  # fmt: skip
    BINDINGS = [
        Binding("j,down", "move(1)", "Down", show=False),
        Binding("k,up", "move(-1)", "Up", show=False),
        Binding("ctrl+d", "page(0.5)", "Half a page down", show=False),
        Binding("ctrl+u", "page(-0.5)", "Half a page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("g,home", "go_to(0)", "First row", show=False),
        Binding("G,end", "go_to(-1)", "Last row", show=False),
        Binding("enter", "choose", "Open", show=False),
        Binding("space", "mark", "Mark", show=False),
    ]

    class _RowMessage(Message):
        def __init__(self, table: Table, row: int):
            super().__init__()
            self.table, self.row = table, row

        @property
        def control(self) -> Table:
            return self.table

    class Highlighted(_RowMessage):
        """The cursor is on another row, or the rows are others."""

    class Chosen(_RowMessage):
        """A row was chosen, by enter or a second click."""

    class Marked(_RowMessage):
        """A row was marked or unmarked."""

    class HeaderClicked(Message):
        """A column's title was clicked."""

        def __init__(self, table: Table, column: int):
            super().__init__()
            self.table, self.column = table, column

        @property
        def control(self) -> Table:
            return self.table

    def __init__(self, columns: Sequence[Column], marking: bool = False, gap: int = 2, **arguments):
        super().__init__(**arguments)
        self.gap = " " * gap  # between columns
        self.columns = list(columns)
        self.marking = marking
        self.marks: set[int] = set()
        self.cursor = 0
        self.count = 0
        self.empty = "nothing here"
        self._cells: Callable[[int], Sequence[str]] = lambda row: ()
        self._style: Callable[[int], str] = lambda row: ""

    def show(self, count: int, cells: Callable[[int], Sequence[str]], style: Callable[[int], str] | None = None, cursor: int = 0) -> None:
        """Show `count` rows. `cells(row)` gives a text for each column; `style(row)` drop, keep, tag, unsure, dim or nothing."""
        self.count, self._cells, self._style = count, cells, style or (lambda row: "")
        self.marks.clear()
        self.virtual_size = Size(0, count + HEADER_ROWS)
        self.cursor = max(0, min(cursor, count - 1))
        self._follow()
        self.post_message(self.Highlighted(self, self.cursor))

    # ---- moving

    def move_to(self, row: int) -> None:
        """Put the cursor on `row`, or on the nearest there is."""
        row = max(0, min(self.count - 1, row))
        if row == self.cursor:
            return
        self.cursor = row
        self._follow()
        self.post_message(self.Highlighted(self, row))

    @property
    def page_rows(self) -> int:
        return max(1, self.scrollable_content_region.height - HEADER_ROWS)

    def _follow(self) -> None:
        top = self.scroll_offset.y
        if self.cursor < top:
            top = self.cursor
        elif self.cursor >= top + self.page_rows:
            top = self.cursor - self.page_rows + 1
        if top != self.scroll_offset.y:
            self.scroll_to(None, top, animate=False, immediate=True)
        self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        self._follow()

    def action_move(self, rows: int) -> None:
        self.move_to(self.cursor + rows)

    def action_page(self, pages: float) -> None:
        self.move_to(self.cursor + int(pages * self.page_rows))

    def action_go_to(self, row: int) -> None:
        self.move_to(self.count - 1 if row < 0 else row)

    def action_choose(self) -> None:
        if self.count:
            self.post_message(self.Chosen(self, self.cursor))

    def action_mark(self) -> None:
        """Mark or unmark the row, and go to the next."""
        if not self.marking or not self.count:
            return
        self.marks ^= {self.cursor}
        self.post_message(self.Marked(self, self.cursor))
        self.refresh()
        self.move_to(self.cursor + 1)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y < HEADER_ROWS:
            self.post_message(self.HeaderClicked(self, self._column_at(offset.x)))
            return
        row = offset.y - HEADER_ROWS + self.scroll_offset.y
        if row < self.count:
            self.move_to(row)
            if event.chain == 2:
                self.action_choose()

    def _column_at(self, x: int) -> int:
        end = 0
        shown = self._shown_columns()
        for number, cells in shown:
            end += cells + len(self.gap)
            if x < end:
                return number
        return shown[-1][0]

    # ---- drawing

    def _shown_columns(self) -> list[tuple[int, int]]:
        """The columns that there is room for, and the cells of each."""
        room = self.scrollable_content_region.width - (2 if self.marking else 0)
        chosen = list(range(len(self.columns)))
        while len(chosen) > 1 and self._needed(chosen) > room:
            highest = max(chosen, key=lambda number: (self.columns[number].rank, number))
            if self.columns[highest].rank == 0:
                break
            chosen.remove(highest)
        growing = [number for number in chosen if self.columns[number].grows]
        spare = room - self._needed(chosen)
        each = spare // len(growing) if growing else 0
        return [(number, max(1, self.columns[number].cells + (each if number in growing else 0))) for number in chosen]

    def _needed(self, chosen: list[int]) -> int:
        return sum(self.columns[number].cells for number in chosen) + len(self.gap) * (len(chosen) - 1)

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        if y < HEADER_ROWS:
            style = self.get_component_rich_style("table--header")
            return self._strip([column.title for column in self.columns], style, "  " if self.marking else "")
        row = y - HEADER_ROWS + self.scroll_offset.y
        if row >= self.count:
            text = self.empty if not self.count and y == HEADER_ROWS else ""
            return Strip([Segment(text, self.get_component_rich_style("table--dim"))] if text else []).adjust_cell_length(width, self.rich_style)
        mark = ("▪ " if row in self.marks else "  ") if self.marking else ""
        return self._strip(self._cells(row), self._row_style(row), mark)

    def _row_style(self, row: int) -> Style:
        style = self.rich_style
        name = self._style(row)
        if name:
            style += self.get_component_rich_style(f"table--{name}")
        if row in self.marks:
            style += self.get_component_rich_style("table--marked")
        if row == self.cursor:
            style += self.get_component_rich_style("table--cursor")
        return style

    def _strip(self, cells: Sequence[str], style: Style, mark: str) -> Strip:
        shown = self._shown_columns()
        parts = [fitted(cells[number], width, self.columns[number].right) for number, width in shown]
        return Strip([Segment(mark + self.gap.join(parts), style)]).adjust_cell_length(self.scrollable_content_region.width, style)


def fitted(text: str, cells: int, right: bool = False) -> str:
    """`text` on one line in exactly so many cells, cut with an ellipsis; safe to show."""
    text = excerpt(text, 4 * cells + 1) if text else ""
    size = cell_len(text)
    if size > cells:
        return set_cell_size(text, cells - 1) + "…" if cells > 1 else "…"
    return text.rjust(len(text) + cells - size) if right else set_cell_size(text, cells)
