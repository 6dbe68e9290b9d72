"""Attempts at a unit of work: a note that stands while one is under way, so that the next one knows how it ended.

`.work/attempts/UNIT.txt` is written when an attempt begins and removed when it ends, with a result or with an error. Where a
note still stands, the process was killed, or crashed: the system's own words about that (a traceback) are in the note. Then
the next attempt is made with care (guard.py). Price: a file created and removed for each shard.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from curation.ray_start import WorkerError

MOST_ATTEMPTS = 3  # in one run
_BEGINS = "attempt in run "
_DUMPED = ("Fatal Python error", "Timeout (", "most recent call first")  # what a traceback of the system begins with


@dataclass(frozen=True)
class Attempt:
    """An attempt that is under way: where its crash would be written, and whether to take care."""

    note: TextIO
    careful: bool


def attempt_path(output: Path, unit: str) -> Path:
    return output / ".work" / "attempts" / (unit.replace("/", "-") + ".txt")


@contextmanager
def attempted(output: Path, unit: str, key: str, run_id: str) -> Iterator[Attempt]:
    """Note an attempt at `unit`. Raises WorkerError where the attempts before it in this run all ended without a word."""
    path = attempt_path(output, unit)
    earlier = _earlier(path, key)
    lines = [line for line in earlier.splitlines() if line.startswith(_BEGINS)]
    in_this_run = sum(line.startswith(f"{_BEGINS}{run_id} ") for line in lines)
    if in_this_run >= MOST_ATTEMPTS:
        path.unlink(missing_ok=True)
        raise WorkerError(f"{unit}: the process that worked on it died {in_this_run} times; what is finished is saved{_last_words(earlier)}")
    careful = in_this_run > 0 or len(lines) > 1 or any(words in earlier for words in _DUMPED)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w" if not earlier else "a", encoding="utf-8") as note:
        note.write(f"{_BEGINS}{run_id} on {key} by process {os.getpid()}\n")
        note.flush()
        try:
            yield Attempt(note, careful)
        finally:
            path.unlink(missing_ok=True)


def _earlier(path: Path, key: str) -> str:
    """The note of earlier attempts at the same; empty where there is none."""
    with contextlib.suppress(FileNotFoundError):
        text = path.read_text(encoding="utf-8", errors="replace")
        if f" on {key} " in text.partition("\n")[0]:
            return text
    return ""


def _last_words(earlier: str) -> str:
    """The last traceback of a note, shortened."""
    words = earlier.rpartition(_BEGINS)[2].partition("\n")[2].strip()
    return f". Its last words:\n{words[:2000]}" if words else " (killed from outside, or for want of memory: fewer workers need less)"


def was_working(output: Path, process: int) -> bool:
    """Did `process` end in the middle of a unit?"""
    notes = (output / ".work" / "attempts").glob("*.txt")
    return any(note.read_text(encoding="utf-8", errors="replace").rpartition(_BEGINS)[2].partition("\n")[0].endswith(f" by process {process}") for note in notes)
