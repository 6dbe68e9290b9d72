"""The command `generate`: continue texts with a trained model, shown as they are written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from train.cli import SPIN_COUNT, exit_codes, json_line, say_checkpoint

if TYPE_CHECKING:
    from train.generate import Writer

PROMPTS_AT_ONCE = 16


@click.command("generate")
@click.argument("model", metavar="MODEL", type=click.Path(path_type=Path))
@click.option("--prompt", "prompts", multiple=True, help="The text to continue; none starts a new document. May be given again.")
@click.option("--prompts", "prompts_file", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="JSON lines, each with a `prompt`.")
@click.option("--samples", default=1, show_default=True, type=click.IntRange(min=1), help="Texts for each prompt, with seeds of their own.")
@click.option("--tokens", default=128, show_default=True, type=click.IntRange(min=1), help="At most this many tokens.")
@click.option("--temperature", default=0.8, show_default=True, type=click.FloatRange(min=0), help="0: most likely.")
@click.option("--top-p", default=0.95, show_default=True, type=click.FloatRange(0, 1, min_open=True), help="Sample from this mass.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Of the first text; each further one adds 1.")
@click.option("--device", default="auto", show_default=True, type=click.Choice(["auto", "cpu", "cuda"]), help="Where to compute; auto takes CUDA where there is one.")
@click.option("--compile", "compiled", is_flag=True, help="Compile decoding: pays where much is written on CUDA.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each text, on a line of its own.")
def generate(
    model: Path, prompts: tuple[str, ...], prompts_file: Path | None, samples: int, tokens: int, temperature: float,
    top_p: float, seed: int, device: str, compiled: bool, as_json: bool,
) -> None:  # fmt: skip
    """Continue texts with MODEL: a training run, one of its checkpoints, or a Llama folder of Hugging Face.

    One text is shown as it is written; several are written together and shown one after the other.
    """
    with exit_codes():
        given = [*prompts, *(read_prompts(prompts_file) if prompts_file else ())] or [""]
        asked = [prompt for prompt in given for _ in range(samples)]
        settings: dict[str, Any] = {"tokens": tokens, "temperature": temperature, "top_p": top_p}
        writer = _open(model, device)
        if len(asked) == 1 and not as_json:
            _show_streaming(writer, asked[0], {**settings, "seed": seed, "compiled": compiled})
            return
        for first in range(0, len(asked), PROMPTS_AT_ONCE):
            batch = asked[first : first + PROMPTS_AT_ONCE]
            texts = writer.continuations(batch, **settings, seed=seed + first, compiled=compiled)
            for number, (prompt, text) in enumerate(zip(batch, texts, strict=True), first):
                _show(prompt, text, {**settings, "seed": seed + number}, as_json, headed=len(asked) > 1)


def read_prompts(path: Path) -> list[str]:
    """The `prompt` of each JSON line. Raises TrainError with the line that has none."""
    from train.config import TrainError

    prompts = []
    with open(path, encoding="utf-8", errors="strict") as lines:
        try:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    prompts.append(_prompt_of(line, f"{path}:{number}"))
        except UnicodeDecodeError as error:
            raise TrainError(f"{path}: is not UTF-8 text ({error.reason}).") from None
    if not prompts:
        raise TrainError(f"{path}: holds no prompts.")
    return prompts


def _prompt_of(line: str, where: str) -> str:
    from train.config import TrainError

    try:
        record = json.loads(line)
    except ValueError as error:
        raise TrainError(f"{where}: is not JSON ({error}).") from None
    if not isinstance(record, dict) or not isinstance(record.get("prompt"), str):
        raise TrainError(f'{where}: has no text under "prompt".')
    return record["prompt"]


def _open(model: Path, device: str) -> Writer:
    """A wrong folder is told before PyTorch is imported."""
    from train.model_path import require_model

    require_model(model)
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
    from train.generate import open_writer
    from train.world import choose_device

    say_checkpoint(model)
    return open_writer(model, choose_device(device))


def _show_streaming(writer: Writer, prompt: str, settings: dict[str, Any]) -> None:
    from rules.visible import visible

    pieces = writer.stream([prompt], **settings)
    shown = [prompt]  # with the first piece, since mistakes come before any word
    for (piece,) in pieces:
        click.echo(visible("".join((*shown, piece))), nl=False)
        shown = []
    click.echo()


def _show(prompt: str, text: str, settings: dict[str, Any], as_json: bool, headed: bool) -> None:
    from rules.visible import visible

    if as_json:
        click.echo(json_line({"schema_version": 1, "prompt": prompt, **settings, "text": text}))
        return
    if headed:
        click.echo(f"--- seed {settings['seed']}")
    click.echo(visible(prompt + text))
