"""The runs of a plan, carried out: here one after the other, on a Ray cluster side by side, or as commands for another.

A run that is finished is not started again, one that was stopped goes on from its last checkpoint (the trainer sees to
both), so the same call resumes a grid wherever it stopped; also one that other machines have worked on.
"""

from __future__ import annotations

import functools
import math
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from train.config import TrainConfig, TrainError, load_config, resolve
from train.handoff import HandoffError, manifest_sha256, read_manifest
from train.on_ray import listen_here_alone, start_ray
from train.run_folder import finished_summary
from train.scaling.plan import RUNS, read_record
from train.scaling.runs import write_table

RESULTS = "results.csv"
COLUMNS = (
    "run", "params", "tokens", "loss", "flops", "budget", "seed", "bits_per_byte", "params_non_embedding", "params_total",
    "learning_rate", "batch_tokens", "seconds",
)  # fmt: skip
Listener = Callable[[str, dict[str, Any]], None]  # name of the run, event


@dataclass(frozen=True)
class Member:
    """A run of the plan in `out`: its row of plan.json and its configuration."""

    out: Path
    record: dict[str, Any]

    @property
    def name(self) -> str:
        return self.record["name"]

    @property
    def yaml(self) -> Path:
        return self.out / RUNS / f"{self.name}.yaml"

    @property
    def folder(self) -> Path:
        return self.out / RUNS / self.name

    def config(self) -> TrainConfig:
        config = load_config(self.yaml)
        return resolve(config, read_manifest(config.data))

    def summary(self) -> dict[str, Any] | None:
        """The summary of the finished run, None where it is not finished."""
        return finished_summary(self.config())


def members(out: Path) -> list[Member]:
    """All runs of the plan in `out`, the cheapest first. Raises TrainError where the data is not what was planned on."""
    record = read_record(out)
    if manifest_sha256(record["data"]) != record["packed_sha256"]:
        raise TrainError(f"{record['data']}: is not the data that was planned on. Plan again into another folder.")
    return [Member(out, run) for run in sorted(record["runs"], key=lambda run: (run["run"]["flops"], run["name"]))]


def unfinished(runs: list[Member]) -> list[Member]:
    return [run for run in runs if run.summary() is None]


def commands(runs: list[Member]) -> list[str]:
    """A command for each run; on a shared file system they may run anywhere, in any order."""
    return [f"gristmill train {shlex.quote(str(run.yaml))}" for run in runs]


def run_here(runs: list[Member], listen: Listener, should_stop: Callable[[], bool]) -> None:
    """One after the other in this process. Raises train.run.Stopped when asked to stop."""
    from train.loop import train

    for run in runs:
        train(run.config(), functools.partial(listen, run.name), should_stop)


def run_on_ray(runs: list[Member], listen: Listener, should_stop: Callable[[], bool], address: str | None, gpus_per_run: float | None) -> bool:
    """Side by side on a Ray cluster, each on `gpus_per_run` GPUs (one where there are any, else one CPU).

    The largest start first. Returns whether all were finished; False when asked to stop. A run whose machine dies is
    started again and goes on from its checkpoint. Raises TrainError with the mistakes of runs, after all others ended.
    """
    listen_here_alone(address)
    try:
        import ray
    except ImportError as error:
        raise TrainError(f"--ray needs Ray ({error}): pip install ray") from None
    start_ray(ray, address)
    try:
        gpus = ray.cluster_resources().get("GPU", 0) if gpus_per_run is None else gpus_per_run
        needs = {"num_gpus": min(gpus, 1) if gpus_per_run is None else gpus_per_run} if gpus else {"num_cpus": 1}
        task = ray.remote(max_retries=3, **needs)(_work)
        waiting = {task.remote(str(run.yaml.resolve())): run for run in reversed(runs)}
        return _follow(ray, waiting, listen, should_stop)
    finally:
        ray.shutdown()


def collect(out: Path, runs: list[Member]) -> list[dict[str, Any]]:
    """OUT/results.csv from all finished runs but those that diverged; returns its rows. Columns: docs/scaling-laws.md."""
    summaries = [(run, run.summary()) for run in runs]
    rows = [_row(run, summary) for run, summary in summaries if summary and summary["held_out_last"]["nats_per_token"] is not None]
    if rows:
        write_table(out / RESULTS, COLUMNS, rows)
    return rows


def seed_deviation(rows: Sequence[dict[str, Any]]) -> tuple[float, int] | None:
    """How much losses of seeds differ as a share of the loss, and in how many cells of the grid that was seen.

    The deviation within cells of one size and budget, pooled; None where no cell has two seeds.
    """
    cells: dict[tuple, list[float]] = {}
    for row in rows:
        cells.setdefault((row["params"], row["budget"]), []).append(math.log(row["loss"]))
    several = [np.array(losses) for losses in cells.values() if len(losses) > 1]
    if not several:
        return None
    squares = sum(float(((losses - losses.mean()) ** 2).sum()) for losses in several)
    return math.sqrt(squares / sum(len(losses) - 1 for losses in several)), len(several)


def _row(run: Member, summary: dict[str, Any]) -> dict[str, Any]:
    planned, held_out = run.record["run"], summary["held_out_last"]
    per_token = planned["flops"] / planned["tokens"]
    return {
        "run": run.name,
        "params": planned["params"],
        "tokens": summary["tokens"],
        "loss": held_out["nats_per_token"],
        "flops": per_token * summary["tokens"],
        "budget": run.record["budget"],
        "seed": run.record["seed"],
        "bits_per_byte": held_out["bits_per_byte"],
        "params_non_embedding": planned["params_non_embedding"],
        "params_total": planned["params_total"],
        "learning_rate": planned["learning_rate"],
        "batch_tokens": round(summary["tokens"] / planned["steps"]),
        "seconds": round(summary["seconds"], 1),
    }


def _work(yaml: str) -> tuple[dict[str, Any] | None, str]:
    """Runs in a worker of Ray: the summary, or the mistake in words."""
    from rules.places import Problems
    from train.loop import train

    try:
        return train(load_config(yaml)), ""
    except (TrainError, HandoffError, Problems) as error:
        return None, str(error)


def _follow(ray: Any, waiting: dict[Any, Member], listen: Listener, should_stop: Callable[[], bool]) -> bool:
    mistakes = []
    while waiting:
        for done in ray.wait(list(waiting), timeout=0.5)[0]:
            run = waiting.pop(done)
            summary, mistake = ray.get(done)
            if summary is None:
                mistakes.append(f"{run.yaml}: {mistake}")
            else:
                listen(run.name, {"kind": "finished", **summary["held_out_last"]})
        if waiting and should_stop():
            for task in waiting:
                ray.cancel(task, force=True)
            return False
    if mistakes:
        raise TrainError("\n".join(mistakes))
    return True
