"""How fast the screens of the inspector answer: a document of 10 MB on screen, a page further, a threshold moved.

Part of `python -m benchmarks.inspection`. The application runs without a terminal, at 120 by 40; a time is from the key to
the moment when every message it caused has been handled and the screen has been drawn.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from inspect_ui.app import Inspect
from inspect_ui.session import Session
from inspect_ui.widgets.document import Document
from inspect_ui.widgets.histogram import Histogram

SIZE = (120, 40)


def screen_times(session: Session, rule: str, text: str, runs: int) -> dict[str, tuple[list[float], list[float]]]:
    """What was timed -> seconds by the clock of each run, and seconds of processors. `text`: the large document."""
    return asyncio.run(_timed(session, rule, text, runs))


async def _timed(session: Session, rule: str, text: str, runs: int) -> dict[str, tuple[list[float], list[float]]]:
    app = Inspect(session)
    found: dict[str, tuple[list[float], list[float]]] = {}

    async def clocked(name: str, act: Callable[[int], object]) -> None:
        await drawn(act, -1)
        taken = [await drawn(act, number) for number in range(runs)]
        found[name] = [wall for wall, _ in taken], [busy for _, busy in taken]

    async def drawn(act: Callable[[int], object], number: int) -> tuple[float, float]:
        wall, busy = time.perf_counter(), time.process_time()
        act(number)
        await pilot.pause()
        app.screen._compositor.render_strips()
        return time.perf_counter() - wall, time.process_time() - busy

    async with app.run_test(size=SIZE) as pilot:
        app.animation_level = "none"
        await app.workers.wait_for_complete()
        document = app.screen.query_one("#text", Document)
        await clocked("nothing done: what finding the screen idle takes, part of each figure below", lambda _: None)
        await clocked(f"a document of {len(text) / 1e6:.0f} MB on screen", lambda _: document.show(text))
        await clocked("a page further in it", lambda _: document.action_page(1))
        await clocked("to its end, or its beginning", lambda number: document.action_go_to(-(number % 2)))
        app.tune(rule)
        await pilot.pause()
        await app.workers.wait_for_complete()
        histogram = app.screen.query_one(Histogram)
        await clocked("a threshold moved on screen: counts, histogram, nearest documents", lambda number: histogram.move_to(10 + 5 * number))
    return found
