"""Tensors cut over devices (FSDP2's DTensors) and whole ones, treated alike.

A share is what one device holds of a tensor: rows, for FSDP2. Optimizers move shares, which are plain tensors, so the same
fused kernels serve sharded and unsharded runs. Nothing here is imported for runs that are not sharded.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor


def is_sharded(tensor: Tensor) -> bool:
    return hasattr(tensor, "to_local")


def share(tensor: Tensor) -> Tensor:
    """This device's share, sharing memory with `tensor`; the tensor itself where it is whole."""
    return tensor.detach().to_local() if is_sharded(tensor) else tensor


def cut_like(tensor: Tensor, of: Tensor) -> Tensor:
    """`of`, a share, as the tensor it is a share of: cut in the same way as `tensor`."""
    if not is_sharded(tensor):
        return of
    from torch.distributed.tensor import DTensor

    mesh, placements = tensor.device_mesh, tensor.placements
    return DTensor.from_local(of, mesh, placements, shape=tensor.shape, stride=tensor.stride())


def whole(tensor: Tensor) -> Tensor:
    """All of `tensor`, gathered from every device."""
    return tensor.full_tensor() if is_sharded(tensor) else tensor


def share_of(tensor: Tensor, values: Tensor) -> Tensor:
    """The share of `values`, a whole tensor that every device has, that lies where `tensor`'s does."""
    if not is_sharded(tensor):
        return values
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(values, tensor.device_mesh, tensor.placements, src_data_rank=None).to_local()


def squared_norm(gradients: Iterable[Tensor], over_devices: bool) -> Tensor:
    """The sum of squares of all values, fp32, on the device. `over_devices` adds up shares; it waits for no one else."""
    norms = torch._foreach_norm([share(gradient) for gradient in gradients])
    total = torch.stack(norms).float().square().sum()
    if over_devices:
        dist.all_reduce(total)
    return total
