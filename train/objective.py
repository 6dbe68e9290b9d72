"""From a batch to its loss, on one device or on many: the whole forward pass as one module, so that it can be wrapped.

`replicate` gives every device the whole model and adds up gradients (DDP). `shard` cuts weights, gradients and moments over
the devices (FSDP2): each block is gathered when it computes, and matrix products run in bf16 on gathered bf16 weights,
with fp32 masters in the shards.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from train.attention import Plan
from train.config import TrainConfig
from train.loss import cross_entropy, liger_cross_entropy
from train.model import Transformer, build_model, compile_blocks, initial_weights
from train.shards import share, share_of
from train.start import load_start
from train.world import World

BYTES_PER_PARAMETER = 16  # fp32 weight, gradient and two moments


class Objective(nn.Module):
    """The forward pass from token ids to losses."""

    def __init__(self, model: Transformer, dtype: torch.dtype, loss: str, chunk_tokens: int, z_loss: float):
        super().__init__()
        self.model, self.dtype, self.loss, self.chunk_tokens, self.z_loss = model, dtype, loss, chunk_tokens, z_loss

    def forward(self, input_ids: Tensor, positions: Tensor, labels: Tensor, plan: Plan) -> tuple[Tensor, Tensor]:
        """The sum to differentiate, and NLL in nats: of each token [B, S], or their sum where Liger gives no more.

        Without gradients it is always that of each token.
        """
        with autocast(input_ids.device, self.dtype):
            hidden = self.model(input_ids, positions, plan)
        head = self.model.head_weight
        if self.loss == "liger" and torch.is_grad_enabled():
            return liger_cross_entropy(hidden, head, labels, self.z_loss)
        return cross_entropy(hidden, head, labels, self.chunk_tokens, self.z_loss)


def autocast(device: torch.device, dtype: torch.dtype) -> contextlib.AbstractContextManager:
    """Matrix products in `dtype`, weights in fp32."""
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)


def shards(config: TrainConfig, parameters: int, world: World) -> bool:
    """Whether to cut the model over devices: as configured, or where a whole one would take over half of a GPU."""
    if world.size == 1 or config.parallel == "replicate":
        return False
    if config.parallel == "shard":
        return True
    is_large = BYTES_PER_PARAMETER * parameters > world.memory_bytes() / 2
    return world.device.type == "cuda" and is_large


def place_model(config: TrainConfig, world: World, sharded: bool, backend: str, dtype: torch.dtype) -> Transformer:
    """The model a run begins with, on this device: the same weights for any number of devices, whole or cut."""
    start = Path(config.start_from) if config.start_from else None
    if not sharded:
        model = build_model(config.model, config.seed)
        if start:
            load_start(model, start)
        model = model.to(world.device)
        if config.compile:
            compile_blocks(model, backend)
        return model
    with torch.device("meta"):
        model = Transformer(config.model)
    if config.compile:
        compile_blocks(model, backend)
    _shard(model, dtype)
    model.to_empty(device=world.device)
    model.fill_tables()
    _fill_shards(model, _started(config, start) if start else initial_weights(config.model, config.seed))
    return model


def _started(config: TrainConfig, start: Path) -> Iterable[tuple[str, Tensor]]:
    model = build_model(config.model, config.seed)
    load_start(model, start)
    return model.named_parameters()


@torch.no_grad()
def _fill_shards(model: Transformer, weights: Iterable[tuple[str, Tensor]]) -> None:
    parameters = dict(model.named_parameters())
    for name, values in weights:
        own = share(parameters[name])
        own.copy_(share_of(parameters[name], values.to(own.device)))


def parallel(objective: Objective, world: World, sharded: bool) -> nn.Module:
    """The objective, adding up gradients over devices. Sharded models do so by themselves."""
    if world.size == 1 or sharded:
        return objective
    devices = [world.device.index] if world.device.type == "cuda" else None
    names = inspect.signature(DistributedDataParallel).parameters
    no_buffers = "forward_sync_buffers" if "forward_sync_buffers" in names else "broadcast_buffers"  # until torch 2.12
    return DistributedDataParallel(objective, device_ids=devices, **{no_buffers: False})


def without_sync(module: nn.Module) -> contextlib.AbstractContextManager:
    """Inside, a backward pass of DDP keeps its gradient to itself. Shards always add up: whole gradients fit nowhere."""
    return module.no_sync() if isinstance(module, DistributedDataParallel) else contextlib.nullcontext()


def _shard(model: Transformer, dtype: torch.dtype) -> None:
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    low = dtype if dtype != torch.float32 else None
    policy = MixedPrecisionPolicy(param_dtype=low, reduce_dtype=torch.float32, cast_forward_inputs=False)
    for block in model.blocks:
        fully_shard(block, mp_policy=policy)
    fully_shard(model, mp_policy=policy, reshard_after_forward=False)
