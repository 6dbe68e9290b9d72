"""The data mix: in which proportions to take sources (or languages), from small runs.

    documents -> one group for each source -> small runs on random mixtures -> a regression (mix_fit.py) -> the best mixture
      -> models on it against models on the natural proportions, several seeds, with the verdict of an ablation

Everything that was tried is in the report. A mixture is a choice of rows: no group is read more often than `max_epochs`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from curation.ablate.arms import Arm, Workshop, finished_arm, read_as_they_are
from curation.ablate.blend import Rows, blend
from curation.ablate.checks import checked_judge, output_problems
from curation.ablate.compare import Judged, compare, losses, read_judged
from curation.ablate.mix_fit import Regression, best_mixture, capped, draw_mixtures, fit_mixtures
from curation.ablate.mix_groups import Group, mix_groups
from curation.ablate.models import JudgedSet, Judging, ModelRun, Training, train_models
from curation.ablate.report import today
from curation.ablate.settings import JudgeSettings, SettingsFile, train_settings
from curation.ablate.size import facts, train_defaults
from curation.former_names import FORMER_IN_MIXES
from curation.job import load_job
from curation.pack_settings import PackSettings
from curation.progress import Progress
from curation.run import run_job
from curation.run_lock import locked
from rules.places import Problem, Problems, SettingError, build, load, with_names_of_today
from train.config import TrainConfig, TrainError, config_record

BEST, NATURAL, REFERENCE = "best", "natural", "reference"
FEWEST_MIXTURES = 4


@dataclass(frozen=True)
class MixSettings:
    """`documents` (files) or `job`: what there is. `target`: what counts how much, by group; by text, without it."""

    output: str
    tokens: int
    documents: str | list[str] = ()
    job: str | None = None
    by: Literal["source", "language"] = "source"
    mixtures: int = 16
    seeds: int = 3  # for the best mixture against the natural one
    target: dict[str, float] = field(default_factory=dict)
    max_epochs: float = 4.0
    sequence_length: int = 512
    tokenizer: str | None = None
    vocab_size: int = 8192
    judge: JudgeSettings = JudgeSettings()
    train: dict[str, Any] = field(default_factory=dict)
    workers: Literal["auto", "inline"] | int = "auto"

    def __post_init__(self) -> None:
        if bool(self.documents) == bool(self.job):
            raise SettingError("documents", "name either documents, or a job")
        for name, least in (("tokens", 1), ("mixtures", FEWEST_MIXTURES), ("seeds", 1), ("max_epochs", 1)):
            if getattr(self, name) < least:
                raise SettingError(name, f"at least {least}")
        if any(weight < 0 for weight in self.target.values()) or self.target and not sum(self.target.values()):
            raise SettingError("target", "weights from 0, not all of them 0")


@dataclass(frozen=True)
class Mix(SettingsFile):
    """A search for a mixture, ready to run."""

    settings: MixSettings
    config: TrainConfig
    tasks: tuple
    warnings: tuple[Problem, ...] = ()  # settings that have another name today

    @property
    def jobs(self) -> list[str]:
        return [self.settings.job] if self.settings.job else []

    @property
    def rows(self) -> int:
        return self.config.steps * self.config.batch_rows


def load_mix(path: str | Path) -> Mix:
    """Read the settings. Raises Problems with every mistake in them."""
    path = Path(path)
    located, warnings = with_names_of_today(load(path), FORMER_IN_MIXES)
    settings = build(MixSettings, located)
    problems = output_problems(settings.output, located, path.parent)
    known = facts(settings.vocab_size, settings.sequence_length)
    config = train_settings(located, problems, train_defaults(None, settings.tokens, known), {})
    for name in ("job", "tokenizer"):
        value = getattr(settings, name)
        if value and not (path.parent / value).is_file():
            problems.append(located.problem((name,), "R103", f"no file {str(path.parent / value)!r}"))
    tasks, judge = checked_judge(settings.judge, located, path.parent, problems)
    if problems or config is None:
        raise Problems(problems)
    steps = max(round(settings.tokens / settings.sequence_length / config.batch_rows), config.warmup_steps, 1)
    return Mix(path, dataclasses.replace(settings, judge=judge), dataclasses.replace(config, steps=steps), tasks, tuple(sorted(warnings)))


def mix(found: Mix, progress: Progress | None = None, training: Training | None = None, should_stop: Callable[[], bool] = lambda: False) -> dict[str, Any]:
    """Search, or go on searching; returns the report."""
    with locked(found.output):
        shop = Workshop(found, found.output / "data", progress or Progress(), should_stop)
        groups, left_out = mix_groups(shop, found, _documents(shop, found))
        natural = np.array([group.frac for group in groups])
        most = np.array([group.rows for group in groups]) * found.settings.max_epochs / found.rows
        if most.sum() < 1:
            raise TrainError(f"{found.settings.tokens:,} tokens are more than {found.settings.max_epochs:g} epochs of all documents. Lower tokens, or raise max_epochs.")
        natural = capped(natural, most)
        judging = _judging(shop, found, groups)
        tried = np.concatenate([natural[None], draw_mixtures(natural, most, found.settings.mixtures - 1, 0)])
        runs = [_run(found, groups, f"mix-{number:02d}", weights, 0) for number, weights in enumerate(tried)]
        train_models(runs, judging, training, should_stop)
        target = _target(found, groups)
        scores = np.array([_score(read_judged([run]), run.arm, target) for run in runs])
        regression = fit_mixtures(tried, scores)
        best = best_mixture(regression, natural, most, 1)
        final = [_run(found, groups, arm, weights, seed) for seed in range(found.settings.seeds) for arm, weights in ((BEST, best), (NATURAL, natural))]
        train_models(final, judging, training, should_stop)
        report = _report(found, groups, tried, scores, regression, (best, natural), final, target)
    return report | {"left_out": left_out}


def _documents(shop: Workshop, found: Mix) -> Arm:
    settings = found.settings
    if settings.job:
        job = load_job(found.folder / settings.job)
        return finished_arm("documents", job, run_job(job, settings.workers, shop.progress, shop.should_stop).report)
    names = (settings.documents,) if isinstance(settings.documents, str) else tuple(settings.documents)
    return read_as_they_are(shop, "documents", names, shop.folder / "documents")


def _judging(shop: Workshop, found: Mix, groups: Sequence[Group]) -> Judging:
    sets = [JudgedSet(group.packed, "held_out", group.name) for group in groups]
    if found.settings.judge.documents:
        names = found.settings.judge.documents
        pack = PackSettings(tokenizer=groups[0].packed / "tokenizer.json", sequence_length=found.settings.sequence_length, held_out=0.0)
        arm = read_as_they_are(shop, REFERENCE, (names,) if isinstance(names, str) else tuple(names), shop.folder / REFERENCE, pack)
        sets.insert(0, JudgedSet(arm.job.output / "packed", "train", REFERENCE))
    return Judging(tuple(sets), found.tasks, found.settings.judge)


def _run(found: Mix, groups: Sequence[Group], arm: str, weights: np.ndarray, seed: int) -> ModelRun:
    """A model on so many rows of each group: whole passes over it, then some of its rows, the first ones in an order of its own."""
    counts = np.floor(weights * found.rows).astype(int)
    counts[np.argsort(counts - weights * found.rows, kind="stable")[: found.rows - counts.sum()]] += 1
    train = []
    for number, (group, count) in enumerate(zip(groups, counts.tolist(), strict=True)):
        order = np.random.default_rng([number, 3]).permutation(group.rows)  # a smaller share is a part of a larger one
        train.append(Rows(group.packed, np.resize(order, count)))
    data = found.output / "data/mixtures" / f"{arm}"
    blend(data, train, [Rows(group.packed, None, "held_out") for group in groups])
    changes = {"data": str(data), "output": str(found.output / "runs" / arm / f"seed-{seed}"), "seed": seed, "row_order": "by_content"}
    return ModelRun("model", arm, seed, dataclasses.replace(found.config, **changes))


def _target(found: Mix, groups: Sequence[Group]) -> dict[str, float]:
    """How much each judged set counts, summing to 1."""
    if found.settings.judge.documents:
        return {REFERENCE: 1.0}
    wanted = found.settings.target or {group.name: group.frac for group in groups}
    unknown = [name for name in wanted if name not in {group.name for group in groups}]
    if unknown:
        raise TrainError(f"target: there is no {found.settings.by} {unknown[0]!r}; there are {', '.join(group.name for group in groups)}.")
    return {name: weight / sum(wanted.values()) for name, weight in wanted.items()}


def _score(judged: Judged, arm: str, target: dict[str, float]) -> float:
    """Bits per byte, by the weights of the target."""
    loss = losses(judged, next(iter(target)))[arm]
    return sum(weight * (loss[name] or 0.0) for name, weight in target.items())


def weighted(judged: Judged, target: dict[str, float]) -> Judged:
    """The documents that the target names, weighed so that each judged set counts as it says: all of them are then one set."""
    factor = np.zeros(len(judged.bytes))
    for name, weight in target.items():
        chosen = judged.where("kept_by", name)
        factor[chosen] = weight * judged.bytes.sum() / judged.bytes[chosen].sum()
    counts = factor > 0
    documents = judged.documents.filter(pa.array(counts))
    documents = documents.set_column(documents.column_names.index("kept_by"), "kept_by", pa.array(["target"] * len(documents)))
    bits = {arm: (bits * factor)[:, counts] for arm, bits in judged.bits.items()}
    return dataclasses.replace(judged, bits=bits, bytes=(judged.bytes * factor)[counts], documents=documents)


def _report(
    found: Mix, groups: Sequence[Group], tried: np.ndarray, scores: np.ndarray, regression: Regression, mixtures: tuple[np.ndarray, np.ndarray],
    final: Sequence[ModelRun], target: dict[str, float],
) -> dict[str, Any]:  # fmt: skip
    names = [group.name for group in groups]
    judged = read_judged(final)
    comparison = compare(weighted(judged, target), BEST, NATURAL, "target", found.settings.judge.of_interest)
    predicted = regression.predict(tried)
    settings = dataclasses.asdict(found.settings) | {"train": config_record(found.config)}
    best, natural = mixtures
    return {
        "schema_version": 1, "date": today(), "sha256": hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest(),
        "by": found.settings.by, "target": target, "tokens": found.rows * found.settings.sequence_length, "seeds": found.settings.seeds,
        "groups": {group.name: {"rows": group.rows, "frac": group.frac} for group in groups},
        "best": _weights(names, best), "natural": _weights(names, natural),
        "epochs_of_best": {group.name: float(weight * found.rows / group.rows) for group, weight in zip(groups, best, strict=True)},
        "regression": {
            "linear_in": regression.features, "penalty": regression.penalty, "left_out_error": regression.error,
            "left_out_rank_correlation": regression.rank_correlation, "spread_of_losses": float(scores.std()),
        },
        "tried": [
            {"weights": _weights(names, row), "loss": float(score), "fitted": float(fit), "left_out": float(out)}
            for row, score, fit, out in zip(tried, scores, predicted, regression.left_out, strict=True)
        ],
        "comparison": comparison, "losses": losses(judged, next(iter(target))),
    }  # fmt: skip


def _weights(names: Sequence[str], weights: np.ndarray) -> dict[str, float]:
    return {name: round(float(weight), 4) for name, weight in zip(names, weights, strict=True)}
