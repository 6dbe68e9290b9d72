"""Progress on stderr: one line a stage, redrawn at most twice a second; plain lines where stderr is no terminal.

A line tells what is done, documents and megabytes a second, the share kept, the time left by the bytes to go, and,
after a minute, which piece of work has been running longest.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from curation.compile_notice import COMPILING, PATIENCE_SECONDS, compiling_seconds
from curation.manifest import Entry

PLAIN_EVERY_SECONDS = 30.0
SLOW_SECONDS = 60.0


@dataclass(frozen=True)
class Work:
    """One unit of a stage: what people call it, and its size in bytes (1 where nothing is known)."""

    unit: str
    label: str
    size: int = 1


@dataclass
class Done:
    """Documents and bytes of texts that finished units took and kept."""

    documents: int = 0
    kept: int = 0
    bytes: int = 0

    def add(self, entry: Entry) -> None:
        """Add a unit's first stage's intake and its last stage's kept documents, or what was tokenised."""
        books = [found for found in entry.counts.values() if isinstance(found, dict) and "in" in found]
        if books:
            self.documents += books[0]["in"]
            self.bytes += books[0]["in_bytes"]
            self.kept += books[-1]["kept"]
        elif "tokens" in entry.counts:
            tokens = entry.counts["tokens"]
            self.documents, self.kept = self.documents + tokens["documents"], self.kept + tokens["documents"]
            self.bytes += tokens["text_bytes"]


@dataclass
class StageBar:
    """Counts the units of one stage: `begin` is called when one is handed out, `advance` with the entry of a finished one."""

    title: str
    waiting: Sequence[Work]
    done_before: int = 0
    clock: Callable[[], float] = time.monotonic  # never goes back, whatever happens to the date
    done: Done = field(default_factory=Done)
    running: dict[str, float] = field(default_factory=dict)  # unit -> when it began
    finished: int = 0
    listeners: list[Callable[[Entry, float], None]] = field(default_factory=list)  # called with each entry and its seconds
    on_ready: Callable[[int, float], None] = lambda workers, seconds: None  # called when so many workers have started

    def __post_init__(self) -> None:
        self.started = self.clock()
        self.compiled_before = compiling_seconds()
        self.labels = {work.unit: work.label for work in self.waiting}
        self.sizes = {work.unit: max(work.size, 1) for work in self.waiting}
        self.left = sum(self.sizes.values())
        self.size = self.left

    def ready(self, workers: int) -> None:
        """So many workers have started: what comes is work, and times count from here."""
        now = self.clock()
        self.on_ready(workers, now - self.started)
        self.started = now

    def begin(self, unit: str) -> None:
        self.running[unit] = self.clock()

    def advance(self, entry: Entry) -> None:
        """Note a finished unit."""
        began = self.running.pop(entry.unit, self.started)
        self.finished += 1
        self.left -= self.sizes.get(entry.unit, 0)
        self.done.add(entry)
        for listen in self.listeners:
            listen(entry, self.clock() - began)

    def tick(self) -> None:
        """Called every second or so while units are running."""

    def seconds_left(self) -> float | None:
        """By the bytes to go; None before anything is finished, and when all is."""
        gone = self.size - self.left
        return (self.clock() - self.started) * self.left / gone if gone and self.left else None

    def slowest(self) -> tuple[str, float] | None:
        """Label and seconds of the unit that has been running longest, if for more than a minute."""
        if not self.running:
            return None
        unit = min(self.running, key=lambda name: self.running[name])
        seconds = self.clock() - self.running[unit]
        return (self.labels.get(unit, unit), seconds) if seconds > SLOW_SECONDS else None

    def line(self) -> str:
        seconds = max(self.clock() - self.started, 1e-9)
        parts = [f"{self.title}: {self.done_before + self.finished}/{self.done_before + len(self.waiting)}"]
        if self.done_before:
            parts.append(f"{self.done_before} done before")
        if self.done.documents:
            parts.append(f"{self.done.documents:,} documents, {self.done.documents / seconds:,.0f}/s, {self.done.bytes / 1e6 / seconds:,.1f} MB/s")
            parts.append(f"kept {100 * self.done.kept / self.done.documents:.1f} %")
        if self.finished:
            parts.append(duration(seconds))
        compiling = compiling_seconds() - self.compiled_before
        if compiling > PATIENCE_SECONDS:
            parts.append(f"{duration(compiling)} of it {COMPILING}" if self.finished else f"{COMPILING}, for {duration(compiling)}")
        left, slowest = self.seconds_left(), self.slowest()
        if left is not None:
            parts.append(f"{duration(left)} left")
        if slowest:
            parts.append(f"slowest {slowest[0]} for {duration(slowest[1])}")
        return ", ".join(parts)


def duration(seconds: float) -> str:
    """Seconds as people say them: 8.3 s, 4 min 10 s, 2 h 5 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class Progress:
    """Shows nothing; the shape of what `run_job` reports to."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    @contextmanager
    def stage(self, title: str, waiting: Sequence[Work], done_before: int = 0) -> Iterator[StageBar]:
        """A stage with the units that `waiting` lists still to do."""
        yield StageBar(title, waiting, done_before)


    def note(self, text: str) -> None:
        """Something to know before a stage starts."""


class PlainProgress(Progress):
    """A line when a stage ends, and every 30 seconds before that."""

    @contextmanager
    def stage(self, title: str, waiting: Sequence[Work], done_before: int = 0) -> Iterator[StageBar]:
        bar = _PlainBar(title, waiting, done_before)
        yield bar
        print(bar.line(), file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


class _PlainBar(StageBar):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.shown = self.started

    def advance(self, entry: Entry) -> None:
        super().advance(entry)
        self.tick()

    def tick(self) -> None:
        if self.clock() - self.shown >= PLAIN_EVERY_SECONDS and self.finished < len(self.waiting):  # the end has its own line
            self.shown = self.clock()
            print(self.line(), file=sys.stderr, flush=True)


class RichProgress(Progress):
    """A live bar a stage."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn
        from rich.progress import Progress as Bars

        self.console = Console(stderr=True)
        columns = [SpinnerColumn(), BarColumn(bar_width=20), TextColumn("{task.description}", markup=False)]
        self.bars = Bars(*columns, console=self.console, refresh_per_second=2, transient=True)

    def __enter__(self) -> RichProgress:
        self.bars.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.bars.stop()

    @contextmanager
    def stage(self, title: str, waiting: Sequence[Work], done_before: int = 0) -> Iterator[StageBar]:
        task = self.bars.add_task(title, total=done_before + len(waiting), completed=done_before)
        bar = _RichBar(title, waiting, done_before)
        bar.update = lambda: self.bars.update(task, completed=done_before + bar.finished, description=bar.line())
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

    def tick(self) -> None:
        self.update()


def default_progress() -> Progress:
    """A live display on a terminal, plain lines elsewhere."""
    return RichProgress() if sys.stderr.isatty() else PlainProgress()
