"""The trainer on a CPU: attention by documents against a dense mask, and a step against a plain loop and transformers.

    python -m benchmarks.train [--preset 15m] [--vocab 8192] [--threads 1] [--rounds 5]

Rows of 2,048 tokens hold log-normal documents of about 256. All sides take the same batch, begin with the same weights, and
must reach the same losses. gristmill's step includes making the batch from its row; the others' batches are ready. Rounds
alternate between the sides, the median of each side's processor times counts, and figures are ratios within one run.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.figures import RUNS, in_turns, median, named, rates, record
from benchmarks.plain_llama import plain_loss, transformers_loss
from train.attention import PLANS, attend
from train.batch import PackedBatch, Row, packed_batch
from train.config import ModelConfig, TrainConfig
from train.model import Transformer, build_model
from train.objective import Objective
from train.optimizer import Optimizer
from train.presets import PRESETS

TOKENS, DOCUMENT_TOKENS = 2048, 256
QUERY_HEADS, KV_HEADS, WIDTH = 16, 4, 64
RATE, CLIP = 1e-4, 1.0
Step = Callable[[], float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="15m", choices=PRESETS)
    parser.add_argument("--vocab", type=int, default=8192, help="entries of the vocabulary")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=RUNS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    show_attention(made_up_row(1000, 0), options.rounds)
    model = dataclasses.replace(PRESETS[options.preset], vocab_size=options.vocab, context=TOKENS)
    show_steps(options.preset, model, made_up_row(options.vocab, 1), options.rounds)


def made_up_row(vocab_size: int, seed: int) -> Row:
    """Random tokens in documents whose lengths are log-normal with a mean of about 256, the last one cut."""
    random, lengths, left = np.random.default_rng(seed), [], TOKENS
    while left:
        lengths.append(min(max(int(random.lognormal(np.log(DOCUMENT_TOKENS) - 0.245, 0.7)), 1), left))
        left -= lengths[-1]
    return random.integers(0, vocab_size, TOKENS), np.array(lengths, dtype=np.int32), np.arange(len(lengths))


def show_attention(row: Row, rounds: int) -> None:
    batch = packed_batch([row])
    shape = (1, TOKENS, QUERY_HEADS + 2 * KV_HEADS, WIDTH)
    heads = torch.randn(shape, generator=torch.Generator().manual_seed(0), requires_grad=True)

    def step(name: str) -> Step:
        def run() -> float:
            query, key, value = heads.split((QUERY_HEADS, KV_HEADS, KV_HEADS), dim=2)
            out = attend(query, key, value, PLANS[name](batch)).square().mean()
            out.backward()
            return out.item()

        return run

    seconds = race({name: step(name) for name in ("loop", "dense")}, rounds)
    print(f"attention, forward and backward, {TOKENS} tokens in {len(batch.lengths)} documents, {QUERY_HEADS} query heads, "
          f"{KV_HEADS} KV heads of {WIDTH}")  # fmt: skip
    ours, dense = median(seconds["loop"]), median(seconds["dense"])
    print(f"  by documents {ours * 1e3:7.0f} ms")
    print(f"  dense mask   {dense * 1e3:7.0f} ms   {dense / ours:.2f} times")
    record(
        "attention", f"attention by documents, forward and backward, {TOKENS:,} tokens in {len(batch.lengths)} documents", seconds["loop"], "s",
        peer=f"{named('torch')}, a dense mask", theirs=seconds["dense"], on=f"{QUERY_HEADS} query heads, {KV_HEADS} KV heads of {WIDTH}",
    )  # fmt: skip


def show_steps(name: str, config: ModelConfig, row: Row, rounds: int) -> None:
    batch, model = packed_batch([row]), build_model(config, 0)
    steps = {
        "gristmill": our_step(model, row),
        "plain torch loop": their_step(*plain_loss(model, batch)),
        "transformers, 4D mask": their_step(*transformers_loss(model, batch)),
    }
    seconds = race(steps, rounds)
    ours = median(seconds["gristmill"])
    print(f"a step of {name} with {config.vocab_size:,} tokens in the vocabulary, {len(batch.lengths)} documents, "
          f"{torch.get_num_threads()} thread(s)")  # fmt: skip
    for side, taken in seconds.items():
        print(f"  {side:<22}{TOKENS / median(taken):8,.0f} tokens/s   gristmill {median(taken) / ours:.2f} times")
    threads = "a thread" if torch.get_num_threads() == 1 else f"{torch.get_num_threads()} threads"
    for side, library, how in (("plain torch loop", "torch", "a plain loop"), ("transformers, 4D mask", "transformers", "a 4D mask")):
        record(
            f"step-{library}", f"a training step of {name}, vocabulary {config.vocab_size:,}, {threads}, equal losses",
            rates(TOKENS, seconds["gristmill"]), "tokens/s", peer=f"{named(library)}, {how}", theirs=rates(TOKENS, seconds[side]), on=f"{TOKENS:,} tokens in {len(batch.lengths)} documents",
        )  # fmt: skip


def our_step(model: Transformer, row: Row) -> Step:
    objective = Objective(model, torch.float32, "chunked", 2048, 0.0)
    config = TrainConfig("", "", model.config, 1, 1, RATE, weight_decay=0.0, betas=(0.9, 0.999), clip_norm=CLIP)
    optimizer = Optimizer(model, config)

    def run() -> float:
        batch: PackedBatch = packed_batch([row])
        total, _ = objective(batch.input_ids, batch.positions, batch.labels, PLANS["loop"](batch))
        loss = total / batch.predicted_tokens
        loss.backward()
        optimizer.update(RATE)
        return loss.item()

    return run


def their_step(model: torch.nn.Module, loss_of: Callable[[], torch.Tensor]) -> Step:
    adamw = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0, fused=True)

    def run() -> float:
        loss = loss_of()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        adamw.step()
        adamw.zero_grad(set_to_none=True)
        return loss.item()

    return run


def race(steps: dict[str, Step], rounds: int) -> dict[str, list[float]]:
    """Processor seconds of each step in each round, after one that warms up. Raises unless all give equal losses."""
    losses: dict[str, float] = {}

    def step(name: str) -> Step:
        return lambda: losses.update({name: steps[name]()})

    def agree() -> None:
        if max(losses.values()) - min(losses.values()) > 2e-3 * max(losses.values()):
            raise SystemExit(f"the sides disagree: {losses}")

    seconds = in_turns({name: step(name) for name in steps} | {"agree": agree}, rounds)
    return {name: seconds[name] for name in steps}


if __name__ == "__main__":
    main()
