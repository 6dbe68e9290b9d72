"""Start Ray on this machine, or join a cluster; say what may be wrong where that takes too long.

A Ray of our own listens on 127.0.0.1 alone, without a dashboard. On a cluster the head node decides what is listened on.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.sizes import parse_size
from rules.places import SettingError

STALL_SECONDS = 25.0  # after which a start-up is said to stall
OBJECT_STORE_BYTES = 200 << 20  # paths and counts go through it, no documents
WORKER_IMPORTS = "curation.worker"  # what a worker of our own Ray imports while it waits for its first task
LOCAL = "local"  # an address: a Ray of our own
_LEAST_FREE = 1 << 30
LEAST_SIZE = 1 << 20  # less is a number without its unit
_UNUSED = ("start_monitor", "start_log_monitor", "start_api_server")  # scale clusters, print workers' logs, answer HTTP
_CLUSTERS = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"  # whatever the system, in spite of its name


class WorkerError(ValueError):
    """A worker process died or could not be started: why, as far as can be told, and what to do."""


@dataclass(frozen=True)
class RaySettings:
    """Where the workers are and what each task is given.

    `address`: `auto` or HOST:PORT of a cluster that runs, or `local` for a Ray of our own on this machine (else RAY_ADDRESS; else
    no Ray: workers are processes of this machine).
    `cpus_per_task` and `memory_per_task`, such as 2GB, are what Ray sets aside for each shard that is worked on.
    `in_flight`: the most input, such as 4GB, in shards that are handed out (none: two shards a worker, whatever their size).
    """

    address: str | None = None
    cpus_per_task: float = 1.0
    memory_per_task: str | int | None = None
    in_flight: str | int | None = None

    def __post_init__(self) -> None:
        if self.cpus_per_task <= 0:
            raise SettingError("cpus_per_task", f"cpus_per_task must be more than 0, got {self.cpus_per_task}")
        for name in ("memory_per_task", "in_flight"):
            if getattr(self, name) is not None:
                parse_size(getattr(self, name), name, LEAST_SIZE)

    @property
    def task_bytes(self) -> int | None:
        """`memory_per_task` in bytes."""
        return None if self.memory_per_task is None else parse_size(self.memory_per_task)

    @property
    def in_flight_bytes(self) -> int | None:
        """`in_flight` in bytes."""
        return None if self.in_flight is None else parse_size(self.in_flight)

    def wanted(self) -> str | None:
        """Where Ray is, if workers are to be Ray's."""
        return self.address or os.environ.get("RAY_ADDRESS") or None

    def cluster(self) -> str | None:
        """The address of the cluster to join; None for a Ray of our own."""
        return None if self.wanted() == LOCAL else self.wanted()


def started_ray(count: int, settings: RaySettings) -> tuple[Any, int]:
    """The module ray, connected, and the number of workers: `count`, or what the cluster has room for where that is 0.

    Raises WorkerError with what may be wrong where Ray cannot be started or a task could never be placed."""
    os.environ.setdefault("RAY_DEDUP_LOGS", "1")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = settings.cluster()
    if address and _answer(address) not in ("", None):
        raise WorkerError("\n".join(["there is no Ray cluster to join", *diagnosis(address)]))
    if address and _has_token():
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # Ray itself looks for the token too late when it joins by address
    if not address:
        _keep_to_this_machine()
    import ray

    if not ray.is_initialized():
        with told_when_it_stalls(address), _own_handlers():
            try:
                if not address:
                    _leave_out(ray, *_UNUSED)
                ray.init(logging_level="ERROR", log_to_driver=False, configure_logging=True, **_options(address, count, settings))
            except Exception as error:  # Ray has no class of its own for this
                raise WorkerError(f"Ray cannot be started: {error}\n" + "\n".join(diagnosis(address))) from error
    room = _room(ray.cluster_resources(), settings)
    return ray, min(count, room) if count else room


def _keep_to_this_machine() -> None:
    """Let a Ray of our own listen on 127.0.0.1 alone: told that, it takes the machine's address all the same, unless it is
    to start no cluster. It looks at the environment when it is imported."""
    os.environ[_CLUSTERS] = "0"
    constants = sys.modules.get("ray._private.ray_constants")
    if constants is not None:
        constants.ENABLE_RAY_CLUSTER = False


def _leave_out(ray: Any, *starters: str) -> None:
    """Let a Ray of our own start without processes that only clusters and dashboards use: 2 s of a processor, 0.16 GB. Where
    this version of Ray starts them some other way, they are started."""
    node = getattr(getattr(ray._private, "node", None), "Node", None)
    for name in starters:
        if hasattr(node, name):
            setattr(node, name, lambda *_, **__: None)


