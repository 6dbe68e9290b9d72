"""The commands `export` and `import`: models to and from the folders of Hugging Face's transformers."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from train.cli import SPIN_COUNT, exit_codes, json_line

if TYPE_CHECKING:
    from train.config import ModelConfig

UNCHECKED = 1


@click.command("export")
@click.argument("model", metavar="MODEL", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--dtype", default="float32", show_default=True, type=click.Choice(["float32", "bfloat16", "float16"]),
    help="Type of the weights.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def export(model: Path, out: Path, dtype: str, as_json: bool) -> None:
    """Write MODEL (a training run, or one of its checkpoints) to OUT for transformers, vLLM and others.

    OUT gets its name only after transformers loaded it and gave the same tokens, the same logits on packed documents,
    and the same greedy text. Exit 1: transformers is not installed, so OUT was written but not checked.
    """
    with exit_codes():
        from rules.visible import shown_path, visible

        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
        import torch

        from train import export_check
        from train.hugging_face import export_model
        from train.open_model import open_model

        checked = export_check.has_transformers()
        saved = open_model(model, torch.device("cpu"))
        found = export_model(saved, out, dtype, export_check.check_export if checked else None)
        if as_json:
            click.echo(json_line({"schema_version": 1, "output": str(out), "dtype": dtype, "checked": checked, **found}))
        elif checked:
            click.echo(visible(f"{shown_path(out)}: {_agreement(found)}"))
        if not checked:
            click.echo(visible(
                f"{shown_path(out)} is written but NOT CHECKED: transformers is not installed. "
                f"pip install 'gristmill[hugging-face]', then export to another folder."
            ), err=True)  # fmt: skip
    sys.exit(0 if checked else UNCHECKED)


@click.command("import")
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def import_(folder: Path, out: Path, as_json: bool) -> None:
    """Read the Llama model in FOLDER (as transformers saves it) into OUT, a folder like that of a training run.

    `gristmill generate OUT` writes with it, and `start_from: OUT` in a training configuration trains it further.
    """
    with exit_codes():
        from rules.visible import shown_path, visible
        from train.hugging_face import import_model

        config = import_model(folder, out)
        if as_json:
            click.echo(json_line({"schema_version": 1, "output": str(out), "model": json.loads(json.dumps(vars(config), default=vars))}))
        else:
            click.echo(visible(f"{shown_path(out)}: {model_yaml(config)}"))


def model_yaml(config: ModelConfig) -> str:
    """The `model:` of a training configuration, on one line: what is not as by default."""
    import dataclasses

    shown: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.metadata.get("internal") or value == field.default:
            continue
        value = dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value
        shown[field.metadata.get("yaml", field.name)] = value
    return f"model: {_flow(shown)}"


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value)


def _agreement(found: dict[str, Any]) -> str:
    return (
        f"transformers agrees (largest logit difference {found['logit_difference']:.1e}, "
        f"{found['tokens_written']} tokens of greedy text alike)"
    )
