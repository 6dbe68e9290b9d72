"""Ctrl-C: the first finishes the unit under way, the second stops at once. Either way the run goes on later.

Arrow's own handlers are switched off, since they can swallow an interrupt that comes while they are in place.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pyarrow as pa


@contextmanager
def stop_requests(say: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Yields a function that tells whether a stop was asked for (SIGINT or SIGTERM)."""
    asked: list[int] = []

    def ask(number: int, _: object) -> None:
        asked.append(number)
        signal.signal(number, signal.default_int_handler)
        say("stopping after the unit under way; interrupt once more to stop now")

    pa.enable_signal_handlers(False)
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
