"""The configuration of fine-tuning: a frozen dataclass read from YAML, checked, hashed. Imports no torch.

    model: out/train                  # a run, one of its checkpoints, or a Llama folder
    output: out/sentiment
    task: classification              # or similarity, multiple_choice
    items: train.jsonl                # JSON lines, also .gz
    text: "{sentence}"                # {name} is a field of an item
    label: label                      # the field with the right class

`similarity` has a `second_text`; `multiple_choice` a field `choices`, whose label is the number of the right one, or the
answer itself. `target: number` predicts a number (a score of similarity) instead of a class.
The defaults of training are GPT-1's (Radford et al. 2018, section 4.1).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rules.places import Former, Problem, SettingError, build, load, with_names_of_today

PATHS = ("model", "output", "items", "held_out_file")
FORMER = (Former(("held_out",), "held_out_file"),)


@dataclass(frozen=True)
class FinetuneConfig:
    """Without a `held_out_file`, a random `held_out_frac` of the items is held out. `trains: head` leaves the model as it is.

    `lm_weight` is the weight of the language-model loss beside that of the task; `max_tokens` the longest text, the model's
    context by default; `delimiter` stands between two texts and before a choice.
    """

    model: str
    output: str
    task: Literal["classification", "similarity", "multiple_choice"]
    items: str
    text: str
    second_text: str | None = None
    choices: str | None = None
    label: str = "label"
    target: Literal["class", "number"] = "class"
    held_out_file: str | None = None
    held_out_frac: float = 0.1
    trains: Literal["full", "head"] = "full"
    epochs: int = 3
    batch_items: int = 32
    learning_rate: float = 6.25e-5
    warmup_frac: float = 0.002
    lm_weight: float = 0.5
    dropout: float = 0.1
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    delimiter: str = "\n"
    max_tokens: int | None = None
    seed: int = 0
    checkpoint_every: int = 500
    log_every: int = 20
    device: Literal["auto", "cuda", "cpu"] = "auto"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_items", "learning_rate", "clip_norm", "checkpoint_every", "log_every"):
            if not 0 < getattr(self, name) < float("inf"):
                raise SettingError(name, f"must be above 0, got {getattr(self, name)}")
        for name in ("lm_weight", "weight_decay", "seed"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise SettingError(name, f"must be at least 0, got {getattr(self, name)}")
        for name in ("held_out_frac", "warmup_frac", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise SettingError(name, f"must be at least 0 and below 1, got {getattr(self, name)}")
        if self.max_tokens is not None and self.max_tokens < 8:
            raise SettingError("max_tokens", f"must be at least 8, got {self.max_tokens}")
        self._check_task()

    def _check_task(self) -> None:
        needs = {"similarity": "second_text", "multiple_choice": "choices"}.get(self.task)
        if needs and getattr(self, needs) is None:
            raise SettingError(needs, f"a {self.task} task needs `{needs}`")
        if self.second_text is not None and self.task == "multiple_choice":
            raise SettingError("second_text", "does not go with a multiple_choice task")
        if self.choices is not None and self.task != "multiple_choice":
            raise SettingError("choices", f"does not go with a {self.task} task")
        if self.target == "number" and self.task == "multiple_choice":
            raise SettingError("target", "a multiple_choice task chooses, it predicts no number")


def load_finetune(path: str | Path, warn: Callable[[Problem], None] = lambda warning: None) -> FinetuneConfig:
    """Read a YAML file; paths in it are relative to its folder. `warn` is told of settings that have another name today.
    Raises rules.places.Problems with every mistake found."""
    folder = Path(path).resolve().parent
    located, warnings = with_names_of_today(load(path), FORMER)
    config = build(FinetuneConfig, located)
    for warning in warnings:
        warn(warning)
    names = [name for name in PATHS if getattr(config, name) is not None]
    return dataclasses.replace(config, **{name: str((folder / getattr(config, name)).resolve()) for name in names})


def finetune_record(config: FinetuneConfig) -> dict[str, Any]:
    return dataclasses.asdict(config)


def recorded_finetune(record: dict[str, Any]) -> FinetuneConfig:
    """The configuration of a `finetune_record`, also of one by former names."""
    now = {former.at[0]: former.now for former in FORMER}
    return FinetuneConfig(**{now.get(name, name): value for name, value in record.items()})


def deciding(config: FinetuneConfig) -> dict[str, Any]:
    """The settings that decide the result, beside the model and the items."""
    return {name: value for name, value in finetune_record(config).items() if name not in (*PATHS, "device", "log_every", "checkpoint_every")}


def finetune_sha256(config: FinetuneConfig) -> str:
    """The hash of what decides the result: settings but paths and device, and the bytes of the items."""
    digest = hashlib.sha256(json.dumps(deciding(config), sort_keys=True).encode())
    for path in (config.items, config.held_out_file):
        digest.update(hashlib.sha256(Path(path).read_bytes()).digest() if path else b"none")
    return digest.hexdigest()
