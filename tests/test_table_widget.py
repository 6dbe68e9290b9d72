"""Tables of any length: only what is on screen is asked for; names stay whole when the screen is narrow."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from inspect_ui.widgets.table import Column, Table, fitted
from tests.driving import Bare, drive, screen_lines
from tests.hostile_texts import any_texts

COLUMNS = [Column("name", 12, grows=True), Column("hits", 6, right=True), Column("only", 6, right=True, rank=1), Column("words", 8, right=True, rank=2)]


class Hearing(Bare):
    def on_table_highlighted(self, message: Table.Highlighted) -> None:
        self.heard.append(("highlighted", message.row))

    def on_table_chosen(self, message: Table.Chosen) -> None:
        self.heard.append(("chosen", message.row))

    def on_table_marked(self, message: Table.Marked) -> None:
        self.heard.append(("marked", message.row))

    def on_table_header_clicked(self, message: Table.HeaderClicked) -> None:
        self.heard.append(("header", message.column))


def table_of(script, size=(60, 12), count=20_000, cells=None) -> None:
    table = Table(COLUMNS, marking=True)
    app = Hearing(table)

    async def run(pilot):
        table.show(count, cells or (lambda row: (f"pack/rule-{row}", f"{row}", "1", "2")))
        await pilot.pause()
        await script(pilot, table)

    drive(app, run, size)


def test_keys_move_the_cursor_and_the_view_follows():
    async def script(pilot, table):
        for key, row in [("j", 1), ("down", 2), ("k", 1), ("up", 0), ("up", 0), ("G", 19_999), ("down", 19_999), ("g", 0), ("end", 19_999), ("home", 0), ("pagedown", 11), ("ctrl+d", 16), ("ctrl+u", 11), ("pageup", 0)]:
            await pilot.press(key)
            assert table.cursor == row, key
            assert any(line.strip().startswith(f"pack/rule-{row} ") for line in screen_lines(pilot.app)), key

    table_of(script)


def test_only_rows_on_screen_are_asked_for():
    asked = set()

    async def script(pilot, table):
        await pilot.press("G", "pageup")
        assert len(asked) < 60

    table_of(script, count=1_000_000, cells=lambda row: asked.add(row) or (str(row), "", "", ""))


def test_choosing_marking_and_clicking():
    async def script(pilot, table):
        await pilot.press("enter", "space", "space")
        assert table.marks == {0, 1} and table.cursor == 2
        assert screen_lines(pilot.app)[1].startswith("▪ pack/rule-0")
        await pilot.click(Table, offset=(5, 6))
        assert table.cursor == 5
        await pilot.double_click(Table, offset=(5, 4))
        await pilot.click(Table, offset=(4, 0))
        await pilot.click(Table, offset=(54, 0))
        heard = pilot.app.heard
        assert [event for event in heard if event[0] != "highlighted"] == [("chosen", 0), ("marked", 0), ("marked", 1), ("chosen", 3), ("header", 0), ("header", 3)]
        assert ("highlighted", 5) in heard

    table_of(script)


def test_columns_give_way_before_names_do():
    async def script(pilot, table):
        assert screen_lines(pilot.app)[0].split()[:2] == ["name", "hits"] and "words" not in screen_lines(pilot.app)[0]
        assert "pack/rule-0" in screen_lines(pilot.app)[1]

    table_of(script, size=(32, 6))


def test_an_empty_table_says_so_and_ignores_keys():
    async def script(pilot, table):
        assert "nothing here" in screen_lines(pilot.app)[1]
        await pilot.press("j", "G", "enter", "space", "pagedown")
        assert [event for event in pilot.app.heard if event[0] != "highlighted"] == []

    table_of(script, count=0)


@settings(max_examples=100, deadline=None)
@given(any_texts | st.text(max_size=200), st.integers(1, 60), st.booleans())
def test_a_cell_is_exactly_as_wide_as_its_column_and_safe(text, width, right):
    cell = fitted(text, width, right)
    assert cell_len(cell) == width
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c in "\u2028\u202e\u200d" for c in cell)
