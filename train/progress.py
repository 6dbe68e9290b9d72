"""How far a run is, on stderr: a bar on a terminal, otherwise a plain line now and then."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from train.cli import figure

SECONDS_BETWEEN_LINES = 30.0


class TrainProgress:
    """A listener for train.loop; use as a context. Standard output is never touched."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        self.bar = Progress(
            TextColumn("training"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"),
            TimeRemainingColumn(), console=self.console, refresh_per_second=2,
            disable=not self.console.is_terminal,
        )  # fmt: skip
        self.steps = 0
        self.last_line = time.monotonic()

    def __enter__(self) -> TrainProgress:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def __call__(self, event: dict[str, Any]) -> None:
        getattr(self, "_" + event["kind"])(event)

    def _start(self, event: dict[str, Any]) -> None:
        self.steps = event["steps"]
        self.task = self.bar.add_task("", total=event["steps"], completed=event["step"])
        proof = event["proof"]
        self._say(
            f"{event['parameters']:,} parameters, {event['rows']:,} rows, {event['device']}, {event['precision']}, "
            f"attention {event['attention']} (documents proven apart in {proof['seconds']:.1f} s)"
        )
        if event["step"]:
            self._say(f"resuming at step {event['step']} of {event['steps']}")

    def _step(self, event: dict[str, Any]) -> None:
        skipped = f"  {event['skipped_steps']} skipped" if event["skipped_steps"] else ""
        text = f"loss {figure(event['loss'])}  {event['tokens_per_second']:,.0f} tokens/s{skipped}"
        self.bar.update(self.task, completed=event["step"], description=text)
        if not self.console.is_terminal and time.monotonic() - self.last_line > SECONDS_BETWEEN_LINES:
            self._say(f"step {event['step']} of {self.steps}  {text}")

    def _eval(self, event: dict[str, Any]) -> None:
        scores = f"{figure(event['nats_per_token'])} nats/token, {figure(event['bits_per_byte'])} bits/byte"
        self._say(f"step {event['step']}: held-out {scores}")

    def _checkpoint(self, event: dict[str, Any]) -> None:
        """Checkpoints are silent: the last one is named in the result."""

    def _say(self, text: str) -> None:
        self.last_line = time.monotonic()
        self.console.print(text)
