"""Models to and from the folders that Hugging Face's transformers, vLLM and others load.

    export_model(open_model(path, device), out)    -> config.json, generation_config.json, safetensors, tokenizer files
    import_model(folder, out)                      -> a folder like that of a run, at step 0

Both write to a temporary folder and rename it, so a folder is whole or absent. An export is read back and compared with
transformers (export_check.py) before it gets its name.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from train.checkpoint import MODEL, STATE, checkpoint_folder
from train.config import ModelConfig, TrainError
from train.durable import sync_folder, write_json
from train.handoff import TOKENIZER_NAME
from train.llama_config import hugging_face_config, model_config
from train.llama_tokenizer import read_token_ids, write_tokenizer
from train.llama_weights import SHARD_BYTES, our_name, read_weights, save_tensors, their_name, write_weights
from train.model import Transformer, rotary_tables
from train.model_path import read_optional_json
from train.room import room_in
from train.run_folder import CONFIG, SCHEMA_VERSION
from train.saved_model import SavedModel, open_tokenizer

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
Check = Callable[[Path, SavedModel], dict[str, Any]]


def export_model(
    saved: SavedModel, out: Path, dtype: str, check: Check | None, shard_bytes: int = SHARD_BYTES
) -> dict[str, Any]:
    """Write `saved` to `out` with weights of type `dtype`; returns what `check` found (empty without one).

    Raises TrainError when `out` is there, and when the check fails; then nothing is left behind.
    """
    with _written_whole(out) as temporary:
        write_folder(saved, temporary, dtype, shard_bytes)
        _require_equal(saved.model.state_dict(), temporary, DTYPES[dtype])
        return check(temporary, read_model(temporary)) if check else {}


def write_folder(saved: SavedModel, folder: Path, dtype: str, shard_bytes: int = SHARD_BYTES) -> None:
    """All files of an export, into a folder that is there."""
    config = saved.model.config
    ids = {"bos_token_id": saved.bos_id, "eos_token_id": _all_eos(saved), "pad_token_id": saved.pad_id}
    write_json(folder / "config.json", {**hugging_face_config(config, dtype), **ids})
    write_json(folder / "generation_config.json", {name: id for name, id in ids.items() if id is not None})
    frame = {"bos_id": saved.bos_id, "eos_id": saved.eos_id, "pad_id": saved.pad_id}
    write_tokenizer(folder, saved.tokenizer, frame, config.context)
    write_weights(folder, saved.model.state_dict(), DTYPES[dtype], shard_bytes)


def read_model(folder: Path) -> SavedModel:
    """A model folder of transformers, with weights in fp32. Raises TrainError for what is no Llama, or not whole."""
    config, tensors = read_config_and_weights(folder)
    with torch.device("meta"):
        model = Transformer(config)
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
    model.cosines, model.sines = rotary_tables(config)
    tokenizer, ids = read_tokenizer(folder)
    return SavedModel(model.eval(), tokenizer, **ids)


def read_tokenizer(folder: Path) -> tuple[Tokenizer, dict[str, Any]]:
    """The tokenizer of a model folder, and bos_id, eos_id, pad_id and stop_ids."""
    path = folder / TOKENIZER_NAME
    if not path.exists():
        raise TrainError(
            f"{path}: no such file. Make one with transformers: "
            f"AutoTokenizer.from_pretrained({str(folder)!r}).save_pretrained({str(folder)!r})."
        )
    tokenizer = open_tokenizer(path)
    return tokenizer, read_token_ids(folder, read_optional_json(folder / "config.json"), tokenizer)


def read_config_and_weights(folder: Path) -> tuple[ModelConfig, dict[str, Tensor]]:
    """The shape of a model folder, and its weights under our names in the types they are stored in."""
    path = folder / "config.json"
    if not path.exists():
        raise TrainError(f"{folder}: is not the folder of a model (no config.json).")
    tensors, unknown = {}, []
    for name, tensor in read_weights(folder):
        ours = our_name(name)
        if ours:
            tensors[ours] = tensor
        elif not name.endswith("rotary_emb.inv_freq"):  # a buffer that old versions saved
            unknown.append(name)
    config = model_config(read_optional_json(path), str(path), tied="head.weight" not in tensors)
    if config.tied_head:
        tensors.pop("head.weight", None)  # transformers, too, takes the embedding in its place
    _check_tensors(folder, config, tensors, unknown)
    return config, tensors


def import_model(folder: Path, out: Path) -> ModelConfig:
    """Write the model in `folder` to `out`, a folder like that of a training run at step 0. Weights keep their type.

    Raises TrainError when `out` is there, or `folder` holds no Llama model that is whole.
    """
    config, tensors = read_config_and_weights(folder)
    _, ids = read_tokenizer(folder)
    with _written_whole(out) as temporary:
        checkpoint = checkpoint_folder(temporary, 0)
        checkpoint.mkdir(parents=True)
        save_tensors(checkpoint / MODEL, tensors)
        write_json(checkpoint / STATE, {"step": 0})
        shutil.copyfile(folder / TOKENIZER_NAME, temporary / TOKENIZER_NAME)
        record = {"model": json.loads(json.dumps(asdict(config)))}
        write_json(temporary / CONFIG, {
            "schema_version": SCHEMA_VERSION, "config": record, "tokens": ids, "imported_from": str(folder.resolve()),
        })  # fmt: skip
    return config


def _all_eos(saved: SavedModel) -> int | list[int] | None:
    return [saved.eos_id, *saved.stop_ids] if saved.stop_ids and saved.eos_id is not None else saved.eos_id


def _check_tensors(folder: Path, config: ModelConfig, tensors: dict[str, Tensor], unknown: list[str]) -> None:
    with torch.device("meta"):
        wanted = {name: tuple(tensor.shape) for name, tensor in Transformer(config).state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    problems = [f"unknown tensor {name}" for name in unknown]
    problems += [f"unknown tensor {their_name(name)}" for name in found.keys() - wanted.keys()]
    problems += [f"{their_name(name)} is missing" for name in wanted.keys() - found.keys()]
    for name in wanted.keys() & found.keys():
        if wanted[name] != found[name]:
            problems.append(f"{their_name(name)} has shape {list(found[name])}, config.json says {list(wanted[name])}")
    if problems:
        shown = "\n  ".join(sorted(problems)[:8]) + (f"\n  and {len(problems) - 8} more" if len(problems) > 8 else "")
        raise TrainError(f"{folder}: the weights are not those of the model in config.json:\n  {shown}")


def _require_equal(ours: dict[str, Tensor], folder: Path, dtype: torch.dtype) -> None:
    """What was written is what was meant, bit for bit."""
    written = {our_name(name): tensor for name, tensor in read_weights(folder)}
    for name, tensor in ours.items():
        if not torch.equal(written[name], tensor.detach().to("cpu", dtype)):
            raise TrainError(f"{folder}: {their_name(name)} was not written as it is. Is the disk sound?")


@contextlib.contextmanager
def _written_whole(out: Path) -> Iterator[Path]:
    """A folder to write to, which becomes `out` when all went well, and is deleted otherwise."""
    with room_in(out, lambda: "Nothing of it is left behind."):
        temporary = _new_folder(out)
        try:
            yield temporary
            _give_name(temporary, out)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def _new_folder(out: Path) -> Path:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainError(f"{out}: is there already. Choose a new folder, or delete it.")
    temporary = out.with_name(out.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    return temporary


def _give_name(temporary: Path, out: Path) -> None:
    sync_folder(temporary)
    if out.exists():
        out.rmdir()  # empty, as _new_folder saw
    os.replace(temporary, out)
    sync_folder(out.parent)
