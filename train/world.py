"""Where a run computes: one device, or one of several processes under torchrun.

torchrun and Ray Train set WORLD_SIZE, RANK and LOCAL_RANK; without them a run is alone. Sums travel by NCCL between GPUs and
by gloo between CPUs.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from train.config import TrainConfig, TrainError


@dataclass(frozen=True)
class World:
    """This process among `size`, and the device it computes on."""

    rank: int
    size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """The sum of `values` over all processes."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def any(self, flag: bool) -> bool:
        """Whether `flag` is set in any process."""
        return bool(self.sum(torch.tensor(float(flag), device=self.device))) if self.size > 1 else flag

    def memory_bytes(self) -> float:
        """Memory of the device; that of a CPU is not known."""
        if self.device.type != "cuda":
            return float("inf")
        return torch.cuda.get_device_properties(self.device).total_memory

    def wait(self) -> None:
        """Until every process is here."""
        if self.size > 1:
            dist.barrier()


@contextlib.contextmanager
def open_world(config: TrainConfig) -> Iterator[World]:
    """The world of this run; its processes leave together. Raises TrainError when the device is not there."""
    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    device = choose_device(config.device, int(os.environ.get("LOCAL_RANK", "0")))
    part_rows = config.batch_rows // config.accumulation
    if part_rows % size:
        raise TrainError(
            f"batch_rows / accumulation = {part_rows} rows cannot be cut evenly over {size} processes. "
            f"Make batch_rows a multiple of accumulation times {size}."
        )
    if size == 1 or dist.is_initialized():  # Ray Train brings a process group along
        yield World(rank, size, device)
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield World(rank, size, device)
    finally:
        dist.destroy_process_group()


def choose_device(name: str, local_rank: int = 0) -> torch.device:
    """`auto` takes CUDA where there is one."""
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise TrainError("device: cuda was asked for, but this PyTorch sees no CUDA device. Use `device: auto`.")
    device = torch.device("cuda", local_rank)
    torch.cuda.set_device(device)
    return device


def choose_dtype(precision: str, device: torch.device) -> torch.dtype:
    """The type of matrix products: `auto` is bf16 on CUDA and fp32 on the CPU, where bf16 is slower."""
    if precision == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return torch.bfloat16 if precision == "bf16" else torch.float32
