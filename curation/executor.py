"""Map a function over tasks: in this process, in processes forked from it, or on Ray.

Tasks are handed out in the order given (the caller puts the largest first), at most two per worker and so many bytes in
flight, and results come back as they finish. Nothing the tasks write depends on who ran them or when. Ray holds paths and
counts, never documents: what tasks hand on lies in files, so that its object store cannot grow; what all tasks of a call
share lies there once. Where a stop is asked for, nothing more is handed out, and what is in flight is finished.
"""

from __future__ import annotations

import functools
import os
import pickle
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from curation.common_parts import Common, common_of
from curation.forked import TICK_SECONDS, TRIES, can_fork, end_workers, map_forked
from curation.ray_start import RaySettings, WorkerError, started_ray
from curation.supervision import become_expendable

PATIENCE_SECONDS = 5.0  # with workers that are not ready when another one is

Workers = Literal["auto", "inline"] | int


def _nothing(*_: Any) -> None:
    return None


@dataclass(frozen=True)
class Watch:
    """Who is told that a task was handed out, that about a second went by while tasks run, and how many workers are ready; and
    who is asked how many bytes a task reads, and whether to stop. `prepare` is called in each worker of Ray before its first
    task, `meanwhile` once here when forked workers have theirs. `keep`: forked workers stay for the next call that says
    so, until stop_workers."""

    begin: Callable[[Any], None] = _nothing
    tick: Callable[[], None] = _nothing
    size: Callable[[Any], int] = lambda _: 0
    stopping: Callable[[], bool] = lambda: False
    prepare: Callable[[], None] | None = None
    ready: Callable[[int], None] = _nothing
    meanwhile: Callable[[], None] | None = None
    keep: bool = False


def worker_count(workers: Workers) -> int:
    """How many worker processes: 0 means inline."""
    if workers == "inline":
        return 0
    if workers == "auto":
        count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return count if count > 1 else 0
    return int(workers)


def map_tasks(
    function: Callable[[Any], Any], tasks: Sequence[Any], workers: Workers, ray: RaySettings | None = None, watch: Watch | None = None
) -> Iterator[Any]:
    """Results of function(task), as they finish. Where there is one task, and nobody said how many workers, it is run here."""
    ray, watch = ray or RaySettings(), watch or Watch()
    if not in_workers(len(tasks), workers, ray):
        for task in tasks:
            if watch.stopping():
                return
            watch.begin(task)
            yield function(task)
    elif tasks and on_ray(len(tasks), workers, ray):
        yield from _map_on_ray(function, tasks, _asked_of_ray(workers, ray), ray, watch)
    elif tasks:
        yield from map_forked(function, tasks, worker_count(workers), ray.in_flight_bytes, watch)


def in_workers(tasks: int, workers: Workers, ray: RaySettings) -> bool:
    """Would so many tasks be run in other processes?"""
    if ray.cluster() is not None and workers != "inline":
        return True
    return worker_count(workers) > 0 and not (workers == "auto" and tasks < 2)


def on_ray(tasks: int, workers: Workers, ray: RaySettings) -> bool:
    """Would so many tasks be run on Ray?"""
    return in_workers(tasks, workers, ray) and (ray.wanted() is not None or not can_fork())


def _asked_of_ray(workers: Workers, ray: RaySettings) -> int:
    """How many workers; 0: as many as the cluster has room for."""
    return 0 if ray.cluster() is not None and workers == "auto" else worker_count(workers)


def start_workers(workers: Workers, ray: RaySettings) -> None:
    """Start what tasks will run on, before they are known: workers import while the caller goes on."""
    started_ray(_asked_of_ray(workers, ray), ray)


