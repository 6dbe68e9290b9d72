"""Plain tables for a terminal: columns aligned by cells, everything that came from a document made safe to show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len

from rules.visible import excerpt


def table(header: Sequence[str], rows: Iterable[Sequence[str]], numbers: str) -> list[str]:
    """Lines of a table. `numbers` says of each column `<` (text, to the left) or `>` (number, to the right)."""
    cells = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(cell_len(row[i]) for row in cells) for i in range(len(header))]
    return ["  ".join(_aligned(cell, width, side) for cell, width, side in zip(row, widths, numbers)).rstrip() for row in cells]


def _aligned(cell: str, width: int, side: str) -> str:
    space = " " * (width - cell_len(cell))
    return cell + space if side == "<" else space + cell


def short(text: str, characters: int = 70) -> str:
    """The beginning of a text on one line, safe to show."""
    return excerpt(text, characters)


def percent(share: float) -> str:
    return f"{share:.1%}"
