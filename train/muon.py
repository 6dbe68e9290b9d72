"""Muon: momentum whose matrix is made orthogonal before it moves the weights (Jordan et al. 2024, kellerjordan.github.io).

A quintic Newton-Schulz iteration takes every singular value of the update to about 1. The update of a matrix [rows, columns]
is scaled by 0.2 sqrt(max(rows, columns)), so that its RMS is that of AdamW and one learning rate and one weight decay
serve both (Moonlight, arXiv 2502.16982). Matrices of one shape are iterated as one batch. Price: 15 matrix products of the
smaller side per matrix and step; half of AdamW's memory. Sharded matrices are gathered for the iteration.

Unlike torch.optim.Muon it can skip a step by a flag on the device, without waiting for it, and knows shards.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from train.shards import cut_like, share, share_of, whole

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
EPS = 1e-7


class Muon:
    """Moves `matrices` by Nesterov momentum made orthogonal. `momenta` holds a share per matrix."""

    def __init__(self, matrices: dict[str, Tensor], momentum: float, weight_decay: float):
        self.matrices, self.momentum, self.weight_decay = matrices, momentum, weight_decay
        self.momenta = {name: torch.zeros_like(share(matrix)) for name, matrix in matrices.items()}

    @torch.no_grad()
    def step(self, rate: float, skipped: Tensor) -> None:
        """One update at learning rate `rate`; nothing changes where `skipped` (scalar on the device) is 1."""
        kept = 1 - skipped
        updates = {name: self._nesterov(name, matrix.grad, kept) for name, matrix in self.matrices.items()}
        for names in _by_shape(self.matrices):
            wholes = torch.stack([whole(cut_like(self.matrices[name], updates[name])) for name in names])
            scale = 0.2 * max(wholes.shape[1:]) ** 0.5
            for name, direction in zip(names, orthogonal(wholes), strict=True):
                matrix = self.matrices[name]
                weights = share(matrix.detach())
                weights.mul_(1 - kept * (rate * self.weight_decay))
                weights.sub_(share_of(matrix, direction).to(weights.dtype) * (kept * (rate * scale)))

    def _nesterov(self, name: str, gradient: Tensor, kept: Tensor) -> Tensor:
        gradient = torch.where(kept > 0, share(gradient), 0.0)  # what is not finite must not touch the momentum
        momentum = self.momenta[name]
        momentum.lerp_(gradient, kept * (1 - self.momentum))
        return gradient.lerp(momentum, self.momentum)


def orthogonal(matrices: Tensor) -> Tensor:
    """[N, rows, columns] with every singular value taken near 1; bf16 products on CUDA, fp32 elsewhere."""
    a, b, c = COEFFICIENTS
    x = matrices.bfloat16() if matrices.device.type == "cuda" else matrices.float()
    wide = x.shape[-2] <= x.shape[-1]
    x = x if wide else x.mT
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=EPS)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if wide else x.mT


def _by_shape(matrices: dict[str, Tensor]) -> Iterable[list[str]]:
    groups: dict[torch.Size, list[str]] = {}
    for name, matrix in matrices.items():
        groups.setdefault(matrix.shape, []).append(name)
    return groups.values()
