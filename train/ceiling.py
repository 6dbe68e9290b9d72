"""What a device could compute at best: its datasheet's figure, and what a matrix product reaches on it.

The datasheet's figure assumes clocks that power limits seldom allow; a large matrix product measured on the very device is
the honest ceiling. MFU is reported against both.
"""

from __future__ import annotations

import time

import torch

PEAK_BF16_FLOPS = {"H100 PCIe": 756e12, "H100": 989e12, "H200": 989e12, "A100": 312e12, "B200": 2250e12, "L40S": 362e12}
WIDTH, SECONDS = {"cuda": 8192, "cpu": 768}, {"cuda": 0.2, "cpu": 0.03}


def peak_flops(device: torch.device, configured: float | None) -> float | None:
    """Dense bf16 FLOP/s of the device: as configured, or by its name, or None."""
    if configured is not None or device.type != "cuda":
        return configured
    name = torch.cuda.get_device_name(device)
    return next((flops for key, flops in PEAK_BF16_FLOPS.items() if key in name), None)


def measured_flops(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of the fastest of some square matrix products in `dtype`, with the threads in use."""
    width = WIDTH[device.type]
    left, right = (torch.randn(width, width, device=device).to(dtype) for _ in range(2))
    out = torch.mm(left, right)
    best, until = 0.0, time.perf_counter() + SECONDS[device.type]
    while best == 0.0 or time.perf_counter() < until:
        began = _now(device)
        torch.mm(left, right, out=out)
        best = max(best, 2.0 * width**3 / max(_now(device) - began, 1e-9))
    return best


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