@contextmanager
def _own_handlers() -> Iterator[None]:
    """Ray takes the handlers of signals; they ask for a stop, as they did before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _has_token() -> bool:
    """Is there a token that a cluster may want (Ray's own places for it)?"""
    named = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    return named or (Path.home() / ".ray" / "auth_token").is_file()


def _options(address: str | None, count: int, settings: RaySettings) -> dict[str, Any]:
    if address:
        return {"address": address}
    cpus = max(1, round(count * settings.cpus_per_task))
    # "local": never a cluster that happens to run here, or that ran here and left its address behind
    # without spilling: the object store has its fixed size in memory, and nothing of it ever goes to disk
    system = {"automatic_object_spilling_enabled": False, "preload_python_modules": [WORKER_IMPORTS]}
    return {
        "address": "local", "num_cpus": cpus, "include_dashboard": False, "_node_ip_address": "127.0.0.1",
        "object_store_memory": OBJECT_STORE_BYTES, "_system_config": system,
    }  # fmt: skip


def _room(resources: dict[str, float], settings: RaySettings) -> int:
    """How many tasks the cluster can run at once."""
    room = resources.get("CPU", 0.0) / settings.cpus_per_task
    if settings.task_bytes is not None:
        room = min(room, resources.get("memory", 0.0) / settings.task_bytes)
    if room < 1:
        have = f"{resources.get('CPU', 0):g} CPUs and {resources.get('memory', 0) / 2**20:,.0f} MB"
        raise WorkerError(f"no task fits the cluster, which has {have}: lower ray.cpus_per_task or ray.memory_per_task, or add nodes")
    return int(room)


@contextmanager
def told_when_it_stalls(address: str | None, seconds: float | None = None) -> Iterator[None]:
    """Print the diagnosis to stderr if the body takes longer than `seconds`."""
    limit = STALL_SECONDS if seconds is None else seconds

    def tell() -> None:
        print("\n".join([f"Ray has not started after {limit:g} s; still waiting", *diagnosis(address)]), file=sys.stderr, flush=True)

    timer = threading.Timer(limit, tell)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def diagnosis(address: str | None) -> list[str]:
    """What may be wrong, and what to do about it: one line each."""
    lines = list(_cluster_lines(address) if address else _machine_lines())
    logs = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray/session_latest/logs"
    return [*lines, f"  Ray's own logs are in {logs}", "  without Ray: gristmill run JOB --workers inline"]


def _cluster_lines(address: str) -> Iterator[str]:
    yield f"  the job wants the cluster at {address} (ray.address of the job, or RAY_ADDRESS)"
    answer = _answer(address)
    if answer:
        yield f"  {address} does not answer ({answer}): start it with `ray start --head`, or correct the address"
    elif answer is not None:
        yield f"  {address} takes connections; whether it is a Ray of this version that knows this token (~/.ray/auth_token), `ray status --address {address}` tells"


def _answer(address: str) -> str | None:
    """Why HOST:PORT takes no connection, empty where it takes one; None for an address that is not of that form."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return None
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _machine_lines() -> Iterator[str]:
    shared = Path("/dev/shm")
    if shared.is_dir() and shutil.disk_usage(shared).free < 2 * OBJECT_STORE_BYTES:
        yield f"  /dev/shm has {shutil.disk_usage(shared).free >> 20} MB free; Ray wants {2 * OBJECT_STORE_BYTES >> 20} (docker: --shm-size=1g)"
    temporary = Path(os.environ.get("RAY_TMPDIR", "/tmp"))
    if temporary.is_dir() and shutil.disk_usage(temporary).free < _LEAST_FREE:
        yield f"  {temporary} has {shutil.disk_usage(temporary).free >> 20} MB free; make room, or set RAY_TMPDIR"
    if 0 <= available_memory() < _LEAST_FREE:
        yield f"  {available_memory() >> 20} MB of memory are free; end something, or use fewer workers"
    others = ray_processes()
    if others:
        yield f"  {others} Ray processes of other runs are alive; if they should not be: ray stop --force"


def available_memory() -> int:
    """Bytes of memory that could be used now; -1 where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return -1
    found = [int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")]
    return found[0] if found else -1


def ray_processes() -> int:
    """Raylets and GCS servers that run on this machine."""
    found = 0
    for name in Path("/proc").glob("[0-9]*/comm"):
        try:
            found += name.read_text().strip() in ("raylet", "gcs_server")
        except OSError:
            continue  # it has ended
    return found
