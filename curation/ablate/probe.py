"""The annealing probe: is a small dataset worth having? Answered at a few per cent of a run (Llama 3, arXiv 2407.21783, 3.1.3).

A half-trained model, the trunk, goes on in two ways while its learning rate falls to zero: on the data it had (`base`), and
on 30 % new and 70 % base data (`new`). Both read the rows that the trunk would have read next, which the new rows replace in
part; both begin with the trunk's weights and fresh optimizer moments. Seeds differ in which rows come, and in their order.

    settings (YAML)   trunk, new, new_frac, tokens or frac, seeds, judge, train
    data/             the new documents packed with the trunk's tokenizer; rows of each arm and seed
    runs/             the models; report.json, report.md
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from curation.ablate.arms import Workshop, finished_arm, read_as_they_are
from curation.ablate.blend import Rows, blend
from curation.ablate.checks import checked_judge, output_problems
from curation.ablate.compare import compare, losses, read_judged
from curation.ablate.models import JudgedSet, Judging, ModelRun, Training, train_models
from curation.ablate.report import dated, today, write_report
from curation.ablate.settings import JudgeSettings, SettingsFile
from curation.job import load_job
from curation.pack_settings import PackSettings
from curation.progress import Progress
from curation.run import run_job
from curation.run_lock import locked
from rules.places import Problem, Problems, SettingError, build, load
from train.checkpoint import checkpoint_folders
from train.config import RampStage, TrainConfig, TrainError, model_of_record
from train.handoff import TOKENIZER_NAME, open_split, read_manifest
from train.model_path import run_of
from train.ramp import BatchPlan
from train.run_folder import read_run
from train.schedule import learning_rate
from train.sizes import parameter_counts, training_flops
from train.trace import open_traced

NEW, BASE = "new", "base"
OF_BASE, OF_NEW, REFERENCE = "the base data", "the new data", "reference"
WARMUP_FRAC, MOST_WARMUP_STEPS = 0.05, 50  # the moments begin at zero
CARRIED = (
    "batch_rows", "accumulation", "weight_decay", "betas", "adam_eps", "optimizer", "muon_momentum", "z_loss", "clip_norm", "eval_rows",
    "precision", "attention", "compile", "cross_entropy", "loss_chunk_tokens", "device",
)  # fmt: skip


@dataclass(frozen=True)
class ProbeSettings:
    """`new`: files of documents, or a job. `frac`: of the tokens of the trunk's whole run; or `tokens`. `train` changes settings of the trunk."""

    output: str
    trunk: str
    new: str | list[str]
    new_frac: float = 0.3
    tokens: int | None = None
    frac: float = 0.05
    seeds: int = 3
    judge: JudgeSettings = JudgeSettings()
    train: dict[str, Any] = field(default_factory=dict)
    workers: Literal["auto", "inline"] | int = "auto"

    def __post_init__(self) -> None:
        for name in ("new_frac", "frac"):
            if not 0 < getattr(self, name) <= 1:
                raise SettingError(name, f"{name} is a fraction above 0 and up to 1, got {getattr(self, name)}")
        if self.seeds < 1 or (self.tokens or 1) < 1:
            raise SettingError("seeds" if self.seeds < 1 else "tokens", "at least 1")


@dataclass(frozen=True)
class Probe(SettingsFile):
    """A probe ready to run: where the trunk is, and how its branches are trained but for data, output and seed."""

    settings: ProbeSettings
    trunk: Path  # the checkpoint
    trunk_step: int
    config: TrainConfig
    tasks: tuple

    @property
    def jobs(self) -> list[str]:
        names = [self.settings.new] if isinstance(self.settings.new, str) else self.settings.new
        return names if len(names) == 1 and names[0].endswith((".yaml", ".yml")) else []

    @property
    def sha256(self) -> str:
        record = dataclasses.asdict(self.settings) | {"config": dataclasses.asdict(self.config), "step": self.trunk_step}
        return hashlib.sha256(json.dumps(record, sort_keys=True, default=str).encode()).hexdigest()


def load_probe(path: str | Path) -> Probe:
    """Read a probe. Raises Problems with every mistake in it, TrainError for a trunk that cannot be branched from."""
    path = Path(path)
    located = load(path)
    settings = build(ProbeSettings, located)
    problems = output_problems(settings.output, located, path.parent)
    named = (path.parent / settings.trunk).resolve()
    checkpoint = _checkpoint(named)
    record = read_run(run_of(checkpoint) or named)["config"]
    step = int(checkpoint.name.rpartition("-")[2])
    tasks, judge = checked_judge(settings.judge, located, path.parent, problems)
    config = _branch(record, step, settings, checkpoint, problems, located)
    if problems:
        raise Problems(problems)
    return Probe(path, dataclasses.replace(settings, judge=judge), checkpoint, step, config, tasks)


