"""A text of any size laid out in rows of a terminal, without making a Python object of any row that is not shown.

A line ends at a newline. When wrapped, a line is divided into rows that fit a number of cells, after a space where there
is one, or between wide characters. One pass over the bytes finds the start of every row (40 ms for 10 MB); a row is
decoded when it is shown. Widths are those of rich for single characters, so that a row is as wide as textual thinks. A
tab goes to the next multiple of four cells from the start of its row. Characters that `rules.visible` writes as
`<U+XXXX>` are as wide as that is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from rich._unicode_data import load as load_cell_table

from rules.text.decode import character_at
from rules.text.kernels import kernel, kernel_bytes
from rules.visible import visible

TAB_CELLS = 4
TAB_WIDTH = 255  # what the table of widths says of a tab
NEWLINE, SPACE = 10, 32
# Planes that have control and format characters, the only ones that have stand-ins.
_PLANES = (range(0x0, 0xD800), range(0xE000, 0x10000), range(0x1BC00, 0x1BD00), range(0x1D100, 0x1D200), range(0xE0000, 0xE1000))
_VARIATION = "\ufe00-\ufe0f"  # how the character before is drawn; terminals disagree about its width, so it is left out
_SPACES = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"  # look like a space and are none


@lru_cache
def stand_ins() -> dict[str, str]:
    """What is shown for each character that would move a cursor, hide or reorder text."""
    characters = [chr(code) for plane in _PLANES for code in plane if chr(code) not in "\t\n"]
    shown = visible("\n".join(characters)).split("\n")
    return {character: text for character, text in zip(characters, shown) if character != text}


@lru_cache
def cell_widths(marked: bool) -> np.ndarray:
    """Cells of every code point (uint8 [0x110000]); with `marked`, of a text whose white space is shown."""
    widths = np.ones(0x110000, np.uint8)
    for first, last, cells in load_cell_table("auto").widths:
        widths[first : last + 1] = cells
    widths[0xFE00:0xFE10] = 0
    for character, text in stand_ins().items():
        widths[ord(character)] = len(text)
    if marked:
        for code in (*range(0xFE00, 0xFE10), 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000):
            widths[code] = len(stand_in(chr(code)))
    widths[ord("\t")] = TAB_WIDTH
    widths.flags.writeable = False
    return widths


def stand_in(character: str) -> str:
    return f"<U+{ord(character):04X}>"


@lru_cache
def _special(marked: bool) -> re.Pattern:
    hidden = re.escape("".join(stand_ins()))
    return re.compile(f"([{hidden}\t{_VARIATION}{' ' + _SPACES if marked else ''}])")


def pieces(text: str, marked: bool, cell: int = 0) -> list[tuple[str, bool]]:
    """What is shown of `text`, which starts at `cell` of its row: (as it is shown, whether that stands for another)."""
    found = []
    for number, part in enumerate(_special(marked).split(text)):
        shown = _shown(part, marked, cell) if number % 2 else part
        if shown:
            found.append((shown, number % 2 == 1 and (marked or part != "\t")))
        cell += _cells(shown)
    return found


def _shown(character: str, marked: bool, cell: int) -> str:
    if character == "\t":
        return ("→" if marked else " ").ljust(TAB_CELLS - cell % TAB_CELLS)
    if character == " ":
        return "·"
    if character == "\u00a0":
        return "⍽"
    if marked or not "\ufe00" <= character <= "\ufe0f":
        return stand_in(character)
    return ""


def _cells(text: str) -> int:
    if text.isascii():
        return len(text)
    widths = cell_widths(False)
    return int(widths[np.frombuffer(text.encode("utf-32-le"), np.uint32)].sum())


@dataclass(frozen=True)
class Rows:
    """Where the lines and rows of a text begin (byte offsets into its UTF-8)."""

    data: np.ndarray  # uint8, as kernels take it: at least eight bytes
    size: int  # bytes of the text
    lines: np.ndarray  # int64 [lines] where each begins
    starts: np.ndarray  # int64 [rows + 1] where each begins, and where the text ends
    width: int  # cells of the longest row; the width asked for, when wrapped
    marked: bool

    def __len__(self) -> int:
        return len(self.starts) - 1

    def extent(self, row: int) -> tuple[int, int]:
        """First byte and end of a row, without the newline."""
        start, end = int(self.starts[row]), int(self.starts[row + 1])
        return start, end - 1 if end > start and self.data[end - 1] == NEWLINE else end

    def ends_line(self, row: int) -> bool:
        end = int(self.starts[row + 1])
        return row + 1 == len(self) or self.data[end - 1] == NEWLINE

    def row_of(self, byte: int) -> int:
        return max(0, min(len(self), int(np.searchsorted(self.starts, byte, "right"))) - 1) if byte < self.size else len(self) - 1

    def line_of(self, byte: int) -> int:
        """Number of the line (from 0) that a byte is in."""
        return max(0, int(np.searchsorted(self.lines, byte, "right")) - 1)

    def line_extent(self, line: int) -> tuple[int, int]:
        """First byte and end of a line, without the newline."""
        start = int(self.lines[line])
        end = int(self.lines[line + 1]) - 1 if line + 1 < len(self.lines) else self.size
        return start, end - 1 if end > start and end == self.size and self.data[end - 1] == NEWLINE else end

    def decoded(self, start: int, end: int) -> str:
        return self.data[start:end].tobytes().decode("utf-8", "replace")

    def seek(self, row: int, cell: int) -> tuple[int, int]:
        """The first character of a row that ends after `cell`: its byte offset, and the cell it begins at."""
        start, end = self.extent(row)
        return seek_cell(self.data, start, end, cell_widths(self.marked), cell)


def line_starts(data: np.ndarray) -> np.ndarray:
    """Where each line of a text (uint8) begins (int64 [lines]); an empty text has one line."""
    newlines = np.flatnonzero(data == NEWLINE) + 1
    return np.concatenate([[0], newlines[newlines < len(data)]]).astype(np.int64)


def lay_out(text: bytes, columns: int | None, marked: bool = False, lines: np.ndarray | None = None) -> Rows:
    """The rows of a text in `columns` cells (at least 2); None: each line is one row. `lines`, if they are known."""
    data = np.frombuffer(text, np.uint8)
    lines = line_starts(data) if lines is None else lines
    _, padded = kernel_bytes(lines, data)
    widths = cell_widths(marked)
    if columns is None:
        longest = int(longest_line(padded, lines, len(data), widths))
        return Rows(padded, len(data), lines, np.append(lines, len(data)), longest, marked)
    rows = wrap(padded, lines, len(data), widths, max(columns, 2))
    return Rows(padded, len(data), lines, rows, columns, marked)


# ---- kernels


@kernel
def wrap(data, lines, size, widths, columns):
    """Start of every row when each line is wrapped to `columns` cells, and `size` (int64 [rows + 1])."""
    rows = np.empty(2 * lines.size + 2 * (size // columns) + 2, np.int64)
    count = 0
    for line in range(lines.size):
        i = lines[line]
        end = lines[line + 1] if line + 1 < lines.size else size
        first = True
        while first or i < end:
            if count + 1 >= rows.size:
                rows = doubled(rows)
            rows[count], count, first = i, count + 1, False
            i = row_end(data, i, end, widths, columns)
    rows[count] = size
    return rows[: count + 1]


@kernel
def doubled(rows):
    larger = np.empty(2 * rows.size, np.int64)
    larger[: rows.size] = rows
    return larger


@kernel
def row_end(data, i, end, widths, columns):
    """Where the row that begins at `i` ends: after the last space that fits, else before what does not fit."""
    stop = min(i + columns, end)
    if is_plain(data, i, stop):
        if stop == end or data[stop] == NEWLINE:
            return min(stop + 1, end)
        if is_plain(data, stop, stop + 1):
            return plain_row_end(data, i, stop, end)
    return any_row_end(data, i, end, widths, columns)


@kernel
def is_plain(data, i, end):
    """Are all bytes printable ASCII, one cell each?"""
    while i < end:
        if data[i] < SPACE or data[i] > 126:
            return False
        i += 1
    return True


@kernel
def plain_row_end(data, i, stop, end):
    """`row_end` where all of data[i:stop + 1] is printable ASCII and data[i:stop] fills the row."""
    if data[stop] == SPACE:
        return past_space(data, stop, end)
    for j in range(stop - 1, i - 1, -1):
        if data[j] == SPACE:
            return j + 1
    return stop


@kernel
def past_space(data, i, end):
    """A space that does not fit is not seen: the next row begins after it, and after a newline that follows."""
    return i + 2 if i + 1 < end and data[i + 1] == NEWLINE else i + 1


@kernel
def any_row_end(data, i, end, widths, columns):
    """`row_end` for any text, character by character."""
    start, breakable, cell = i, i, 0
    while i < end:
        code, size = character_at(data, i, end)
        if code == NEWLINE:
            return i + 1
        width = widths[code]
        cells = TAB_CELLS - cell % TAB_CELLS if width == TAB_WIDTH else int(width)
        if cell + cells > columns and i > start:
            if code == SPACE:
                return past_space(data, i, end)
            return breakable if breakable > start else i
        i, cell = i + size, cell + cells
        if code == SPACE or width == 2 or width == TAB_WIDTH:
            breakable = i
    return end


@kernel
def longest_line(data, lines, size, widths):
    """Cells of the longest line."""
    longest = 0
    for line in range(lines.size):
        end = lines[line + 1] if line + 1 < lines.size else size
        i, cell = lines[line], 0
        while i < end:
            code, length = character_at(data, i, end)
            if code != NEWLINE:
                cell += TAB_CELLS - cell % TAB_CELLS if widths[code] == TAB_WIDTH else int(widths[code])
            i += length
        longest = max(longest, cell)
    return longest


@kernel
def seek_cell(data, i, end, widths, wanted):
    """The first character of data[i:end] that ends after cell `wanted`, or `end`: its offset, and its first cell."""
    cell = 0
    while i < end:
        code, length = character_at(data, i, end)
        cells = TAB_CELLS - cell % TAB_CELLS if widths[code] == TAB_WIDTH else int(widths[code])
        if cell + cells > wanted:
            break
        i, cell = i + length, cell + cells
    return i, cell
