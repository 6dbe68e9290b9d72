"""Tasks give the same results inline, in forked workers and on Ray, and an error in a task arrives as itself."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from curation.executor import Flight, Watch, map_tasks, stop_workers, worker_count
from curation.manifest import key_of
from curation.ray_start import RaySettings, WorkerError
from rules.places import Problems, load

RAY = RaySettings(address="local")
EVERYWHERE = pytest.mark.parametrize(("workers", "ray"), [("inline", None), (2, None), (2, RAY)], ids=["inline", "forked", "ray"])


@pytest.fixture(scope="module", autouse=True)
def stopped_afterwards():
    yield
    stop_workers()


def test_worker_count():
    assert worker_count("inline") == 0 and worker_count(3) == 3
    assert worker_count("auto") != 1


def test_inline_keeps_order():
    assert list(map_tasks(key_of, [1, 2, 3], "inline")) == [key_of(i) for i in (1, 2, 3)]


@EVERYWHERE
def test_workers_give_the_same_results(workers, ray):
    assert sorted(map_tasks(key_of, list(range(10)), workers, ray)) == sorted(key_of(i) for i in range(10))


def test_where_ray_is(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert (RaySettings().wanted(), RAY.wanted(), RAY.cluster(), RaySettings(address="auto").cluster()) == (None, "local", None, "auto")
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert RaySettings().cluster() == "10.0.0.1:6379" and RAY.cluster() is None


@EVERYWHERE
def test_an_error_in_a_task_arrives_as_itself(workers, ray):
    with pytest.raises(Problems, match="absent.yaml:1:1: R100 cannot read this file"):
        list(map_tasks(load, ["absent.yaml", "absent.yaml"], workers, ray))


def test_what_is_in_flight_is_bounded_by_number_and_bytes():
    flight = Flight(2)
    assert flight.has_room(10**12)
    for number in range(4):
        assert flight.has_room(10**12)
        flight.add(number, 10**12)
    assert not flight.has_room(1)
    flight = Flight(2, most_bytes=100)
    assert flight.has_room(1000), "one alone is always handed out"
    flight.add("a", 60)
    assert flight.has_room(40) and not flight.has_room(41)
    flight.add("b", 40)
    flight.remove("a")
    assert flight.bytes == 40 and flight.has_room(60) and not flight.has_room(61)


@EVERYWHERE
def test_a_stop_finishes_what_is_in_flight_and_hands_out_nothing_more(workers, ray):
    begun: list[int] = []
    results = list(map_tasks(key_of, list(range(20)), workers, ray, Watch(begin=begun.append, stopping=lambda: len(begun) >= 2)))
    assert sorted(results) == sorted(key_of(i) for i in begun) and len(begun) == 2


IMPORTED = "'curation.worker' in __import__('sys').modules"


def test_workers_import_and_prepare_before_their_first_task(tmp_path, monkeypatch):
    monkeypatch.setattr("curation.executor.PATIENCE_SECONDS", 300.0)  # both are waited for, however far apart they start
    told: list[object] = []
    watch = Watch(prepare=(tmp_path / "prepared").touch, ready=told.append, begin=told.append)
    assert list(map_tasks(eval, [IMPORTED] * 4, 2, RAY, watch)) == [True] * 4
    assert told == [2, *[IMPORTED] * 4] and (tmp_path / "prepared").exists()
    told.clear()
    assert list(map_tasks(eval, ["1"], "inline", watch=watch)) == [1] and told == ["1"], "inline nothing is prepared"


def listening(processes: set[int]) -> set[str]:
    """The addresses on which processes take connections, as /proc/net/tcp writes them."""
    sockets = set()
    for process in processes:
        with contextlib.suppress(OSError):
            sockets |= {os.readlink(handle)[8:-1] for handle in Path(f"/proc/{process}/fd").iterdir() if handle.is_symlink()}
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {line[1].split(":")[0] for line in lines if line[3] == "0A" and line[9] in sockets}


def children(process: int) -> set[int]:
    """A process and all that it has started."""
    found = {process}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == process:
                found |= children(int(stat.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's /proc")
def test_ray_listens_on_this_machine_alone_and_spills_nothing():
    import ray

    list(map_tasks(key_of, [1, 2], 2, RAY))
    assert {node["NodeManagerAddress"] for node in ray.nodes()} == {"127.0.0.1"}
    assert listening(children(os.getpid())) <= {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
    assert not ray._private.worker._global_node._ray_params._system_config["automatic_object_spilling_enabled"]


def test_a_task_that_never_fits_is_refused(monkeypatch):
    with pytest.raises(WorkerError, match="no task fits"):
        list(map_tasks(key_of, [1, 2], 2, RaySettings(address="local", memory_per_task="1000TB")))
