"""Checkpoints: safetensors and JSON in one folder per step, whole or absent.

    checkpoints/step-00000200/ model.safetensors  optimizer.safetensors  state.json

A checkpoint is written to a temporary folder, every file is fsynced, and the folder is renamed, so a kill at any moment
leaves the previous checkpoints as they were. The last two are kept. Nothing is pickled. Resuming takes the step alone,
since data order and learning rate follow from it; on a CPU it continues bitwise.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from train.config import TrainError
from train.durable import sync_folder, write_json
from train.model import Transformer
from train.run_folder import CHECKPOINTS

MODEL, OPTIMIZER, STATE = "model.safetensors", "optimizer.safetensors", "state.json"
KEPT = 2
METADATA = {"format": "pt"}


class CheckpointError(TrainError):
    """A checkpoint that cannot be read; the text says which and what to do."""


def checkpoint_folder(run: Path, step: int) -> Path:
    return run / CHECKPOINTS / f"step-{step:08d}"


def save_checkpoint(folder: Path, model: Transformer, optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Write the checkpoint `folder` of a run, and forget all its checkpoints but the last two."""
    temporary = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    _save_tensors(temporary / MODEL, model.state_dict())
    _save_tensors(temporary / OPTIMIZER, optimizer_tensors(model, optimizer))
    write_json(temporary / STATE, state)
    sync_folder(temporary)
    if folder.exists():
        _remove(folder)
    os.replace(temporary, folder)
    sync_folder(folder.parent)
    for old in checkpoint_folders(folder.parent.parent)[:-KEPT]:
        _remove(old)


def checkpoint_folders(run: Path) -> list[Path]:
    """The whole checkpoints of a run, oldest first."""
    folders = [path for path in (run / CHECKPOINTS).glob("step-*") if path.suffix != ".tmp" and (path / STATE).exists()]
    return sorted(folders)


def remove_leftovers(run: Path) -> None:
    """Delete what a kill left half written or half deleted."""
    for path in (run / CHECKPOINTS).glob("*.tmp"):
        shutil.rmtree(path)


def load_checkpoint(folder: Path, model: Transformer, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Fill `model` and `optimizer` from a checkpoint; returns its state."""
    load_weights(folder, model)
    tensors = _load_tensors(folder / OPTIMIZER)
    expected = {f"{key}.{name}" for key in ("step", "exp_avg", "exp_avg_sq") for name, _ in model.named_parameters()}
    if tensors.keys() != expected and tensors:  # nothing at all: no step was taken yet
        raise _damaged(folder / OPTIMIZER, "its tensors are not those of this model")
    for name, parameter in model.named_parameters() if tensors else ():
        optimizer.state[parameter] = {
            key: tensors[f"{key}.{name}"].to(parameter.device) for key in ("step", "exp_avg", "exp_avg_sq")
        }
    try:
        return json.loads((folder / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(folder / STATE, error) from None


def load_weights(folder: Path, model: Transformer) -> None:
    """Fill `model` from a checkpoint, on whatever device it is."""
    try:
        model.load_state_dict(_load_tensors(folder / MODEL))
    except RuntimeError as error:
        raise _damaged(folder / MODEL, error) from None


def optimizer_tensors(model: Transformer, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """AdamW's moments and step counts by name, such as `exp_avg.final_norm.weight`."""
    return {
        f"{key}.{name}": value
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def _save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, path, metadata=METADATA)
    with open(path, "rb") as stream:
        os.fsync(stream.fileno())


def _load_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, why: object) -> CheckpointError:
    return CheckpointError(
        f"{path}: cannot be used ({why}). Delete the folder {path.parent} to resume from the one before."
    )


def _remove(folder: Path) -> None:
    """Rename first, so that a kill half way through deleting leaves no half checkpoint under a whole one's name."""
    doomed = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(doomed, ignore_errors=True)
    os.replace(folder, doomed)
    shutil.rmtree(doomed)
