"""log.jsonl in the run directory: what a run did and when, one JSON object a line, for machines that watch.

Every line has `at` (UTC) and `event`: run_started, stage_started, workers_ready, unit_finished, stage_finished, note, run_finished,
run_failed, run_interrupted. A run that goes on appends. A line is written at once and whole; nothing else reads the
file, so a torn last line after a crash harms nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from curation.manifest import Entry
from curation.progress import Progress, StageBar, Work

LOG_FILE = "log.jsonl"


class RunLog:
    """The log of one run directory, opened at the first line."""

    def __init__(self, output: Path):
        self.path = output / LOG_FILE

    def write(self, event: str, **facts: Any) -> None:
        record = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **facts}
        line = json.dumps(record, ensure_ascii=True, default=str) + "\n"
        with open(self.path, "a", encoding="ascii") as file:
            file.write(line)


class LoggedProgress(Progress):
    """What another progress shows, with a log beside it."""

    def __init__(self, shown: Progress, log: RunLog):
        self.shown, self.log = shown, log

    def __enter__(self) -> LoggedProgress:
        self.shown.__enter__()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is not None and self.log.path.exists():  # where no run has begun a log would make the folder a stranger's
                event = "run_interrupted" if isinstance(error, KeyboardInterrupt) else "run_failed"
                with contextlib.suppress(OSError):  # no room for this line either: the error itself is what to tell
                    self.log.write(event, error=f"{type(error).__name__}: {error}")
        finally:
            self.shown.__exit__(kind, error, trace)

    def started(self, job_sha256: str, **facts: Any) -> None:
        self.log.write("run_started", job_sha256=job_sha256, process=os.getpid(), **facts)

    def finished(self, **facts: Any) -> None:
        self.log.write("run_finished", **facts)

    def note(self, text: str) -> None:
        self.log.write("note", text=text)
        self.shown.note(text)

    @contextmanager
    def stage(self, title: str, waiting: Sequence[Work], done_before: int = 0) -> Iterator[StageBar]:
        self.log.write("stage_started", stage=title, waiting=len(waiting), done_before=done_before)
        with self.shown.stage(title, waiting, done_before) as bar:
            bar.listeners.append(lambda entry, seconds: self._unit(bar, entry, seconds))
            bar.on_ready = lambda workers, seconds: self.log.write("workers_ready", stage=title, workers=workers, seconds=round(seconds, 3))
            yield bar
        done = bar.done
        seconds = round(bar.clock() - bar.started, 3)
        self.log.write("stage_finished", stage=title, units=bar.finished, documents=done.documents, kept=done.kept, bytes=done.bytes, seconds=seconds)

    def _unit(self, bar: StageBar, entry: Entry, seconds: float) -> None:
        label = bar.labels.get(entry.unit, entry.unit)
        self.log.write("unit_finished", stage=bar.title, unit=entry.unit, label=label, seconds=round(seconds, 3))
