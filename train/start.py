"""Weights to begin a run with: those of another run or of a Llama model of Hugging Face (`start_from`).

The packed data must speak the model's language: the same tokenizer, whatever frame its file puts around texts. Context
and rotary settings may differ, since no weight depends on them.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from train.config import ModelConfig, TrainError, differences
from train.handoff import TOKENIZER_NAME
from train.hugging_face import read_config_and_weights
from train.model import Transformer
from train.model_path import is_hugging_face, model_at, run_of
from train.open_model import load_weights, run_and_checkpoint

FREE = ("context", "rope_theta", "rope_scaling", "norm_eps")  # nothing in the weights depends on these
# What of tokenizer.json decides the ids of a text; the rest frames, cuts, pads or decodes.
DECIDING = ("model", "added_tokens", "pre_tokenizer", "normalizer")


def check_start(path: Path, model: ModelConfig, packed: Path) -> None:
    """Raises TrainError unless a `model` trained on the folder `packed` can begin with the weights in `path`."""
    _require_same_shape(path, model_at(path), model)
    require_same_tokenizer(tokenizer_of(path), tokenizer_of(packed))


def load_start(model: Transformer, path: Path) -> None:
    """Fill `model` with the weights in `path`."""
    if is_hugging_face(path):
        model.load_state_dict(read_config_and_weights(path)[1])
    else:
        load_weights(run_and_checkpoint(path)[1], model)


def _require_same_shape(path: Path, there: ModelConfig, here: ModelConfig) -> None:
    records = [dataclasses.asdict(config) | {"head_width": config.head_dim} for config in (there, here)]
    old, new = ({name: value for name, value in record.items() if name not in FREE} for record in records)
    lines = differences(old, new)
    if lines:
        changes = "\n  ".join(lines)
        raise TrainError(
            f"start_from: {path} has another shape than `model` (there -> here):\n  {changes}\n"
            f"Leave `model` out to take the one there; pack with its tokenizer if vocab_size differs."
        )


def tokenizer_of(path: Path) -> Path:
    """The tokenizer of a run, of one of its checkpoints, of a model of transformers, or of a packed folder."""
    return (run_of(path) or path) / TOKENIZER_NAME


def require_same_tokenizer(there: Path, here: Path) -> None:
    """Raises TrainError unless both files give every text the same ids."""
    if _deciding(there) != _deciding(here):
        raise TrainError(f"{there} gives other token ids than {here}. Pack the data with `tokenizer: {there}`, and use that.")


def _deciding(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return {name: record.get(name) for name in DECIDING}
    except (OSError, ValueError, AttributeError) as error:
        raise TrainError(f"{path}: is not a tokenizer ({error}).") from None
