"""What kind of folder a model lies in. Imports no torch, so that a wrong path is told at once."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from rules.places import Located
from train.config import ModelConfig, TrainError, model_of_record
from train.llama_config import model_config
from train.run_folder import CHECKPOINTS, CONFIG, read_run


def require_model(path: Path) -> None:
    """Raises TrainError unless `path` is the folder of a run, of one of its checkpoints, or of a model of transformers."""
    if not is_hugging_face(path):
        read_run(run_of(path) or path)


def run_of(checkpoint: Path) -> Path | None:
    """The run that `checkpoint` is a checkpoint of; None where it is none."""
    run = checkpoint.parent.parent
    return run if checkpoint.parent.name == CHECKPOINTS and (run / CONFIG).exists() else None


def model_at(path: Path) -> ModelConfig:
    """The shape of the model in `path`. Raises TrainError where there is none."""
    if is_hugging_face(path):
        file = path / "config.json"
        record = read_optional_json(file)
        return model_config(record, str(file), tied=record.get("tie_word_embeddings") is None and _has_no_head(path))
    return model_of_record(read_run(run_of(path) or path)["config"]["model"])


def _has_no_head(path: Path) -> bool:
    """Whether the weights leave out the head, as those of tied models do; torch is imported for this alone."""
    from train.llama_weights import OUTER, tensor_names

    return f"{OUTER['head']}.weight" not in tensor_names(path)


def with_started_model(located: Located, folder: Path) -> Located:
    """A training configuration that says `start_from` and no `model`, with the model found there filled in."""
    data = located.data
    if not isinstance(data, dict) or not isinstance(data.get("start_from"), str) or "model" in data:
        return located
    config = model_at(folder / data["start_from"])
    settings = dataclasses.asdict(config)
    del settings["vocab_size"], settings["context"]
    settings["head_dim"] = settings.pop("head_width")
    return dataclasses.replace(located, data={**data, "model": settings})


def is_hugging_face(folder: Path) -> bool:
    """Whether `folder` holds a model as transformers saves it."""
    return "model_type" in read_optional_json(folder / "config.json")


def read_optional_json(path: Path) -> dict[str, Any]:
    """A JSON object, or {} where there is no such file. Raises TrainError for what is not one."""
    if not path.exists():
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainError(f"{path}: cannot be read ({error}). Download or export it again.") from None
    if not isinstance(record, dict):
        raise TrainError(f"{path}: is not a JSON object. Download or export it again.")
    return record
