"""The folder that fine-tuning writes: whose it is, and whether it is finished. Imports no torch."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from train.config import TrainError, differences
from train.durable import write_json
from train.finetune_config import FinetuneConfig, deciding, finetune_record, finetune_sha256, recorded_finetune
from train.handoff import TOKENIZER_NAME
from train.model_path import read_optional_json
from train.run_folder import CONFIG, SCHEMA_VERSION, SUMMARY, kind_of

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
        _require_same(folder, config)
        return folder
    if folder.exists() and any(path.suffix != ".tmp" and path.name != TOKENIZER_NAME for path in folder.iterdir()):
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


def _require_same(folder: Path, config: FinetuneConfig) -> None:
    """Raises TrainError, with what differs, unless the run in `folder` is that of `config`."""
    old = read_optional_json(folder / CONFIG)
    if "finetune" not in old:
        raise TrainError(f"{folder}: holds {kind_of(old)}, and no fine-tuning that could go on. Choose an empty or new folder as `output`.")
    if all(old.get(name) == value for name, value in identity(config).items()):
        return
    before, now = (deciding(one) for one in (recorded_finetune(old["finetune"]), config))
    lines = differences(before | {"model": old.get("model")}, now | {"model": config.model})
    changes = "\n  ".join(lines or ["the items are others, or say something else"])
    raise TrainError(f"{folder}: holds a run of another configuration:\n  {changes}\nChoose another `output`, or delete that folder to train anew.")


def read_finetuned(folder: Path) -> tuple[FinetuneConfig, tuple[str, ...], tuple[float, float]]:
    """The configuration, the classes and the scale of numbers. Raises TrainError where no finished fine-tuning is."""
    record = read_optional_json(folder / CONFIG)
    if "finetune" not in record or not (folder / HEAD).exists():
        raise TrainError(f"{folder}: holds no finished fine-tuning. Fine-tune first: gristmill finetune CONFIG.yaml")
    mean, deviation = record["number_scale"]
    return recorded_finetune(record["finetune"]), tuple(record["classes"]), (mean, deviation)
