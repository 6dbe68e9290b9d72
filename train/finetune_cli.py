"""The command `finetune`: a head on a trained model, for classes, similarity and choices."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from train.cli import INTERRUPTED, SPIN_COUNT, exit_codes, figure, json_line, stop_requests


@click.command("finetune")
@click.argument("config_path", metavar="CONFIG.yaml", type=click.Path(path_type=Path))
@click.option("--predict", "to_predict", type=click.Path(path_type=Path, dir_okay=False), help="Train nothing: print what the finished model says of each item in this file (JSON lines, labels not needed).")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
def finetune(config_path: Path, to_predict: Path | None, as_json: bool) -> None:
    """Fine-tune a model with a head on the last token; resume if it was stopped; print scores on held-out items.

    \b
    model: out/train
    output: out/sentiment
    task: classification        # similarity, multiple_choice
    items: train.jsonl
    text: "{sentence}"
    label: label
    """
    with exit_codes():
        from rules.visible import visible
        from train.finetune_config import load_finetune
        from train.model_path import require_model

        config = load_finetune(config_path, lambda warning: click.echo(visible(f"{warning} (warning)"), err=True))
        require_model(Path(config.model))
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
        if to_predict is not None:
            from train.finetune_predict import predict

            for answer in predict(Path(config.output), to_predict, config.device):
                click.echo(json_line(answer))
            return
        from train.finetune import finetune as run_finetuning
        from train.run import Stopped

        with stop_requests() as should_stop:
            try:
                summary = run_finetuning(config, _tell, should_stop)
            except Stopped as stopped:
                click.echo(f"stopped at step {stopped.step}\nRun the same command to resume: gristmill finetune {config_path}", err=True)
                sys.exit(INTERRUPTED)
        click.echo(json_line(summary) if as_json else summary_text(summary, config.output))


def summary_text(summary: dict[str, Any], output: str) -> str:
    """The scores in a few lines."""
    from rules.visible import visible

    lines = [f"{summary['task']}, {summary['trains']}: {summary['items']:,} items, {summary['steps']:,} steps, {summary['seconds']:.0f} s"]
    lines.append(f"{'held-out score':<16}{'value':>8}{'stderr':>8}   95 % of resamplings   ({summary['held_out_items']:,} items)")
    for name, score in summary["scores"].items():
        within = f"{figure(score['low'])} to {figure(score['high'])}" if score["low"] is not None else ""
        lines.append(f"{name:<16}{figure(score['value']):>8}{figure(score['stderr']):>8}   {within}".rstrip())
    if summary["skipped_steps"]:
        lines.append(f"{summary['skipped_steps']:,} steps changed nothing, as their gradient was not finite")
    if summary["cut"]:
        lines.append(f"{summary['cut']:,} texts were too long and lost tokens")
    return visible("\n".join([*lines, f"{'output':<16}{output}"]))


def _tell(event: dict[str, Any]) -> None:
    from rules.visible import visible

    if event["kind"] == "start":
        for line in event["incomplete"]:
            click.echo(visible(line), err=True)
        kinds = f", {event['classes']} classes" if event["classes"] else ""
        resumed = f", from step {event['step']}" if event["step"] else ""
        click.echo(f"{event['items']:,} items, {event['held_out']:,} held out{kinds}, {event['steps']:,} steps{resumed}", err=True)
        if event["cut"]:
            click.echo(f"{event['cut']:,} texts are too long and lose tokens", err=True)
    else:
        lm = f", language model {figure(event['lm_loss'])}" if event["lm_loss"] is not None else ""
        click.echo(f"step {event['step']} of {event['steps']}: loss {figure(event['loss'])}{lm}", err=True)
