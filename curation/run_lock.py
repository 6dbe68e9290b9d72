"""One run at a time in a run directory: who holds it and since when, and what a run that died left behind.

The lock is the operating system's (flock) and goes with the process that holds it, however that ends. The file says who
it is. A file that names a process while nobody holds the lock is stale: that run was killed, or its machine went down.
Where the file system has no locks, the file itself is believed: a process of this machine that is gone is stale.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from curation.progress import duration
from curation.run_directory import RunDirectoryError

LOCK_FILE = ".lock"
_held: list[TextIO] = []  # by this process


@dataclass(frozen=True)
class Holder:
    """The process that holds a run directory."""

    process: int
    machine: str
    since: str  # local time, with its offset from UTC
    epoch: float  # the same as seconds

    def __str__(self) -> str:
        ago = time.time() - self.epoch
        told = f", {duration(ago)} ago" if ago >= 0 else ""  # the clock may have been set back
        return f"process {self.process} on {self.machine} since {self.since}{told}"

    @property
    def is_gone(self) -> bool:
        """Whether it was a process of this machine that is no more."""
        if self.machine != platform.node():
            return False
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False


def this_process() -> Holder:
    now = time.time()
    return Holder(os.getpid(), platform.node(), time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(now)), now)


@contextmanager
def locked(output: Path) -> Iterator[Holder | None]:
    """Hold `output`; yields who held it and died without giving it back, or None. Raises RunDirectoryError where it is held."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        file = open(output / LOCK_FILE, "a+", encoding="utf-8")
    except OSError as error:
        raise RunDirectoryError(f"cannot write to output {str(output)!r}: {error.strerror}") from None
    with file:
        left = _taken(file, output)
        _write(file, json.dumps(asdict(this_process())))
        _held.append(file)
        try:
            yield left
        finally:
            _held.remove(file)
            _write(file, "")


def leave_to_parent() -> None:
    """In a process that was forked from the one that holds a lock: let go of it, so that it goes with that one alone."""
    while _held:
        _held.pop().close()


def _taken(file: TextIO, output: Path) -> Holder | None:
    """Take the lock; who is named in the file all the same."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = _holder(file)
        raise RunDirectoryError(f"{output} is in use by another run ({holder or 'that has just started'}); wait for it, or stop it first") from None
    except OSError:  # no locks on this file system
        holder = _holder(file)
        if holder is not None and not holder.is_gone:
            message = f"{output} is in use by another run ({holder}), and its file system has no locks; if that run is gone, delete {output / LOCK_FILE}"
            raise RunDirectoryError(message) from None
    return _holder(file)


def _holder(file: TextIO) -> Holder | None:
    file.seek(0)
    try:
        return Holder(**json.loads(file.read()))
    except (ValueError, TypeError):
        return None


def _write(file: TextIO, text: str) -> None:
    file.seek(0)
    file.truncate(0)
    file.write(text)
    file.flush()
