"""What listens to numba: how long it compiles, and the first word about it. Apart from compile_notice.py, as numba is slow to import."""

from __future__ import annotations

import functools
import time

import click
from numba.core import event

from curation import compile_notice

COMPILE = "numba:compile"


class _Notice(event.Listener):
    """Counts, and speaks once, when a compilation begins after others that took so long together."""

    def __init__(self) -> None:
        self.depth, self.began, self.spent = 0, 0.0, 0.0

    def forget(self) -> None:
        """Begin anew, for another command of the same process."""
        self.spent = 0.0

    def on_start(self, event: event.Event) -> None:
        if not self.depth:
            self.began = time.monotonic()
        self.depth += 1
        if self._note() > compile_notice.PATIENCE_SECONDS and compile_notice.is_first_to_tell():
            click.echo(f"{compile_notice.COMPILING}: up to half a minute", err=True)

    def on_end(self, event: event.Event) -> None:
        self._note()
        self.depth -= 1
        if not self.depth:
            self.spent += time.monotonic() - self.began

    def _note(self) -> float:
        """Seconds so far, told to the other processes."""
        seconds = self.spent + time.monotonic() - self.began
        compile_notice.add_compiling(seconds)
        return seconds


@functools.cache
def listening() -> _Notice:
    """The one listener of this process: commands that follow one another in a process share it, or each would speak."""
    notice = _Notice()
    event.register(COMPILE, notice)
    return notice
