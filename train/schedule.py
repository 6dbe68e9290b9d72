"""The learning rate of a step: linear warm-up, then WSD (warm-up, stable, decay) or cosine.

WSD (arXiv 2404.06395) holds the peak and falls linearly over the last `decay_frac` of the steps, so that many runs can
branch from one trunk. Cosine is that of Llama 3. Both end at `final_learning_rate_frac` of the peak.
"""

from __future__ import annotations

import math

from train.config import TrainConfig


def learning_rate(config: TrainConfig, step: int) -> float:
    """The learning rate used for optimizer step `step` (from 0 to steps - 1)."""
    return config.learning_rate * _fraction(config, step)


def _fraction(config: TrainConfig, step: int) -> float:
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    if config.schedule == "wsd":
        decay_steps = round(config.steps * config.decay_frac)
        done_frac = _done_frac(step - (config.steps - decay_steps), decay_steps)
        remaining_frac = 1.0 - done_frac
    else:
        done_frac = _done_frac(step - config.warmup_steps, config.steps - config.warmup_steps)
        remaining_frac = 0.5 * (1.0 + math.cos(math.pi * done_frac))
    return config.final_learning_rate_frac + (1.0 - config.final_learning_rate_frac) * remaining_frac


def _done_frac(steps_done: int, of_steps: int) -> float:
    return min(max(steps_done / of_steps, 0.0), 1.0) if of_steps else 0.0
