"""AdamW (arXiv 1711.05101), and the one update of a step: clip, skip when not finite, move.

Matrices decay; norms and the embedding (and so a tied head) do not. The fused kernel is used on every device: it takes
a flag `found_inf` on the device and then leaves weights and moments alone, so a step whose gradient is not finite is
skipped without waiting for the device.
"""

from __future__ import annotations

import torch
from torch import Tensor

from train.config import TrainConfig
from train.model import Transformer


def build_optimizer(model: Transformer, config: TrainConfig) -> torch.optim.AdamW:
    decayed, plain = decay_groups(model)
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, eps=config.adam_eps, fused=True)


def decay_groups(model: Transformer) -> tuple[list[Tensor], list[Tensor]]:
    """Parameters that weight decay pulls, and those it leaves alone."""
    decayed, plain = [], []
    for name, parameter in model.named_parameters():
        is_matrix = parameter.dim() == 2 and not name.startswith("embedding.")
        (decayed if is_matrix else plain).append(parameter)
    return decayed, plain


def update(optimizer: torch.optim.AdamW, rate: float, clip_norm: float) -> tuple[Tensor, Tensor]:
    """Clip to `clip_norm`, then step at learning rate `rate`, unless a gradient is not finite.

    Returns the norm before clipping and whether the step was skipped (1.0 or 0.0), both scalars on the device.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    norm = torch.nn.utils.clip_grad_norm_(parameters, clip_norm, foreach=True)
    skipped = (~torch.isfinite(norm)).float()
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.found_inf = skipped
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return norm, skipped
