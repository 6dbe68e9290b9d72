"""A document of any size on screen: line numbers, coloured spans, a cursor, and a selection by keys or mouse.

Only the rows on screen are decoded, so 10 MB open as fast as a page. What is shown is inert: no markup is read, and
characters that would move a cursor or reorder text appear as `<U+XXXX>`. Positions are byte offsets into the UTF-8.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from inspect_ui.widgets.rows import Rows, lay_out, line_starts, pieces
from inspect_ui.widgets.spans import SEARCH, Span, Spans, character_end, character_start, cut

HIT_COLOURS = 8
END_MARK = "¶"


class Document(ScrollView, can_focus=True):
    """One text. `show` gives it; `selection` is what is marked."""

    COMPONENT_CLASSES = {
        "document--number", "document--cursor", "document--selection", "document--match", "document--stand-in",
        *(f"document--hit-{colour}" for colour in range(HIT_COLOURS)),
    }  # fmt: skip
    BINDINGS = [
        Binding("j,down", "move(1)", "Down", show=False),
        Binding("k,up", "move(-1)", "Up", show=False),
        Binding("ctrl+d", "page(0.5)", "Half a page down", show=False),
        Binding("ctrl+u", "page(-0.5)", "Half a page up", show=False),
        Binding("pagedown,space", "page(1)", "Page down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("g,home", "go_to(0)", "First line", show=False),
        Binding("G,end", "go_to(-1)", "Last line", show=False),
        Binding("h,left", "shift(-1)", "Left", show=False),
        Binding("l,right", "shift(1)", "Right", show=False),
        Binding("m", "mark", "Mark", show=False, tooltip="mark lines, then characters, then nothing"),
        Binding("escape", "unmark", "Unmark", show=False),
        Binding("w", "toggle_marked", "Invisible", show=False, tooltip="show invisible characters"),
        Binding("o", "toggle_wrap", "Wrap", show=False, tooltip="wrap lines, or not"),
    ]

    wrapped = reactive(True)
    marked = reactive(False)  # is white space shown?

    class Selected(Message):
        """The selection changed."""

        def __init__(self, document: Document):
            super().__init__()
            self.document = document

        @property
        def control(self) -> Document:
            return self.document

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self._text = b""
        self._lines = line_starts(np.empty(0, np.uint8))
        self._rows: Rows = lay_out(b"", None)
        self._spans = Spans()
        self._numbers: Sequence[str] | None = None
        self.cursor = 0
        self.anchor: int | None = None
        self.by_line = True

    # ---- what it shows

    def show(self, text: str, spans: Iterable[Span] = (), numbers: Sequence[str] | None = None) -> None:
        """Show `text` from its beginning; `numbers` stand before its lines instead of 1, 2, 3."""
        self._text = text.encode("utf-8", "replace")
        self._lines = line_starts(np.frombuffer(self._text, np.uint8))
        self._numbers = numbers
        self.anchor, self.cursor = None, 0
        self.set_spans(spans)
        self._lay_out()
        self.scroll_to(0, 0, animate=False, immediate=True)

    def set_spans(self, spans: Iterable[Span]) -> None:
        """Colour these bytes; of spans that overlap, the later one is seen."""
        self._spans = Spans(spans)
        self.refresh()

    @property
    def text(self) -> str:
        return self._text.decode("utf-8", "replace")

    @property
    def rows(self) -> Rows:
        return self._rows

    @property
    def spans(self) -> Spans:
        return self._spans

    def line_start(self, line: int) -> int:
        """The first byte of line `line`, from 1."""
        return int(self._lines[max(0, min(line, len(self._lines)) - 1)])

    def bytes_of(self, line: int, start: int, end: int) -> tuple[int, int]:
        """Where characters `start` to `end` of line `line` (from 1) are in the text."""
        first = self.line_start(line)
        text = self._rows.decoded(*self._rows.line_extent(line - 1))
        before = first + len(text[:start].encode())
        return before, before + len(text[start:end].encode())

    @property
    def number_width(self) -> int:
        """Cells of the column of line numbers, with the space after it."""
        longest = max(map(len, self._numbers), default=0) if self._numbers else len(str(len(self._lines)))
        return max(3, longest) + 1

    def _lay_out(self) -> None:
        room = self.scrollable_content_region.width - self.number_width - (1 if self.marked else 0)
        self._rows = lay_out(self._text, room if self.wrapped and room > 0 else None, self.marked, self._lines)
        self.virtual_size = Size(self._rows.width + self.number_width + 1 if not self.wrapped else 0, len(self._rows))
        self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        self._lay_out_again()

    def watch_wrapped(self) -> None:
        self._lay_out_again()

    def watch_marked(self) -> None:
        self._lay_out_again()

    def _lay_out_again(self) -> None:
        """Lay out with the cursor's row staying where it is on screen."""
        above = self._rows.row_of(self.cursor) - self.scroll_offset.y
        self._lay_out()
        row = self._rows.row_of(self.cursor)
        self.scroll_to(0, max(0, row - max(0, above)), animate=False, immediate=True)
        self.call_after_refresh(self._follow)  # when the scroll bar below has come or gone

    # ---- the selection

    @property
    def selection(self) -> tuple[int, int] | None:
        """First byte and end of what is marked; None when nothing is."""
        if self.anchor is None:
            return None
        first, last = sorted((self.anchor, self.cursor))
        if not self.by_line:
            return first, character_end(self._text, last)
        return self._rows.line_extent(self._rows.line_of(first))[0], self._rows.line_extent(self._rows.line_of(last))[1]

    @property
    def _selected(self) -> tuple[int, int]:
        """What is marked, or the line of the cursor."""
        return self.selection or self._rows.line_extent(self._rows.line_of(self.cursor))

    @property
    def selected_text(self) -> str:
        start, end = self._selected
        return self._text[start:end].decode("utf-8", "replace")

    @property
    def selected_characters(self) -> tuple[int, int]:
        """Where `selected_text` is in the text, in characters."""
        start, end = self._selected
        before = len(self._text[:start].decode("utf-8", "replace"))
        return before, before + len(self.selected_text)

    def _changed(self) -> None:
        self.refresh()
        self.post_message(self.Selected(self))

    # ---- moving

    def reveal(self, byte: int) -> None:
        """Put the cursor at `byte` and scroll so that it is seen, a third from the top if it was not."""
        self.cursor = max(0, min(byte, len(self._text)))
        row, top, height = self._rows.row_of(self.cursor), self.scroll_offset.y, max(1, self.scrollable_content_region.height)
        if not top <= row < top + height:
            self.scroll_to(None, max(0, row - height // 3), animate=False, immediate=True)
        self._changed()

    def _follow(self) -> None:
        """Scroll as little as puts the cursor on screen."""
        row, top, height = self._rows.row_of(self.cursor), self.scroll_offset.y, max(1, self.scrollable_content_region.height)
        if row < top or row >= top + height:
            self.scroll_to(None, row if row < top else row - height + 1, animate=False, immediate=True)

    def action_move(self, rows: int) -> None:
        row = max(0, min(len(self._rows) - 1, self._rows.row_of(self.cursor) + rows))
        self.cursor = int(self._rows.starts[row])
        self._follow()
        self._changed()

    def action_page(self, pages: float) -> None:
        height = max(2, self.scrollable_content_region.height)
        step = int(pages * height) - (1 if pages == 1 else -1 if pages == -1 else 0)
        self.scroll_to(None, max(0, self.scroll_offset.y + step), animate=False, immediate=True)
        self.action_move(step)

    def action_go_to(self, line: int) -> None:
        self.action_move(-len(self._rows) if line == 0 else len(self._rows))

    def action_shift(self, characters: int) -> None:
        """Sideways: the end of a selection of characters, or the view when lines are not wrapped."""
        if self.anchor is not None and not self.by_line:
            self.cursor = min(character_end(self._text, self.cursor), len(self._text) - 1) if characters > 0 else character_start(self._text, self.cursor - 1)
            self.reveal(max(0, self.cursor))
        else:
            self.scroll_to(max(0, self.scroll_offset.x + 8 * characters), None, animate=False, immediate=True)

    def action_mark(self) -> None:
        """Mark the cursor's line; again, single characters; again, nothing."""
        if self.anchor is None:
            self.anchor, self.by_line = self.cursor, True
        elif self.by_line:
            self.by_line = False
        else:
            self.anchor = None
        self._changed()

    def action_unmark(self) -> None:
        self.anchor = None
        self._changed()

    def action_toggle_marked(self) -> None:
        self.marked = not self.marked

    def action_toggle_wrap(self) -> None:
        self.wrapped = not self.wrapped

    # ---- mouse

    def _byte_at(self, event: events.MouseEvent) -> int:
        offset = event.get_content_offset_capture(self)
        row = max(0, min(len(self._rows) - 1, self.scroll_offset.y + offset.y))
        return self._rows.seek(row, max(0, offset.x - self.number_width) + self.scroll_offset.x)[0]

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self.cursor, self.anchor, self.by_line = self._byte_at(event), None, False
        self.capture_mouse()
        self._changed()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self.app.mouse_captured is self:
            byte = self._byte_at(event)
            if self.anchor is None and byte != self.cursor:
                self.anchor = self.cursor
            self.cursor = byte
            self._changed()

    def on_mouse_up(self, event: events.MouseUp) -> None:
        self.release_mouse()

    def on_click(self, event: events.Click) -> None:
        if event.chain == 2:
            self.cursor = self._byte_at(event)
            self.anchor, self.by_line = self.cursor, True
            self._changed()

    # ---- drawing

    def render_line(self, y: int) -> Strip:
        row, width = y + self.scroll_offset.y, self.size.width
        if row >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        number = Strip([self._number(row)])
        body = Strip(self._body(row, width - self.number_width))
        return Strip.join([number, body.adjust_cell_length(max(0, width - self.number_width), self.rich_style)]).simplify()

    def _number(self, row: int) -> Segment:
        start = int(self._rows.starts[row])
        line = self._rows.line_of(start)
        first = int(self._rows.lines[line]) == start
        name = "document--cursor" if row == self._rows.row_of(self.cursor) else "document--number"
        told = self._numbers[line] if self._numbers else line + 1
        shown = f"{told if first else '':>{self.number_width - 1}} "
        return Segment(shown, self.get_component_rich_style(name))

    def _body(self, row: int, width: int) -> list[Segment]:
        """Segments of what is seen of a row."""
        start, end = self._rows.extent(row)
        cell, left = 0, self.scroll_offset.x
        if left:
            start, cell = self._rows.seek(row, left)
        if not self.wrapped:
            end = min(end, self._rows.seek(row, left + width)[0] + 4)
            end = end if end >= self._rows.extent(row)[1] else character_end(self._text, end - 1)
        segments = []
        for first, last, style in self._styled(start, end):
            for shown, stands_in in pieces(self._rows.decoded(first, last), self.marked, cell):
                segment = Segment(shown, style + self.get_component_rich_style("document--stand-in") if stands_in else style)
                segments.append(segment)
                cell += segment.cell_length
        if self.marked and self._rows.ends_line(row) and end == self._rows.extent(row)[1]:
            segments.append(Segment(END_MARK, self.get_component_rich_style("document--stand-in")))
        return segments

    def _styled(self, start: int, end: int) -> list[tuple[int, int, Style]]:
        """The row cut where its style changes."""
        layers = [(span.start, span.end, self._span_style(span)) for span in self._spans.within(start, end)]
        if self.selection:
            layers.append((*self.selection, self.get_component_rich_style("document--selection")))
        return [(first, last, Style.combine([self.rich_style, *over])) for first, last, over in cut(start, end, layers)]

    def _span_style(self, span: Span) -> Style:
        name = "document--match" if span.colour == SEARCH else f"document--hit-{span.colour % HIT_COLOURS}"
        return self.get_component_rich_style(name)
