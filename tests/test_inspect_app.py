"""The inspector driven as a user drives it: keys, the mouse, and whole flows, on the real session."""

from __future__ import annotations

import contextlib
import json

import pytest
from textual.widgets import Static
from textual.worker import WorkerCancelled

from inspect_ui.app import Inspect
from inspect_ui.screens.frame import NAMES
from inspect_ui.widgets.document import Document
from inspect_ui.widgets.histogram import Histogram
from inspect_ui.widgets.table import Table
from tests.driving import drive, screen_lines
from tests.inspected import HOSTILE, open_corpus


@pytest.fixture
def app(tmp_path, monkeypatch) -> Inspect:
    monkeypatch.chdir(tmp_path)
    return Inspect(open_corpus(tmp_path))


async def press(pilot, *keys: str) -> None:
    """Press keys, each after what the one before started has ended."""
    for key in keys:
        await pilot.press(key)
        await settle(pilot)


async def settle(pilot) -> None:
    """Until nothing is under way, and looking again starts nothing: what one work shows may start the next."""
    quiet = 0
    while quiet < 2:
        with contextlib.suppress(WorkerCancelled):  # a later one has taken its place
            await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        quiet = 0 if len(pilot.app.workers) or pilot.app.arriving else quiet + 1


def note(app: Inspect) -> str:
    return str(app.frame.query_one("#note", Static).render())


def told(app: Inspect, widget: str) -> str:
    return str(app.screen.query_one(widget, Static).render())


def labels(app: Inspect) -> list[tuple[str, str, str]]:
    return [(label.doc, label.label, label.sample) for label in app.session.merged.labels.values()]


# ---- reading and labelling


def test_the_title_says_how_much_is_seen_on_every_screen(app):
    async def script(pilot):
        for number, name in enumerate(NAMES, 1):
            await press(pilot, str(number))
            assert screen_lines(app)[0].rstrip().endswith("65 of 65, seed 7") and f"{number} {name}" in screen_lines(app)[0]

    drive(app, script)


def test_a_label_is_one_key_and_on_to_the_next_and_can_be_taken_back(app, tmp_path):
    async def script(pilot):
        first, second, third = (app.session.listed([row])[0].id for row in app.looking.rows[:3])
        await press(pilot, "y", "x", "u")
        assert labels(app) == [(first, "keep", "random"), (second, "drop", "random"), (third, "unsure", "random")]
        assert app.looking.place == 3
        await press(pilot, "z", "z")
        assert labels(app) == [(first, "keep", "random")] and "taken back: drop" in note(app)
        await press(pilot, "Z")
        assert len(labels(app)) == 2 and "given back: drop" in note(app)
        records = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
        assert [("undo" in one, "redo" in one) for one in records] == [(False, False)] * 3 + [(True, False)] * 2 + [(False, True)]

    drive(app, script)


def test_the_last_document_can_be_labelled_and_says_that_it_is_the_last(app):
    async def script(pilot):
        await press(pilot, "G", "y")
        assert "last document" in note(app) and app.looking.place == 64

    drive(app, script)


def test_hits_are_coloured_listed_and_found(app):
    async def script(pilot):
        app.read_document(app.session.row_of("doc-01"))
        await settle(pilot)
        lines = screen_lines(app)
        assert any("town/cookie-banner" in line and "2 lines" in line for line in lines)
        text = app.screen.query_one("#text", Document)
        assert [text.text.encode()[s.start : s.end].decode() for s in text.spans.spans if s.colour == 0] == ["We use cookies", "Accept all cookies"]
        app.screen.query_one("#hits", Table).focus()
        await press(pilot, "enter")
        assert text.rows.line_of(text.cursor) == 1
        app.screen.query_one("#signals", Table).focus()
        await press(pilot, "enter")
        assert app.frame.NUMBER == 3 and app.rule == "town/short-text"

    drive(app, script)


