"""Workers of one machine: processes forked from this one, which have at once all that it has imported, compiled and read.

A fork takes some milliseconds where Ray takes seconds, pages that nobody writes to are shared, and the tasks of the call
that forks need not be pickled: a worker has the list, and is told a number. Workers that are kept for the next call, with
their memory and what they have loaded, are sent its tasks. All goes as pickles between processes of our own, over pipes
that nobody else holds (task_pipes.py). A worker that dies has its tasks tried by another; with this process its workers go.
"""

from __future__ import annotations

import gc
import os
import pickle
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from curation.ray_start import WorkerError
from curation.run_lock import leave_to_parent
from curation.supervision import become_expendable, end_with_parent
from curation.task_pipes import CALL, Call, message, number_message, read_message, work_off

TRIES = 3  # of one task, where its worker dies
TICK_SECONDS = 1.0
PATIENCE_SECONDS = 2.0  # for a worker that is to leave nothing half done
_HEEDED = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def can_fork() -> bool:
    """Linux alone tells a worker that its parent is gone; elsewhere libraries of the system do not survive a fork."""
    return sys.platform == "linux"


@dataclass
class Worker:
    """A process, and the numbers of the tasks that it was given and has not answered, in order."""

    process: int
    tasks: int  # where the numbers of tasks are written
    answers: int
    has: Call  # the call whose tasks it has, since it was forked for it
    sent: Call | None = None  # the call that it was sent
    given: list[int] = field(default_factory=list)
    unsent: bytearray = field(default_factory=bytearray)  # what its pipe has no room for while it works

    def give(self, call: Call, number: int) -> None:
        """Hand it a task, and before that the call, where it does not know it."""
        self.given.append(number)
        if self.has is call:
            self.unsent += number_message(number)
        else:
            if self.sent is not call:
                self.unsent += message(CALL, call.pickled)
            self.sent = call
            self.unsent += call.message(number)
        self.send()

    def send(self) -> None:
        """Write as much as there is room for."""
        try:
            while self.unsent:
                del self.unsent[: os.write(self.tasks, self.unsent)]
        except BlockingIOError:
            pass
        except BrokenPipeError:  # it is gone, which its answers tell
            self.unsent.clear()

    def ask_to_end(self) -> None:
        """It ends when it has nothing to do, or now, where it works on something."""
        os.close(self.tasks)
        if self.given:
            os.kill(self.process, signal.SIGTERM)

    def end(self) -> int:
        """Wait for it, though not for ever; how it ended, as subprocess gives it."""
        if not select.select([self.answers], [], [], PATIENCE_SECONDS)[0] or _drained(self.answers):
            os.kill(self.process, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
        os.close(self.answers)
        return code


class Forked:
    """Workers for the tasks of one call after the other: forked when there is something to do, ended by `close`."""

    def __init__(self, count: int):
        self.count, self.parent = count, os.getpid()
        self.workers: list[Worker] = []

    def begin(self, function: Callable[[Any], Any], tasks: Sequence[Any]) -> None:
        """Take up a call. Workers that it cannot be sent to are ended, and others will be forked."""
        self.died: dict[int, int] = {}  # number of a task -> how many workers died on it
        self.call = Call(function, tasks)
        if self.workers:
            try:
                self.call = Call.to_send(function, tasks)
            except Exception:
                self.close()

    @property
    def flying(self) -> list[int]:
        """The numbers of the tasks that workers have."""
        return [number for worker in self.workers for number in worker.given]

    def give(self, number: int) -> None:
        """Hand a task to the worker with the least to do, a new one while there are fewer than may be."""
        free = min(self.workers, key=lambda worker: len(worker.given), default=None)
        if free is None or (free.given and len(self.workers) < self.count):
            free = self._fork()
        free.give(self.call, number)

    def answered(self, seconds: float) -> tuple[list[Any], list[int]]:
        """Results that came within `seconds`, and tasks to be given again, whose workers died. Raises what a task raised, and
        WorkerError for a task that every worker dies on."""
        full = [worker for worker in self.workers if worker.unsent]
        ready, room, _ = select.select([worker.answers for worker in self.workers], [worker.tasks for worker in full], [], seconds)
        for worker in full:
            if worker.tasks in room:
                worker.send()
        results, again = [], []
        for worker in [worker for worker in self.workers if worker.answers in ready]:
            answer = read_message(worker.answers)
            if answer is None:
                again += self._buried(worker)
                continue
            worker.given.pop(0)
            kind, value = pickle.loads(answer)
            if kind == "raised":
                raise value
            results.append(value)
        return results, again

    def _buried(self, worker: Worker) -> list[int]:
        """The tasks of a worker that died."""
        self.workers.remove(worker)
        os.close(worker.tasks)
        code = worker.end()
        if worker.given:
            first = worker.given[0]
            self.died[first] = self.died.get(first, 0) + 1
            if self.died[first] >= TRIES:
                how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
                raise WorkerError(f"a worker died {TRIES} times on the same shard ({how}); what is finished is saved")
        return worker.given

    def _fork(self) -> Worker:
        (their_tasks, tasks), (answers, their_answers) = os.pipe(), os.pipe()
        sys.stdout.flush(), sys.stderr.flush()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _HEEDED)
        parent, process = os.getpid(), os.fork()
        if not process:
            others = [tasks, answers, *(pipe for worker in self.workers for pipe in (worker.tasks, worker.answers))]
            self._work(parent, their_tasks, their_answers, others, before)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(their_tasks), os.close(their_answers)
        os.set_blocking(tasks, False)
        self.workers.append(Worker(process, tasks, answers, self.call))
        return self.workers[-1]

    def _work(self, parent: int, tasks: int, answers: int, others: list[int], heeded: Any) -> NoReturn:
        """What a worker does until nobody gives it more. `others`: pipes of others; `heeded`: the mask of signals."""
        code = 1
        gc.freeze()  # what is here now is not looked at again, so that its pages stay shared
        try:
            end_with_parent()
            _own_signals(heeded)
            for pipe in others:
                os.close(pipe)
            if os.getppid() == parent:
                leave_to_parent()
                become_expendable()
                _one_processor()
                work_off(self.call, tasks, answers)
                code = 0
        except (BrokenPipeError, KeyboardInterrupt):
            pass  # the parent has gone, or says so
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(code)

    def close(self) -> None:
        """End all workers; those that work on something at once."""
        for worker in self.workers:
            worker.ask_to_end()
        for worker in self.workers:
            worker.end()
        self.workers.clear()


