"""Training: the main path.

    packed data -> proof that documents stay apart -> model -> steps -> held-out loss -> checkpoint, summary

A run is its configuration and its packed data. Started again, it returns the saved summary if it is finished, and goes
on from the last checkpoint if it is not; on a CPU the weights are then the same, bit for bit, as without the stop.
Under torchrun each process trains its share of the same rows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from train.attention import PLANS, Plan, Planner, choose_backend
from train.batch import Loader, PackedBatch, StepBatch, boundary_slots
from train.checkpoint import checkpoint_folder, checkpoint_folders, load_checkpoint, remove_leftovers, save_checkpoint
from train.config import TrainConfig, TrainError, resolve
from train.durable import write_json
from train.evaluate.held_out import HeldOut, evaluate, open_held_out
from train.generate import Writer, open_tokenizer
from train.handoff import TOKENIZER_NAME, Manifest, open_split, read_manifest, verify
from train.loss import cross_entropy
from train.metrics import MetricsFile, Window, peak_flops
from train.model import Transformer, build_model, compile_blocks
from train.optimizer import build_optimizer, update
from train.proof import autocast, prove_isolation
from train.run_folder import METRICS, SCHEMA_VERSION, SUMMARY, finished_summary, prepare_run, read_run
from train.schedule import learning_rate
from train.sizes import parameter_counts
from train.start import check_start, load_start
from train.world import World, choose_dtype, open_world

Event = dict[str, Any]
Listener = Callable[[Event], None]


class Stopped(Exception):
    """The run was asked to stop and has saved a checkpoint at `step`."""

    def __init__(self, step: int, checkpoint: Path):
        super().__init__(f"stopped at step {step}; {checkpoint} is saved")
        self.step, self.checkpoint = step, checkpoint


def train(
    config: TrainConfig,
    listen: Listener = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
    planners: dict[str, Planner] = PLANS,
) -> dict[str, Any]:
    """Train, or resume, or return the summary of what is finished.

    `listen` receives every record ("kind": start, step, eval, checkpoint); `should_stop` is asked after every step.
    Raises HandoffError and TrainError for what the user can mend, Stopped when asked to stop.
    """
    manifest = read_manifest(config.data)
    config = resolve(config, manifest)
    if summary := finished_summary(config):
        return summary
    with open_world(config) as world:
        run = _open_run(config, manifest, world, listen, planners)
        if not run.state.held_out_first:
            run.judge(step=0)
        for step, batch in enumerate(run.batches(), run.state.step):
            run.learn(step, batch)
            run.keep(step + 1, should_stop)
        return run.finish()


@dataclass
class State:
    """What a run carries from checkpoint to checkpoint beside weights and moments."""

    step: int = 0
    tokens: int = 0
    skipped_steps: int = 0
    seconds: float = 0.0
    held_out_first: dict[str, Any] = field(default_factory=dict)
    held_out_last: dict[str, Any] = field(default_factory=dict)


class Objective(nn.Module):
    """From a batch to its loss: the whole forward pass, so that data parallelism can wrap it."""

    def __init__(self, model: Transformer, dtype: torch.dtype, chunk_tokens: int):
        super().__init__()
        self.model, self.dtype, self.chunk_tokens = model, dtype, chunk_tokens

    def forward(self, input_ids: Tensor, positions: Tensor, labels: Tensor, plan: Plan) -> tuple[Tensor, Tensor]:
        """The sum of NLL in nats, and the NLL of each token [B, S]."""
        with autocast(input_ids.device, self.dtype):
            hidden = self.model(input_ids, positions, plan)
        return cross_entropy(hidden, self.model.head_weight, labels, self.chunk_tokens)


@dataclass
class Run:
    """One run under way in one process."""

    config: TrainConfig
    folder: Path
    world: World
    model: Transformer
    optimizer: torch.optim.AdamW
    objective: Objective
    parallel: nn.Module  # the objective, or the same made data parallel
    planner: Planner
    loader: Loader
    held_out: HeldOut
    metrics: MetricsFile | None
    listen: Listener
    state: State
    window: Window
    about: dict[str, Any]

    def batches(self) -> Iterator[StepBatch]:
        return self.loader.ahead(self.state.step, self.config.steps, self.world.rank, self.world.size)

    def learn(self, step: int, batch: StepBatch) -> None:
        """One optimizer step: the gradient of the mean loss over the whole step, whatever its parts and devices."""
        scale = self.world.size / max(batch.predicted_tokens, 1)
        nats = torch.zeros((), device=self.world.device)
        for index, part in enumerate(batch.parts):
            with self._without_sync(last=index == len(batch.parts) - 1):
                total, _ = self._losses(part, self.parallel)
                (total * scale).backward()
            nats += total.detach()
        rate = learning_rate(self.config, step)
        norm, skipped = update(self.optimizer, rate, self.config.clip_norm)
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
                raise Stopped(done, folder)
        if judging or saving:
            self.window.restart()

    def judge(self, step: int) -> None:
        """Held-out loss, before the first step, in between, and after the last."""
        self.model.eval()
        part_rows = self.config.batch_rows // self.config.accumulation // self.world.size
        score = evaluate(self.held_out, self._token_losses, self.world, part_rows, self.loader.slots)
        self.model.train()
        self.state.held_out_last = score
        self.state.held_out_first = self.state.held_out_first or score
        self._tell({"kind": "eval", "step": step, **score})
        self.window.restart()

    def finish(self) -> dict[str, Any]:
        """Sample a continuation and write the summary; empty in all processes but the first."""
        summary = self._summary() if self.world.is_first else {}
        if self.world.is_first:
            write_json(self.folder / SUMMARY, summary)
        self.world.wait()
        return summary

    def _stopping(self, done: int, should_stop: Callable[[], bool]) -> bool:
        """Processes agree to stop only now and then, since agreeing waits for all devices."""
        asks = self.world.size == 1 or done % self.config.log_every == 0
        return asks and self.world.any(should_stop())

    def _losses(self, batch: PackedBatch, objective: nn.Module) -> tuple[Tensor, Tensor]:
        batch = batch.to(self.world.device)
        return objective(batch.input_ids, batch.positions, batch.labels, self.planner(batch))

    def _token_losses(self, batch: PackedBatch) -> Tensor:
        return self._losses(batch, self.objective)[1]

    def _without_sync(self, last: bool) -> contextlib.AbstractContextManager:
        return contextlib.nullcontext() if last or self.world.size == 1 else self.parallel.no_sync()

    def _report(self, done: int) -> None:
        record = self.window.record(self.config.model, self.world, self.about["peak_flops"])
        self.state.step = done
        self.state.tokens += record["tokens"]
        self.state.skipped_steps += record["skipped_steps"]
        self.state.seconds += record["seconds"]
        rate = learning_rate(self.config, done - 1)
        self._tell({"kind": "step", "step": done, **record, "tokens": self.state.tokens, "learning_rate": rate})
        self.window.restart()

    def _save(self, done: int) -> Path:
        folder = checkpoint_folder(self.folder, done)
        if self.world.is_first:
            save_checkpoint(folder, self.model, self.optimizer, asdict(self.state))
        self.world.wait()
        self.listen({"kind": "checkpoint", "step": done, "path": str(folder)})
        return folder

    def _tell(self, record: Event) -> None:
        if self.metrics is not None:
            self.metrics.write(record)
        self.listen(record)

    def _summary(self) -> dict[str, Any]:
        written = read_run(self.folder)
        tokenizer = open_tokenizer(self.folder / TOKENIZER_NAME)
        sample = asdict(self.config.sample)
        with torch.compiler.set_stance("force_eager") if self.config.compile else contextlib.nullcontext():
            writer = Writer(self.model.eval(), tokenizer, **written["tokens"])
            text = writer.continuation(**sample, seed=self.config.seed)
        return {
            "schema_version": SCHEMA_VERSION,
            "config_sha256": written["config_sha256"],
            "packed_sha256": written["packed_sha256"],
            **asdict(self.state),
            "tokens_per_second": self.state.tokens / self.state.seconds,
            **self.about,
            "sample": {**sample, "text": text},
            "checkpoint": str(checkpoint_folders(self.folder)[-1].relative_to(self.folder)),
        }


def _open_run(
    config: TrainConfig, manifest: Manifest, world: World, listen: Listener, planners: dict[str, Planner]
) -> Run:
    """Everything before the first step. Whatever is wrong with data, folder, device or attention shows here."""
    dtype = choose_dtype(config.precision, world.device)
    backend = choose_backend(config.attention, world.device, dtype)
    if config.start_from:
        check_start(Path(config.start_from), config.model, Path(config.data))
    folder = _open_folder(config, manifest, world)
    proof = prove_isolation(config.model, planners[backend], backend, world.device, dtype)
    model, checkpoints = build_model(config.model, config.seed), checkpoint_folders(folder)
    if config.start_from and not checkpoints:
        load_start(model, Path(config.start_from))
    model = model.to(world.device)
    optimizer = build_optimizer(model, config)
    state = State(**load_checkpoint(checkpoints[-1], model, optimizer)) if checkpoints else State()
    metrics = MetricsFile(folder / METRICS, state.step if checkpoints else -1) if world.is_first else None
    loader, held_out = _open_data(config, world)
    about = {
        "parameters": parameter_counts(config.model).total,
        "device": str(world.device),
        "processes": world.size,
        "attention": backend,
        "precision": str(dtype).removeprefix("torch."),
        "peak_flops": peak_flops(world.device, config.peak_flops),
        "proof": asdict(proof),
    }
    listen({"kind": "start", "step": state.step, "steps": config.steps, "rows": len(loader.split), **about})
    if config.compile:
        compile_blocks(model, backend)
    objective = Objective(model, dtype, config.loss_chunk_tokens)
    return Run(
        config, folder, world, model, optimizer, objective, _parallel(objective, world), planners[backend], loader,
        held_out, metrics, listen, state, Window(world.device), about,
    )  # fmt: skip


def _open_folder(config: TrainConfig, manifest: Manifest, world: World) -> Path:
    """The run's folder, prepared by the first process; packed data is read through once, when a run begins."""
    if world.is_first:
        folder = prepare_run(config, manifest)
        remove_leftovers(folder)
        if not checkpoint_folders(folder):
            verify(config.data)
    world.wait()
    return Path(config.output)


def _open_data(config: TrainConfig, world: World) -> tuple[Loader, HeldOut]:
    split, held_out = open_split(config.data, "train"), open_split(config.data, "held_out")
    if not len(split):
        raise TrainError(f"{config.data}: the train split is empty. Pack more documents.")
    part_rows = config.batch_rows // config.accumulation // world.size
    slots = boundary_slots(max(split.max_documents, held_out.max_documents), part_rows)
    loader = Loader(split, config.batch_rows, config.accumulation, config.seed, slots)
    return loader, open_held_out(held_out, config.eval_rows, config.eval_by)


def _parallel(objective: Objective, world: World) -> nn.Module:
    if world.size == 1:
        return objective
    devices = [world.device.index] if world.device.type == "cuda" else None
    return DistributedDataParallel(objective, device_ids=devices, broadcast_buffers=False)