def test_search_goes_through_matches_and_a_bad_pattern_is_said(app):
    async def script(pilot):
        app.read_document(app.session.row_of("doc-01"))
        await settle(pilot)
        text = app.screen.query_one("#text", Document)
        await press(pilot, "slash", *"mill", "enter")
        first = text.cursor
        assert text.text.encode()[first : first + 4].lower() == b"mill" and "lines of this document" in note(app)
        await press(pilot, "n")
        assert text.cursor > first
        await press(pilot, "N")
        assert text.cursor == first
        await press(pilot, "slash", "ctrl+u", "left_parenthesis", "enter")
        assert "RE2" in note(app)
        await press(pilot, "slash", "ctrl+u", "enter")
        assert not [span for span in text.spans.spans if span.colour < 0]

    drive(app, script)


def test_a_filter_narrows_the_list_and_says_so(app):
    async def script(pilot):
        await press(pilot, "ampersand", *"lang:de is:kept", "enter")
        assert {app.session.listed([row])[0].lang for row in app.looking.rows} == {"de"} and "& lang:de is:kept" in screen_lines(app)[0]
        await press(pilot, "ampersand", "ctrl+u", *"host:nowhere", "enter")
        assert "no document meets" in note(app) and len(app.looking.rows) == 8
        await press(pilot, "ampersand", "ctrl+u", "enter")
        assert len(app.looking.rows) == 65

    drive(app, script)


def test_sampling_modes_are_chosen_and_written_into_labels(app):
    async def script(pilot):
        await press(pilot, "s", "s", "s", "s", "s", "s", "s", "s")
        assert isinstance(app.screen.query_one(Table), Table)
        await press(pilot, "home", "down", "down", "down", "down", "down", "enter")
        assert app.looking.mode == "longest" and app.session.listed([app.looking.row])[0].id == "hostile-long"
        await press(pilot, "x")
        assert labels(app) == [("hostile-long", "drop", "longest")]

    drive(app, script)


def test_text_and_id_are_copied(app):
    async def script(pilot):
        copied = []
        app.copy_to_clipboard = copied.append
        app.read_document(app.session.row_of("doc-01"))
        await settle(pilot)
        app.screen.query_one("#text", Document).focus()
        await press(pilot, "C", "c", "m", "c")
        assert copied == ["doc-01", app.session.text_of(app.looking.row), "We use cookies to improve your visit."]

    drive(app, script)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_hostile_documents_are_shown_and_not_obeyed(app, size):
    async def script(pilot):
        for name in HOSTILE:
            app.read_document(app.session.row_of(f"hostile-{name}"))
            await settle(pilot)
            app.screen.query_one("#text", Document).focus()
            await press(pilot, "w", "o", "G")
            assert app.screen.query_one("#text", Document).text == HOSTILE[name]
            for strip in app.screen._compositor.render_strips():
                assert strip.cell_length == size[0]
                assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c in "\u202e\u2066\u200b\u200d\ufeff\u2028" for c in strip.text)
                assert all(segment.style is None or (segment.style.link is None and "@click" not in segment.style.meta) for segment in strip)

    drive(app, script, size)


# ---- rules and thresholds


def test_rules_are_sorted_opened_and_explained(app):
    async def script(pilot):
        await press(pilot, "2")
        assert [row.rule for row in app.frame.rows] == ["town/cookie-banner", "town/short-text", "town/few-letters", "town/says-mill"]
        await press(pilot, "g", "j")
        assert "Stubs say nothing" in told(app, "#why") and app.rule == "town/short-text"
        await press(pilot, "enter")
        assert app.frame.NUMBER == 3
        await press(pilot, "2", "S")
        assert app.frame.rows[0].documents == max(row.documents for row in app.frame.rows)
        await pilot.click("#rules", offset=(2, 0))
        await settle(pilot)
        assert app.frame.rows[0].rule == "town/cookie-banner"
        await press(pilot, "g", "r")
        assert app.frame.NUMBER == 1 and app.looking.mode == "hits" and len(app.looking.rows) == 32

    drive(app, script)


