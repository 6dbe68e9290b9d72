"""One run under way in one process: a step, and what follows it when due (report, evaluation, checkpoint, summary)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from train.attention import Planner
from train.batch import Loader, PackedBatch, StepBatch
from train.checkpoint import checkpoint_folders
from train.checkpoint_writer import CheckpointWriter
from train.config import TrainConfig, TrainError
from train.diverged import SKIPS_IN_A_ROW, NotFinite, diverged, finite, nothing_is_learned
from train.durable import write_json
from train.evaluate.held_out import HeldOut, evaluate
from train.generate import Writer, open_tokenizer
from train.handoff import TOKENIZER_NAME
from train.metrics import MetricsFile, Window
from train.model import Transformer
from train.noise_scale import advice
from train.objective import Objective, without_sync
from train.optimizer import Optimizer
from train.part_gradients import PartGradients
from train.ramp import BatchPlan
from train.run_folder import SCHEMA_VERSION, SUMMARY, read_run
from train.schedule import learning_rate
from train.trackers import Tracker, figures_of
from train.world import World

Event = dict[str, Any]
Listener = Callable[[Event], None]


class Stopped(Exception):
    """The run was asked to stop and has saved a checkpoint at `step`."""

    def __init__(self, step: int, checkpoint: Path):
        super().__init__(f"stopped at step {step}; {checkpoint} is saved")
        self.step, self.checkpoint = step, checkpoint


@dataclass
class State:
    """What a run carries from checkpoint to checkpoint beside weights and moments."""

    step: int = 0
    tokens: int = 0
    skipped_steps: int = 0
    skips_in_a_row: int = 0  # those that end in `step`
    seconds: float = 0.0
    noise: dict[str, float] = field(default_factory=dict)
    held_out_first: dict[str, Any] = field(default_factory=dict)
    held_out_last: dict[str, Any] = field(default_factory=dict)


@dataclass
class Run:
    """Everything a run works with. `about` says what it runs on, for events and for the summary."""

    config: TrainConfig
    folder: Path
    world: World
    model: Transformer
    optimizer: Optimizer
    objective: Objective
    parallel: nn.Module  # the objective, or the same made data parallel
    planner: Planner
    loader: Loader
    held_out: HeldOut
    metrics: MetricsFile | None
    trackers: list[Tracker]
    listen: Listener
    state: State
    window: Window
    part_gradients: PartGradients
    checkpoints: CheckpointWriter
    about: dict[str, Any]

    def batches(self) -> Iterator[StepBatch]:
        return self.loader.ahead(self.state.step, self.config.steps, self.world.rank, self.world.size)

    def learn(self, step: int, batch: StepBatch) -> None:
        """One optimizer step: the gradient of the mean loss over the whole step, whatever its parts and devices."""
        scale = self.world.size / max(batch.predicted_tokens, 1)
        nats = torch.zeros((), device=self.world.device)
        last = len(batch.parts) - 1
        for index, part in enumerate(batch.parts):
            with without_sync(self.parallel) if index < last else contextlib.nullcontext():
                total, losses = self._losses(part, self.parallel)
                (total * scale).backward()
            if index == 0:
                self.part_gradients.measure(part, batch)
            nats += losses.detach().sum()
        norm, skipped = self.optimizer.update(learning_rate(self.config, step))
        self.part_gradients.compare(batch, norm, skipped)
        self.window.add(batch, nats, norm, skipped)

    def keep(self, done: int, should_stop: Callable[[], bool]) -> None:
        """After `done` steps: report, evaluate and save when each is due. Raises Stopped when asked to stop."""
        last = done == self.config.steps
        stopping = self._stopping(done, should_stop)
        judging = last or done % self.config.eval_every == 0
        saving = last or stopping or done % self.config.checkpoint_every == 0
        if judging or saving or done % self.config.log_every == 0:
            self._report(done)
        if judging:
            self.judge(done)
        if saving:
            folder = self._save(done)
            if stopping and not last:
                self.checkpoints.finish()
                raise Stopped(done, folder)
        if judging or saving:
            self.window.restart()

    def judge(self, step: int) -> None:
        """Held-out loss, before the first step, in between, and after the last."""
        self.model.eval()
        part_rows = self.config.batch_rows // self.config.accumulation // self.world.size
        score = finite(evaluate(self.held_out, self._token_losses, self.world, part_rows, self.loader.slots))
        self.model.train()
        self.state.held_out_last = score
        self.state.held_out_first = self.state.held_out_first or score
        self._tell({"kind": "eval", "step": step, **score})
        self.window.restart()

    def finish(self) -> dict[str, Any]:
        """Sample a continuation and write the summary; empty in all processes but the first."""
        self.checkpoints.finish()
        text = None if diverged(asdict(self.state), self.folder) else self._sample()
        summary = self._summary(text) if self.world.is_first else {}
        if self.world.is_first:
            write_json(self.folder / SUMMARY, summary)
        self.world.wait()
        return summary

    def close(self) -> None:
        """Whatever happened: what is being written is written."""
        try:
            self.checkpoints.close()
        finally:
            for tracker in self.trackers:
                tracker.close()

    def _stopping(self, done: int, should_stop: Callable[[], bool]) -> bool:
        """Processes agree to stop only now and then, since agreeing waits for all devices."""
        asks = self.world.size == 1 or done % self.config.log_every == 0
        return asks and self.world.any(should_stop())

    def _losses(self, batch: PackedBatch, objective: nn.Module) -> tuple[Tensor, Tensor]:
        batch = batch.to(self.world.device)
        return objective(batch.input_ids, batch.positions, batch.labels, self.planner(batch))

    def _token_losses(self, batch: PackedBatch) -> Tensor:
        return self._losses(batch, self.objective)[1]

    def _report(self, done: int) -> None:
        """Tell what the steps since the last report came to. Raises TrainError where nothing is learned any more."""
        record = self.window.record(
            self.config.model, self.world, self.about["peak_flops"], self.about["measured_flops"]
        )
        self.state.step = done
        self.state.tokens += record["tokens"]
        self.state.skipped_steps += record["skipped_steps"]
        self.state.skips_in_a_row = record["skips_in_a_row"]
        self.state.seconds += record["seconds"]
        rate = learning_rate(self.config, done - 1)
        noise = {"noise_scale_tokens": self.part_gradients.noise.tokens()}
        self._tell({"kind": "step", "step": done, **record, **noise, "tokens": self.state.tokens, "learning_rate": rate})
        self.window.restart()
        if SKIPS_IN_A_ROW <= self.state.skips_in_a_row and done < self.config.steps:
            raise TrainError(nothing_is_learned(self.folder, done, self.state.skips_in_a_row))

    def _save(self, done: int) -> Path:
        self.state.noise = self.part_gradients.noise.record()
        state = asdict(self.state)
        folder = self.checkpoints.save(done, self.model.state_dict(), self.optimizer.tensors(), state)
        self.listen({"kind": "checkpoint", "step": done, "path": str(folder)})
        return folder

    def _tell(self, record: Event) -> None:
        record = finite(record)
        if self.metrics is not None:
            self.metrics.write(record)
        for tracker in self.trackers:
            tracker.write(record["step"], figures_of(record))
        self.listen(record)

    def _sample(self) -> str | None:
        """A continuation by the model as it is; None where its numbers are not finite. Where it is sharded, all processes write it together."""
        if not (self.world.is_first or self.about["sharded"]):
            return None
        tokenizer = open_tokenizer(self.folder / TOKENIZER_NAME)
        eager = torch.compiler.set_stance("force_eager") if self.config.compile else contextlib.nullcontext()
        with eager, contextlib.suppress(NotFinite):
            writer = Writer(self.model.eval(), tokenizer, **read_run(self.folder)["tokens"])
            return writer.continuation(**asdict(self.config.sample), seed=self.config.seed)
        return None

    def _summary(self, text: str | None) -> dict[str, Any]:
        written = read_run(self.folder)
        noise = self.part_gradients.noise
        noise_tokens = noise.tokens()
        rows = BatchPlan(self.config.batch_rows, self.config.batch_ramp).rows_before(self.state.step)
        batch_tokens = self.config.batch_rows * self.state.tokens / rows
        return {
            "schema_version": SCHEMA_VERSION,
            "config_sha256": written["config_sha256"],
            "packed_sha256": written["packed_sha256"],
            **asdict(self.state),
            "tokens_per_second": self.state.tokens / self.state.seconds,
            "noise_scale_tokens": noise_tokens,
            "batch_advice": advice(noise_tokens, batch_tokens, noise.drowns()),
            **self.about,
            "sample": {**asdict(self.config.sample), "text": text},
            "checkpoint": str(checkpoint_folders(self.folder)[-1].relative_to(self.folder)),
        }
