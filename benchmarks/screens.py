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


def screen_times(session: Session, rule: str, text: str, runs: int = 10) -> dict[str, tuple[float, float]]:
    """What was timed -> best seconds by the clock, and best seconds of processors. `text`: the large document."""
    return asyncio.run(_timed(session, rule, text, runs))


async def _timed(session: Session, rule: str, text: str, runs: int) -> dict[str, tuple[float, float]]:
    app = Inspect(session)
    found: dict[str, tuple[float, float]] = {}

    async def best(name: str, act: Callable[[int], object], times: int = runs) -> None:
        await drawn(act, -1)
        taken = [await drawn(act, number) for number in range(times)]
        found[name] = min(wall for wall, _ in taken), min(busy for _, busy in taken)

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
        await best("nothing done: what finding the screen idle takes, part of each figure below", lambda _: None)
        await best(f"a document of {len(text) / 1e6:.0f} MB on screen", lambda _: document.show(text), 5)
        await best("a page further in it", lambda _: document.action_page(1))
        await best("to its end, or its beginning", lambda number: document.action_go_to(-(number % 2)))
        app.tune(rule)
        await pilot.pause()
        await app.workers.wait_for_complete()
        histogram = app.screen.query_one(Histogram)
        await best("a threshold moved on screen: counts, histogram, nearest documents", lambda number: histogram.move_to(10 + 5 * number))
    return found
