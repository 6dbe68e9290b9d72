"""The document view: any size, any text, moved and marked by keys and mouse."""

from __future__ import annotations

import pytest

from inspect_ui.widgets.document import Document
from inspect_ui.widgets.spans import Span
from tests.driving import Bare, drive, screen_lines
from tests.hostile_texts import PIECES

HOSTILE = "\x1b[31mred\x1b[0m \x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\ [bold]markup[/bold] \u202eoverride \U0001f469\u200d\U0001f4bb \x07"


def shown(text: str, script, size=(60, 10), spans=()) -> None:
    document = Document()
    app = Bare(document)

    async def run(pilot):
        document.show(text, spans)
        await pilot.pause()
        await script(pilot, document)

    drive(app, run, size)


def test_lines_have_numbers_and_rows_that_continue_them_have_none():
    async def script(pilot, document):
        lines = screen_lines(pilot.app)
        assert lines[0].startswith("  1 " + "word " * 10 + "word")
        assert lines[1].startswith("    word word")
        assert lines[2].startswith("  2 second")

    shown("word " * 20 + "\nsecond\n", script)


def test_escapes_markup_and_overrides_are_shown_and_not_obeyed():
    async def script(pilot, document):
        screen = "".join(line[4:-1].rstrip() for line in screen_lines(pilot.app)).replace(" ", "")
        for part in ("<U+001B>[31mred", "<U+001B>]8;;http://evil.example<U+001B>\\link", "[bold]markup[/bold]", "<U+202E>override", "<U+200D>", "<U+0007>"):
            assert part.replace(" ", "") in screen
        for control in "\x1b\x07\u202e\u200d":
            assert not any(control in strip.text for strip in pilot.app.screen._compositor.render_strips())

    shown(HOSTILE, script)


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("marked", [True, False])
def test_every_hostile_piece_fills_its_rows_exactly(wrapped, marked):
    async def script(pilot, document):
        document.wrapped, document.marked = wrapped, marked
        await pilot.pause()
        for x in (0, 8, 40):
            document.scroll_to(x, 0, animate=False, immediate=True)
            for y in range(document.size.height):
                assert document.render_line(y).cell_length == document.size.width

    shown("\n".join("".join(PIECES[i : i + 30]) for i in range(0, len(PIECES), 5)), script, spans=[Span(3, 40, 1), Span(10, 12, 2), Span(11, 300, -1)])


def test_a_line_of_100_000_characters_is_seen_to_its_end():
    text = "x" * 99_997 + "漢\x1b!"

    async def script(pilot, document):
        await pilot.press("G")
        assert "漢<U+001B>!" in "\n".join(screen_lines(pilot.app))
        await pilot.press("o")
        assert len(document.rows) == 1
        document.scroll_to(99_990, None, animate=False, immediate=True)
        await pilot.pause()
        assert "漢<U+001B>!" in screen_lines(pilot.app)[0]

    shown(text, script)


def test_ten_megabytes_decode_only_what_is_on_screen(monkeypatch):
    text = ("A line of a large document, with é.\n" * 280_000)[: 10 << 20]
    decoded = []

    async def script(pilot, document):
        whole = document.rows.decoded
        monkeypatch.setattr(type(document.rows), "decoded", lambda rows, start, end: decoded.append(end - start) or whole(start, end))
        document.show(text)
        await pilot.press("pagedown", "G", "g", "ctrl+d")
        assert len(document.rows) == 280_000 and 0 < sum(decoded) < 20_000

    shown("", script)


def test_keys_move_the_cursor_and_the_view_follows():
    async def script(pilot, document):
        assert document.rows.line_of(document.cursor) == 0
        for key, line in [("j", 1), ("down", 2), ("k", 1), ("up", 0), ("k", 0), ("G", 99), ("j", 99), ("g", 0), ("end", 99), ("home", 0), ("ctrl+d", 5), ("ctrl+u", 0), ("pagedown", 9), ("pageup", 0), ("space", 9)]:
            await pilot.press(key)
            assert document.rows.line_of(document.cursor) == line, key
            top = document.scroll_offset.y
            assert top <= document.rows.row_of(document.cursor) < top + document.size.height

    shown("\n".join(f"line {i}" for i in range(100)), script)


def test_marks_are_of_lines_then_of_characters_then_gone():
    async def script(pilot, document):
        assert document.selection is None and document.selected_text == "one é"
        await pilot.press("m", "j")
        assert document.selected_text == "one é\ntwo"
        await pilot.press("k", "m", "l", "l", "l", "l")
        assert document.selected_text == "one é"
        await pilot.press("h")
        assert document.selected_text == "one "
        await pilot.press("escape")
        assert document.selection is None
        await pilot.press("m", "m", "m")
        assert document.selection is None

    shown("one é\ntwo\nthree", script)


def test_the_mouse_selects_characters_and_a_double_click_a_line():
    async def script(pilot, document):
        await pilot.mouse_down(Document, offset=(4 + 2, 0))
        await pilot.hover(Document, offset=(4 + 6, 0))
        await pilot.mouse_up(Document, offset=(4 + 6, 0))
        assert document.selected_text == "字 ab"
        await pilot.click(Document, offset=(4 + 1, 1))
        assert document.selection is None and document.rows.line_of(document.cursor) == 1
        await pilot.double_click(Document, offset=(4 + 1, 0))
        assert document.selected_text == "漢字 abc"

    shown("漢字 abc\nnext", script)


def test_hits_are_coloured_where_they_are_and_a_selection_lies_over_them():
    async def script(pilot, document):
        def styles():
            return [(s.text, s.style.underline, s.style.reverse) for s in document.render_line(0) if s.text.strip()][1:]

        assert styles() == [("ab", True, None), ("cd", None, None)] or styles()[0][:2] == ("ab", True)
        await pilot.press("m")
        assert all(reverse for _, _, reverse in styles())

    shown("abcd", script, spans=[Span(0, 2, 3)])


def test_white_space_is_shown_on_request_and_the_cursor_stays_in_sight():
    async def script(pilot, document):
        await pilot.press("w")
        assert screen_lines(pilot.app)[0].startswith("  1 a·b⍽c→  ¶")
        await pilot.press("w")
        assert screen_lines(pilot.app)[0].startswith("  1 a b\u00a0c    ")
        await pilot.press("G")
        for key in ("o", "w", "o"):
            await pilot.press(key)
            assert any("line 99" in line.replace("·", " ") for line in screen_lines(pilot.app)), key

    shown("a b\u00a0c\t\n" + "\n".join(f"line {i} " + "x" * 90 for i in range(100)), script)
