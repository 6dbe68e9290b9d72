"""The folder that fine-tuning writes: whose it is, and whether it is finished. Imports no torch."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from train.config import TrainError
from train.durable import write_json
from train.finetune_config import FinetuneConfig, finetune_record, finetune_sha256, recorded_finetune
from train.handoff import TOKENIZER_NAME
from train.model_path import read_optional_json
from train.run_folder import CONFIG, SCHEMA_VERSION, SUMMARY

if TYPE_CHECKING:
    from train.saved_model import SavedModel

HEAD = "head.safetensors"


def identity(config: FinetuneConfig) -> dict[str, str]:
    """What says that two runs are the same: settings, items, and the model they start from."""
    return {"finetune_sha256": finetune_sha256(config), "model": config.model}


def finished(config: FinetuneConfig) -> dict[str, Any] | None:
    """The summary of a finished run of exactly this configuration, or None."""
    summary = read_optional_json(Path(config.output) / SUMMARY)
    same = all(summary.get(name) == value for name, value in identity(config).items())
    return summary if summary and same else None


def prepare_folder(config: FinetuneConfig, saved: SavedModel, source: Path, classes: tuple[str, ...], scale: tuple[float, float]) -> Path:
    """Create the folder, or check that the one there is of this very run. Raises TrainError if it is not."""
    folder = Path(config.output)
    if (folder / CONFIG).exists():
        if any(read_optional_json(folder / CONFIG).get(name) != value for name, value in identity(config).items()):
            raise TrainError(f"{folder}: holds another run. Choose another `output`, or delete that folder to train anew.")
        return folder
    if folder.exists() and any(folder.iterdir()):
        raise TrainError(f"{folder}: holds other files. Choose an empty or new folder as `output`.")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / TOKENIZER_NAME, folder / TOKENIZER_NAME)
    record = {
        "schema_version": SCHEMA_VERSION,
        **identity(config),
        "config": {"model": json.loads(json.dumps(dataclasses.asdict(saved.model.config)))},
        "tokens": {"pad_id": saved.pad_id, "bos_id": saved.bos_id, "eos_id": saved.eos_id, "stop_ids": list(saved.stop_ids)},
        "finetune": finetune_record(config),
        "classes": list(classes),
        "number_scale": list(scale),
    }
    write_json(folder / CONFIG, record)  # last: with it the folder is a run
    return folder


def read_finetuned(folder: Path) -> tuple[FinetuneConfig, tuple[str, ...], tuple[float, float]]:
    """The configuration, the classes and the scale of numbers. Raises TrainError where no finished fine-tuning is."""
    record = read_optional_json(folder / CONFIG)
    if "finetune" not in record or not (folder / HEAD).exists():
        raise TrainError(f"{folder}: holds no finished fine-tuning. Fine-tune first: gristmill finetune CONFIG.yaml")
    mean, deviation = record["number_scale"]
    return recorded_finetune(record["finetune"]), tuple(record["classes"]), (mean, deviation)