def _checkpoint(named: Path) -> Path:
    if run_of(named):
        return named
    read_run(named)
    folders = checkpoint_folders(named)
    if not folders:
        raise TrainError(f"{named}: holds no checkpoint yet. Train the trunk first: gristmill train CONFIG.")
    return folders[-1]


def _branch(record: dict[str, Any], step: int, settings: ProbeSettings, checkpoint: Path, problems: list[Problem], located: Any) -> TrainConfig:
    """The trunk's configuration from its step on: the rate of that step, falling to zero."""
    trunk = TrainConfig(**{**record, "model": model_of_record(record["model"]), "betas": tuple(record["betas"]), "batch_ramp": tuple(RampStage(**stage) for stage in record["batch_ramp"]), "eval_by": tuple(record["eval_by"]), "log_to": (), "sample": TrainConfig.__dataclass_fields__["sample"].default_factory(**record["sample"])})  # fmt: skip
    rate = learning_rate(trunk, min(step, trunk.steps - 1))
    if rate < trunk.learning_rate / 10:
        raise TrainError(
            f"{checkpoint}: its learning rate has fallen to {rate:.3g} of {trunk.learning_rate:.3g} already. Name a checkpoint from before the decay "
            f"(RUN/checkpoints/step-N), or train a trunk with decay_frac: 0."
        )
    tokens = settings.tokens or settings.frac * trunk.steps * trunk.batch_rows * trunk.model.context
    steps = max(round(tokens / trunk.batch_rows / trunk.model.context), 2)
    changes = {name: getattr(trunk, name) for name in CARRIED}
    unknown = [name for name in settings.train if name not in (*CARRIED, "learning_rate", "checkpoint_every", "log_every", "eval_every")]
    problems += [located.problem(("train", name), "R101", f"{name} comes from the trunk, or from the probe, and cannot be set here") for name in unknown]
    if unknown:
        return trunk
    return TrainConfig(
        data="", output="", model=trunk.model, steps=steps, schedule="wsd", decay_frac=1.0, final_learning_rate_frac=0.0,
        warmup_steps=min(round(steps * WARMUP_FRAC), MOST_WARMUP_STEPS), start_from=str(checkpoint), row_order="by_content",
        **{**changes, "learning_rate": rate, **settings.train},
    )  # fmt: skip


# --- running ----------------------------------------------------------------------------------------------


def probe(found: Probe, progress: Progress | None = None, training: Training | None = None, should_stop: Callable[[], bool] = lambda: False) -> dict[str, Any]:
    """Run a probe, or go on with it; returns its report."""
    with locked(found.output):
        shop = Workshop(found, found.output / "data", progress or Progress(), should_stop)
        new = _new_packed(shop, found)
        base = Path(read_run(run_of(found.trunk) or found.trunk)["config"]["data"])
        runs = [run for seed in range(found.settings.seeds) for run in _runs(found, base, new, seed)]
        judging = Judging(_judged(shop, found, base, new), found.tasks, found.settings.judge)
        train_models(runs, judging, training, should_stop)
        report = dated(_report(found, runs, judging, base, new), found.output)
        write_report(report, found.output)
    return report


def _new_packed(shop: Workshop, found: Probe) -> Path:
    """The new documents, packed with the trunk's tokenizer into rows as long as the trunk's."""
    settings = found.settings
    names = (settings.new,) if isinstance(settings.new, str) else tuple(settings.new)
    if found.jobs:
        job = load_job(found.folder / found.jobs[0])
        names = tuple(map(str, finished_arm(NEW, job, run_job(job, settings.workers, shop.progress, shop.should_stop).report).files))
    tokenizer = (run_of(found.trunk) or found.trunk) / TOKENIZER_NAME
    pack = PackSettings(tokenizer=tokenizer, sequence_length=found.config.model.context, held_out=settings.judge.held_out)
    return read_as_they_are(shop, NEW, names, shop.folder / NEW, pack).job.output / "packed"


