"""What `gristmill ablate ablate.yaml` reads: the arms, how much is trained, and what the models are judged on.

    output: ../out/ablation
    job: job.yaml                      # the base of all arms that name no job of their own
    rule: mine/cookie-banner           # two arms: with this rule, and without it; or
    arms:
      loose: {set: {gopher_quality/word-count: off}}
      strict: {packs: [gopher_quality, mine.yaml]}
      other: {job: other.yaml}
    tokens: 20_000_000                 # of each model; or budget: FLOPs of all models together
    seeds: 3
    sequence_length: 512
    train: {model: 5m, batch_rows: 8}  # any setting of a training YAML; what is not said follows from the tokens

Relative paths are relative to the file. Every mistake is told at file:line:col.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from curation.ablate.checks import checked_judge, output_problems
from curation.ablate.size import facts, train_defaults
from curation.job_settings import PackUse
from rules.places import KEY, Located, Problem, Problems, SettingError, build, did_you_mean, load
from rules.visible import excerpt
from train.config import TrainConfig, TrainError, config_record
from train.evaluate.task import Task
from train.presets import with_preset
from train.scaling.budget import flops_per_token, parse_budget

WITH, WITHOUT = "with", "without"
MOST_ARMS = 8
OF_THE_ABLATION = ("data", "output", "steps", "seed", "row_order")  # of a training configuration


@dataclass(frozen=True)
class ArmSettings:
    """One arm: a job of its own, or the base job with other packs, or with some rules set to another action."""

    job: str | None = None
    packs: tuple[str | PackUse, ...] | None = None
    set: dict[str, Literal["drop", "tag", "off"]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.job and self.packs is not None:
            raise SettingError("packs", "an arm has a job of its own, or other packs than the base job")


@dataclass(frozen=True)
class JudgeSettings:
    """What the models are judged on. `held_out`: the fraction of documents that no arm is trained on, chosen by id.

    `documents` (files) are judged on instead of the held-out documents that all arms keep. `bytes`: at most about so much text
    of each. `of_interest`: a difference below so many bits per byte does not matter. `tasks` are told beside.
    """

    documents: str | list[str] = ()
    held_out: float = 0.1
    bytes: int = 4_000_000
    of_interest: float = 0.001
    tasks: tuple[str, ...] = ()
    items: str | None = None
    shots: int = 0
    limit: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.held_out < 1:
            raise SettingError("held_out", f"held_out is a fraction between 0 and 1, got {self.held_out}")
        if self.bytes < 1:
            raise SettingError("bytes", "at least 1")
        if self.of_interest < 0:
            raise SettingError("of_interest", "at least 0 bits per byte")


@dataclass(frozen=True)
class AblateSettings:
    """The whole of one ablation. `arms` in order: each is compared with the first."""

    output: str
    job: str | None = None
    rule: str | None = None
    arms: dict[str, ArmSettings] = field(default_factory=dict)
    tokens: int | None = None
    budget: float | str | None = None  # FLOPs, or hours such as "24 gpu-hours"
    device_flops: float | None = None  # FLOP/s one device sustains: what hours are worth
    seeds: int | list[int] = 3
    sequence_length: int = 512
    tokenizer: str | None = None
    vocab_size: int = 8192
    judge: JudgeSettings = JudgeSettings()
    train: dict[str, Any] = field(default_factory=dict)
    sizes: tuple[str, ...] = ()  # presets; without them, the model of `train`
    workers: Literal["auto", "inline"] | int = "auto"
    write_evidence: bool = True  # beside the rule, in its pack

    def __post_init__(self) -> None:
        if bool(self.rule) == bool(self.arms):
            raise SettingError("arms", "an ablation has either a rule, or arms")
        if self.rule and not self.job:
            raise SettingError("rule", "a rule needs a job to be switched on and off in")
        if self.arms and not 2 <= len(self.arms) <= MOST_ARMS:
            raise SettingError("arms", f"2 to {MOST_ARMS} arms, got {len(self.arms)}")
        if bool(self.tokens) == bool(self.budget):
            raise SettingError("tokens", "say how much to train: tokens of each model, or budget, the FLOPs of all together")
        if (self.tokens or 1) < 1:
            raise SettingError("tokens", "above 0")
        self._check_budget()
        if not self.seed_list or len(set(self.seed_list)) < len(self.seed_list) or min(self.seed_list) < 0:
            raise SettingError("seeds", "a number of seeds from 1, or a list of different numbers from 0")
        for name in self.arms:
            if not str(name).replace("-", "").replace("_", "").isalnum():
                raise SettingError("arms", f"names of arms are letters, digits, - and _, got {name!r}")

    def _check_budget(self) -> None:
        if self.budget is None:
            return
        try:
            budget = parse_budget(str(self.budget))
        except TrainError as error:
            raise SettingError("budget", str(error)) from None
        if budget.flops is None and not self.device_flops:
            raise SettingError("budget", "hours need device_flops, the FLOP/s one device sustains in training (0.4 of its peak, say)")

    @property
    def flops(self) -> float | None:
        """The FLOPs of all models together, where a budget is given."""
        return parse_budget(str(self.budget)).total_flops(self.device_flops or 0.0) if self.budget else None

    @property
    def seed_list(self) -> list[int]:
        return list(range(self.seeds)) if isinstance(self.seeds, int) else list(self.seeds)

    @property
    def arm_names(self) -> list[str]:
        return [WITH, WITHOUT] if self.rule else list(self.arms)


@dataclass(frozen=True)
class SettingsFile:
    """Settings that were read from a file; the paths in them are relative to it."""

    path: Path
    settings: Any

    @property
    def folder(self) -> Path:
        return self.path.parent.resolve()

    @property
    def output(self) -> Path:
        return (self.folder / self.settings.output).resolve()

    @property
    def jobs(self) -> list[str]:
        """The jobs that it names, relative to its folder."""
        raise NotImplementedError


@dataclass(frozen=True)
class Ablation(SettingsFile):
    """An ablation ready to run: absolute paths, and how each size is trained (`data`, `output`, `seed` are still open)."""

    settings: AblateSettings
    sizes: dict[str, TrainConfig]
    tasks: tuple[Task, ...]

    @property
    def jobs(self) -> list[str]:
        named = (self.settings.job, *(arm.job for arm in self.settings.arms.values()))
        return list(dict.fromkeys(name for name in named if name))

    def path_of(self, name: str) -> Path:
        return (self.folder / name).resolve()

    @property
    def sha256(self) -> str:
        """Hash of every setting that decides the result; what the jobs are is hashed with the data."""
        record = dataclasses.asdict(self.settings)
        for name in ("output", "workers", "write_evidence"):
            del record[name]
        record["train"] = {name: config_record(config) for name, config in self.sizes.items()}
        return hashlib.sha256(json.dumps(record, sort_keys=True, default=str).encode()).hexdigest()


def load_ablation(path: str | Path) -> Ablation:
    """Read an ablation. Raises Problems with every mistake in it, TrainError for tasks that are not there."""
    path = Path(path)
    located = load(path)
    problems: list[Problem] = []
    settings = _built(AblateSettings, located, problems)
    if settings is None:
        raise Problems(problems)
    problems += [*_file_problems(settings, located, path.parent), *output_problems(settings.output, located, path.parent)]
    tasks, judge = checked_judge(settings.judge, located, path.parent, problems)
    sizes = _sizes(settings, located, path.parent, problems) if not problems else {}
    if problems:
        raise Problems(problems)
    return Ablation(path, dataclasses.replace(settings, judge=judge), sizes, tasks)


def _sizes(settings: AblateSettings, located: Located, folder: Path, problems: list[Problem]) -> dict[str, TrainConfig]:
    """How each size is trained: for as many steps as its tokens, or its share of the budget, allow."""
    try:
        vocabulary = _vocab_size(folder / settings.tokenizer) if settings.tokenizer else settings.vocab_size
    except ValueError as error:
        problems.append(located.problem(("tokenizer",), "R103", str(error)))
        return {}
    known = facts(vocabulary, settings.sequence_length)
    models = max(len(settings.sizes), 1) * len(settings.arm_names) * len(settings.seed_list)
    flops = settings.flops / models if settings.flops else None
    configs = {}
    for size in settings.sizes or ("model",):
        own = {"model": size} if settings.sizes else {}
        config = train_settings(located, problems, train_defaults(flops, settings.tokens, known), own)
        if config is None:
            return {}
        model = dataclasses.replace(config.model, vocab_size=vocabulary, context=settings.sequence_length)
        tokens = settings.tokens or (flops or 0.0) / flops_per_token(model, known)
        configs[size] = dataclasses.replace(config, steps=max(round(tokens / settings.sequence_length / config.batch_rows), config.warmup_steps, 1))
    return configs


def _vocab_size(tokenizer: Path) -> int:
    """Raises ValueError for a file that is no tokenizer."""
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(tokenizer)).get_vocab_size()
    except Exception as error:  # whatever the library raises
        raise ValueError(f"{str(tokenizer)!r} is no tokenizer.json: {excerpt(str(error), 200)}") from None


def train_settings(located: Located, problems: list[Problem], defaults: dict[str, Any], own: dict[str, Any], taken: tuple[str, ...] = OF_THE_ABLATION) -> TrainConfig | None:
    """The mapping under `train:` as a training configuration, over `defaults`; its mistakes are told where they stand."""
    data = located.data.get("train") or {}
    if not isinstance(data, dict):
        return None  # the shape check has said so
    for name in (name for name in taken if name in data):
        problems.append(located.problem(("train", name, KEY), "R101", f"{name} is set by the ablation; leave it out here"))
    if any(name in data for name in taken):
        return None
    places = {at[1:]: place for at, place in located.places.items() if at[:1] == ("train",)}
    warmup = (defaults | data)["warmup_steps"]
    still_open = {"data": "", "output": "", "steps": max(warmup, 1) if isinstance(warmup, int) else 1}
    try:
        return build(TrainConfig, with_preset(Located(located.path, defaults | data | own | still_open, places)))
    except Problems as found:
        problems += found.problems
        return None


def _built(kind: type, located: Located, problems: list[Problem]) -> Any:
    try:
        return build(kind, located)
    except Problems as found:
        problems += found.problems
        return None


def _file_problems(settings: AblateSettings, located: Located, folder: Path) -> list[Problem]:
    """Files that are named and not there, and arms without a job."""
    named: list[tuple[tuple, str | None]] = [(("job",), settings.job), (("tokenizer",), settings.tokenizer), (("judge", "items"), settings.judge.items)]
    named += [(("arms", name, "job"), arm.job) for name, arm in settings.arms.items()]
    problems = [located.problem(at, "R103", f"no file {str(folder / name)!r}") for at, name in named if name and not (folder / name).exists()]
    for name, arm in settings.arms.items():
        if not arm.job and not settings.job:
            problems.append(located.problem(("arms", name), "R101", "the arm has no job, and there is no base job"))
        problems += [located.problem(("arms", name, "set", rule), "R110", f"{rule!r} is not pack/rule{did_you_mean(rule, [])}") for rule in arm.set if "/" not in rule]
    return problems