def test_a_threshold_moves_by_keys_and_mouse_and_counts_follow(app):
    async def script(pilot):
        await press(pilot, "2", "g", "j", "t")
        app.screen.query_one(Histogram).focus()
        assert "words < 14  hits" in told(app, "#effect")
        before = app.frame.tuning.move(app.frame.threshold).documents
        await press(pilot, "L", "l")
        assert app.frame.threshold > 14 and app.frame.tuning.move(app.frame.threshold).documents > before
        assert f"hits {app.frame.tuning.move(app.frame.threshold).documents} of 65" in told(app, "#effect") and "in force: 14" in told(app, "#effect")
        await pilot.mouse_down(Histogram, offset=(40, 3))
        await pilot.hover(Histogram, offset=(60, 3))
        await pilot.mouse_up(Histogram, offset=(60, 3))
        await settle(pilot)
        dragged = app.frame.threshold
        assert app.screen.query_one(Histogram).threshold == dragged
        await press(pilot, "r")
        assert app.frame.threshold == 14 < dragged
        await press(pilot, "t", "ctrl+u", *"twelve", "enter")
        assert "no number" in note(app) and app.frame.threshold == 14
        await press(pilot, "t", "ctrl+u", *"1000", "enter")
        assert app.frame.threshold == 1000
        await press(pilot, "right_square_bracket")
        assert "words > 5,000" in told(app, "#effect")
        await press(pilot, "right_square_bracket")
        assert "alpha_word_frac < 0.5" in told(app, "#effect") and app.rule == "town/few-letters"

    drive(app, script)


def test_documents_next_to_the_threshold_are_labelled_in_place(app):
    async def script(pilot):
        await press(pilot, "2", "g", "j", "t", "t", "ctrl+u", *"20", "enter")
        near, hit = list(app.frame.near), app.frame.hit
        values = [one.value for one in near]
        assert values == sorted(values) and all(value < 20 for value in values[:hit]) and all(value >= 20 for value in values[hit:])
        assert app.frame.document.row == near[hit - 1].row
        await press(pilot, "x", "y")
        assert labels(app) == [(near[hit - 1].id, "drop", "near"), (near[hit].id, "keep", "near")]
        assert "too few labels (1)" in told(app, "#effect")

    drive(app, script)


def test_a_threshold_is_written_back_to_the_pack_with_its_comments(app, tmp_path):
    async def script(pilot):
        await press(pilot, "2", "g", "j", "t", "t", "ctrl+u", *"20", "enter", "a")
        assert '["< 20", "> 5000"]}   # a comment that stays' in (tmp_path / "town.yaml").read_text().replace("'", '"')
        assert "in force" in note(app) and app.frame.tuning.threshold == 20

    drive(app, script)


def test_a_language_is_laid_over_the_others(app):
    async def script(pilot):
        await press(pilot, "2", "g", "j", "t", "v")
        histogram = app.screen.query_one(Histogram)
        assert app.frame.language and histogram.overlay is not None and histogram.overlay.sum() < histogram.counts.sum()
        await press(pilot, "v", "v")
        assert app.frame.language == "" and histogram.overlay is None

    drive(app, script)


def test_near_documents_become_the_sample(app):
    async def script(pilot):
        await press(pilot, "2", "g", "j", "t", "s")
        assert app.frame.NUMBER == 1 and app.looking.mode == "near" and app.looking.rule == "town/short-text"

    drive(app, script)


# ---- diff and labels


def test_diff_goes_through_changed_documents(app):
    async def script(pilot):
        app.read_document(app.session.row_of("doc-01"))
        await settle(pilot)
        await press(pilot, "d")
        assert app.frame.NUMBER == 4 and "all rules: 2 lines removed" in told(app, "#effect")
        assert any("1 - We use cookies" in line and "town/cookie-banner" in line for line in screen_lines(app))
        await press(pilot, "right_square_bracket")
        after = told(app, "#effect")
        await press(pilot, "left_square_bracket")
        assert after != told(app, "#effect") and "doc-01" in told(app, "#effect")
        app.rule = "town/cookie-banner"
        await press(pilot, "r")
        assert "town/cookie-banner: " in told(app, "#effect") and " of 32 changed" in told(app, "#effect")
        await press(pilot, "enter")
        assert app.frame.NUMBER == 1 and app.looking.row == app.session.row_of("doc-01")

    drive(app, script)


