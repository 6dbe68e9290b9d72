"""The folder of a training run: who it belongs to, and whether it is finished. Imports no torch.

config.json     the resolved configuration, its hash, and the checksum of the packed data it trains on
tokenizer.json  a copy, so that the folder generates text by itself
metrics.jsonl   one record per line
tensorboard/    event files, wandb/ W&B's files, ray/ Ray's, where these are used
checkpoints/    the last two
summary.json    written last; a run whose hashes match is finished
"""

from __future__ import annotations

import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from train.config import TrainConfig, TrainError, config_record, config_sha256, differences
from train.durable import write_json
from train.handoff import TOKENIZER_NAME, Manifest, manifest_sha256

CONFIG, METRICS, SUMMARY, CHECKPOINTS = "config.json", "metrics.jsonl", "summary.json", "checkpoints"
TENSORBOARD, WANDB, RAY = "tensorboard", "wandb", "ray"
SCHEMA_VERSION = 1
TRAINED = "a training run"


def finished_summary(config: TrainConfig) -> dict[str, Any] | None:
    """The summary of a finished run of exactly this configuration on exactly this data, or None."""
    path = Path(config.output) / SUMMARY
    if not path.exists():
        return None
    summary = read_json(path)
    same = {"config_sha256": config_sha256(config), "packed_sha256": manifest_sha256(config.data)}
    return summary if all(summary.get(name) == value for name, value in same.items()) else None


def prepare_run(config: TrainConfig, manifest: Manifest) -> Path:
    """Create the run's folder, or check that the one there holds this very run. Raises TrainError if it does not."""
    run = Path(config.output)
    record = {
        "schema_version": SCHEMA_VERSION,
        "config_sha256": config_sha256(config),
        "packed_sha256": manifest_sha256(config.data),
        "config": config_record(config),
        "tokens": {"pad_id": manifest.pad_id, "bos_id": manifest.bos_id, "eos_id": manifest.eos_id},
        "versions": {name: version(name) for name in ("torch", "numpy", "pyarrow", "tokenizers", "safetensors")},
    }
    if (run / CONFIG).exists():
        old = read_json(run / CONFIG)
        if kind_of(old) != TRAINED:
            raise TrainError(f"{run}: holds {kind_of(old)}, and no run that could go on. Choose an empty or new folder as `output`.")
        _require_same(run, old, record)
        return run
    if run.exists() and any(path.suffix != ".tmp" and path.name not in (TOKENIZER_NAME, RAY) for path in run.iterdir()):
        raise TrainError(f"{run}: holds other files. Choose an empty or new folder as `output`.")
    run.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(Path(config.data) / TOKENIZER_NAME, run / TOKENIZER_NAME)
    write_json(run / CONFIG, record)  # last: with it the folder is a run
    return run


def read_run(run: Path) -> dict[str, Any]:
    """config.json of a run. Raises TrainError where there is none."""
    if not run.exists():
        raise TrainError(f"{run}: does not exist. Name the folder of a training run, or train first: gristmill train CONFIG.")
    if not (run / CONFIG).exists():
        raise TrainError(
            f"{run}: is not the folder of a training run (no {CONFIG}). Train first: gristmill train CONFIG."
        )
    record = read_json(run / CONFIG)
    if not isinstance(record, dict) or not isinstance(record.get("config"), dict):
        raise TrainError(f"{run / CONFIG}: is not that of a training run. Name the folder that `output` of a training configuration names.")
    return record


def kind_of(record: Any) -> str:
    """What a folder with this config.json holds, in words."""
    config = record.get("config") if isinstance(record, dict) else None
    if not isinstance(config, dict):
        is_model = isinstance(record, dict) and "model_type" in record
        return "a model of Hugging Face's transformers" if is_model else "other files"
    if "packed_sha256" in record:
        return TRAINED
    return "a fine-tuned model" if "finetune" in record else "an imported model"


def read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainError(f"{path}: cannot be read ({error}). Delete the run's folder and train again.") from None


def _require_same(run: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    lines = differences(old["config"], new["config"])
    if old["packed_sha256"] != new["packed_sha256"]:
        lines.append("the packed data is another")
    if lines:
        changes = "\n  ".join(lines)
        raise TrainError(
            f"{run}: holds a run of another configuration:\n  {changes}\n"
            f"Choose another `output`, or delete that folder to train anew."
        )
