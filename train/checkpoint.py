"""Checkpoints: safetensors and JSON in one folder per step, whole or absent.

    checkpoints/step-00000200/ model.safetensors  optimizer.safetensors  state.json
    checkpoints/step-00000200/ shard-00001-model-00001-of-00001.safetensors ...  state.json      (a sharded run)

A checkpoint gets its name last (checkpoint_writer.py), so a kill at any moment leaves the previous ones as they were. The
last two are kept. Nothing is pickled: shards are PyTorch's distributed checkpoint in its safetensors form. Either layout
is read by any number of processes, sharded or not. Resuming takes the step alone, since data order and learning rate
follow from it; on a CPU it continues bitwise.
"""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import safetensors
import torch
import torch.distributed as dist
from safetensors.torch import load_file
from torch import Tensor

from train.config import TrainError
from train.model import Transformer
from train.optimizer import Optimizer
from train.run_folder import CHECKPOINTS
from train.shards import is_sharded

MODEL, OPTIMIZER, STATE = "model.safetensors", "optimizer.safetensors", "state.json"


class CheckpointError(TrainError):
    """A checkpoint that cannot be read; the text says which and what to do."""


def checkpoint_folder(run: Path, step: int) -> Path:
    return run / CHECKPOINTS / f"step-{step:08d}"


def checkpoint_folders(run: Path) -> list[Path]:
    """The whole checkpoints of a run, oldest first."""
    return [path for path in _named(run) if (path / STATE).exists()]


def incomplete_checkpoints(run: Path) -> list[str]:
    """What to say of checkpoints that are left aside since a file of theirs is gone, where they are newer than the whole ones."""
    last = max(checkpoint_folders(run), default=run)
    newer = [path for path in _named(run) if last == run or path > last]
    return [f"{path}: is incomplete (no {STATE}) and left aside" for path in newer]


def what_is_saved(run: Path) -> str:
    """The last checkpoint of a run that cannot go on, in a sentence."""
    folders = checkpoint_folders(run)
    return f"{folders[-1].name} is saved, what came after it is not." if folders else "No checkpoint is saved yet."


def _named(run: Path) -> list[Path]:
    return sorted(path for path in (run / CHECKPOINTS).glob("step-*") if path.suffix != ".tmp")


def remove_leftovers(run: Path) -> None:
    """Delete what a kill left half written or half deleted."""
    for path in (run / CHECKPOINTS).glob("*.tmp"):
        shutil.rmtree(path)


def load_checkpoint(folder: Path, model: Transformer, optimizer: Optimizer) -> dict[str, Any]:
    """Fill `model` and `optimizer` from a checkpoint; returns its state."""
    load_weights(folder, model)
    load_tensors(folder, OPTIMIZER, optimizer.tensors())
    try:
        return json.loads((folder / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(folder / STATE, error) from None


def load_weights(folder: Path, model: Transformer) -> None:
    """Fill `model` from a checkpoint, on whatever device it is."""
    load_tensors(folder, MODEL, model.state_dict())


def load_tensors(folder: Path, file: str, tensors: dict[str, Tensor]) -> None:
    """Fill `tensors` with those of the same names in `folder`. Raises CheckpointError unless all are there and fit."""
    if (folder / file).exists() and not any(map(is_sharded, tensors.values())):
        _fill(tensors, _load_file(folder / file), folder / file)
    else:
        _load_shards(folder, tensors)


def _fill(tensors: dict[str, Tensor], found: dict[str, Tensor], path: Path) -> None:
    if found.keys() != tensors.keys():
        raise _damaged(path, "its tensors are not those of this model and optimizer")
    for name, tensor in tensors.items():
        if tensor.shape != found[name].shape:
            raise _damaged(path, f"{name} has shape {list(found[name].shape)}, not {list(tensor.shape)}")
        tensor.detach().copy_(found[name])


def _load_file(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise _damaged(path, error) from None


def _load_shards(folder: Path, tensors: dict[str, Tensor]) -> None:
    """The distributed checkpoint finds which files hold the parts that this process needs; each process reads its own."""
    import torch.distributed.checkpoint as dcp

    if not list(folder.glob("*.safetensors")):
        raise _damaged(folder, "it holds no .safetensors file")
    reader = dcp.HuggingFaceStorageReader(str(folder))
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "torch.distributed is disabled")  # one process reads all shards
            dcp.load(dict(tensors), storage_reader=reader, no_dist=not dist.is_initialized())
    except (OSError, RuntimeError, ValueError, AssertionError, safetensors.SafetensorError, dcp.CheckpointException) as error:
        raise _damaged(folder, f"{type(error).__name__}: {error}") from None


def _damaged(path: Path, why: object) -> CheckpointError:
    folder = path.parent if path.suffix else path
    return CheckpointError(f"{path}: cannot be used ({why}). Delete the folder {folder} to resume from the one before.")
