"""How large the models of an ablation are, and how long they train: as the settings say, or as a budget allows.

A budget (FLOPs) is shared out evenly over the models. Where no model is named, the shape is the one for which 20 tokens a
parameter spend a model's share (arXiv 2203.15556), with the batch and learning rate of scaling/budget.py.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from train.config import ModelConfig
from train.scaling.budget import DataFacts, plan_run
from train.scaling.shapes import family, nearest

TOKENS_PER_PARAMETER = 20


def facts(vocab_size: int, sequence_length: int) -> DataFacts:
    """What packed data is taken to be before it is there: full rows, documents as long as rows."""
    return DataFacts(vocab_size, sequence_length, 0, sequence_length, (sequence_length + 1) / 2, 0)


def train_defaults(flops: float | None, tokens: int | None, known: DataFacts) -> dict[str, Any]:
    """Model, batch and learning rate for a model that spends `flops` or reads `tokens`, as a training YAML would say them."""
    wanted = tokens / TOKENS_PER_PARAMETER if tokens else math.sqrt((flops or 0.0) / 6 / TOKENS_PER_PARAMETER)
    planned = plan_run(nearest(family(known.vocab_size, known.context), wanted), known, flops, tokens)
    return {
        "model": model_settings(planned.model), "batch_rows": planned.batch_rows, "learning_rate": planned.learning_rate,
        "warmup_steps": planned.warmup_steps,
    }  # fmt: skip


def model_settings(model: ModelConfig) -> dict[str, Any]:
    """A shape as a training YAML would say it."""
    settings = dataclasses.asdict(model)
    del settings["vocab_size"], settings["context"]
    settings["head_dim"] = settings.pop("head_width")
    return settings
