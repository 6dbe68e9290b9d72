"""The commands `train` and `model`: read, call, print, exit code.

0 done; 1 a model that came out diverged; 2 a mistake the user can mend (said in words, without a traceback); 130 interrupted, after saving a checkpoint.
Results go to stdout, progress and messages to stderr. Nothing heavy is imported before it is needed, and PyTorch only
when there is something to compute.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from train.config import TrainConfig

FINDINGS, MISTAKE, INTERRUPTED = 1, 2, 130
# How often an OpenMP thread spins before it sleeps. By default it spins so long that one other busy process on two
# cores can make a step 10 times slower; this costs a tenth when nothing else runs. Read once, when PyTorch is loaded.
SPIN_COUNT = "1000"


@click.command("train")
@click.argument("config_path", metavar="CONFIG.yaml", type=click.Path(path_type=Path))
@click.option("--ray", "on_ray", is_flag=True, help="Train on the GPUs of a Ray cluster, by Ray Train.")
@click.option("--workers", type=click.IntRange(min=1), help="With --ray: how many workers, one GPU each; all by default.")
@click.option("--address", help="With --ray: the cluster's address, such as auto; this machine by default.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
def train(config_path: Path, on_ray: bool, workers: int | None, address: str | None, as_json: bool) -> None:
    """Train a model on packed data; resume if it was stopped; print the summary if it is finished.

    Several devices of one machine: torchrun --nproc-per-node N -m gristmill train CONFIG.yaml

    Exit 1: the model diverged, so that its losses are not finite.
    """
    if not on_ray and (workers or address):
        raise click.UsageError("--workers and --address go with --ray. For several processes without it, use torchrun.")
    with exit_codes():
        from rules.visible import visible
        from train.config import load_config, resolve
        from train.diverged import diverged
        from train.handoff import read_manifest
        from train.run_folder import finished_summary

        config = load_config(config_path)
        summary = finished_summary(resolve(config, read_manifest(config.data)))
        if summary is None:
            cluster = {"workers": workers, "address": address} if on_ray else None
            summary = _trained(config, config_path, cluster)
        elif not as_json:
            click.echo("already trained: this configuration, on this data", err=True)
        if summary:  # under torchrun the first process alone has one
            output = Path(config.output)
            click.echo(json_line({**summary, "output": str(output)}) if as_json else summary_text(summary, output))
            if said := diverged(summary, output):
                click.echo(visible(said), err=True)
                sys.exit(FINDINGS)


@click.group("model")
def model() -> None:
    """Model shapes: describe one, or list the presets."""


@model.command("describe")
@click.argument("name", metavar="MODEL")
@click.option("--vocab", "--vocab-size", "vocab", type=click.IntRange(min=1), help="The size of the vocabulary, where the data does not say.")
@click.option("--context", type=click.IntRange(min=1), help="Tokens of a sequence, where the data does not say.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def describe(name: str, vocab: int | None, context: int | None, as_json: bool) -> None:
    """Tell what MODEL costs: a preset, a training YAML, a run, one of its checkpoints, or a Llama folder."""
    import dataclasses

    with exit_codes():
        from rules.visible import visible
        from train import describe as describing

        config, chunk_tokens = describing.find_model(name)
        config = dataclasses.replace(config, vocab_size=vocab or config.vocab_size, context=context or config.context)
        found = describing.describe(name, config, chunk_tokens)
        click.echo(json_line(found.record()) if as_json else visible(describing.description_text(found)))


@model.command("presets")
def presets() -> None:
    """List the presets that `model:` in a training YAML may name."""
    from train.describe import preset_lines

    for line in preset_lines():
        click.echo(line)


def summary_text(summary: dict[str, Any], output: Path) -> str:
    """The result of a run in a few lines."""
    from rules.visible import shown_path, visible

    first, last, sample = summary["held_out_first"], summary["held_out_last"], summary["sample"]
    skipped = f", {summary['skipped_steps']} skipped, as the gradient was not finite" if summary["skipped_steps"] else ""
    lines = {
        "steps": f"{summary['step']}{skipped} ({summary['tokens']:,} tokens, {summary['seconds']:.0f} s)",
        "held-out loss": f"{figure(first['nats_per_token'])} -> {figure(last['nats_per_token'])} nats/token",
        "bits per byte": f"{figure(first['bits_per_byte'])} -> {figure(last['bits_per_byte'])}",
        **({} if sample["text"] is None else {"sample": visible(" ".join((sample["prompt"] + sample["text"]).split()))}),
        "checkpoint": visible(shown_path(output / summary["checkpoint"])),
    }
    if summary["batch_advice"]:
        lines["batch size"] = summary["batch_advice"]
    return "\n".join(f"{name:<15}{value}" for name, value in lines.items())


def options_given(*names: str) -> str:
    """Which of these parameters of the command under way were given, as options in a sentence; "" for none."""
    context = click.get_current_context()
    given = [name for name in names if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE]
    return " and ".join(option.opts[0] for option in context.command.params if option.name in given)


def say_checkpoint(model: Path) -> Path | None:
    """Tell which checkpoint of a run is used; returns it, None for a model of transformers. Imports torch."""
    from rules.visible import visible
    from train.open_model import checkpoint_of

    checkpoint, lines = checkpoint_of(model)
    for line in lines:
        click.echo(visible(line), err=True)
    return checkpoint


def figure(value: float | None) -> str:
    """Three decimals, or a dash for what could not be measured."""
    return "-" if value is None else f"{value:.3f}"


def json_line(record: dict[str, Any]) -> str:
    """One line of JSON in printable ASCII: nothing in it can reach a terminal raw."""
    return json.dumps(record, ensure_ascii=True).replace("\x7f", "\\u007f")


@contextlib.contextmanager
def exit_codes() -> Iterator[None]:
    """Turn the mistakes users make into words on stderr and exit code 2."""
    from rules.places import Problems, SettingError
    from rules.visible import visible
    from train.config import TrainError
    from train.durable import with_lasting_names
    from train.handoff import HandoffError

    try:
        yield
    except (Problems, SettingError, HandoffError, TrainError) as error:
        click.echo(visible(str(error)), err=True)
        sys.exit(MISTAKE)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        click.echo(visible(with_lasting_names(f"{error.filename or 'input or output'}: {error.strerror or error}")), err=True)
        sys.exit(MISTAKE)
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)


def _trained(config: TrainConfig, config_path: Path, cluster: dict[str, Any] | None) -> dict[str, Any]:
    """The summary of a run carried out here, or on a Ray cluster."""
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
    from rules.visible import visible
    from train.diverged import Diverged
    from train.loop import Stopped
    from train.loop import train as run_training
    from train.progress import TrainProgress

    silent = int(os.environ.get("RANK", "0")) > 0
    with TrainProgress() if not silent else contextlib.nullcontext(_ignore) as listen, stop_requests() as should_stop:
        try:
            if cluster is None:
                return run_training(config, listen, should_stop)
            from train.on_ray import train_on_ray

            return train_on_ray(config, listen, should_stop, **cluster)
        except Diverged as found:
            return found.summary
        except Stopped as stopped:
            message = f"stopped at step {stopped.step}; saved {stopped.checkpoint}\n"
    click.echo(visible(message + f"Run the same command to resume: gristmill train {config_path}"), err=True)
    sys.exit(INTERRUPTED)


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Ctrl-C (or SIGTERM) asks for a stop after the step under way; a second one stops at once."""
    asked = []

    def ask(number: int, _: object) -> None:
        asked.append(number)
        signal.signal(number, signal.default_int_handler)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore(event: dict[str, Any]) -> None:
    """Processes other than the first say nothing."""
