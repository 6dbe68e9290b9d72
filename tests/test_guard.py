"""Calls with care: what breaks a call is told, what is left goes on, and the same text comes whoever called."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.attempts import attempt_path, attempted, was_working
from curation.batches import Skipped, Unreadable
from curation.guard import Broken, CarefulGuard, Guard, NeedsCare, plain_dump
from curation.limits import Limits, limited_memory
from curation.outcome import Outcome
from curation.passes import _survivors
from curation.ray_start import WorkerError
from rules.places import SettingError


def act(what: str) -> str:
    """In the child: do what a record does."""
    if what == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "exit":
        os._exit(7)
    if what == "hang":
        while True:
            pass
    if what == "memory":
        hoard = [bytearray(16 << 20) for _ in range(1000)]
        return str(len(hoard))
    if what == "raise":
        raise ValueError("poison")
    if what == "skip":
        raise Skipped("no page")
    if what == "unreadable":
        raise Unreadable("html", "no end")
    if what == "system":
        raise OSError(5, "Input/output error")
    return what + str(len(os.environ.get("WARM", "")))


def warm() -> None:
    os.environ["WARM"] = "yes"


@pytest.fixture(scope="module")
def careful():
    guard = CarefulGuard(Limits(seconds_per_record=0.5, memory_per_record="200MiB"), warm)
    yield guard
    guard.close()


@pytest.mark.parametrize(
    ("what", "kind", "text"),
    [
        ("crash", "crashed", "ended with SIGSEGV\n.*in act"), ("exit", "crashed", "exit code 7"),
        ("hang", "timeout", "more than 0.5 s .limits.seconds_per_record.\n.*in act"), ("memory", "memory", "limits.memory_per_record"),
        ("raise", "failed", "in act\n.*\nValueError: poison"),
    ],
)  # fmt: skip
def test_what_breaks_a_call_is_told_and_the_next_call_works(careful, what, kind, text):
    with pytest.raises(Broken, match=f"(?s){text}") as caught:
        careful.call(act, what, size=0)
    assert caught.value.kind == kind and "0x00" not in str(caught.value)
    assert careful.call(act, "fine", size=0) == "fine3", "every child is warm from the start"


def test_what_a_record_says_of_itself_arrives_as_it_is(careful):
    with pytest.raises(Skipped, match="no page"):
        careful.call(act, "skip", size=0)
    with pytest.raises(Unreadable, match="no end") as caught:
        careful.call(act, "unreadable", size=0)
    assert caught.value.cause == "html"
    with pytest.raises(OSError, match="Input/output"):
        careful.call(act, "system", size=0)


def test_here_and_in_the_child_an_error_has_the_same_text(careful):
    texts = []
    for guard in (Guard(), careful):
        with pytest.raises(Broken) as caught:
            guard.call(act, "raise", size=0)
        texts.append(str(caught.value))
    assert texts[0] == texts[1]
    with pytest.raises(NeedsCare):
        Guard().call(partial(_no_memory), size=0)


def _no_memory() -> None:
    raise MemoryError


def test_the_child_goes_with_who_asked(careful):
    careful.call(act, "fine", size=0)
    worker, parent = careful.child.worker, careful.child.process.pid
    careful.close()
    until = time.monotonic() + 60
    while Path(f"/proc/{worker}").exists() or Path(f"/proc/{parent}").exists():
        assert time.monotonic() < until, "it is still there"
        time.sleep(0.05)


class Failing(Guard):
    """Fails on batches that hold one of the numbers, as a kernel that dies would."""

    def __init__(self, poison: set[int], together: int):
        super().__init__()
        self.poison, self.together = poison, together

    def call(self, function, documents, *, size, records=1):
        rows = documents["id"].to_pylist()
        if self.poison & set(rows) or len(rows) > self.together:
            raise Broken("crashed", "dead")
        return function(documents)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 40), st.sets(st.integers(0, 39)), st.sampled_from([3, 100]))
def test_halving_finds_the_poison_and_nothing_else(count, poison, together):
    table = pa.table({"id": range(count), "text": pa.array([str(n) for n in range(count)], pa.large_string())})
    guard = Failing(poison, together)
    pieces = _survivors(Outcome, table, guard)
    lost = [piece["id"][0].as_py() for piece, outcome in pieces if isinstance(outcome, Broken)]
    kept = [n for _, outcome in pieces if isinstance(outcome, Outcome) for n in outcome.kept["id"].to_pylist()]
    there = poison & set(range(count))
    assert sorted(lost) == sorted(there) and kept == [n for n in range(count) if n not in there]
    assert guard.condemned == bool(there)
    if together == 100:
        assert sum(isinstance(outcome, Outcome) for _, outcome in pieces) <= 1, "what is left is processed together"


def test_limits_are_checked_and_memory_is_limited():
    for name in ("seconds_per_record", "memory_per_record"):
        with pytest.raises(SettingError, match=name):
            Limits(**{name: 0})
    with limited_memory(64), pytest.raises(MemoryError):
        bytearray(200 << 20)
    assert len(bytearray(200 << 20)) == 200 << 20


# --- attempts -------------------------------------------------------------------------------------------------


def died(output: Path, run_id: str, words: str = "") -> bool:
    """An attempt that ends without a word, or with the system's; was it careful?"""
    context = attempted(output, "pass0/00001", "key", run_id)
    attempt = context.__enter__()
    attempt.note.write(words)
    attempt.note.flush()
    held = attempt_path(output, "pass0/00001").read_bytes()
    context.__exit__(None, None, None)
    attempt_path(output, "pass0/00001").write_bytes(held)
    return attempt.careful


def test_a_second_attempt_of_one_run_takes_care_and_a_fourth_is_not_made(tmp_path):
    assert [died(tmp_path, "a"), died(tmp_path, "a"), died(tmp_path, "a", "Fatal Python error\n")] == [False, True, True]
    assert was_working(tmp_path, os.getpid()) and not was_working(tmp_path, 1)
    with pytest.raises(WorkerError, match="(?s)pass0/00001: .* died 3 times; .*Its last words:\nFatal Python error"):
        died(tmp_path, "a")
    assert not died(tmp_path, "b"), "it begins anew"


def test_a_run_that_was_killed_is_no_reason_for_care_until_it_happens_again(tmp_path):
    assert [died(tmp_path, run) for run in "abc"] == [False, False, True]
    attempt_path(tmp_path, "pass0/00001").unlink()
    died(tmp_path, "d", "Timeout (0:01:00)!\n")
    assert died(tmp_path, "e"), "the system said where it hung"
    with attempted(tmp_path, "pass0/00001", "another key", "f") as attempt:
        assert not attempt.careful, "other documents"
    assert not attempt_path(tmp_path, "pass0/00001").exists()


def test_a_dump_has_nothing_that_differs_between_processes():
    dump = 'Fatal Python error: Segmentation fault\n\nCurrent thread 0x00007f12 (most recent call first):\n  File "a.py", line 3 in f\n  File "guarded_child.py", line 9 in answer\n'
    assert plain_dump(dump) == '  File "a.py", line 3 in f'
    assert plain_dump("terminate called after throwing an instance of 'std::bad_alloc'\n") == "terminate called after throwing an instance of 'std::bad_alloc'"
