"""Map a function over tasks: in this process, or on Ray. The only file that knows Ray.

Tasks are handed out in the order given (the caller puts the largest first), at most two per worker in flight, and
results come back as they finish. Nothing the tasks write depends on who ran them or when.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

Workers = Literal["auto", "inline"] | int


class WorkerError(RuntimeError):
    """A worker process died or could not be started."""


def worker_count(workers: Workers) -> int:
    """How many worker processes: 0 means inline."""
    if workers == "inline":
        return 0
    if workers == "auto":
        count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return count if count > 1 else 0
    return int(workers)


def map_tasks(function: Callable[[Any], Any], tasks: Sequence[Any], workers: Workers) -> Iterator[Any]:
    """Results of function(task), as they finish. Few tasks do not start Ray: one is run here."""
    count = worker_count(workers)
    if count == 0 or (workers == "auto" and len(tasks) < 2):
        yield from map(function, tasks)
    else:
        yield from _map_on_ray(function, tasks, count)


def _map_on_ray(function: Callable[[Any], Any], tasks: Sequence[Any], count: int) -> Iterator[Any]:
    ray = _started_ray(count)
    remote = ray.remote(max_retries=2, num_cpus=1)(function)
    waiting, running = list(reversed(tasks)), []
    try:
        while waiting or running:
            while waiting and len(running) < 2 * count:
                running.append(remote.remote(waiting.pop()))
            finished, running = ray.wait(running, num_returns=1)
            yield ray.get(finished[0])
    except ray.exceptions.RayTaskError as error:
        raise error.cause if isinstance(error.cause, Exception) else error from None
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
        raise WorkerError(f"a worker died three times on the same shard: {error}") from error
    finally:
        for task in running:
            ray.cancel(task, force=True)


def _started_ray(count: int) -> Any:
    """Ray, started on this machine with `count` CPUs unless it runs already (or RAY_ADDRESS names a cluster)."""
    os.environ.setdefault("RAY_DEDUP_LOGS", "1")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if not ray.is_initialized():
        address = os.environ.get("RAY_ADDRESS")
        options: dict[str, Any] = {"address": address} if address else {"num_cpus": count, "include_dashboard": False}
        if not address:
            options |= {"_node_ip_address": "127.0.0.1", "object_store_memory": 200 * 1024 * 1024}
        ray.init(logging_level="ERROR", log_to_driver=False, configure_logging=True, **options)
    return ray


def stop_workers() -> None:
    """Stop a Ray that this process started."""
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        ray.shutdown()
