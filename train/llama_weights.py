"""Weights under the names of Hugging Face's Llama, in safetensors of at most SHARD_BYTES each, with an index if several.

Query and key rows keep their order: rotary pairs are half-split in both, so nothing is permuted. Reading takes one
tensor at a time, from safetensors or from .bin files; those hold pickles, of which tensors alone are unpickled.
"""

from __future__ import annotations

import json
import os
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import save_file
from torch import Tensor

from train.config import TrainError
from train.durable import write_json

SHARD_BYTES = 5_000_000_000
SAFETENSORS, BIN = "model.safetensors", "pytorch_model.bin"
INDEX = ".index.json"
OUTER = {"embedding": "model.embed_tokens", "final_norm": "model.norm", "head": "lm_head"}
INNER = {
    "attention_norm": "input_layernorm",
    "attention.query": "self_attn.q_proj",
    "attention.key": "self_attn.k_proj",
    "attention.value": "self_attn.v_proj",
    "attention.output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn.gate": "mlp.gate_proj",
    "ffn.up": "mlp.up_proj",
    "ffn.down": "mlp.down_proj",
}
_OURS = re.compile(r"blocks\.(\d+)\.(.+)\.weight")
_THEIRS = re.compile(r"model\.layers\.(\d+)\.(.+)\.weight")
_INNER_OURS = {theirs: ours for ours, theirs in INNER.items()}
_OUTER_OURS = {theirs: ours for ours, theirs in OUTER.items()}


def their_name(name: str) -> str:
    """`blocks.3.ffn.up.weight` -> `model.layers.3.mlp.up_proj.weight`."""
    if inner := _OURS.fullmatch(name):
        return f"model.layers.{inner[1]}.{INNER[inner[2]]}.weight"
    return f"{OUTER[name.removesuffix('.weight')]}.weight"


def our_name(name: str) -> str | None:
    """The other way round; None for a name that no tensor of this model has."""
    inner = _THEIRS.fullmatch(name)
    if inner:
        ours = _INNER_OURS.get(inner[2])
        return f"blocks.{inner[1]}.{ours}.weight" if ours else None
    ours = _OUTER_OURS.get(name.removesuffix(".weight")) if name.endswith(".weight") else None
    return f"{ours}.weight" if ours else None


def write_weights(folder: Path, tensors: dict[str, Tensor], dtype: torch.dtype, shard_bytes: int = SHARD_BYTES) -> None:
    """Write our `tensors` into `folder` under their names, each file synced."""
    shards: list[list[str]] = [[]]
    filled = total = 0
    for name, tensor in tensors.items():
        size = tensor.numel() * dtype.itemsize
        if shards[-1] and filled + size > shard_bytes:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled, total = filled + size, total + size
    files = [SAFETENSORS] if len(shards) == 1 else [
        f"model-{number:05d}-of-{len(shards):05d}.safetensors" for number in range(1, len(shards) + 1)
    ]  # fmt: skip
    for file, names in zip(files, shards):
        save_tensors(folder / file, {their_name(name): tensors[name].detach().to("cpu", dtype) for name in names})
    if len(shards) > 1:
        places = {their_name(name): file for file, names in zip(files, shards) for name in names}
        write_json(folder / (SAFETENSORS + INDEX), {"metadata": {"total_size": total}, "weight_map": places})


def save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """One safetensors file, synced, marked as PyTorch's (transformers refuses others)."""
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata={"format": "pt"})
    path.chmod(0o644)  # safetensors makes files that nobody else may read
    with open(path, "rb") as stream:
        os.fsync(stream.fileno())


def read_weights(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a model folder by its own (their) name, on the CPU, one at a time. Raises TrainError."""
    for path, names in _files(folder):
        try:
            yield from _read_safetensors(path, names) if path.suffix == ".safetensors" else _read_bin(path, names)
        except (OSError, KeyError, RuntimeError, EOFError, safetensors.SafetensorError, pickle.UnpicklingError) as error:
            raise TrainError(f"{path}: cannot be read ({_first_line(error)}). Download or export it again.") from None


def tensor_names(folder: Path) -> set[str]:
    """The (their) names of all tensors of a model folder; no tensor is read but from .bin files. Raises TrainError."""
    files = _files(folder)
    if all(names is None and path.suffix == ".safetensors" for path, names in files):
        return {name for path, _ in files for name in _header(path)}
    return {name for _, names in files for name in names or ()} or {name for name, _ in read_weights(folder)}


def _header(path: Path) -> list[str]:
    try:
        with safetensors.safe_open(path, "pt") as file:
            return list(file.keys())
    except (OSError, safetensors.SafetensorError) as error:
        raise TrainError(f"{path}: cannot be read ({_first_line(error)}). Download or export it again.") from None


def _files(folder: Path) -> list[tuple[Path, list[str] | None]]:
    """The files with weights, safetensors before .bin, and which tensors to take from each (None: all)."""
    for name in (SAFETENSORS, BIN):
        if (folder / (name + INDEX)).exists():
            return _indexed(folder / (name + INDEX))
        if (folder / name).exists():
            return [(folder / name, None)]
    raise TrainError(f"{folder}: holds no weights (no {SAFETENSORS}, no {BIN}, no index of several).")


def _indexed(index: Path) -> list[tuple[Path, list[str] | None]]:
    try:
        places: dict[str, Any] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        files: dict[str, list[str]] = {}
        for tensor, file in places.items():
            files.setdefault(file, []).append(tensor)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainError(f"{index}: is not an index of weights ({error!r}).") from None
    for file in files:
        if not isinstance(file, str) or file != os.path.basename(file) or file in ("", ".", ".."):
            raise TrainError(f"{index}: {file!r} is not a plain file name.")
        if not (index.parent / file).exists():
            raise TrainError(f"{index.parent / file}: no such file, but the index names it. Download it again.")
    return [(index.parent / file, names) for file, names in files.items()]


def _read_safetensors(path: Path, names: list[str] | None) -> Iterator[tuple[str, Tensor]]:
    with safetensors.safe_open(path, "pt") as file:
        for name in names or file.keys():
            yield name, file.get_tensor(name)


def _read_bin(path: Path, names: list[str] | None) -> Iterator[tuple[str, Tensor]]:
    """weights_only: whatever else the pickle holds is refused, never run."""
    tensors = torch.load(path, map_location="cpu", weights_only=True)
    for name in names or tensors:
        yield name, tensors[name]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [repr(error)])[0]
