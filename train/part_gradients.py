"""Gradients of a part beside those of the whole step, for the noise scale: three ways to come by them.

accumulation   after the first part's backward pass nothing else has been added to its gradients
replicate      with one part, DDP hands over each device's own gradients before it adds them up
shard          with several parts, the shares of the first part's gradient

With one part on one device, or on devices that share a model, there is nothing smaller than the step, and no estimate.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from train.batch import PackedBatch, StepBatch
from train.noise_scale import NoiseScale
from train.shards import squared_norm
from train.world import World


class PartGradients:
    """Measures the first part of each step, and compares it with the step."""

    def __init__(self, module: nn.Module, world: World, sharded: bool, noise: NoiseScale):
        self.module, self.world, self.sharded, self.noise = module, world, sharded, noise
        self.parameters = list(module.parameters())
        self.before_sum = torch.zeros((), device=world.device)  # squares of this device's gradients, summed by DDP's hook
        self.pair: Tensor | None = None  # tokens of the part, squared norm of its mean gradient
        if isinstance(module, DistributedDataParallel):
            module.register_comm_hook(None, lambda _, bucket: self._add_up(bucket))

    def measure(self, part: PackedBatch, batch: StepBatch) -> None:
        """Right after the backward pass of the first part. Gradients are scaled by devices / tokens of the step."""
        several = len(batch.parts) > 1
        self.pair = None
        if not several and not isinstance(self.module, DistributedDataParallel):
            return
        square = squared_norm((p.grad for p in self.parameters), self.sharded) if several else self.before_sum
        tokens = torch.full((), float(part.predicted_tokens), device=self.world.device)  # waits for nothing
        if self.sharded:
            tokens = self.world.sum(tokens)
        else:
            square = square / self.world.size**2
        mean = torch.stack([tokens, square * (batch.predicted_tokens / tokens.clamp(min=1)) ** 2])
        self.pair = mean if self.sharded else self.world.sum(mean) / self.world.size

    def compare(self, batch: StepBatch, norm: Tensor, skipped: Tensor) -> None:
        """After the step, whose gradient had the norm `norm`."""
        self.before_sum = torch.zeros_like(self.before_sum)
        if self.pair is not None:
            self.noise.add(self.pair[0].double(), batch.predicted_tokens, self.pair[1], norm.square(), skipped)

    def _add_up(self, bucket: dist.GradBucket) -> torch.futures.Future[Tensor]:
        from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook

        self.before_sum = self.before_sum + bucket.buffer().float().square().sum()
        return allreduce_hook(dist.group.WORLD, bucket)
