"""Check the trainer on a CUDA device: the milliseconds of each attention backend and of a step, then the `cuda` tests.

    python scripts/gpu_check.py [--rows 4] [--tokens 4096] [--skip-tests]

Attention is timed forward and backward in bf16 on packed rows of log-normal documents (median 600 tokens); the step is
that of a 12-layer model of width 768 with compiled blocks. Takes a few minutes, most of them compilation.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from train.attention import PLANS, attend  # noqa: E402
from train.batch import PackedBatch, attention_pairs, packed_batch  # noqa: E402
from train.config import ModelConfig, TrainConfig  # noqa: E402
from train.loop import Objective  # noqa: E402
from train.metrics import peak_flops  # noqa: E402
from train.model import build_model, compile_blocks  # noqa: E402
from train.optimizer import build_optimizer, update  # noqa: E402
from train.sizes import training_flops  # noqa: E402

DEVICE = torch.device("cuda")
VOCAB_SIZE, HEADS, KV_HEADS, HEAD_DIM = 32_768, 12, 4, 64
WARM_UP, ROUNDS = 3, 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--skip-tests", action="store_true")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("this PyTorch sees no CUDA device", file=sys.stderr)
        return 2
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {options.rows} rows of {options.tokens} tokens")
    batch = made_up_batch(options.rows, options.tokens)
    for name in ("flex", "varlen", "dense"):
        print(f"attention {name:<7} {attention_ms(name, batch):8.3f} ms forward and backward")
    for name in ("flex", "varlen"):
        print_step(name, batch)
    if options.skip_tests:
        return 0
    return subprocess.call(
        [sys.executable, "-m", "pytest", "-m", "cuda", *map(str, sorted(ROOT.glob("tests/test_train_*.py")))]
    )


def made_up_batch(rows: int, tokens: int) -> PackedBatch:
    random, packed = np.random.default_rng(0), []
    for _ in range(rows):
        lengths = []
        while sum(lengths) < tokens:
            lengths.append(min(max(int(random.lognormal(np.log(600), 1.0)), 1), tokens - sum(lengths)))
        lengths = np.array(lengths, dtype=np.int32)
        packed.append((random.integers(0, VOCAB_SIZE, tokens), lengths, np.arange(len(lengths))))
    return packed_batch(packed).to(DEVICE)


def attention_ms(name: str, batch: PackedBatch) -> float:
    shape = (*batch.input_ids.shape, HEADS + 2 * KV_HEADS, HEAD_DIM)
    heads = torch.randn(shape, device=DEVICE, dtype=torch.bfloat16, requires_grad=True)
    plan = PLANS[name](batch)

    def once() -> None:
        attend(*heads.split((HEADS, KV_HEADS, KV_HEADS), dim=2), plan).sum().backward()

    return milliseconds(once)


def print_step(name: str, batch: PackedBatch) -> None:
    """One optimizer step of a small model: tokens per second and MFU."""
    model_config = ModelConfig(layers=12, dim=HEADS * HEAD_DIM, query_heads=HEADS, kv_heads=KV_HEADS, ffn_dim=2048,
                               vocab_size=VOCAB_SIZE, context=batch.input_ids.shape[1])  # fmt: skip
    config = TrainConfig("", "", model_config, steps=1, batch_rows=1, learning_rate=1e-4)
    model = build_model(model_config, 0).to(DEVICE)
    compile_blocks(model, name)
    objective, optimizer = Objective(model, torch.bfloat16, 8192), build_optimizer(model, config)

    def once() -> None:
        total, _ = objective(batch.input_ids, batch.positions, batch.labels, PLANS[name](batch))
        (total / batch.predicted_tokens).backward()
        update(optimizer, 1e-4, 1.0)

    seconds = milliseconds(once) / 1e3
    tokens = batch.input_ids.numel()
    flops = training_flops(model_config, tokens, attention_pairs(np.array(batch.lengths))) / seconds
    peak = peak_flops(DEVICE, None)
    share = f", {flops / peak:.1%} of peak" if peak else ""
    print(
        f"step {name:<7} {seconds * 1e3:8.1f} ms, {tokens / seconds:,.0f} tokens/s, {flops / 1e12:.0f} TFLOP/s{share}"
    )


def milliseconds(once: Callable[[], None]) -> float:
    """The mean of ROUNDS calls, after WARM_UP, by the device's own clock."""
    for _ in range(WARM_UP):
        once()
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(ROUNDS):
        once()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / ROUNDS


if __name__ == "__main__":
    sys.exit(main())
