"""Models from where they lie: the folder of a training run, one of its checkpoints, or a folder of transformers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from train.checkpoint import checkpoint_folders, incomplete_checkpoints, load_weights
from train.config import TrainError, model_of_record
from train.handoff import TOKENIZER_NAME
from train.hugging_face import read_model
from train.model import Transformer
from train.model_path import is_hugging_face, run_of
from train.run_folder import read_run
from train.saved_model import SavedModel, open_tokenizer


def open_model(path: Path, device: torch.device) -> SavedModel:
    """The model of a run's last checkpoint, of the checkpoint `path`, or of a folder of Hugging Face's transformers.

    Raises TrainError when there is none.
    """
    if is_hugging_face(path):
        saved = read_model(path)
        return dataclasses.replace(saved, model=saved.model.to(device))
    run, checkpoint = run_and_checkpoint(path)
    record = read_run(run)
    model = Transformer(model_of_record(record["config"]["model"]))
    load_weights(checkpoint, model)
    tokens = {**record["tokens"], "stop_ids": tuple(record["tokens"].get("stop_ids", ()))}
    return SavedModel(model.to(device).eval(), open_tokenizer(run / TOKENIZER_NAME), **tokens)


def run_and_checkpoint(path: Path) -> tuple[Path, Path]:
    """The folder of a run, and of its last checkpoint or the one that `path` names."""
    if run := run_of(path):
        return run, path
    read_run(path)
    folders = checkpoint_folders(path)
    if not folders:
        aside = incomplete_checkpoints(path)
        what = f"whole checkpoint.\n{aside[-1]}. Train again" if aside else "checkpoint yet. Train first"
        raise TrainError(f"{path}: holds no {what}: gristmill train CONFIG.")
    return path, folders[-1]


def checkpoint_of(path: Path) -> tuple[Path | None, list[str]]:
    """The checkpoint that `open_model` takes, and what to say of it where `path` does not name it; None for a model of transformers."""
    if is_hugging_face(path):
        return None, []
    run, checkpoint = run_and_checkpoint(path)
    if checkpoint == path:
        return checkpoint, []
    step = int(checkpoint.name.removeprefix("step-"))
    return checkpoint, [*incomplete_checkpoints(run), f"{checkpoint}: the last checkpoint, step {step}"]
