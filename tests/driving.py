"""Textual applications driven by a test: no terminal, no animation, and everything that was started has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from textual.app import App
from textual.pilot import Pilot
from textual.widget import Widget

ROOT = Path(__file__).parents[1]


class Bare(App):
    """An application that shows one widget in the inspector's style."""

    CSS_PATH = ROOT / "inspect_ui/app.tcss"
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, widget: Widget):
        super().__init__()
        self.widget, self.heard = widget, []

    def compose(self):
        yield self.widget

    def on_mount(self) -> None:
        self.animation_level = "none"
        self.widget.focus()


def drive(app: App, script: Callable[[Pilot], Awaitable[None]], size: tuple[int, int] = (80, 24)) -> None:
    """Run `script` on the application."""

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            app.animation_level = "none"
            await pilot.pause()
            await script(pilot)

    asyncio.run(run())


def screen_lines(app: App) -> list[str]:
    """What is on screen, a text for each row."""
    width, height = app.size
    strips = app.screen._compositor.render_strips()
    return [strip.text.ljust(width) for strip in strips][:height]
