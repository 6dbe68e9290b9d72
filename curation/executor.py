"""Map a function over tasks: in this process, or on Ray.

Tasks are handed out in the order given (the caller puts the largest first), at most two per worker in flight, and
results come back as they finish. Nothing the tasks write depends on who ran them or when. Ray holds paths and counts,
never documents: what tasks hand on lies in files, so that its object store cannot grow.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from curation.ray_start import RaySettings, WorkerError, started_ray

TICK_SECONDS = 1.0

Workers = Literal["auto", "inline"] | int


def _nothing(*_: Any) -> None:
    return None


@dataclass(frozen=True)
class Watch:
    """Who is told that a task was handed out, and that about a second went by while tasks run."""

    begin: Callable[[Any], None] = _nothing
    tick: Callable[[], None] = _nothing


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
    """Results of function(task), as they finish. Few tasks do not start Ray: one is run here."""
    ray, watch, count = ray or RaySettings(), watch or Watch(), worker_count(workers)
    elsewhere = ray.cluster() is not None and workers != "inline"
    if not elsewhere and (count == 0 or (workers == "auto" and len(tasks) < 2)):
        for task in tasks:
            watch.begin(task)
            yield function(task)
    elif tasks:
        yield from _map_on_ray(function, tasks, 0 if elsewhere and workers == "auto" else count, ray, watch)


def _map_on_ray(function: Callable[[Any], Any], tasks: Sequence[Any], count: int, settings: RaySettings, watch: Watch) -> Iterator[Any]:
    """`count` 0: as many as the cluster has room for."""
    ray, count = started_ray(count, settings)
    options: dict[str, Any] = {"max_retries": 2, "num_cpus": settings.cpus_per_task}
    if settings.memory_per_task_mb is not None:
        options["memory"] = settings.memory_per_task_mb << 20
    remote = ray.remote(**options)(function)
    waiting, running = list(reversed(tasks)), []
    try:
        while waiting or running:
            while waiting and len(running) < 2 * count:
                task = waiting.pop()
                watch.begin(task)
                running.append(remote.remote(task))
            finished, running = ray.wait(running, num_returns=1, timeout=TICK_SECONDS)
            watch.tick()
            for result in finished:
                yield ray.get(result)
    except ray.exceptions.RayTaskError as error:
        raise error.cause if isinstance(error.cause, Exception) else error from None
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
        raise WorkerError(f"a worker died three times on the same shard: {error}") from error
    finally:
        for task in running:
            ray.cancel(task, force=True)


def stop_workers() -> None:
    """Stop a Ray that this process started."""
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        ray.shutdown()
