"""Numbers that are no longer finite: what a run says when it diverged, and what is written in their place. Imports no torch.

Weights that are finite can give losses that are not, so nothing is checked but losses, gradients and logits. In JSON, null
stands for such a number: NaN is not JSON.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from train.config import TrainError
from train.run_folder import CHECKPOINTS

SKIPS_IN_A_ROW = 10  # as many steps without a finite gradient end a run


class NotFinite(TrainError):
    """A model whose numbers are not finite."""

    def __init__(self, said: str = "") -> None:
        super().__init__(said or (
            "the model's numbers are not finite: its training diverged, and it can say nothing. "
            "Name an earlier checkpoint, or train again with a lower learning_rate."
        ))  # fmt: skip


class Diverged(TrainError):
    """A run that went through all its steps, and whose model is of no use; `summary` is saved."""

    def __init__(self, said: str, summary: dict[str, Any]) -> None:
        super().__init__(said)
        self.summary = summary


def finite(value: Any) -> Any:
    """`value`, a record of JSON, with None for numbers that are not finite."""
    if isinstance(value, dict):
        return {name: finite(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def diverged(summary: dict[str, Any], run: Path) -> str | None:
    """What to say of a finished run (its summary or state) whose model is of no use; None for all others."""
    last, skips = summary["held_out_last"], summary.get("skips_in_a_row", 0)
    began = summary["step"] - skips + 1
    found = [f"the gradient is not finite since step {began}"] if skips else []
    if last["tokens"] and last["nats_per_token"] is None:
        found.append("the held-out loss is not finite")
    elif skips < min(SKIPS_IN_A_ROW, max(2, summary["step"] // 2)):
        return None
    return f"this run diverged: {', and '.join(found)}. The model is of no use. {advice(run, began)}"


def nothing_is_learned(run: Path, step: int, skips: int) -> str:
    """Why a run is ended before its last step."""
    began = step - skips + 1
    return (
        f"the gradient was not finite in {skips} steps in a row, from step {began} on, so nothing is learned any more. "
        f"{advice(run, began)}"
    )


def advice(run: Path, began: int) -> str:
    """What to do about a run whose gradient is not finite from step `began` on."""
    steps = sorted(int(path.name.removeprefix("step-")) for path in (run / CHECKPOINTS).glob("step-????????"))
    before = [step for step in steps if step < began]
    look = (
        f"{run / CHECKPOINTS / f'step-{before[-1]:08d}'} is from before that" if before else "no checkpoint is from before that"
    )  # fmt: skip
    return f"Lower learning_rate, or lengthen warmup_steps, and train into another `output`; {look}."
