"""The one update of a step: clip, skip when not finite, move. AdamW (arXiv 1711.05101), or Muon for the matrices of blocks.

Matrices decay; norms and the embedding (and so a tied head) do not. AdamW's fused kernel is used on every device: it takes a
flag `found_inf` on the device and then leaves weights and moments alone, so a step whose gradient is not finite is
skipped without waiting for the device. All moments exist from the start, so a checkpoint always holds the same tensors.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from train.config import TrainConfig
from train.muon import Muon
from train.shards import cut_like, is_sharded, share, squared_norm


class Optimizer:
    """Moves the parameters of a model: each device its own share of them."""

    def __init__(self, model: nn.Module, config: TrainConfig):
        self.parameters = dict(model.named_parameters())
        self.sharded = any(map(is_sharded, self.parameters.values()))
        self.clip_norm = config.clip_norm
        by_muon = {name: p for name, p in self.parameters.items() if config.optimizer == "muon" and _in_block(name, p)}
        self.muon = Muon(by_muon, config.muon_momentum, config.weight_decay) if by_muon else None
        self.shares = {name: share(p) for name, p in self.parameters.items() if name not in by_muon}
        self.adamw = _adamw(self.shares, config)

    def update(self, rate: float) -> tuple[Tensor, Tensor]:
        """Clip to the norm of the configuration, then step at learning rate `rate`, unless a gradient is not finite.

        Returns the norm before clipping and whether the step was skipped (1.0 or 0.0), both scalars on the device.
        """
        gradients = [share(parameter.grad) for parameter in self.parameters.values()]
        norm = squared_norm(gradients, self.sharded).sqrt()
        skipped = (~torch.isfinite(norm)).float()
        torch._foreach_mul_(gradients, (self.clip_norm / (norm + 1e-6)).clamp(max=1.0))
        for group in self.adamw.param_groups:
            group["lr"] = rate
        for name, own in self.shares.items():
            own.grad = share(self.parameters[name].grad)
        self.adamw.found_inf = skipped
        self.adamw.step()
        if self.muon:
            self.muon.step(rate, skipped)
        self.zero_grad()
        return norm, skipped

    def zero_grad(self) -> None:
        for tensor in (*self.parameters.values(), *self.shares.values()):
            tensor.grad = None

    def tensors(self) -> dict[str, Tensor]:
        """Moments and step counts by name, such as `exp_avg.final_norm.weight`; cut as the parameters are."""
        found = {
            f"{key}.{name}": value if key == "step" else cut_like(self.parameters[name], value)
            for name, own in self.shares.items()
            for key, value in self.adamw.state[own].items()
        }
        momenta = self.muon.momenta if self.muon else {}
        return found | {f"momentum.{name}": cut_like(self.parameters[name], own) for name, own in momenta.items()}


def decays(name: str, parameter: Tensor) -> bool:
    """Whether weight decay pulls this parameter."""
    return parameter.dim() == 2 and not name.startswith("embedding.")


def _in_block(name: str, parameter: Tensor) -> bool:
    return parameter.dim() == 2 and name.startswith("blocks.")


def _adamw(shares: dict[str, Tensor], config: TrainConfig) -> torch.optim.AdamW:
    pulled = [own for name, own in shares.items() if decays(name, own)]
    plain = [own for name, own in shares.items() if not decays(name, own)]
    groups = [{"params": pulled, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    adamw = torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, eps=config.adam_eps, fused=True)
    for own in shares.values():
        adamw.state[own] = {
            "step": torch.zeros((), dtype=torch.float32, device=own.device),
            "exp_avg": torch.zeros_like(own),
            "exp_avg_sq": torch.zeros_like(own),
        }
    return adamw