def _runs(found: Probe, base: Path, new: Path, seed: int) -> list[ModelRun]:
    """Both branches of a seed."""
    rows = found.config.steps * found.config.batch_rows
    following = _following(found, rows, seed)
    fresh = round(rows * found.settings.new_frac)
    chosen = np.random.default_rng([seed, 1]).permutation(len(following))
    there = len(open_split(new, "train"))
    if not there:
        raise TrainError(f"{new}: no new document is left to train on (judge: {{held_out: {found.settings.judge.held_out:g}}} holds some out).")
    order = np.random.default_rng([seed, 2])
    replacing = np.concatenate([order.permutation(there) for _ in range(-(-fresh // there))])[:fresh]
    held_out = [Rows(base, None, "held_out")]
    parts = {NEW: [Rows(base, following[chosen[fresh:]]), Rows(new, replacing)], BASE: [Rows(base, following)]}
    runs = []
    for arm, train in parts.items():
        data = found.output / "data/arms" / arm / f"seed-{seed}"
        blend(data, train, held_out)
        config = dataclasses.replace(found.config, data=str(data), output=str(found.output / "runs/model" / arm / f"seed-{seed}"), seed=seed)
        runs.append(ModelRun("model", arm, seed, config))
    return runs


def _following(found: Probe, rows: int, seed: int) -> np.ndarray:
    """The `rows` rows that the trunk would have read next; another stretch for each seed."""
    traced = open_traced(run_of(found.trunk) or found.trunk)
    plan = BatchPlan(traced.loader.batch_rows, traced.loader.ramp)
    first_step = found.trunk_step + seed * -(-rows // traced.loader.batch_rows)
    steps = range(first_step, first_step + -(-rows // plan.rows_at(first_step)))
    return np.concatenate([traced.loader.rows(step) for step in steps])[:rows]


def _judged(shop: Workshop, found: Probe, base: Path, new: Path) -> tuple[JudgedSet, ...]:
    """What both branches are judged on; the verdict is about the first."""
    sets = [JudgedSet(base, "held_out", OF_BASE)]
    if len(open_split(new, "held_out")):
        sets.append(JudgedSet(new, "held_out", OF_NEW))
    if found.settings.judge.documents:
        names = found.settings.judge.documents
        pack = PackSettings(tokenizer=base / TOKENIZER_NAME, sequence_length=found.config.model.context, held_out=0.0)
        arm = read_as_they_are(shop, REFERENCE, (names,) if isinstance(names, str) else tuple(names), shop.folder / REFERENCE, pack)
        sets.insert(0, JudgedSet(arm.job.output / "packed", "train", REFERENCE))
    return tuple(sets)


def _report(found: Probe, runs: list[ModelRun], judging: Judging, base: Path, new: Path) -> dict[str, Any]:
    """A report of the shape of an ablation's."""
    judged, judged_on = read_judged(runs), judging.sets[0].kept_by or ""
    loss = losses(judged, judged_on)
    comparison = compare(judged, NEW, BASE, judged_on, found.settings.judge.of_interest)
    comparison |= {"losses": {"a": loss[NEW][judged_on], "b": loss[BASE][judged_on]}, "same_data": False}
    config, manifest = found.config, read_manifest(base)
    tokens = config.steps * config.batch_rows * manifest.sequence_length
    model = dataclasses.replace(config.model, vocab_size=manifest.vocab_size, context=manifest.sequence_length)
    flops = training_flops(model, tokens, tokens * manifest.sequence_length / 2) * len(runs)
    rows = config.steps * config.batch_rows
    size = {"name": "model", "parameters": parameter_counts(model).total, "tokens": tokens, "steps": config.steps, "flops": flops, "losses": loss,
            "comparisons": [comparison], "runs": [{"arm": run.arm, "seed": run.seed, "folder": str(run.folder.relative_to(found.output))} for run in runs]}  # fmt: skip
    data = hashlib.sha256("".join(read_manifest(folder).job_sha256 for folder in (base, new)).encode()).hexdigest()
    return {
        "schema_version": 1, "date": today(), "sha256": found.sha256, "data_sha256": data, "rule": None, "evidence": None, "judged_on": judged_on,
        "seeds": found.settings.seeds, "flops": flops, "sizes": [size],
        "trunk": {"checkpoint": str(found.trunk), "step": found.trunk_step, "learning_rate": config.learning_rate},
        "arms": {
            BASE: _arm(base, rows / len(open_split(base, "train"))),
            NEW: _arm(new, rows * found.settings.new_frac / len(open_split(new, "train"))) | {"frac": found.settings.new_frac},
        },
    }  # fmt: skip


def _arm(packed: Path, epochs: float) -> dict[str, Any]:
    manifest = read_manifest(packed)
    entries = manifest.splits["train"]
    return {"documents": None, "tokens_there": sum(entry.tokens for entry in entries), "epochs": epochs}
