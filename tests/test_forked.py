"""Forked workers: they die and are replaced, they end with their parent's wish, and they hold nothing of the parent's."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from faults.runs import parent_of

from curation.executor import Watch, map_tasks, stop_workers
from curation.forked import can_fork
from curation.ray_start import WorkerError
from curation.run_lock import locked

pytestmark = pytest.mark.skipif(not can_fork(), reason="workers are forked on Linux only")


@pytest.fixture(autouse=True)
def no_ray(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def die_the_first_time(mark: Path) -> str:
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return mark.name


def die(_: int) -> None:
    os._exit(7)


class Awkward(Exception):
    """An error that pickle cannot make again."""

    def __init__(self, one: str, two: str):
        super().__init__(one)


def fail_awkwardly(_: int) -> None:
    raise Awkward("what went wrong", "and where")


def write_and_wait(mark: Path) -> None:
    try:
        mark.write_text(str(os.getpid()))
        if mark.name != "quick":
            time.sleep(600)
    except BaseException:
        mark.with_suffix(".left").touch()
        raise


def test_a_worker_that_dies_is_replaced_and_its_tasks_are_done(tmp_path):
    marks = [tmp_path / str(number) for number in range(6)]
    assert sorted(map_tasks(die_the_first_time, marks, 2)) == sorted(mark.name for mark in marks)


def test_a_task_that_every_worker_dies_on_is_told():
    with pytest.raises(WorkerError, match=r"a worker died 3 times on the same shard \(exit code 7\)"):
        list(map_tasks(die, [1, 2], 2))


def test_an_error_that_cannot_be_sent_arrives_as_its_traceback():
    with pytest.raises(WorkerError, match="Awkward: what went wrong"):
        list(map_tasks(fail_awkwardly, [1, 2], 2))


def test_who_no_longer_asks_leaves_nobody_behind(tmp_path, monkeypatch):
    """What is under way is broken off, and cleans up after itself."""
    monkeypatch.setattr("curation.forked.PATIENCE_SECONDS", 60.0)  # it is not killed because the machine is slow
    results = map_tasks(write_and_wait, [tmp_path / name for name in ("quick", "slow")], 2)
    next(results)
    until = time.monotonic() + 60
    while not ((tmp_path / "slow").exists() and (tmp_path / "slow").read_text()):
        assert time.monotonic() < until, "it has not begun"
        time.sleep(0.01)
    results.close()
    assert (tmp_path / "slow.left").exists()
    with pytest.raises(ChildProcessError):
        os.waitpid(int((tmp_path / "slow").read_text()), 0)


def test_more_tasks_than_workers_are_in_flight_only_while_many_wait():
    begun, most = [], []
    results = map_tasks(abs, list(range(8)), 2, watch=Watch(begin=begun.append))
    for done, _ in enumerate(results):
        most.append(len(begun) - done)
    assert len(most) == 8 and max(most) <= 5


def test_bytes_in_flight_are_bounded_and_one_task_is_always_given():
    begun, most = [], []
    watch = Watch(begin=begun.append, size=lambda _: 10 << 20)
    from curation.ray_start import RaySettings

    for done, _ in enumerate(map_tasks(abs, list(range(5)), 2, RaySettings(in_flight="1MiB"), watch)):
        most.append(len(begun) - done)
    assert most == [1] * 5


def seen_lock(path: Path) -> list[str]:
    return [name for name in map(os.readlink, filter(os.path.islink, Path("/proc/self/fd").iterdir())) if name == str(path)]


def test_a_worker_does_not_hold_the_lock_of_the_run(tmp_path):
    with locked(tmp_path):
        assert list(map_tasks(seen_lock, [tmp_path / ".lock"] * 2, 2)) == [[], []]
    with locked(tmp_path):
        pass


KEPT = Watch(keep=True)


def children() -> set[int]:
    """Processes that this one has started and not waited for."""
    return {number for number in map(int, filter(str.isdecimal, os.listdir("/proc"))) if parent_of(number) == os.getpid()}


@pytest.fixture
def kept():
    """What map_tasks returns with workers that are kept; none are left afterwards, whatever earlier tests of this process left."""
    before = children()
    yield lambda function, tasks, count=2: list(map_tasks(function, tasks, count, watch=KEPT))
    stop_workers()
    assert children() <= before


def own_number(_: object) -> int:
    time.sleep(0.05)  # so that both have something to do
    return os.getpid()


def test_workers_are_kept_for_another_call_with_other_tasks(kept):
    first = set(kept(own_number, [Path("a")] * 6))
    assert sorted(kept(abs, [-3, 2, -1])) == [1, 2, 3]
    assert set(kept(own_number, range(6))) == first and len(first) == 2 and os.getpid() not in first
    assert not set(map_tasks(own_number, range(4), 2)) & first, "who asks for none to be kept gets others"


@dataclass(frozen=True)
class Large:
    """A task of more than a pipe holds, with a part that all tasks share."""

    shared: bytes
    own: bytes


def parts(task: Large) -> tuple[bytes, bytes]:
    return task.shared, task.own


def test_tasks_and_answers_of_more_than_a_pipe_holds_pass_each_other(kept):
    kept(own_number, range(4))
    shared = b"shared" * 50_000
    tasks = [Large(shared, bytes([number]) * 300_000) for number in range(8)]
    assert sorted(kept(parts, tasks), key=lambda found: found[1]) == [(shared, task.own) for task in tasks]


def test_a_call_that_cannot_be_sent_goes_to_workers_forked_for_it(kept):
    first = set(kept(own_number, range(4)))
    assert kept(lambda number: number + 1, [1, 2]) in ([2, 3], [3, 2])
    assert not set(kept(own_number, range(4))) & first


def test_a_kept_worker_that_was_killed_is_replaced(kept):
    first = set(kept(own_number, range(4)))
    for process in first:
        os.kill(process, signal.SIGKILL)
    assert not set(kept(own_number, range(4))) & first


def test_after_an_error_nobody_is_kept(kept):
    first = set(kept(own_number, range(4)))
    with pytest.raises(WorkerError, match="Awkward"):
        kept(fail_awkwardly, [1, 2])
    assert not set(kept(own_number, range(4))) & first


def test_a_call_within_a_call_leaves_the_workers_of_the_outer_one(kept):
    outer = map_tasks(own_number, range(9), 3, watch=KEPT)
    first = next(outer)
    inner = set(kept(own_number, range(6)))
    of_outer = {first, *outer}
    assert len(inner) == 2 and len(of_outer) == 3 and not inner & of_outer
    assert set(kept(own_number, range(9), 3)) == of_outer
    assert len(set(kept(own_number, range(9)))) == 2


def test_workers_are_kept_where_the_size_of_a_task_cannot_be_told(kept):
    first = set(kept(own_number, range(6)))
    with pytest.raises(FileNotFoundError):
        list(map_tasks(own_number, [Path("gone")], 2, watch=Watch(keep=True, size=lambda path: path.stat().st_size)))
    assert set(kept(own_number, range(6))) == first
