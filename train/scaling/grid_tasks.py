"""Tasks with right answers on the finished runs of a grid: the points that a ladder is fitted to.

    OUT/tasks/NAME.json   what one run reached, and under which settings: judged once
    OUT/points.csv        task, run, params, tokens, flops, nll (bits per byte of the right answer), accuracy
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from train.durable import write_json
from train.evaluate.run_task import Settings, run_task
from train.evaluate.task import Task
from train.model_path import read_optional_json
from train.open_model import open_model
from train.scaling.grid_runs import Member
from train.scaling.runs import write_table
from train.world import choose_device

TASKS, POINTS = "tasks", "points.csv"
COLUMNS = ("task", "run", "params", "tokens", "flops", "nll", "accuracy")


def judge(out: Path, runs: Sequence[Member], tasks: Sequence[Task], settings: Settings, listen: Callable[[str], None]) -> list[dict[str, Any]]:
    """Run `tasks` (each with right answers to choose or continue) on every finished run; write and return the points."""
    (out / TASKS).mkdir(exist_ok=True)
    points = []
    for run in runs:
        summary = run.summary()
        if summary is None:
            continue
        for task, metrics in _judged(out, run, tasks, settings, listen).items():
            planned = run.record["run"]
            points.append({
                "task": task, "run": run.name, "params": planned["params"], "tokens": summary["tokens"],
                "flops": planned["flops"] / planned["tokens"] * summary["tokens"], "nll": metrics["nll"], "accuracy": metrics["accuracy"],
            })  # fmt: skip
    write_table(out / POINTS, COLUMNS, points)
    return points


def _judged(out: Path, run: Member, tasks: Sequence[Task], settings: Settings, listen: Callable[[str], None]) -> dict[str, dict[str, float]]:
    """NLL and accuracy of each task, computed unless the same was before."""
    path = out / TASKS / f"{run.name}.json"
    wanted = {"shots": settings.shots, "seed": settings.seed, "limit": settings.limit}
    kept = read_optional_json(path)
    found = kept.get("tasks", {}) if kept.get("settings") == wanted else {}
    definitions = {task.task: dataclasses.asdict(task) | {"stop": list(task.stop)} for task in tasks}
    left = [task for task in tasks if found.get(task.task, {}).get("task") != definitions[task.task]]
    if left:
        listen(f"{run.name}: {', '.join(task.task for task in left)}")
        saved = open_model(run.folder, choose_device("auto"))
        for task in left:
            metrics = run_task(saved, task, settings)["metrics"]
            found[task.task] = {
                "task": definitions[task.task], "nll": metrics["gold_bits_per_byte"]["value"], "accuracy": metrics["accuracy"]["value"],
            }  # fmt: skip
        write_json(path, {"settings": wanted, "tasks": found})
    return {task.task: found[task.task] for task in tasks}
