"""Writes checkpoints beside the training: a copy is taken, a thread writes it, and the next step goes on at once.

A checkpoint is written to a temporary folder, every file is fsynced, and the folder is renamed, so it is whole or absent.
At most one is being written: the next waits for it. Sharded runs write with PyTorch's distributed checkpoint, each process
its own shares. Price: one more copy of weights and moments in host memory while it is written.
"""

from __future__ import annotations

import os
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch.distributed as dist
from safetensors.torch import save_file
from torch import Tensor

from train.checkpoint import MODEL, OPTIMIZER, STATE, checkpoint_folder, checkpoint_folders
from train.durable import sync_folder, write_json
from train.world import World

KEPT = 2
METADATA = {"format": "pt"}


class CheckpointWriter:
    """Writes the checkpoints of the run in `run`; `finish` before leaving."""

    def __init__(self, run: Path, world: World, sharded: bool):
        self.run, self.world, self.sharded = run, world, sharded
        self.pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self.pending: Future | None = None
        # What is said while writing must not meet what the steps say: another group of the same processes, in host memory.
        self.group = dist.new_group(backend="gloo") if sharded else None

    def save(self, step: int, model: dict[str, Tensor], optimizer: dict[str, Tensor], state: dict[str, Any]) -> Path:
        """Begin to write the checkpoint of `step`; it is there when `finish` returns."""
        self.finish()
        folder = checkpoint_folder(self.run, step)
        if self.sharded:
            self.pending = self._save_shards(folder, model | optimizer, state)
        elif self.world.is_first:
            files = {MODEL: _on_host(model), OPTIMIZER: _on_host(optimizer)}
            self.pending = self.pool.submit(_write, folder, files, state)
        return folder

    def finish(self) -> None:
        """Wait until the checkpoint under way is written. Raises what went wrong with it."""
        pending, self.pending = self.pending, None
        if pending is not None:
            pending.result()

    def close(self) -> None:
        """`finish`, and let the thread go."""
        try:
            self.finish()
        finally:
            self.pool.shutdown()

    def _save_shards(self, folder: Path, tensors: dict[str, Tensor], state: dict[str, Any]) -> Future:
        import torch.distributed.checkpoint as dcp

        temporary = _temporary(folder)
        if self.world.is_first:
            _make_empty(temporary)
        self.world.wait()
        writer = dcp.HuggingFaceStorageWriter(str(temporary), save_distributed=True)
        written = dcp.async_save(tensors, storage_writer=writer, process_group=self.group)
        return self.pool.submit(self._complete_shards, folder, written, state)

    def _complete_shards(self, folder: Path, written: Future, state: dict[str, Any]) -> None:
        """When the first process knows that the checkpoint is written, every process has written its part."""
        written.result()
        if self.world.is_first:
            _complete(folder, state)


def _on_host(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies that further training does not touch."""
    copies = {name: tensor.detach().cpu() for name, tensor in tensors.items()}
    return {
        name: copy.clone() if copy.data_ptr() == tensors[name].data_ptr() else copy for name, copy in copies.items()
    }


def _write(folder: Path, files: dict[str, dict[str, Tensor]], state: dict[str, Any]) -> None:
    temporary = _temporary(folder)
    _make_empty(temporary)
    try:
        for name, tensors in files.items():
            save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, temporary / name, metadata=METADATA)
            with open(temporary / name, "rb") as stream:
                os.fsync(stream.fileno())
        _complete(folder, state)
    except Exception:
        shutil.rmtree(temporary, ignore_errors=True)  # a full disk needs the room
        raise


def _complete(folder: Path, state: dict[str, Any]) -> None:
    """Give a checkpoint its name, and forget all checkpoints of the run but the last ones."""
    temporary = _temporary(folder)
    write_json(temporary / STATE, state)
    sync_folder(temporary)
    if folder.exists():
        _remove(folder)
    os.replace(temporary, folder)
    sync_folder(folder.parent)
    for old in checkpoint_folders(folder.parent.parent)[:-KEPT]:
        _remove(old)


def _temporary(folder: Path) -> Path:
    return folder.with_name(folder.name + ".tmp")


def _make_empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _remove(folder: Path) -> None:
    """Rename first, so that a kill half way through deleting leaves no half checkpoint under a whole one's name."""
    doomed = folder.with_name(folder.name + ".old.tmp")  # beside the new one, which may wait for this name
    shutil.rmtree(doomed, ignore_errors=True)
    os.replace(folder, doomed)
    shutil.rmtree(doomed)
