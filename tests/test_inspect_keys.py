"""Every key of the inspector does what its binding and the help say."""

from __future__ import annotations

import pytest
from textual.widgets import Input

from inspect_ui.app import Inspect
from inspect_ui.screens.frame import NAMES
from inspect_ui.screens.keys import Keys
from inspect_ui.screens.read import Read
from inspect_ui.widgets.document import Document
from inspect_ui.widgets.histogram import Histogram
from inspect_ui.widgets.table import Table
from tests.driving import drive
from tests.inspected import open_corpus
from tests.test_inspect_app import labels, press, settle


@pytest.fixture
def app(tmp_path, monkeypatch) -> Inspect:
    monkeypatch.chdir(tmp_path)
    return Inspect(open_corpus(tmp_path))


def keys_of(owner: type) -> list[tuple[str, str]]:
    """(key, action) of every binding that a class itself has."""
    return [(key, binding.action) for binding in owner.__dict__.get("BINDINGS", ()) for key in binding.key.split(",")]


PARTS = {1: (Table, Document), 3: (Histogram,)}  # the keys of a part are the same on every screen
OWN_OF_READ = {key for key, _ in keys_of(Read)}


@pytest.mark.parametrize("number", range(1, len(NAMES) + 1), ids=lambda number: NAMES[number - 1])
def test_every_key_does_what_its_binding_says(app, number, monkeypatch):
    """The keys of a screen, of each of its parts, and of everywhere, pressed one after the other."""
    done: list[str] = []
    monkeypatch.setenv("EDITOR", "true")

    async def script(pilot):
        run_action = app.run_action

        async def record(action, *arguments, **named):
            done.append(action if isinstance(action, str) else action[1])
            return await run_action(action, *arguments, **named)

        monkeypatch.setattr(app, "run_action", record)
        await press(pilot, str(number))
        assert app.frame.NUMBER == number
        parts = [(type(widget), widget) for widget in (app.screen.query(kind).first() for kind in PARTS.get(number, ()))]
        everywhere = [(type(app), None)] if number == 1 else []
        for owner, widget in [(type(app.screen), None), *parts, *everywhere]:
            for key, action in keys_of(owner):
                if key == "q" or (everywhere and owner is type(app) and key in OWN_OF_READ):
                    continue
                if app.frame.NUMBER != number:
                    await press(pilot, str(number))
                if widget:
                    widget.focus()
                done.clear()
                await press(pilot, key)
                name = action.split("(")[0].removeprefix("app.")
                assert any(name in one for one in done), f"{key} of {owner.__name__} did {done}, not {action}"
                for _ in range(3):
                    if app.screen is not app.frame:
                        await press(pilot, "escape")
                assert app.screen is app.frame, f"{key} of {owner.__name__} opened what escape does not close"
        await press(pilot, "q")
        assert not app.is_running or app._exit

    drive(app, script)


def test_help_lists_every_key_of_the_screen_and_says_what_it_does(app):
    async def script(pilot):
        for number in range(1, len(NAMES) + 1):
            await press(pilot, str(number), "question_mark")
            assert isinstance(app.screen, Keys)
            rows = app.screen.rows
            assert {binding.key for binding in type(app.frame).__dict__["BINDINGS"]} and len(rows) > 20
            assert all(keys and meaning for _, keys, meaning in rows)
            await press(pilot, "escape")

    drive(app, script)


def test_the_command_palette_finds_screens_and_what_keys_do(app):
    async def script(pilot):
        await press(pilot, "ctrl+p")
        assert app.screen is not app.frame and app.screen.query(Input)
        await press(pilot, "escape")
        commands = {command.title: command.callback for command in app.get_system_commands(app.screen)}
        assert set(NAMES) <= commands.keys() and "Promote" in commands
        await commands["Keep"]()
        assert [label for _, label, _ in labels(app)] == ["keep"]
        commands["Tune"]()
        await settle(pilot)
        assert app.frame.NUMBER == 3

    drive(app, script)
