"""The models of an ablation: one for each size, arm and seed, trained alike and judged on the same documents.

    runs/SIZE/ARM/seed-N/    a training run like any other; beside what `gristmill train` writes:
    judged.parquet           the loss of each document that is judged on
    judged.json              tasks item by item, and what was judged, so that it is done once

Arms of one seed begin with the same weights and meet the rows they share in the same order. Arms whose data is the same,
byte for byte, are trained once.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from curation.ablate.settings import Ablation
from curation.shards import whole_file, write_json
from train.config import TrainConfig, config_sha256
from train.handoff import manifest_sha256, open_split

if TYPE_CHECKING:
    from curation.ablate.prepare import ArmData, Prepared
    from train.saved_model import SavedModel

RUNS, JUDGED_TABLE, JUDGED_RECORD = "runs", "judged.parquet", "judged.json"
LEAST_DATA_WARMUP = 1
Listener = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class ModelRun:
    """One model to train: `config` is whole. `same_as`: the arm whose data, and so whose model, is the same."""

    size: str
    arm: str
    seed: int
    config: TrainConfig
    same_as: str | None = None

    @property
    def folder(self) -> Path:
        return Path(self.config.output)

    @property
    def name(self) -> str:
        return f"{self.size}, {self.arm}, seed {self.seed}"


def plan_models(ablation: Ablation, arms: Sequence[ArmData]) -> list[ModelRun]:
    """All models, seed by seed, so that a part of them says something already."""
    first_with: dict[str, str] = {}
    same_as = {}
    for arm in arms:
        sha256 = manifest_sha256(arm.packed)
        same_as[arm.name] = first_with.get(sha256)
        first_with.setdefault(sha256, arm.name)
    runs = []
    for size, config in ablation.sizes.items():
        for seed in ablation.settings.seed_list:
            for arm in arms:
                output = ablation.output / RUNS / size / (same_as[arm.name] or arm.name) / f"seed-{seed}"
                changes = {"data": str(arm.packed), "output": str(output), "seed": seed, "row_order": "by_content"}
                runs.append(ModelRun(size, arm.name, seed, dataclasses.replace(config, **changes), same_as[arm.name]))
    return runs


def train_model(run: ModelRun, prepared: Prepared, ablation: Ablation, listen: Listener, should_stop: Callable[[], bool]) -> None:
    """Train and judge one model, as far as it is not done yet. Raises Stopped when asked to stop."""
    from train.loop import train

    summary = train(run.config, listen, should_stop)
    identity = _identity(run, prepared, ablation, summary)
    record = run.folder / JUDGED_RECORD
    if record.exists() and json.loads(record.read_text(encoding="utf-8")).get("identity") == identity:
        return
    judge_model(run.folder, prepared.judged, ablation, identity, run.config.device)


def judge_model(folder: Path, judged: Sequence[Path], ablation: Any, identity: str, device: str = "auto") -> None:
    """Write judged.parquet and judged.json of the model in `folder`; the record comes last."""
    from train.open_model import open_model
    from train.world import choose_device

    (folder / JUDGED_RECORD).unlink(missing_ok=True)
    saved = open_model(folder, choose_device(device))
    table = pa.concat_tables([judged_documents(saved, packed) for packed in judged])
    with whole_file(folder / JUDGED_TABLE) as temporary:
        pq.write_table(table, temporary)
    write_json(folder / JUDGED_RECORD, {"identity": identity, "tasks": _tasks(saved, ablation)})


def judged_documents(saved: SavedModel, packed: Path) -> pa.Table:
    """The loss of each document of a packed folder (split train): document, source, lang, kept_by, nats, tokens, bytes."""
    from train.evaluate.documents import document_losses
    from train.evaluate.losses import model_losses

    return document_losses(open_split(packed, "train"), model_losses(saved), saved.device, ("source", "lang", "kept_by"))


def _tasks(saved: SavedModel, ablation: Ablation) -> dict[str, Any]:
    """Of each task, the figures of its items."""
    from train.evaluate.run_task import METRICS, Settings, run_task

    judge = ablation.settings.judge
    settings = Settings(Path(judge.items) if judge.items else None, judge.shots, 0, judge.limit)
    found = {}
    for task in ablation.tasks:
        details = run_task(saved, task, settings)["details"]
        found[task.task] = {name: [detail[name] for detail in details] for name in METRICS if name in details[0]}
    return found


def _identity(run: ModelRun, prepared: Prepared, ablation: Ablation, summary: dict[str, Any]) -> str:
    judge = ablation.settings.judge
    parts = [
        config_sha256(run.config), summary["packed_sha256"], [manifest_sha256(packed) for packed in prepared.judged],
        [repr(task) for task in ablation.tasks], judge.items, judge.shots, judge.limit,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
