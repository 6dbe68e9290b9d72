"""How far a run is, on stderr: a live table on a terminal, otherwise a plain line now and then.

The table shows the figures of the last record and the course of the loss; what is worth keeping (the start, evaluations,
advice) is printed above it as lines.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from rules.visible import visible
from train.cli import figure

SECONDS_BETWEEN_LINES = 30.0
COURSE = 48  # losses in the sparkline
BARS = "▁▂▃▄▅▆▇█"


class TrainProgress:
    """A listener for train.loop; use as a context. Standard output is never touched."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        self.bar = Progress(
            TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"),
            TimeRemainingColumn(), console=self.console,
        )  # fmt: skip
        self.record: dict[str, Any] = {}
        self.course: deque[float] = deque(maxlen=COURSE)
        self.held_out = ""
        self.steps = 0
        self.skipping = False
        self.last_line = time.monotonic()
        self.live = Live(console=self.console, refresh_per_second=2, get_renderable=self._view, transient=True)

    def __enter__(self) -> TrainProgress:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()

    def __call__(self, event: dict[str, Any]) -> None:
        getattr(self, "_" + event["kind"])(event)

    def _start(self, event: dict[str, Any]) -> None:
        self.steps = event["steps"]
        self.task = self.bar.add_task("", total=event["steps"], completed=event["step"])
        for line in event.get("incomplete", ()):
            self._say(visible(line))
        over = f" x {event['processes']}" if event["processes"] > 1 else ""
        sharded = ", sharded" if event["sharded"] else ""
        self._say(
            f"{event['parameters']:,} parameters, {event['rows']:,} rows, {event['device']}{over}{sharded}, "
            f"{event['precision']}, attention {event['attention']} "
            f"(documents proven apart in {event['proof']['seconds']:.1f} s)"
        )
        if event["step"]:
            self._say(f"resuming at step {event['step']} of {event['steps']}")

    def _step(self, event: dict[str, Any]) -> None:
        self.record = event
        if event["loss"] is not None:
            self.course.append(event["loss"])
        self._skips(event["step"], event.get("skips_in_a_row", 0))
        self.bar.update(self.task, completed=event["step"])
        if not self.console.is_terminal and time.monotonic() - self.last_line > SECONDS_BETWEEN_LINES:
            skipped = f"  {event['skipped_steps']} skipped" if event["skipped_steps"] else ""
            speed = f"{event['tokens_per_second']:,.0f} tokens/s"
            self._say(f"step {event['step']} of {self.steps}  loss {figure(event['loss'])}  {speed}{skipped}")

    def _skips(self, step: int, in_a_row: int) -> None:
        """The first of steps in a row that change nothing, once."""
        if in_a_row and not self.skipping:
            self._say(f"step {step - in_a_row + 1}: the gradient is not finite; such steps change nothing")
        self.skipping = in_a_row > 0

    def _eval(self, event: dict[str, Any]) -> None:
        self.held_out = f"{figure(event['nats_per_token'])} nats/token, {figure(event['bits_per_byte'])} bits/byte"
        self._say(f"step {event['step']}: held-out {self.held_out}")

    def _checkpoint(self, event: dict[str, Any]) -> None:
        """Checkpoints are silent: the last one is named in the result."""

    def _say(self, text: str) -> None:
        self.last_line = time.monotonic()
        self.console.print(text)

    def _view(self) -> Group:
        table = Table.grid(padding=(0, 2))
        for name, value in figures(self.record).items():
            course = sparkline(self.course) if name == "loss" else ""
            table.add_row(name, value, course)
        if self.held_out:
            table.add_row("held-out", self.held_out)
        return Group(table, self.bar)


def figures(record: dict[str, Any]) -> dict[str, str]:
    """What the table says of a step record, in words and units."""
    if not record:
        return {}
    shares = {"of datasheet": record["mfu"], "of measured": record["mfu_of_measured"]}
    used = ", ".join(f"{share:.1%} {name}" for name, share in shares.items() if share is not None)
    noise = record["noise_scale_tokens"]
    lines = {
        "loss": f"{figure(record['loss'])} nats/token",
        "gradient norm": figure(record["grad_norm"]),
        "learning rate": f"{record['learning_rate']:.3g}",
        "batch": f"{record['batch_tokens']:,.0f} tokens" + (f", noise scale {noise:,.0f}" if noise else ""),
        "speed": f"{record['tokens_per_second']:,.0f} tokens/s, {record['flops_per_second'] / 1e12:.3g} TFLOP/s",
        "utilisation": used,
    }
    return lines | ({"skipped": f"{record['skipped_steps']} steps"} if record["skipped_steps"] else {})


def sparkline(values: deque[float]) -> str:
    """The course of some values as bars, the lowest and the highest filling the range."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    scale = (len(BARS) - 1) / ((high - low) or 1.0)
    return "".join(BARS[round((value - low) * scale)] for value in values)
