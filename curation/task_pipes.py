"""What a process that hands out tasks and the workers forked from it say to each other, over two pipes for each worker.

To a worker goes a call (the function, and what all tasks have in common: common_parts.py), then tasks without that; or the
number of a task of the call it was forked for, whose tasks it has. One answer comes back for each task, in order: its result,
or what it raised. All are pickles of our own.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from curation.common_parts import Common, common_of
from curation.ray_start import WorkerError

LENGTH = struct.Struct("<q")
MESSAGE = struct.Struct("<cq")  # to a worker: what it is, and the number of a task, or of the bytes that follow
NUMBER, CALL, TASK = b"n", b"c", b"t"


@dataclass(frozen=True)
class Call:
    """What tasks are done by, and the tasks; what they have in common, and that `pickled`, for workers that do not have them."""

    function: Callable[[Any], Any]
    tasks: Sequence[Any] = ()
    common: Common = Common()
    pickled: bytes = b""

    @classmethod
    def to_send(cls, function: Callable[[Any], Any], tasks: Sequence[Any]) -> Call:
        """A call that can be sent. Raises whatever objects raise that are not made for it."""
        common = common_of(tasks)
        return cls(function, tasks, common, pickle.dumps((function, (), common)))

    def message(self, number: int) -> bytes:
        """A task for who was sent the call."""
        return message(TASK, pickle.dumps(self.common.less(self.tasks[number])))


def message(kind: bytes, data: bytes) -> bytes:
    """A message to a worker that brings `data`."""
    return MESSAGE.pack(kind, len(data)) + data


def number_message(number: int) -> bytes:
    """The message about a task that the worker has."""
    return MESSAGE.pack(NUMBER, number)


def _write_message(pipe: int, data: bytes) -> None:
    view = memoryview(LENGTH.pack(len(data)) + data)
    while view:
        view = view[os.write(pipe, view) :]


def work_off(call: Call, tasks: int, answers: int) -> None:
    """Answer one task after the other, of the call that came last, until the pipe is closed."""
    while (head := _read(tasks, MESSAGE.size)) is not None:
        kind, number = MESSAGE.unpack(head)
        data = b"" if kind == NUMBER else _read(tasks, number)
        if data is None:
            return
        if kind == CALL:
            call = Call(*pickle.loads(data))
        else:
            task = call.tasks[number] if kind == NUMBER else call.common.whole(pickle.loads(data))
            _write_message(answers, _answer(call.function, task))


def _answer(function: Callable[[Any], Any], task: Any) -> bytes:
    try:
        return pickle.dumps(("result", function(task)))
    except Exception as error:
        with contextlib.suppress(Exception):
            data = pickle.dumps(("raised", error))
            pickle.loads(data)  # some errors cannot be made again from their arguments
            return data
        return pickle.dumps(("raised", WorkerError("".join(traceback.format_exception(error)))))


def read_message(pipe: int) -> bytes | None:
    """An answer; None where the pipe ends before it is whole."""
    length = _read(pipe, LENGTH.size)
    return None if length is None else _read(pipe, LENGTH.unpack(length)[0])


def _read(pipe: int, count: int) -> bytes | None:
    """So many bytes; None where the pipe ends before."""
    data = bytearray()
    while len(data) < count:
        piece = os.read(pipe, count - len(data))
        if not piece:
            return None
        data += piece
    return bytes(data)
