"""Ctrl-C: the first finishes the unit under way, the second stops at once. Either way the run goes on later.

Arrow's own handlers are switched off, since they can swallow an interrupt that comes while they are in place.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pyarrow as pa

SAME_SECONDS = 0.25  # one Ctrl-C may arrive twice: from the terminal, and from who watches the run

@contextmanager
def stop_requests(say: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Yields a function that tells whether a stop was asked for (SIGINT or SIGTERM)."""
    asked: list[float] = []  # when

    def ask(number: int, _: object) -> None:
        now = time.monotonic()
        if asked and now - asked[-1] < SAME_SECONDS:
            return
        asked.append(now)
        if len(asked) > 1:
            raise KeyboardInterrupt
        say("stopping after the units under way; interrupt once more to stop now")

    pa.enable_signal_handlers(False)
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
