"""Rows of a text on screen, against a plain definition of wrapping, for any text."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len, get_character_cell_size

from inspect_ui.widgets.rows import lay_out, line_starts, pieces, stand_ins
from rules.visible import visible
from tests.hostile_texts import any_texts

texts = any_texts | st.text(alphabet="ab \n\t漢é\u0301\u200b", max_size=120)


def cells(character: str, at: int) -> int:
    if character == "\t":
        return 4 - at % 4
    if "\ufe00" <= character <= "\ufe0f":
        return 0
    shown = visible(character)
    return len(shown) if shown != character else get_character_cell_size(character)


def wrapped(line: str, columns: int) -> list[str]:
    """The rows of one line: as much as fits, cut after the last space, tab or wide character, else anywhere."""
    rows, start = [], 0
    while start < len(line):
        at, i, cut = 0, start, start
        while i < len(line) and (at + cells(line[i], at) <= columns or i == start):
            at += cells(line[i], at)
            i += 1
            if line[i - 1] in " \t" or cells(line[i - 1], 0) == 2:
                cut = i
        if i < len(line):
            i = i + 1 if line[i] == " " else cut if cut > start else i
        rows.append(line[start:i])
        start = i
    return rows or [""]


def lines_of(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n")


@settings(max_examples=150, deadline=None)
@given(texts, st.integers(2, 30))
def test_rows_are_those_of_the_plain_definition(text, columns):
    rows = lay_out(text.encode(), columns)
    found = [rows.decoded(*rows.extent(row)) for row in range(len(rows))]
    assert found == [row for line in lines_of(text) for row in wrapped(line, columns)]


@settings(max_examples=100, deadline=None)
@given(texts, st.integers(2, 30))
def test_every_byte_is_in_one_row_and_rows_know_their_lines(text, columns):
    data = text.encode()
    rows = lay_out(data, columns)
    assert rows.starts[0] == 0 and rows.starts[-1] == len(data) and (np.diff(rows.starts) > 0).all() or not data
    assert [rows.decoded(*rows.line_extent(line)) for line in range(len(rows.lines))] == lines_of(text)
    for row in range(len(rows)):
        start, _ = rows.extent(row)
        assert rows.row_of(start) == row
        assert rows.line_of(start) == data[:start].count(b"\n")
        assert rows.ends_line(row) == (row + 1 == len(rows) or rows.line_of(int(rows.starts[row + 1])) > rows.line_of(start))


@settings(max_examples=100, deadline=None)
@given(texts, st.integers(0, 40))
def test_a_cell_is_found_at_its_character(text, wanted):
    rows = lay_out(text.encode(), None)
    line = lines_of(text)[0]
    at = i = 0
    while i < len(line) and at + cells(line[i], at) <= wanted:
        at += cells(line[i], at)
        i += 1
    assert rows.seek(0, wanted) == (len(line[:i].encode()), at)


@settings(max_examples=100, deadline=None)
@given(texts, st.booleans())
def test_what_is_shown_is_as_wide_as_it_was_laid_out_and_hides_nothing(text, marked):
    rows = lay_out(text.encode(), None, marked)
    widths = []
    for line in lines_of(text):
        shown = "".join(part for part, _ in pieces(line, marked))
        assert not set(shown) & set(stand_ins()) and "\t" not in shown and "\ufe0f" not in shown
        widths.append(cell_len(shown))
    assert rows.width == max(widths)


def test_what_stands_for_something_else_is_told_from_text_that_looks_like_it():
    assert pieces("a\x1b<U+001B>", False) == [("a", False), ("<U+001B>", True), ("<U+001B>", False)]
    assert pieces("a b\u00a0\tc", True) == [("a", False), ("·", True), ("b", False), ("⍽", True), ("→   ", True), ("c", False)]


def test_lines_of_nothing_and_of_a_newline():
    assert line_starts(np.frombuffer(b"", np.uint8)).tolist() == [0]
    assert line_starts(np.frombuffer(b"\n", np.uint8)).tolist() == [0]
    assert line_starts(np.frombuffer(b"a\n\nb", np.uint8)).tolist() == [0, 2, 3]
    assert len(lay_out(b"", 10)) == 1
