"""Progress on stderr: one line a stage, redrawn at most twice a second; plain lines where stderr is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from curation.manifest import Entry

PLAIN_EVERY_SECONDS = 30.0


class StageBar:
    """Counts finished units of one stage; `advance` is called with each entry."""

    def __init__(self, title: str, total: int, done_before: int):
        self.title, self.total, self.done, self.done_before = title, total, done_before, done_before
        self.documents = 0
        self.started = time.monotonic()

    def advance(self, entry: Entry) -> None:
        self.done += 1
        self.documents += entry.counts.get("read", {}).get("in", 0)

    def line(self) -> str:
        seconds = time.monotonic() - self.started
        parts = [f"{self.title}: {self.done}/{self.total}"]
        if self.done_before:
            parts.append(f"{self.done_before} done before")
        if self.documents:
            parts.append(f"{self.documents:,} documents, {self.documents / max(seconds, 1e-9):,.0f}/s")
        if self.done > self.done_before:
            parts.append(f"{seconds:.1f} s")
        return ", ".join(parts)


class Progress:
    """Shows nothing; the shape of what `run_job` reports to."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    @contextmanager
    def stage(self, title: str, total: int, done_before: int = 0) -> Iterator[StageBar]:
        yield StageBar(title, total, done_before)


    def note(self, text: str) -> None:
        """Something to know before a stage starts."""


class PlainProgress(Progress):
    """One line when a stage starts to take long, one when it ends."""

    @contextmanager
    def stage(self, title: str, total: int, done_before: int = 0) -> Iterator[StageBar]:
        bar = _PlainBar(title, total, done_before)
        yield bar
        print(bar.line(), file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


class _PlainBar(StageBar):
    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self.shown = self.started

    def advance(self, entry: Entry) -> None:
        super().advance(entry)
        if time.monotonic() - self.shown >= PLAIN_EVERY_SECONDS:
            self.shown = time.monotonic()
            print(self.line(), file=sys.stderr, flush=True)


class RichProgress(Progress):
    """A live bar a stage."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        self.console = Console(stderr=True)
        columns = [SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
        self.bars = Bars(*columns, console=self.console, refresh_per_second=2, transient=True)

    def __enter__(self) -> RichProgress:
        self.bars.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.bars.stop()

    @contextmanager
    def stage(self, title: str, total: int, done_before: int = 0) -> Iterator[StageBar]:
        task = self.bars.add_task(title, total=total, completed=done_before)
        bar = _RichBar(title, total, done_before)
        bar.update = lambda: self.bars.update(task, completed=bar.done, description=bar.line())
        yield bar
        self.bars.remove_task(task)
        self.console.print(bar.line(), markup=False, highlight=False)

    def note(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False)


class _RichBar(StageBar):
    update: Any = None

    def advance(self, entry: Entry) -> None:
        super().advance(entry)
        self.update()


def default_progress() -> Progress:
    """A live display on a terminal, plain lines elsewhere."""
    return RichProgress() if sys.stderr.isatty() else PlainProgress()
