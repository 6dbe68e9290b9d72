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
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from curation.ablate.settings import Ablation, JudgeSettings
from curation.shards import whole_file, write_json
from train.config import TrainConfig, config_sha256, resolve
from train.handoff import manifest_sha256, open_split, read_manifest
from train.run_folder import CONFIG, read_json

if TYPE_CHECKING:
    from curation.ablate.prepare import ArmData
    from train.evaluate.task import Task
    from train.saved_model import SavedModel

RUNS, JUDGED_TABLE, JUDGED_RECORD = "runs", "judged.parquet", "judged.json"
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


Training = Callable[[ModelRun, int, int], AbstractContextManager[Listener]]


@dataclass(frozen=True)
class JudgedSet:
    """Packed documents to judge on: a split of a folder, and who keeps them; None: the column `kept_by` says it."""

    folder: Path
    split: str = "train"
    kept_by: str | None = None


@dataclass(frozen=True)
class Judging:
    """What models are judged on."""

    sets: tuple[JudgedSet, ...]
    tasks: tuple[Task, ...]
    settings: JudgeSettings

    @property
    def identity(self) -> list[Any]:
        judge = self.settings
        sets = [[manifest_sha256(one.folder), one.split, one.kept_by] for one in self.sets]
        return [sets, [repr(task) for task in self.tasks], judge.items, judge.shots, judge.limit]


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


def train_models(runs: Sequence[ModelRun], judging: Judging, training: Training | None, should_stop: Callable[[], bool]) -> None:
    """Train and judge what is not done yet. `training` opens what listens to one model; it is told its number and the count."""
    waiting = [run for run in runs if run.same_as is None]
    for number, run in enumerate(waiting, 1):
        with training(run, number, len(waiting)) if training else nullcontext(_ignore) as listen:
            train_model(run, judging, listen, should_stop)


def _ignore(event: dict[str, Any]) -> None:
    """Nobody listens."""


def train_model(run: ModelRun, judging: Judging, listen: Listener, should_stop: Callable[[], bool]) -> None:
    """Train and judge one model, as far as it is not done yet. Raises Stopped when asked to stop."""
    from train.loop import train

    _make_way(run)
    summary = train(run.config, listen, should_stop)
    parts = [config_sha256(run.config), summary["packed_sha256"], judging.identity]
    identity = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    record = run.folder / JUDGED_RECORD
    if record.exists() and json.loads(record.read_text(encoding="utf-8")).get("identity") == identity:
        return
    judge_model(run.folder, judging, identity, run.config.device)


def _make_way(run: ModelRun) -> None:
    """Remove what an earlier form of these settings trained in the folder of this model."""
    if not (run.folder / CONFIG).exists():
        return
    record = read_json(run.folder / CONFIG)
    config = resolve(run.config, read_manifest(run.config.data))
    if (record.get("config_sha256"), record.get("packed_sha256")) != (config_sha256(config), manifest_sha256(config.data)):
        shutil.rmtree(run.folder)


def judge_model(folder: Path, judging: Judging, identity: str, device: str = "auto") -> None:
    """Write judged.parquet and judged.json of the model in `folder`; the record comes last."""
    from train.open_model import open_model
    from train.world import choose_device

    (folder / JUDGED_RECORD).unlink(missing_ok=True)
    saved = open_model(folder, choose_device(device))
    table = pa.concat_tables([judged_documents(saved, one) for one in judging.sets])
    with whole_file(folder / JUDGED_TABLE) as temporary:
        pq.write_table(table, temporary)
    write_json(folder / JUDGED_RECORD, {"identity": identity, "tasks": _tasks(saved, judging)})


def judged_documents(saved: SavedModel, judged: JudgedSet) -> pa.Table:
    """The loss of each document: document, source, lang, kept_by, nats, tokens, bytes."""
    from train.evaluate.documents import document_losses
    from train.evaluate.losses import model_losses

    columns = ("source", "lang") if judged.kept_by else ("source", "lang", "kept_by")
    found = document_losses(open_split(judged.folder, judged.split), model_losses(saved), saved.device, columns)
    if judged.kept_by:
        found = found.add_column(3, "kept_by", pa.array([judged.kept_by] * len(found), pa.string()))
    return found


def _tasks(saved: SavedModel, judging: Judging) -> dict[str, Any]:
    """Of each task, the figures of its items."""
    from train.evaluate.run_task import METRICS, Settings, run_task

    judge = judging.settings
    settings = Settings(Path(judge.items) if judge.items else None, judge.shots, 0, judge.limit)
    found = {}
    for task in judging.tasks:
        details = run_task(saved, task, settings)["details"]
        found[task.task] = {name: [detail[name] for detail in details] for name in METRICS if name in details[0]}
    return found