def _own_signals(mask: Any) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # which leaves nothing half done
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's goes to all; the parent says what is to be done
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _one_processor() -> None:
    """Arrow's own threads would take processors from the other workers."""
    import pyarrow

    pyarrow.set_cpu_count(1)


def _drained(pipe: int) -> bool:
    """Read what still comes, for a moment: does the pipe stay open?"""
    until = time.monotonic() + PATIENCE_SECONDS
    while (left := until - time.monotonic()) > 0 and select.select([pipe], [], [], left)[0]:
        if not os.read(pipe, 1 << 16):
            return False
    return True


_kept: list[Forked] = []  # workers that have nothing to do: those of this process, and one kind of them


def _workers(count: int, keep: bool) -> Forked:
    """So many workers: those that were kept, where they may be kept again."""
    if keep and _kept and (_kept[0].count, _kept[0].parent) == (count, os.getpid()):
        return _kept.pop()
    end_workers()
    return Forked(count)


def end_workers() -> None:
    """End those that were kept."""
    while _kept:
        forked = _kept.pop()
        if forked.parent == os.getpid():
            forked.close()


def map_forked(function: Callable[[Any], Any], tasks: Sequence[Any], count: int, most_bytes: int | None, watch: Any) -> Iterator[Any]:
    """Results of function(task), as they finish; `watch`: an executor.Watch. Tasks are handed out in their order, one more to
    each worker than it works on while many wait, and not more than `most_bytes` of input together."""
    sizes, waiting = [watch.size(task) for task in tasks], list(range(len(tasks)))[::-1]
    forked, idle = _workers(count, watch.keep), False
    told: set[int] = set()
    meanwhile = watch.meanwhile

    def has_room() -> bool:
        flying = forked.flying
        fits = most_bytes is None or sum(sizes[number] for number in flying) + sizes[waiting[-1]] <= most_bytes
        return not flying or (fits and len(flying) < (2 * count if len(waiting) > count else count))

    try:
        forked.begin(function, tasks)
        while forked.flying or (waiting and not watch.stopping()):
            while waiting and not watch.stopping() and has_room():
                number = waiting.pop()
                if number not in told:
                    told.add(number)
                    watch.begin(tasks[number])
                forked.give(number)
            if meanwhile is not None:
                meanwhile()
                meanwhile = None
            results, again = forked.answered(TICK_SECONDS)
            waiting += again[::-1]
            watch.tick()
            yield from results
        idle = True
    finally:
        if idle and watch.keep:
            end_workers()  # of a call within this one
            _kept.append(forked)
        else:
            forked.close()
