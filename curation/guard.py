"""Calls that work on records, in a way that one poisonous record costs one record.

In the ordinary way (`Guard`) a call runs here, watched (limits.py). Where an attempt died or took too long, the next one is
made with care (`CarefulGuard`): calls run in a child process (guarded_child.py), and where it crashes, takes too long or too
much memory, that is an error of the call, like any other: `Broken`. Whoever called halves the batch and tries again. Price of
care: about a fifth more, and two seconds to start the child.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from curation.batches import Skipped, Unreadable
from curation.limits import WALL_FACTOR, Limits, Watchdog
from curation.patient_file import system_failed
from curation.ray_start import WorkerError

QUICK_SECONDS = 5.0  # for many records; if it is not enough they are tried in smaller parts
ERROR_CHARACTERS = 2000
LENGTH = struct.Struct("<q")


class Broken(Exception):
    """A call that a record broke: `kind` is failed, crashed, timeout or memory; the text says how, with a traceback."""

    def __init__(self, kind: str, text: str):
        super().__init__(text)
        self.kind = kind


class NeedsCare(MemoryError):
    """Memory ran out in the ordinary way: what for can only be told with care."""


def trace_of(error: BaseException) -> str:
    """The traceback below the frame that caught it: the same text whoever called."""
    below = error.__traceback__.tb_next if error.__traceback__ else None
    return "".join(traceback.format_exception(type(error), error, below))[-ERROR_CHARACTERS:]


class Guard:
    """Calls in this process. `watchdog` may end the process."""

    careful = False

    def __init__(self, watchdog: Watchdog | None = None):
        self.watchdog = watchdog
        self.condemned = False  # was a record quarantined that crashed, or took too much?

    def call(self, function: Callable[..., Any], *arguments: Any, size: int, records: int = 1) -> Any:
        """function(*arguments), which works on so many records of `size` bytes together. Raises Broken where they break it,
        and what says that a record is unreadable or skipped, or that the system failed, as it is."""
        if self.watchdog is not None:
            self.watchdog.begin(size)
        try:
            return function(*arguments)
        except (Unreadable, Skipped):
            raise
        except MemoryError as error:
            raise NeedsCare(str(error)) from None
        except Exception as error:
            if system_failed(error):
                raise
            raise Broken("failed", trace_of(error)) from error

    def close(self) -> None:
        """Nothing is left to call."""


class CarefulGuard(Guard):
    """Calls in a child process, which is started again where it ended."""

    careful = True

    def __init__(self, limits: Limits, warm_up: Callable[[], None] | None = None):
        super().__init__()
        self.limits = limits
        self.warm_up = warm_up  # what to do before any time is taken: compile, load models
        self.child: Child | None = None

    def call(self, function: Callable[..., Any], *arguments: Any, size: int, records: int = 1) -> Any:
        seconds = self.limits.seconds(size)
        if records > 1:
            return self._once(function, arguments, min(seconds, QUICK_SECONDS + self.limits.seconds(size) - self.limits.seconds(0)))
        try:
            return self._once(function, arguments, seconds)
        except Broken as broken:
            if broken.kind not in ("timeout", "memory"):
                raise
        return self._once(function, arguments, seconds)  # one more chance: the machine may have been too busy, or too full

    def _once(self, function: Callable[..., Any], arguments: tuple, seconds: float) -> Any:
        if self.child is None:
            self.child = Child(self.warm_up)
        kind, answer = self.child.ask((function, arguments, self.limits.memory_mb), seconds)
        if kind == "result":
            return answer
        if kind == "raised":
            raise answer
        raise Broken(kind, answer)

    def close(self) -> None:
        if self.child is not None:
            self.child.end()
        self.child = None


class Child:
    """A process that answers one question at a time, and its parent, which replaces it where it ends: that takes a moment,
    since what is warm there is so in every child. What its end has to say goes to a file."""

    def __init__(self, warm_up: Callable[[], None] | None):
        self.words = tempfile.TemporaryFile()
        self.worker = 0  # process that answers; 0: not told yet
        self.heard = 0  # bytes of `words` that were there before the question
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        command = [sys.executable, "-m", "curation.guarded_child"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self.words, env=environment, bufsize=0, start_new_session=True)
        self._send(warm_up)

    def ask(self, question: tuple, seconds: float) -> tuple[str, Any]:
        """How the call ended, and with what. Raises Broken where the process ends, or uses too much processor time."""
        if not self.worker:
            self.worker = self._receive()[1]
        began, used = time.monotonic(), self._processor_seconds()
        self.heard = os.fstat(self.words.fileno()).st_size
        self._send(question)
        while not select.select([self.process.stdout], [], [], 0.2)[0]:
            waited = time.monotonic() - began
            if self._processor_seconds() - used > seconds or waited > WALL_FACTOR * (seconds + 1):
                raise self._too_long(seconds)
        kind, answer = self._receive()
        if kind == "ended":
            raise self._broken(answer)
        return kind, answer

    def _send(self, message: Any) -> None:
        data = pickle.dumps(message)
        view = memoryview(LENGTH.pack(len(data)) + data)
        try:
            while view:
                view = view[self.process.stdin.write(view) :]
        except BrokenPipeError:
            raise self._gone() from None

    def _receive(self) -> tuple[str, Any]:
        (length,) = LENGTH.unpack(self._read(LENGTH.size))
        return pickle.loads(self._read(length))

    def _read(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            piece = self.process.stdout.read(count - len(data))
            if not piece:
                raise self._gone()
            data += piece
        return bytes(data)

    def _processor_seconds(self) -> float:
        """Of the worker so far; where the system does not tell, the time on the clock."""
        try:
            fields = Path(f"/proc/{self.worker}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return time.monotonic()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _too_long(self, seconds: float) -> Broken:
        """End the worker, which says where it is."""
        for number, wait in ((signal.SIGABRT, 5.0), (signal.SIGKILL, None)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.worker, number)
            if select.select([self.process.stdout], [], [], wait)[0]:
                break
        while self._receive()[0] != "ended":
            pass  # the answer came at the last moment
        self.worker = 0
        return Broken("timeout", f"it took more than {seconds:g} s (limits.seconds_per_record)\n{self._last_words()}".strip())

    def _broken(self, code: int) -> Broken:
        """What the worker that ended with `code` (as subprocess gives it) died of."""
        self.worker = 0
        if -code in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            raise KeyboardInterrupt  # somebody ends everything
        if code == -signal.SIGKILL:
            return Broken("memory", "the process was killed, as the system does where memory runs out (limits.memory_per_record)")
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        words = self._last_words()
        kind = "memory" if "bad_alloc" in words or "MemoryError" in words else "crashed"
        return Broken(kind, f"the process ended with {name}\n{words}".strip())

    def _gone(self) -> Exception:
        """The parent of the workers, which works on nothing, has ended."""
        words = os.pread(self.words.fileno(), 1 << 20, 0).decode("utf-8", "replace")[-ERROR_CHARACTERS:]
        return WorkerError(f"the process that works with care has ended ({self.process.wait()}); what is finished is saved\n{words}")

    def _last_words(self) -> str:
        """What was said since the question. The file's own place is shared with those who write."""
        return plain_dump(os.pread(self.words.fileno(), 1 << 20, self.heard).decode("utf-8", "replace"))

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.words):
            pipe.close()


def plain_dump(dump: str) -> str:
    """A traceback of the system without what differs from process to process: thread numbers, addresses, our own frames."""
    dump = dump.partition("Extension modules:")[0]
    _, found, frames = dump.rpartition("(most recent call first):\n")
    lines = (frames if found else dump).splitlines()
    kept: list[str] = []
    for line in lines:
        if not line.strip() or "guarded_child.py" in line:
            break
        kept.append(re.sub(r"0x[0-9a-f]{4,}", "0x..", line))
    return "\n".join(kept)[-ERROR_CHARACTERS:]
