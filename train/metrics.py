"""What a run reports while it runs: one JSON record per line, and the speed it really reaches.

Sums stay on the device until a record is due, so a step never waits for the device. MFU counts the attention that was
executed (documents masked, causal) and not the square of the sequence: against the datasheet's peak, where that is known,
and against what a matrix product reached on this device. On resume the records after the checkpoint are cut off, so every step occurs once.
"""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from train.batch import StepBatch
from train.config import ModelConfig
from train.diverged import finite
from train.sizes import training_flops
from train.world import World


class MetricsFile:
    """metrics.jsonl: append only, flushed line by line."""

    def __init__(self, path: Path, last_step: int):
        self.path = path
        _cut_after(path, last_step)

    def write(self, record: dict[str, Any]) -> None:
        with open(self.path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(finite(record), ensure_ascii=False, allow_nan=False) + "\n")


class Window:
    """The steps since the last record: sums of loss and tokens, skipped steps, and the seconds they took.

    A skipped step counts for speed but not for the loss, which would not be finite. `skips_in_a_row` are those that the run
    ended with so far: they go on from one record to the next.
    """

    def __init__(self, device: torch.device, skips_in_a_row: int = 0):
        self.device = device
        self.skips_in_a_row = torch.tensor(float(skips_in_a_row), device=device)
        self.restart()

    def restart(self) -> None:
        self.nats = torch.zeros((), device=self.device)
        self.skipped = torch.zeros((), device=self.device)
        self.norm = torch.zeros((), device=self.device)
        self.predicted_tokens = torch.zeros((), device=self.device)
        self.steps = self.tokens = self.attention_pairs = 0
        self.began = time.perf_counter()

    def add(self, batch: StepBatch, nats: Tensor, norm: Tensor, skipped: Tensor) -> None:
        self.nats += torch.where(skipped > 0, 0.0, nats)
        self.predicted_tokens += batch.predicted_tokens * (1 - skipped)
        self.skipped += skipped
        self.skips_in_a_row = (self.skips_in_a_row + 1) * skipped
        self.norm = norm
        self.steps += 1
        self.tokens += batch.tokens
        self.attention_pairs += batch.attention_pairs

    def record(self, model: ModelConfig, world: World, peak: float | None, measured: float) -> dict[str, Any]:
        """Loss in nats per token, gradient norm, speed. Waits for the device. `peak`, `measured`: FLOP/s of one device."""
        nats = float(world.sum(self.nats.clone()))
        seconds = time.perf_counter() - self.began
        flops_per_second = training_flops(model, self.tokens, self.attention_pairs) / seconds
        skipped_steps, predicted_tokens = int(self.skipped), float(self.predicted_tokens)
        return {
            "loss": nats / predicted_tokens if predicted_tokens else None,
            "grad_norm": float(self.norm) if math.isfinite(self.norm) else None,
            "skipped_steps": skipped_steps,
            "skips_in_a_row": int(self.skips_in_a_row),
            "tokens": self.tokens,
            "tokens_per_second": self.tokens / seconds,
            "flops_per_second": flops_per_second,
            "mfu": flops_per_second / (peak * world.size) if peak else None,
            "mfu_of_measured": flops_per_second / (measured * world.size),
            "batch_tokens": self.tokens / self.steps,
            "seconds": seconds,
        }


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """All whole records; a last line that a kill cut short is left out."""
    if not path.exists():
        return []
    records = []
    for line in path.read_text(encoding="utf-8").split("\n"):
        try:
            records.append(json.loads(line))
        except ValueError:
            continue
    return records


def _cut_after(path: Path, last_step: int) -> None:
    kept = [record for record in read_metrics(path) if record["step"] <= last_step]
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in kept), encoding="utf-8")
    os.replace(temporary, path)