def _map_on_ray(function: Callable[[Any], Any], tasks: Sequence[Any], count: int, settings: RaySettings, watch: Watch) -> Iterator[Any]:
    """`count` 0: as many as the cluster has room for."""
    ray, count = started_ray(count, settings)
    options: dict[str, Any] = {"max_retries": TRIES - 1, "num_cpus": settings.cpus_per_task}
    if settings.task_bytes is not None:
        options["memory"] = settings.task_bytes
    remote = ray.remote(**options)(_in_worker)
    common = common_of(tasks)
    shared = [ray.put(pickle.dumps(common))]  # in a list: a reference alone would be sent as what it refers to
    flight = Flight(count, settings.in_flight_bytes)
    waiting = list(reversed(tasks))
    try:
        if watch.prepare is not None:
            _prepare(ray, ray.remote(**options)(_prepared), count, watch)
        while flight.sizes or (waiting and not watch.stopping()):
            while waiting and not watch.stopping() and flight.has_room(watch.size(waiting[-1])):
                task = waiting.pop()
                watch.begin(task)
                flight.add(remote.remote(function, shared, common.less(task)), watch.size(task))
            finished = _finished(ray, list(flight.sizes))
            watch.tick()
            for result in finished:
                flight.remove(result)
                yield ray.get(result)
    except ray.exceptions.RayTaskError as error:
        raise error.cause if isinstance(error.cause, Exception) else error from None
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
        raise WorkerError(f"a worker died {TRIES} times on the same shard; what is finished is saved: {error}") from error
    except ray.exceptions.RayError as error:
        raise WorkerError(f"Ray failed; what is finished is saved, and the same command goes on ({error})") from error
    finally:
        for task in flight.sizes:
            ray.cancel(task, force=True)


def _finished(ray: Any, results: list[Any]) -> list[Any]:
    """Those that are there, after waiting a little for the first: all at once, since looking costs as much as there are in flight."""
    finished, rest = ray.wait(results, num_returns=1, timeout=TICK_SECONDS)
    return finished + ray.wait(rest, num_returns=len(rest), timeout=0)[0] if finished and rest else finished


def _prepare(ray: Any, prepared: Any, count: int, watch: Watch) -> None:
    """Have every worker load what tasks need; on a cluster, where others may be at work, those that come soon after the first.
    What goes wrong there goes wrong in a task too, and is told then."""
    calls, first = [prepared.remote(watch.prepare) for _ in range(count)], None
    while calls and not watch.stopping() and (first is None or time.monotonic() - first < PATIENCE_SECONDS):
        finished, calls = ray.wait(calls, num_returns=len(calls), timeout=TICK_SECONDS)
        first = time.monotonic() if finished and first is None else first
        watch.tick()
    watch.ready(count - len(calls))


def _prepared(prepare: Callable[[], None]) -> None:
    become_expendable()
    prepare()


def _in_worker(function: Callable[[Any], Any], shared: list[Any], rest: Any) -> Any:
    """What a worker does: Ray sees it end, and tries the task again."""
    become_expendable()
    return function(_common(shared[0]).whole(rest))


@functools.lru_cache(maxsize=1)
def _common(shared: Any) -> Common:
    """What the tasks have in common, read once by each worker: its tasks get the same objects."""
    import ray

    return pickle.loads(ray.get(shared))  # from our own driver


@dataclass
class Flight:
    """The tasks in flight, with the bytes that each reads: two a worker, while they are not more than `most_bytes`."""

    workers: int
    most_bytes: int | None = None
    sizes: dict[Any, int] = field(default_factory=dict)
    bytes: int = 0

    def add(self, result: Any, size: int) -> None:
        self.sizes[result] = size
        self.bytes += size

    def remove(self, result: Any) -> None:
        self.bytes -= self.sizes.pop(result)

    def has_room(self, size: int) -> bool:
        """May one more task of `size` bytes be handed out? One alone always may."""
        fits = self.most_bytes is None or self.bytes + size <= self.most_bytes
        return not self.sizes or (len(self.sizes) < 2 * self.workers and fits)


def stop_workers() -> None:
    """End forked workers that were kept, and stop a Ray that this process started."""
    end_workers()
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        ray.shutdown()
