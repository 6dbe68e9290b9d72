"""The child process of guard.py: answers questions (a function and its arguments) until its parent is gone.

It warms up and forks a worker, which answers; where the worker ends, it says so and forks the next, warm from the start.
Questions and answers are pickles between processes of our own, over pipes that nobody else holds.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import pickle
import sys
from typing import Any, BinaryIO

from curation.batches import Skipped, Unreadable
from curation.guard import LENGTH, trace_of
from curation.limits import limited_memory
from curation.patient_file import system_failed
from curation.supervision import end_with_parent


def answer(function: Any, arguments: tuple, memory_mb: int) -> tuple[str, Any]:
    """How the call ended, and with what."""
    with limited_memory(memory_mb) if memory_mb else contextlib.nullcontext():
        try:
            return "result", function(*arguments)
        except (Unreadable, Skipped) as error:
            return "raised", error
        except MemoryError as error:
            return "memory", f"it took more memory than limits.memory_per_record allows: {type(error).__name__}"
        except Exception as error:
            return ("raised", error) if system_failed(error) else ("failed", trace_of(error))


def send(sink: BinaryIO, message: tuple[str, Any]) -> None:
    data = pickle.dumps(message)
    sink.write(LENGTH.pack(len(data)) + data)
    sink.flush()


def receive(source: BinaryIO) -> Any:
    """The next message. Ends the process where no more comes."""
    header = source.read(LENGTH.size)
    if len(header) < LENGTH.size:
        os._exit(0)
    return pickle.loads(source.read(LENGTH.unpack(header)[0]))


def main() -> None:
    end_with_parent()
    faulthandler.enable(all_threads=False)
    source, sink = os.fdopen(0, "rb", buffering=0), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what others print is no answer
    source = Whole(source)
    warm_up = receive(source)
    if warm_up is not None:
        warm_up()
    while True:
        worker = os.fork()
        if not worker:
            end_with_parent()
            work(source, sink)
        send(sink, ("ready", worker))
        code = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
        if code == 0:
            return
        send(sink, ("ended", code))


class Whole:
    """Reads no more than is asked for (nothing that the next worker needs is in a buffer), and all of it."""

    def __init__(self, raw: Any):
        self.raw = raw

    def read(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count and (piece := self.raw.read(count - len(data))):
            data += piece
        return bytes(data)


def work(source: Any, sink: BinaryIO) -> None:
    while True:
        send(sink, answer(*receive(source)))


if __name__ == "__main__":
    sys.exit(main())
