"""A run that is watched by a process that does nothing else: where a record kills the run, it goes on with care.

The command forks before it starts any thread. The child runs; the parent waits, hands on signals that were meant for the
run, and starts it again where it was killed in the middle of a unit of work. If the parent is killed, the child goes with it.
Price: one fork. Linux alone tells a child that its parent is gone; elsewhere a run is not watched.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

_SET_PARENT_DEATH_SIGNAL = 1  # prctl(2)
_RECORDS_CAN = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGXCPU, signal.SIGKILL}
_WATCHDOG_EXIT = 1
_state: dict[str, Any] = {"run": "", "expendable": False}


def run_id() -> str:
    """What names this run, and is the same after it was started again."""
    if not _state["run"]:
        _state["run"] = uuid.uuid4().hex[:12]
    return _state["run"]


def expendable() -> bool:
    """May this process be ended in the middle of its work, because somebody sees it and goes on?"""
    return _state["expendable"]


def become_expendable() -> None:
    """This process is a worker, or a run that is supervised."""
    _state["expendable"] = True


def end_with_parent() -> None:
    """Be killed when the parent is gone (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def can_supervise() -> bool:
    """Only a command that was started as one, from its beginning."""
    alone = threading.active_count() == 1 and threading.current_thread() is threading.main_thread()
    return sys.platform == "linux" and alone and sys.stdout is sys.__stdout__ and sys.stderr is sys.__stderr__


def supervised(run: Callable[[], None], output: Path, say: Callable[[str], None], how_to_go_on: str) -> None:
    """Call `run` in a child, again where it died in the middle of a unit, and end as it ended; or simply call it."""
    if not can_supervise():
        run()
        return
    name = run_id()
    while True:
        status, child = _child_of(run, name)
        ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        if ended is None and os.WEXITSTATUS(status) != _WATCHDOG_EXIT:
            _leave(os.WEXITSTATUS(status))
        from curation.attempts import was_working

        name_of_end = "taking too long" if ended is None else signal.Signals(ended).name
        if (ended is None or ended in _RECORDS_CAN) and was_working(output, child):
            say(f"the run was ended by {name_of_end} in the middle of a shard; going on with care")
        else:  # a bug, with its traceback; or who took Ray away took the process with it
            how = "ended early" if ended is None else f"was ended by {name_of_end}"
            say(f"the run {how}; what is finished is saved, continue with: {how_to_go_on}")
            _leave(_WATCHDOG_EXIT if ended is None else 128 + ended)


def _child_of(run: Callable[[], None], name: str) -> tuple[int, int]:
    """How a child that runs ended, and its process number."""
    sys.stdout.flush(), sys.stderr.flush()
    heeded = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, heeded)
    parent, child = os.getpid(), os.fork()
    if not child:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        _run_and_leave(run, name, parent)
    while True:
        got = signal.sigwaitinfo(heeded)
        if got.si_signo != signal.SIGCHLD and got.si_code <= 0:  # sent by somebody to us; a terminal's goes to both
            os.kill(child, got.si_signo)
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            return status, child


def _run_and_leave(run: Callable[[], None], name: str, parent: int) -> NoReturn:
    end_with_parent()
    if os.getppid() != parent:
        os._exit(1)  # it went before we asked
    _state.update(run=name, expendable=True)
    code: Any = 1
    try:
        run()
        code = 0
    except SystemExit as error:
        code = error.code
    except KeyboardInterrupt:
        code = 130
    except BaseException:
        import traceback

        traceback.print_exc()
    _leave(code if isinstance(code, int) else int(code is not None))


def _leave(code: int) -> NoReturn:
    """End at once: threads of libraries must not hold up, or change, how a run ends."""
    sys.stdout.flush(), sys.stderr.flush()
    os._exit(code)