def test_labels_are_reviewed_and_exported(app, tmp_path):
    async def script(pilot):
        await press(pilot, "y", "x", "z", "7")
        assert "0 drop · 1 keep" in told(app, "#effect") and len(app.frame.labels) == 2
        assert [app.frame._sign(one) for one in app.frame.labels] == ["⌫", ""]
        await press(pilot, "v", "v")
        assert [one.label for one in app.frame.labels] == ["keep"]
        await press(pilot, "a", "enter")
        assert (tmp_path / "labels.parquet").exists() and "1 labels written" in note(app)
        await press(pilot, "a", "ctrl+u", *"labels.csv", "enter")
        assert ".parquet" in note(app)
        await press(pilot, "enter")
        assert app.frame.NUMBER == 1 and app.looking.place == 0

    drive(app, script)


# ---- the editor


def test_a_rule_is_edited_and_mistakes_leave_the_old_one_in_force(app, tmp_path, monkeypatch):
    pack = tmp_path / "town.yaml"
    (tmp_path / "break.sh").write_text("#!/bin/sh\nsed -i 's/\"< 14\"/\"less than 14\"/' \"$1\"\n")
    (tmp_path / "mend.sh").write_text("#!/bin/sh\nsed -i 's/\"less than 14\"/\"< 40\"/' \"$1\"\n")
    for script in ("break.sh", "mend.sh"):
        (tmp_path / script).chmod(0o755)

    async def script(pilot):
        await press(pilot, "2", "g", "j")
        before = app.frame.row.documents
        monkeypatch.setenv("EDITOR", str(tmp_path / "break.sh"))
        await press(pilot, "e")
        problem = app.screen.query_one(Document).text
        assert f"{pack}:12:25" in problem and "R103" in problem
        monkeypatch.setenv("EDITOR", str(tmp_path / "mend.sh"))
        await press(pilot, "e")
        assert "town/short-text is in force" in told(app, ".heading") and "drop: " in app.screen.query_one(Document).text
        await press(pilot, "enter")
        assert app.screen is app.frame and app.frame.row.rule == "town/short-text" and app.frame.row.documents > before
        monkeypatch.setenv("EDITOR", "no-such-editor")
        await press(pilot, "e")
        assert "no-such-editor" in note(app)
        monkeypatch.setenv("EDITOR", "false")
        await press(pilot, "e")
        assert "exit code 1" in note(app)

    monkeypatch.delenv("VISUAL", raising=False)
    drive(app, script)


def test_tabs_are_clicked_and_panes_are_walked_through(app):
    async def script(pilot):
        await pilot.click("TitleBar", offset=(screen_lines(app)[0].index(" 2 ") + 1, 0))
        await settle(pilot)
        assert app.frame.NUMBER == 2
        await press(pilot, "1")
        seen = set()
        for _ in range(4):
            seen.add(app.focused.id)
            await press(pilot, "tab")
        assert seen == {"list", "text", "hits", "signals"}
        await press(pilot, "shift+tab")

    drive(app, script)


def test_lines_that_a_rule_hits_are_labelled_one_by_one(app):
    async def script(pilot):
        await press(pilot, "2", "g", "r")
        assert app.looking.rule == "town/cookie-banner" and app.looking.mode == "hits"
        first = app.session.listed([app.looking.row])[0].id
        await press(pilot, "x")
        assert [(label.doc, label.line, label.rule, label.sample) for label in app.session.merged.labels.values()] == [(first, 1, "town/cookie-banner", "hits")]
        await press(pilot, "2")
        assert app.frame.row.labels == 1 and app.frame.row.rule == "town/cookie-banner"

    drive(app, script)


def test_without_colour_hits_and_thresholds_are_still_told_apart(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    app = Inspect(open_corpus(tmp_path))

    async def script(pilot):
        assert app.no_color
        app.read_document(app.session.row_of("doc-01"))
        await settle(pilot)
        text = app.screen.query_one("#text", Document)
        assert [segment.text for segment in text.render_line(0) if segment.style.underline] == ["We use cookies"]
        assert any(line.startswith("~ ") for line in screen_lines(app))
        await press(pilot, "2", "g", "j", "t")
        assert any("│" in line or "█" in line for line in screen_lines(app)[3:10]) and any(line.startswith("✗") for line in screen_lines(app))

    drive(app, script)
