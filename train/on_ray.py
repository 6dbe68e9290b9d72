"""The same training on a Ray cluster: one worker per GPU by Ray Train, or on CPUs where there is none.

Workers run train.loop as under torchrun: Ray Train gives them ranks and a process group. What the first worker has to say
comes back through a queue, so the display and Ctrl-C are those of a run without Ray; a request to stop goes out through a
second queue. Data and output must lie where every node sees them. This module alone knows Ray, and imports it only when
called.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from train.config import TrainConfig, TrainError, resolve
from train.handoff import HandoffError, read_manifest
from train.run_folder import RAY, finished_summary

SECONDS_BETWEEN_QUESTIONS = 1.0
STOPPED, MISTAKE = "stopped", "mistake"


def train_on_ray(
    config: TrainConfig,
    listen: Callable[[dict[str, Any]], None],
    should_stop: Callable[[], bool],
    workers: int | None = None,
    address: str | None = None,
) -> dict[str, Any]:
    """Train `config` on `workers` workers (all GPUs of the cluster, or one CPU worker); returns the summary.

    `address` is a running cluster's, or None for this machine. Raises what train.loop raises.
    """
    listen_here_alone(address)
    ray, queue_class = _import_ray()
    start_ray(ray, address)
    try:
        gpus = _require_devices(ray.cluster_resources(), workers)
        events, requests = (queue_class(actor_options={"num_cpus": 0}) for _ in range(2))
        settings = {"config": config, "events": events, "requests": requests, "spins": os.environ.get("GOMP_SPINCOUNT")}
        running = ray.remote(num_cpus=0)(_fit).remote(settings, workers or max(gpus, 1), gpus > 0)
        stopped = _follow(ray, running, events, requests, listen, should_stop)
    finally:
        ray.shutdown()
    if stopped:
        raise _stop(stopped)
    return finished_summary(resolve(config, read_manifest(config.data))) or {}


def listen_here_alone(address: str | None) -> None:
    """Before Ray is imported: a Ray of our own listens on 127.0.0.1 alone, on any system."""
    if not address and not os.environ.get("RAY_ADDRESS"):
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"


def start_ray(ray: Any, address: str | None) -> None:
    """Join the cluster at `address`, or start one here; Ctrl-C goes on to ask for a stop as it did before."""
    settings = {} if address else {"include_dashboard": False}
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    ray.init(address=address, log_to_driver=False, logging_level="ERROR", **settings)
    for number, handler in handlers.items():  # Ray took them
        signal.signal(number, handler)


def _require_devices(resources: dict[str, float], workers: int | None) -> int:
    """The GPUs of the cluster. Raises TrainError for more workers than it has devices: Ray would wait for ever."""
    gpus, cpus = int(resources.get("GPU", 0)), int(resources.get("CPU", 0))
    if workers and workers > (gpus or cpus):
        kind = f"{gpus} GPUs" if gpus else f"no GPU and {cpus} CPUs"
        raise TrainError(f"--workers {workers}: the Ray cluster has {kind}. Ask for fewer workers.")
    return gpus


def _import_ray() -> tuple[Any, Any]:
    try:
        import ray
        import ray.train.torch
        from ray.util.queue import Queue
    except ImportError as error:
        raise TrainError(f"--ray needs Ray Train ({error}): pip install 'ray[train]'.") from None
    return ray, Queue


def _fit(settings: dict[str, Any], workers: int, use_gpu: bool) -> None:
    """Runs in a process of Ray, so that the caller's stays free to show and to ask."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    storage = Path(settings["config"].output) / RAY
    trainer = TorchTrainer(
        _work,
        train_loop_config=settings,
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=use_gpu),
        run_config=RunConfig(storage_path=str(storage), name="train", failure_config=FailureConfig(max_failures=0)),
    )
    trainer.fit()


def _work(settings: dict[str, Any]) -> None:
    """One worker: the loop, its events to the queue, and its mistakes as words rather than as a failure of Ray."""
    if settings["spins"]:
        os.environ.setdefault("GOMP_SPINCOUNT", settings["spins"])
    from ray.train.torch import get_device

    from train.diverged import Diverged
    from train.loop import Stopped, train

    device = get_device()
    if device.type == "cuda":
        os.environ["LOCAL_RANK"] = str(device.index or 0)
    events = settings["events"]
    is_first = int(os.environ.get("RANK", "0")) == 0
    try:
        train(settings["config"], events.put if is_first else lambda event: None, _asking(settings["requests"]))
    except Stopped as stopped:
        if is_first:
            events.put({"kind": STOPPED, "step": stopped.step, "checkpoint": str(stopped.checkpoint)})
    except Diverged:
        pass  # whoever reads the summary says so
    except (TrainError, HandoffError) as error:
        events.put({"kind": MISTAKE, "text": str(error), "packed": isinstance(error, HandoffError)})


def _asking(requests: Any) -> Callable[[], bool]:
    """Whether a stop was requested, asked of the queue now and then."""
    asked, stop = time.monotonic(), False

    def should_stop() -> bool:
        nonlocal asked, stop
        if not stop and time.monotonic() - asked > SECONDS_BETWEEN_QUESTIONS:
            asked, stop = time.monotonic(), requests.qsize() > 0
        return stop

    return should_stop


def _follow(
    ray: Any, running: Any, events: Any, requests: Any, listen: Callable[[dict], None], should_stop: Callable[[], bool]
) -> dict[str, Any] | None:
    """Hand on events until the job ends; the event of a stop, if there was one. Raises mistakes."""
    requested, found = False, None
    while True:
        ended = bool(ray.wait([running], timeout=0.2)[0])
        for event in _waiting(events):
            if event["kind"] == MISTAKE:
                raise (HandoffError if event["packed"] else TrainError)(event["text"])
            if event["kind"] == STOPPED:
                found = event
            else:
                listen(event)
        if should_stop() and not requested:
            requests.put("stop")
            requested = True
        if ended:
            ray.get(running)
            return found


def _waiting(events: Any) -> list[dict[str, Any]]:
    return events.get_nowait_batch(events.qsize())


def _stop(event: dict[str, Any]) -> Exception:
    from train.run import Stopped

    return Stopped(event["step"], Path(event["checkpoint"]))
