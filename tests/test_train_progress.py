"""The live display: what it shows on a terminal, and plain lines elsewhere."""

from __future__ import annotations

import io
from collections import deque

from rich.console import Console

from train.progress import TrainProgress, figures, sparkline

START = {"kind": "start", "step": 0, "steps": 8, "rows": 62, "parameters": 23808, "device": "cuda:0", "processes": 2,
         "sharded": True, "precision": "bfloat16", "attention": "flex", "proof": {"seconds": 1.5}}  # fmt: skip
STEP = {"kind": "step", "step": 2, "loss": 3.25, "grad_norm": 0.5, "skipped_steps": 1, "tokens": 512,
        "tokens_per_second": 1234.5, "flops_per_second": 4.2e14, "mfu": 0.42, "mfu_of_measured": 0.53,
        "batch_tokens": 256.0, "noise_scale_tokens": 9876.5, "learning_rate": 0.003}  # fmt: skip
EVAL = {"kind": "eval", "step": 0, "nats_per_token": 5.5, "bits_per_byte": None}


def shown(terminal: bool) -> str:
    progress = TrainProgress()
    output = io.StringIO()
    progress.console = Console(file=output, force_terminal=terminal, width=100, color_system=None, soft_wrap=True)
    for event in (START, EVAL, STEP, {**STEP, "step": 4, "loss": 2.5}, {**STEP, "step": 6, "loss": None}):
        progress(event)
    if terminal:
        progress.console.print(progress._view())
    return output.getvalue()


def test_a_terminal_sees_every_figure() -> None:
    text = shown(terminal=True)
    for words in ("23,808 parameters, 62 rows, cuda:0 x 2, sharded", "held-out 5.500 nats/token, - bits/byte", "█▁",
                  "batch          256 tokens, noise scale 9,876", "1,234 tokens/s, 420 TFLOP/s", "6/8",
                  "42.0% of datasheet, 53.0% of measured", "learning rate  0.003", "skipped        1 steps"):  # fmt: skip
        assert words in text


def test_elsewhere_there_are_lines_alone() -> None:
    lines = shown(terminal=False).splitlines()
    assert len(lines) == 2 and lines[1] == "step 0: held-out 5.500 nats/token, - bits/byte"


def test_what_is_not_known_is_left_out() -> None:
    assert figures({}) == {}
    found = figures({**STEP, "mfu": None, "noise_scale_tokens": None, "skipped_steps": 0})
    assert found["utilisation"] == "53.0% of measured" and found["batch"] == "256 tokens" and "skipped" not in found


def test_sparklines_fill_their_range() -> None:
    assert sparkline(deque([1.0])) == "" and sparkline(deque([2.0, 2.0])) == "▁▁"
    assert sparkline(deque([0.0, 7.0, 3.0])) == "▁█▄"
