"""The command `trace`: from a step of training to documents and their curation."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import click

from curation.cli import _print_json, user_errors
from train.cli import SPIN_COUNT, exit_codes, options_given, say_checkpoint


@click.command("trace")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--step", type=click.IntRange(min=1), help="The step to trace, counted from 1 as in metrics.jsonl.")
@click.option("--row", type=click.IntRange(min=0), help="One row of its batch, from 0: the documents in it, with their stories.")
@click.option("--token", type=click.IntRange(min=0), help="Only the document that this token of the row belongs to, from 0.")
@click.option("--steps", "window", metavar="A-B", help="A window of steps, to find the documents with the highest loss in.")
@click.option("--worst", default=20, show_default=True, type=click.IntRange(min=1), help="How many of them.")
@click.option("--min-tokens", "--least-tokens", "min_tokens", default=32, show_default=True, type=click.IntRange(min=1), help="Leave out documents that predict fewer tokens.")
@click.option("--out", type=click.Path(path_type=Path), help="Write them to this Parquet file too, over an earlier one; `gristmill inspect` opens it.")
@click.option("--model", type=click.Path(path_type=Path), help="Whose losses: a run, checkpoint or Llama folder; without it, the last checkpoint of RUN.")
@click.option("--data", type=click.Path(path_type=Path), help="The packed data, where it was moved.")
@click.option("--curation", metavar="OUT", type=click.Path(path_type=Path, exists=True, file_okay=False), help="The run directory that packed the data; without it, the folder around the data.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with whole texts and stories.")
@user_errors
def trace(
    run: Path, step: int | None, row: int | None, token: int | None, window: str | None, worst: int, min_tokens: int,
    out: Path | None, model: Path | None, data: Path | None, curation: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Go from a step of training run RUN to the documents it read, and to what curation did to them.

    \b
    gristmill trace RUN --step 120          the rows of a step
    gristmill trace RUN --step 120 --row 3  documents of a row and their story
    gristmill trace RUN --steps 100-200     what lost most in these steps
    """
    if (step is None) == (window is None):
        raise click.UsageError("name --step N (with --row R for one sequence), or --steps A-B")
    if row is None and token is not None or row is not None and step is None:
        raise click.UsageError("--row needs --step, and --token needs --row")
    if window is None and (given := options_given("worst", "min_tokens", "out", "model")):
        raise click.UsageError(f"{given} needs --steps A-B: a window to find the hardest documents in")
    steps = _steps(window) if window is not None else None
    if out is not None:
        _check_out(out)
    with exit_codes():
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
        from train.run_folder import read_run

        read_run(run)  # a wrong folder is told before PyTorch is imported
        from curation import trace as tracing
        from train.trace import open_traced

        traced = open_traced(run, data)
        packed_by = tracing.curation_run(traced, curation)
        if steps is not None:
            _show_worst(tracing, traced, steps, worst, min_tokens, packed_by, model or run, out, as_json)
        elif row is not None:
            found = tracing.trace_row(traced, step, row, packed_by, token)
            _show(found, tracing.row_lines, as_json)
        else:
            _show(tracing.trace_step(traced, step), tracing.step_lines, as_json)


def _check_out(out: Path) -> None:
    from rules.outputs import check_output, has_columns

    check_output(out, [], lambda path: has_columns(path, ("bits_per_byte", "nats_per_token", "step", "row")), "a file of `gristmill trace`")


def _steps(text: str) -> range:
    found = re.fullmatch(r"(\d+)-(\d+)", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise click.BadParameter(f"{text!r} is not a window such as 100-200", param_hint="--steps")
    return range(int(found[1]), int(found[2]) + 1)


def _show_worst(tracing: Any, traced: Any, steps: range, worst: int, min_tokens: int, curation: Path | None, model: Path, out: Path | None, as_json: bool) -> None:
    from rules.visible import shown_path, visible
    from train.open_model import open_model
    from train.world import choose_device

    for bound in (steps[0], steps[-1]):
        traced.rows(bound)  # a step that is not there is told before the model is loaded
    say_checkpoint(model)
    documents = tracing.worst_documents(traced, steps, open_model(model, choose_device("auto")), worst, min_tokens, curation)
    if out is not None:
        tracing.write_documents(documents, out)
    if as_json:
        _print_json(documents.to_pylist())
    else:
        for line in tracing.worst_lines(documents):
            click.echo(line)
    if out is not None:
        click.echo(visible(f"look at them: gristmill inspect {shown_path(out)}"), err=True)


def _show(found: Any, lines: Any, as_json: bool) -> None:
    if as_json:
        _print_json(found)
        return
    for line in lines(found):
        click.echo(line)
