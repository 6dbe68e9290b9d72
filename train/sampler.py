"""Choosing the next token from logits: the most likely, or one drawn by temperature and top-p (arXiv 1904.09751).

Drawing happens on the CPU in fp64 with a generator of its own, so the same logits, seed and settings give the same
token on any device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from train.config import check_sampling
from train.diverged import NotFinite


class Sampler:
    """Chooses tokens for one text. Temperature 0 takes the most likely; `never` holds ids that are not text."""

    def __init__(self, temperature: float, top_p: float, seed: int, never: Sequence[int]):
        check_sampling(temperature, top_p)
        self.temperature, self.top_p, self.never = temperature, top_p, list(never)
        self.generator = torch.Generator().manual_seed(seed)

    def choose(self, logits: Tensor) -> int:
        """One id from logits [V], which stay as they are. Raises NotFinite for those of a model that diverged."""
        logits = logits.double().cpu()
        _require_finite(logits)
        logits[self.never] = -torch.inf
        if self.temperature == 0:
            return int(logits.argmax())
        probabilities = torch.softmax(logits / self.temperature, 0)
        if self.top_p == 1:
            return int(torch.multinomial(probabilities, 1, generator=self.generator))
        probabilities, order = probabilities.sort(descending=True, stable=True)
        before = probabilities.cumsum(0) - probabilities
        kept = torch.where(before < self.top_p, probabilities, 0.0)  # the smallest set that reaches top_p
        return int(order[torch.multinomial(kept, 1, generator=self.generator)])


def choose_all(samplers: Sequence[Sampler], logits: Tensor) -> list[int]:
    """One id for each row of logits [B, V]. Where all samplers take the most likely, only ids leave the device.

    Raises NotFinite for logits of a model that diverged.
    """
    if all(sampler.temperature == 0 and sampler.never == samplers[0].never for sampler in samplers):
        _require_finite(logits)
        allowed = logits.clone()
        allowed[:, samplers[0].never] = -torch.inf
        return allowed.argmax(1).tolist()
    return [sampler.choose(row) for sampler, row in zip(samplers, logits.double().cpu(), strict=True)]


def _require_finite(logits: Tensor) -> None:
    if not math.isfinite(float(logits.amax())):  # the largest of numbers with a NaN among them is NaN
        raise NotFinite()
