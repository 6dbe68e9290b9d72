"""The command `scale`: plan a grid of small runs, train it, fit scaling laws to it or to other people's runs.

Results go to stdout, progress and messages to stderr. Exit codes are those of `train`: 0, 2, 130.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from train.cli import INTERRUPTED, SPIN_COUNT, exit_codes, json_line, stop_requests
from train.scale_laws_cli import isoflop, ladder, parametric

if TYPE_CHECKING:
    from train.evaluate.task import Task
    from train.scaling.grid_runs import Member

SUSTAINED_FRAC = 0.4


@click.group("scale")
def scale() -> None:
    """Scaling laws: plan a grid of small runs, train it, and fit the laws.

    \b
    gristmill scale plan out/packed grid --budget '24 gpu-hours'
    gristmill scale run grid
    gristmill scale isoflop grid --target 1e21
    """


for law in (isoflop, parametric, ladder):
    scale.add_command(law)


@scale.command("plan")
@click.argument("packed", metavar="PACKED", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--budget", required=True, help="FLOPs (3e18) or hours of one device ('24 gpu-hours', 24h) for the whole grid.")
@click.option("--kind", default="isoflop", show_default=True, type=click.Choice(["isoflop", "ladder"]), help="Sizes around the optimum of some budgets, or sizes that each see 1, 2, 5 and 10 times the optimal tokens.")
@click.option("--budgets", default=4, show_default=True, type=click.IntRange(min=2), help="isoflop: how many budgets.")
@click.option("--budget-ratio", default=3.0, show_default=True, type=click.FloatRange(min=1, min_open=True), help="isoflop: each budget over the one below.")
@click.option("--sizes", default=5, show_default=True, type=click.IntRange(min=3), help="How many sizes (isoflop: for each budget).")
@click.option("--spread", default=3.0, show_default=True, type=click.FloatRange(min=1, min_open=True), help="isoflop: the largest size of a budget over its centre.")
@click.option("--tokens-per-param", default=20.0, show_default=True, type=click.FloatRange(min=0, min_open=True), help="Where the optimum is expected.")
@click.option("--seeds", default=1, show_default=True, type=click.IntRange(min=1), help="Runs of each cell.")
@click.option("--device-flops", type=click.FloatRange(min=0, min_open=True), help="FLOP/s one device sustains in training; by default 0.4 of what a matrix product reaches on this one.")
@click.option("--seed-deviation", default=0.003, show_default=True, type=click.FloatRange(min=0), help="How much losses of two seeds differ, as a share of the loss.")
@click.option("--eval-rows", default=256, show_default=True, type=click.IntRange(min=1), help="Held-out rows each run is judged on.")
@click.option("--json", "as_json", is_flag=True, help="Print plan.json.")
def plan(
    packed: Path, out: Path, budget: str, device_flops: float | None, seed_deviation: float, eval_rows: int, as_json: bool, **grid: Any
) -> None:
    """Lay out a grid on the packed folder PACKED that spends the budget, and write its runs to OUT."""
    with exit_codes():
        from train.scaling.budget import parse_budget
        from train.scaling.plan import Grid, make_plan, plan_record, write_plan
        from train.scaling.told import plan_lines

        amount = parse_budget(budget)
        speed = device_flops or _sustained_flops()
        made = make_plan(packed, amount.total_flops(speed), Grid(**grid), speed, seed_deviation)
        write_plan(made, out, eval_rows)
        record = plan_record(made)
        _say([json_line(record)] if as_json else plan_lines(record, str(out)))


@scale.command("run")
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--ray", "on_ray", is_flag=True, help="Train runs side by side on a Ray cluster.")
@click.option("--address", help="With --ray: the cluster's address, such as auto; this machine by default.")
@click.option("--gpus-per-run", type=click.FloatRange(min=0), help="With --ray: GPUs of a run, below 1 to share one; by default 1 where there are any.")
@click.option("--task", "task_names", multiple=True, help="Judge finished runs on this task (a name or a YAML file, as in `eval`) for `scale ladder`; may be given again.")
@click.option("--items", type=click.Path(path_type=Path, exists=True, file_okay=False), help="With --task: the folder with the items of tasks.")
@click.option("--shots", default=0, show_default=True, type=click.IntRange(min=0), help="With --task: solved examples before each question.")
@click.option("--limit", type=click.IntRange(min=1), help="With --task: only the first items of each.")
@click.option("--commands", "as_commands", is_flag=True, help="Train nothing: print a command for each run that is not finished.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as one JSON object.")
def run(
    out: Path, on_ray: bool, address: str | None, gpus_per_run: float | None, task_names: tuple[str, ...], items: Path | None, shots: int,
    limit: int | None, as_commands: bool, as_json: bool,
) -> None:  # fmt: skip
    """Train the runs planned in OUT, or go on where they stopped; write OUT/results.csv.

    For another cluster, --commands prints one command a line (for sbatch, parallel); then `run` once more collects.
    """
    if not on_ray and (address or gpus_per_run is not None):
        raise click.UsageError("--address and --gpus-per-run go with --ray.")
    with exit_codes():
        from train.scaling import grid_runs
        from train.scaling.told import result_lines

        tasks = _tasks(task_names)  # mistakes are told before anything is trained
        runs = grid_runs.members(out)
        left = grid_runs.unfinished(runs)
        if as_commands:
            _say(grid_runs.commands(left))
            return
        if left:
            _train(out, left, on_ray, address, gpus_per_run)
        rows = grid_runs.collect(out, runs)
        points = _judge(out, runs, tasks, items, shots, limit) if tasks else None
        if as_json:
            _say([json_line({"schema_version": 1, "runs": rows, "planned": len(runs), "points": points})])
            return
        _say(result_lines(rows, len(runs), grid_runs.seed_deviation(rows)) + ([f"points of {len(tasks)} tasks: {out / 'points.csv'}"] if tasks else []))



def _tasks(names: tuple[str, ...]) -> list[Task]:
    from train.config import TrainError
    from train.evaluate.task import find_task

    tasks = [find_task(name) for name in names]
    for task in tasks:
        if task.kind == "generation":
            raise TrainError(f"task {task.task}: a generation task has no likelihood of its answer, which a ladder is fitted to.")
    return tasks


def _judge(out: Path, runs: list[Member], tasks: list[Task], items: Path | None, shots: int, limit: int | None) -> list[dict[str, Any]]:
    from train.evaluate.run_task import Settings
    from train.scaling.grid_tasks import judge

    return judge(out, runs, tasks, Settings(items, shots, 0, limit), lambda line: click.echo(line, err=True))


def _train(out: Path, left: list[Member], on_ray: bool, address: str | None, gpus_per_run: float | None) -> None:
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
    from train.run import Stopped
    from train.scaling import grid_runs

    listen = _Lines(len(left))
    with stop_requests() as should_stop:
        try:
            if on_ray:
                finished = grid_runs.run_on_ray(left, listen, should_stop, address, gpus_per_run)
            else:
                grid_runs.run_here(left, listen, should_stop)
                finished = True
        except Stopped:
            finished = False
    if not finished:
        click.echo(f"stopped; run the same command to resume: gristmill scale run {out}", err=True)
        sys.exit(INTERRUPTED)


class _Lines:
    """A line on stderr when a run starts and when it is judged."""

    def __init__(self, count: int):
        self.count, self.ended = count, 0

    def __call__(self, name: str, event: dict[str, Any]) -> None:
        from train.cli import figure

        if event["kind"] == "start":
            where = f"from step {event['step']} of" if event["step"] else "over"
            click.echo(f"{name}: {event['parameters']:,} parameters, {where} {event['steps']:,} steps", err=True)
        elif event["kind"] == "finished" or (event["kind"] == "eval" and event["step"]):
            self.ended += 1
            click.echo(f"{name}: held-out {figure(event['nats_per_token'])} nats/token ({self.ended}/{self.count})", err=True)


def _sustained_flops() -> float:
    """What training sustains on this device, taken as a share of what a matrix product reaches."""
    from train.ceiling import measured_flops
    from train.world import choose_device, choose_dtype

    device = choose_device("auto")
    return SUSTAINED_FRAC * measured_flops(device, choose_dtype("auto", device))


def _say(lines: list[str]) -> None:
    from rules.visible import visible

    for line in lines:
        click.echo(visible(line))
