"""The command `eval`: a model on tasks with right answers, or its loss on packed text by groups of documents."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from train.cli import SPIN_COUNT, exit_codes, figure, json_line, options_given, say_checkpoint

if TYPE_CHECKING:
    from train.evaluate.task import Task
    from train.saved_model import SavedModel


@click.command("eval")
@click.argument("model", metavar="MODEL", type=click.Path(path_type=Path))
@click.argument("tasks", metavar="[TASKS]...", nargs=-1)
@click.option("--items", type=click.Path(path_type=Path, exists=True, file_okay=False), help="The folder with the items of tasks (JSON lines).")
@click.option("--shots", default=0, show_default=True, type=click.IntRange(min=0), help="Solved examples before each question.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Draws the examples.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first items of each task.")
@click.option("--overlaps", metavar="OUT", type=click.Path(path_type=Path, exists=True, file_okay=False), help="A curation run that looked for the items in its documents (decontaminate): flags those it found.")
@click.option("--details", type=click.Path(path_type=Path, dir_okay=False), help="Write one JSON line for each item here, over an earlier file of them.")
@click.option("--harness", multiple=True, metavar="TASK", help="A task of lm-evaluation-harness (the package lm_eval); may be given again.")
@click.option("--data", type=click.Path(path_type=Path), help="A packed folder to tell the loss on; without tasks, the one MODEL was trained on.")
@click.option("--split", default="held_out", show_default=True, help="Which rows of it.")
@click.option("--rows", default=256, show_default=True, type=click.IntRange(min=1), help="At most this many rows.")
@click.option("--by", multiple=True, help="A column of documents.parquet to tell the loss by; may be given again. Without it: source and lang.")
@click.option("--device", default="auto", show_default=True, type=click.Choice(["auto", "cpu", "cuda"]), help="Where to compute; auto takes CUDA where there is one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def evaluate(
    model: Path, tasks: tuple[str, ...], items: Path | None, shots: int, seed: int, limit: int | None, overlaps: Path | None,
    details: Path | None, harness: tuple[str, ...], data: Path | None, split: str, rows: int, by: tuple[str, ...], device: str, as_json: bool,
) -> None:  # fmt: skip
    """Judge MODEL: a training run, one of its checkpoints, or a Llama folder of Hugging Face.

    \b
    gristmill eval RUN arc_easy hellaswag --items data/eval --shots 5
    gristmill eval RUN mine.yaml
    gristmill eval RUN --by source --by topic

    TASKS are names (a wrong one lists them all) or YAML files of your own.
    """
    _refuse_idle_options(bool(tasks or harness), data is not None or not (tasks or harness))
    with exit_codes():
        from train.evaluate.task import find_task
        from train.model_path import require_model

        require_model(model)
        _require_harness(harness)
        found_tasks = [find_task(name) for name in tasks]  # mistakes are told before PyTorch is imported
        if details is not None:
            _check_details(details, tasks, found_tasks, items)
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
        from train.evaluate.run_task import Settings, run_task
        from train.open_model import open_model
        from train.world import choose_device

        checkpoint = say_checkpoint(model)
        saved = open_model(model, choose_device(device))
        results = [run_task(saved, task, Settings(items, shots, seed, limit, overlaps)) for task in found_tasks]
        of_harness = _run_harness(saved, harness, shots, limit) if harness else None
        loss = _loss(saved, model, data, split, rows, by) if data or not (tasks or harness) else None
        if details is not None:
            _write_details(details, results)
        if as_json:
            short = [{name: value for name, value in result.items() if name != "details"} for result in results]
            click.echo(json_line({"schema_version": 1, "model": str(model), "checkpoint": str(checkpoint) if checkpoint else None, "tasks": short, "harness": of_harness, "loss": loss}))
            return
        shown = (task_lines(results) if results else []) + harness_lines(of_harness or {}) + (loss_lines(loss) if loss else [])
        for line in shown:
            click.echo(line)


def _refuse_idle_options(with_tasks: bool, with_loss: bool) -> None:
    """Options that would do nothing are mistakes."""
    if not with_tasks and (given := options_given("items", "shots", "seed", "limit", "overlaps", "details")):
        raise click.UsageError(f"{given}: this is for TASKS, and none is named")
    if not with_loss and (given := options_given("split", "rows", "by")):
        raise click.UsageError(f"{given}: this is for the loss on packed data; with TASKS, name the folder with --data, too")


def _check_details(path: Path, names: tuple[str, ...], tasks: list[Task], folder: Path | None) -> None:
    from rules.outputs import check_output
    from train.evaluate.task import files_of

    inputs = [Path(name) for name in names] + [file for task in tasks for file in files_of(task, folder)]
    check_output(path, inputs, _are_details, "a file of --details", "--details")


def _are_details(path: Path) -> bool:
    try:
        with open(path, encoding="utf-8") as lines:
            record = json.loads(lines.readline())
    except ValueError:
        return False
    return isinstance(record, dict) and {"task", "item"} <= record.keys()


def _require_harness(tasks: tuple[str, ...]) -> None:
    from train.config import TrainError

    if tasks and importlib.util.find_spec("lm_eval") is None:
        raise TrainError("--harness needs lm-evaluation-harness, which is not installed: pip install lm_eval")


def _run_harness(saved: SavedModel, tasks: tuple[str, ...], shots: int, limit: int | None) -> dict[str, Any]:
    from train.config import TrainError
    from train.evaluate.harness import run_harness

    try:
        return run_harness(saved, list(tasks), shots, limit)
    except (KeyError, ValueError, OSError, ConnectionError) as error:  # unknown tasks, and data sets that cannot be fetched
        raise TrainError(f"lm-evaluation-harness cannot run {', '.join(tasks)}: {error}") from None


def harness_lines(found: dict[str, Any]) -> list[str]:
    """What lm-evaluation-harness found, one figure a line."""
    from rules.visible import visible

    figures = [(task, name, value) for task, scores in found.items() for name, value in scores.items() if isinstance(value, float)]
    return [visible(f"lm-evaluation-harness  {task}  {name}  {value:.4f}") for task, name, value in figures]


def _loss(saved: SavedModel, model: Path, data: Path | None, split: str, rows: int, by: tuple[str, ...]) -> dict[str, Any]:
    from train.batch import boundary_slots
    from train.config import TrainError
    from train.diverged import NotFinite, finite
    from train.evaluate.held_out import evaluate as evaluate_rows
    from train.evaluate.held_out import open_held_out
    from train.evaluate.losses import model_losses, rows_at_once
    from train.handoff import open_split
    from train.model_path import is_hugging_face, run_of
    from train.run_folder import read_run
    from train.start import require_same_tokenizer, tokenizer_of
    from train.world import World

    if data is None:
        trained_on = None if is_hugging_face(model) else read_run(run_of(model) or model)["config"].get("data")
        if trained_on is None:
            raise TrainError("name what to judge the model on: TASKS, or --data with a packed folder.")
        data = Path(trained_on)
    opened = open_split(data, split)
    require_same_tokenizer(tokenizer_of(model), tokenizer_of(data))
    if opened.manifest.sequence_length > saved.model.config.context:
        raise TrainError(f"{data}: has rows of {opened.manifest.sequence_length} tokens, the model's context is {saved.model.config.context}.")
    held_out = open_held_out(opened, rows, by or ("source", "lang"))
    batch_rows = rows_at_once(opened.manifest.sequence_length)
    slots = boundary_slots(opened.max_documents, batch_rows)
    found = evaluate_rows(held_out, model_losses(saved), World(0, 1, saved.device), batch_rows, slots)
    if finite(found) != found:
        raise NotFinite()
    return {"data": str(data), "split": split, "rows": held_out.rows, **found}


def task_lines(results: list[dict[str, Any]]) -> list[str]:
    """A table: one line for each task and metric."""
    width = max(len(result["task"]) for result in results)
    lines = [f"{'task':<{width}}  shots  items  {'metric':<18}   value  stderr  95 % of resamplings"]
    for result in results:
        for metric, score in result["metrics"].items():
            interval = f"{figure(score['low'])} to {figure(score['high'])}"
            lines.append(
                f"{result['task']:<{width}}  {result['shots']:>5}  {result['items']:>5}  {metric:<18}  {figure(score['value']):>6}"
                f"  {figure(score['stderr']):>6}  {interval}"
            )
        if result.get("in_corpus"):
            without = ", ".join(f"{name} {figure(score['value'])}" for name, score in result["metrics_without"].items())
            lines.append(f"{'':<{width}}  {result['in_corpus']:,} items occur in the corpus; without them: {without or '-'}")
        if result["fewer_shots"]:
            lines.append(f"{'':<{width}}  {result['fewer_shots']:,} items had fewer examples: more did not fit in the context")
        if result["cut"]:
            lines.append(f"{'':<{width}}  {result['cut']:,} items lost their beginning: they did not fit in the context")
    return lines


def loss_lines(loss: dict[str, Any]) -> list[str]:
    """Bits per byte, whole and by groups, the largest groups first."""
    from rules.visible import excerpt

    lines = [f"{'bits/byte':>9}  {'nats/token':>10}  {'tokens':>11}", _loss_line(loss, f"{loss['split']}, {loss['rows']:,} rows")]
    for name, groups in loss.items():
        if name.startswith("by_"):
            lines.append(name.replace("_", " ", 1))
            ordered = sorted(groups.items(), key=lambda pair: -pair[1]["tokens"])
            lines += [_loss_line(score, excerpt(group, 60)) for group, score in ordered]
    return lines


def _loss_line(score: dict[str, Any], name: str) -> str:
    return f"{figure(score['bits_per_byte']):>9}  {figure(score['nats_per_token']):>10}  {score['tokens']:>11,}  {name}"


def _write_details(path: Path, results: list[dict[str, Any]]) -> None:
    from train.room import room_in

    path.parent.mkdir(parents=True, exist_ok=True)
    with room_in(path, lambda: "The details are not whole, and no score is told."), open(path, "w", encoding="utf-8") as stream:
        for result in results:
            for number, detail in enumerate(result["details"]):
                stream.write(json.dumps({"task": result["task"], "item": number, **detail}, ensure_ascii=False) + "\n")
