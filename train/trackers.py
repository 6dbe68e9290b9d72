"""Where metrics go beside metrics.jsonl, by choice (`log_to`): TensorBoard and Weights & Biases.

Both are optional packages; a missing one is told before training begins. Event files lie in the run's folder. W&B takes
project, entity and mode from its own environment variables (WANDB_PROJECT, WANDB_MODE=offline, ...).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from train.config import TrainError
from train.run_folder import TENSORBOARD, WANDB


class Tracker(Protocol):
    def write(self, step: int, figures: dict[str, float]) -> None:
        """Figures of one record by name, such as `step/loss`."""

    def close(self) -> None:
        """Everything is written."""


class TensorBoard:
    """Event files in tensorboard/, by PyTorch's writer or by tensorboardX."""

    def __init__(self, run: Path, config: dict[str, Any], step: int):
        self.writer = _summary_writer()(str(run / TENSORBOARD), purge_step=step + 1)

    def write(self, step: int, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        self.writer.close()


class WeightsAndBiases:
    """One W&B run per training run: its id follows from the folder, so resuming goes on with it."""

    def __init__(self, run: Path, config: dict[str, Any], step: int):
        try:
            import wandb
        except ImportError:
            raise TrainError("log_to: wandb is not installed. pip install wandb, or take it out of log_to.") from None
        folder = run / WANDB
        folder.mkdir(exist_ok=True)
        project = os.environ.get("WANDB_PROJECT", "gristmill")
        self.run = wandb.init(project=project, name=run.name, id=_identity(folder), resume="allow", dir=str(run),
                              config=config)  # fmt: skip

    def write(self, step: int, figures: dict[str, float]) -> None:
        self.run.log(figures, step=step)

    def close(self) -> None:
        self.run.finish()


TRACKERS: dict[str, Callable[[Path, dict[str, Any], int], Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
}


def open_trackers(names: tuple[str, ...], run: Path, config: dict[str, Any], step: int) -> list[Tracker]:
    """The trackers named; `step` is where the run goes on. Raises TrainError for one that is not installed."""
    return [TRACKERS[name](run, config, step) for name in names]


def figures_of(record: dict[str, Any]) -> dict[str, float]:
    """The numbers of a metrics record, nested ones with a path: `eval/by_lang/en/nats_per_token`."""
    found: dict[str, float] = {}

    def walk(value: Any, name: str) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, f"{name}/{key}")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found[name] = float(value)

    for key, value in record.items():
        if key not in ("kind", "step"):
            walk(value, f"{record['kind']}/{key}")
    return found


def _summary_writer() -> Callable[..., Any]:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise TrainError(
                "log_to: tensorboard is not installed. pip install tensorboard, or take it out of log_to."
            ) from None
    return SummaryWriter


def _identity(folder: Path) -> str:
    """The id of the W&B run, made once and kept."""
    path = folder / "run-id"
    if not path.exists():
        path.write_text(os.urandom(8).hex())
    return path.read_text().strip()
