"""What gpu_check.py measures: attention by itself, and steps of models at several sizes and vocabularies."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from train.attention import PLANS, attend, choose_backend
from train.batch import PackedBatch, attention_pairs, packed_batch
from train.ceiling import peak_flops
from train.config import ModelConfig, TrainConfig
from train.loss import choose_loss
from train.model import INITIAL_DEVIATION, Transformer, build_model, compile_blocks
from train.objective import Objective
from train.optimizer import Optimizer
from train.presets import PRESETS
from train.sizes import parameter_counts, training_flops

MEDIAN_TOKENS = 600  # of a document, log-normal
HEADS, KV_HEADS, WIDTH = 16, 4, 64


@dataclass(frozen=True)
class Case:
    """A model at a vocabulary, trained on `rows` rows of `tokens` tokens; `seconds` is about what it takes with compilation."""

    preset: str
    vocab_size: int
    rows: int
    tokens: int
    backend: str = "auto"
    optimizer: str = "adamw"
    seconds: float = 40
    layers: int | None = None

    def __str__(self) -> str:
        changes = "".join(f" {name}" for name in (self.backend, self.optimizer) if name not in ("auto", "adamw"))
        return f"{self.preset} V={self.vocab_size // 1000}K{changes}"


CASES = [
    *(Case(name, vocab, rows, 2048) for name, rows in (("124m", 16), ("350m", 8), ("llama3.2-1b", 4))
      for vocab in (32_768, 128_256)),
    Case("124m", 32_768, 16, 2048, backend="varlen"),
    Case("124m", 32_768, 16, 2048, optimizer="muon"),
]  # fmt: skip
SMALL_CASES = [
    Case("5m", 1024, 1, 256, layers=2, seconds=2),
    Case("5m", 4096, 1, 256, layers=2, backend="dense", optimizer="muon", seconds=2),
]


def made_up_batch(rows: int, tokens: int, vocab_size: int) -> PackedBatch:
    random, packed = np.random.default_rng(0), []
    for _ in range(rows):
        lengths: list[int] = []
        while sum(lengths) < tokens:
            drawn = int(random.lognormal(np.log(MEDIAN_TOKENS), 1.0))
            lengths.append(min(max(drawn, 1), tokens - sum(lengths)))
        row = np.array(lengths, dtype=np.int32)
        packed.append((random.integers(0, vocab_size, tokens), row, np.arange(len(row))))
    return packed_batch(packed)


def measure_attention(backend: str, device: torch.device, dtype: torch.dtype) -> dict[str, float]:
    """Milliseconds of attention alone, forward and backward, on packed rows."""
    rows, tokens = (4, 4096) if device.type == "cuda" else (1, 256)
    batch = made_up_batch(rows, tokens, 1000).to(device)
    shape = (rows, tokens, HEADS + 2 * KV_HEADS, WIDTH)
    heads = torch.randn(shape, device=device, dtype=dtype, requires_grad=True)
    plan = PLANS[backend](batch)

    def once() -> None:
        attend(*heads.split((HEADS, KV_HEADS, KV_HEADS), dim=2), plan).sum().backward()

    return {"ms": 1e3 * seconds_of(once, device, rounds=20 if device.type == "cuda" else 2)}


def measure_case(case: Case, device: torch.device, dtype: torch.dtype, measured: float | None) -> dict[str, Any]:
    """Tokens per second, MFU and peak memory of a step. Halves the rows while they do not fit."""
    rows = case.rows
    while True:
        try:
            return _measure_rows(dataclasses.replace(case, rows=rows), device, dtype, measured)
        except torch.cuda.OutOfMemoryError:
            if rows == 1:
                raise
            rows //= 2
            torch.cuda.empty_cache()


def _measure_rows(case: Case, device: torch.device, dtype: torch.dtype, measured: float | None) -> dict[str, Any]:
    config = dataclasses.replace(PRESETS[case.preset], vocab_size=case.vocab_size, context=case.tokens)
    config = dataclasses.replace(config, layers=case.layers or config.layers)
    is_cuda = device.type == "cuda"
    if is_cuda:
        torch.compiler.reset()  # else the ninth shape would run uncompiled
        torch.cuda.reset_peak_memory_stats(device)
    backend = choose_backend(case.backend, device, dtype)
    with device:  # a billion random weights take a GPU an instant, a CPU a minute
        model = build_model_quickly(config) if is_cuda else build_model(config, 0)
    if is_cuda:
        compile_blocks(model, backend)
    training = TrainConfig("", "", config, 1, case.rows, 1e-4, optimizer=case.optimizer)
    objective = Objective(model, dtype, choose_loss("auto", device), training.loss_chunk_tokens, 0.0)
    optimizer = Optimizer(model, training)
    batch = made_up_batch(case.rows, case.tokens, case.vocab_size).to(device)

    def once() -> None:
        total, _ = objective(batch.input_ids, batch.positions, batch.labels, PLANS[backend](batch))
        (total / batch.predicted_tokens).backward()
        optimizer.update(1e-4)

    seconds = seconds_of(once, device, rounds=10 if is_cuda else 1)
    tokens = batch.input_ids.numel()
    flops = training_flops(config, tokens, attention_pairs(np.array(batch.lengths))) / seconds
    peak = peak_flops(device, None)
    return {
        "parameters": parameter_counts(config).total,
        "rows": case.rows,
        "tokens_per_second": tokens / seconds,
        "tflops": flops / 1e12,
        "mfu": flops / peak if peak else None,
        "mfu_of_measured": flops / measured if measured else None,
        "peak_gb": torch.cuda.max_memory_allocated(device) / 1e9 if is_cuda else None,
    }


def build_model_quickly(config: ModelConfig) -> Transformer:
    """A model with weights of about the right size, drawn on the device."""
    model = Transformer(config)
    for parameter in model.parameters():
        if parameter.dim() == 2:
            torch.nn.init.normal_(parameter, 0.0, INITIAL_DEVIATION)
    return model


def seconds_of(once: Callable[[], None], device: torch.device, rounds: int) -> float:
    """The mean of `rounds` calls, after three that warm up and compile."""
    for _ in range(3 if device.type == "cuda" else 1):
        once()
    _wait(device)
    began = time.perf_counter()
    for _ in range(rounds):
        once()
    _wait(device)
    return (time.perf_counter() - began) / rounds


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
