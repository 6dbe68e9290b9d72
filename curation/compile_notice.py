"""Say that kernels are being compiled, where a command would otherwise be silent for half a minute: on its first use on a machine.

numba tells its listeners of every compilation that it begins; kernels that it loads from its cache are none.
"""

from __future__ import annotations

import functools
import time

import click
from numba.core import event

COMPILE = "numba:compile"
PATIENCE_SECONDS = 1.0


class _Notice(event.Listener):
    """Speaks once, when a compilation begins after others that took so long together."""

    def __init__(self) -> None:
        self.depth, self.began = 0, 0.0
        self.forget()

    def forget(self) -> None:
        """Begin anew, for another command of the same process."""
        self.spent, self.told = 0.0, False

    def on_start(self, event: event.Event) -> None:
        if not self.depth:
            self.began = time.monotonic()
        self.depth += 1
        if not self.told and self.spent + time.monotonic() - self.began > PATIENCE_SECONDS:
            self.told = True
            click.echo("compiling kernels, once after an installation: up to half a minute", err=True)

    def on_end(self, event: event.Event) -> None:
        self.depth -= 1
        if not self.depth:
            self.spent += time.monotonic() - self.began


@functools.cache
def _listening() -> _Notice:
    """The one listener of this process: commands that follow one another in a process share it, or each would speak."""
    notice = _Notice()
    event.register(COMPILE, notice)
    return notice


def tell_of_compiling() -> None:
    """From now on, say on stderr when this process compiles kernels for longer than a moment."""
    _listening().forget()
