"""Training: the main path.

    packed data -> proof that documents stay apart -> model -> steps -> held-out loss -> checkpoint, summary

A run is its configuration and its packed data. Started again, it returns the saved summary if it is finished, and goes
on from the last checkpoint if it is not; on a CPU the weights are then the same, bit for bit, as without the stop.
Under torchrun each process trains its share of the same rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from train.attention import PLANS, Planner, choose_backend
from train.batch import Loader, boundary_slots
from train.ceiling import measured_flops, peak_flops
from train.checkpoint import (
    checkpoint_folders,
    incomplete_checkpoints,
    load_checkpoint,
    remove_leftovers,
    what_is_saved,
)
from train.checkpoint_writer import CheckpointWriter
from train.config import TrainConfig, TrainError, config_record, resolve
from train.diverged import Diverged, diverged
from train.evaluate.held_out import HeldOut, open_held_out
from train.handoff import Manifest, open_split, read_manifest
from train.loss import choose_loss
from train.metrics import MetricsFile, Window
from train.model import Transformer
from train.noise_scale import NoiseScale
from train.objective import Objective, parallel, place_model, shards
from train.optimizer import Optimizer
from train.part_gradients import PartGradients
from train.proof import prove_isolation
from train.room import room_in
from train.row_order import row_keys
from train.run import Listener, Run, State, Stopped
from train.run_folder import METRICS, finished_summary, prepare_run
from train.sizes import parameter_counts
from train.start import check_start
from train.trackers import open_trackers
from train.verify_packed import verify
from train.world import World, choose_dtype, open_world

__all__ = ["Stopped", "train"]


def train(
    config: TrainConfig,
    listen: Listener = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
    planners: dict[str, Planner] = PLANS,
) -> dict[str, Any]:
    """Train, or resume, or return the summary of what is finished.

    `listen` receives every record ("kind": start, step, eval, checkpoint); `should_stop` is asked after every step.
    Raises HandoffError and TrainError for what the user can mend, Diverged (with the summary) where the model that came out is
    of no use, Stopped when asked to stop.
    """
    manifest = read_manifest(config.data)
    config = resolve(config, manifest)
    output = Path(config.output)
    with room_in(output, lambda: what_is_saved(output)):
        summary = finished_summary(config) or _trained(config, manifest, listen, should_stop, planners)
    if summary and (said := diverged(summary, output)):
        raise Diverged(said, summary)
    return summary


def _trained(
    config: TrainConfig, manifest: Manifest, listen: Listener, should_stop: Callable[[], bool], planners: dict[str, Planner]
) -> dict[str, Any]:
    """The summary of a run that is carried out here; empty in all processes but the first."""
    with open_world(config) as world:
        run = _open_run(config, manifest, world, listen, planners)
        try:
            if not run.state.held_out_first:
                run.judge(step=0)
            for step, batch in enumerate(run.batches(), run.state.step):
                run.learn(step, batch)
                run.keep(step + 1, should_stop)
            return run.finish()
        finally:
            run.close()


def _open_run(
    config: TrainConfig, manifest: Manifest, world: World, listen: Listener, planners: dict[str, Planner]
) -> Run:
    """Everything before the first step. Whatever is wrong with data, folder, device or attention shows here."""
    dtype = choose_dtype(config.precision, world.device)
    backend = choose_backend(config.attention, world.device, dtype)
    loss = choose_loss(config.cross_entropy, world.device)
    if config.start_from:
        check_start(Path(config.start_from), config.model, Path(config.data))
    folder = _open_folder(config, manifest, world)
    proof = prove_isolation(config.model, planners[backend], backend, world.device, dtype, loss)
    parameters = parameter_counts(config.model).total
    sharded = shards(config, parameters, world)
    model = place_model(config, world, sharded, backend, dtype)
    optimizer, state = _resumed(config, folder, model)
    loader, held_out = _open_data(config, world)
    about = {
        "parameters": parameters,
        "device": str(world.device),
        "processes": world.size,
        "sharded": sharded,
        "attention": backend,
        "precision": str(dtype).removeprefix("torch."),
        "peak_flops": peak_flops(world.device, config.peak_flops),
        "measured_flops": measured_flops(world.device, dtype),
        "proof": asdict(proof),
    }
    listen({"kind": "start", "step": state.step, "steps": config.steps, "rows": len(loader.split), "incomplete": incomplete_checkpoints(folder), **about})
    objective = Objective(model, dtype, loss, config.loss_chunk_tokens, config.z_loss)
    wrapped = parallel(objective, world, sharded)
    return Run(
        config, folder, world, model, optimizer, objective, wrapped, planners[backend], loader, held_out,
        *_open_books(config, folder, world, state), listen, state, Window(world.device, state.skips_in_a_row),
        PartGradients(wrapped, world, sharded, NoiseScale(world.device, **state.noise)),
        CheckpointWriter(folder, world, sharded), about,
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


def _resumed(config: TrainConfig, folder: Path, model: Transformer) -> tuple[Optimizer, State]:
    """The optimizer, and where the run is; with weights and moments of the last checkpoint, where there is one."""
    optimizer, checkpoints = Optimizer(model, config), checkpoint_folders(folder)
    return optimizer, State(**load_checkpoint(checkpoints[-1], model, optimizer)) if checkpoints else State()


def _open_data(config: TrainConfig, world: World) -> tuple[Loader, HeldOut]:
    split, held_out = open_split(config.data, "train"), open_split(config.data, "held_out")
    if not len(split):
        raise TrainError(f"{config.data}: the train split is empty. Pack more documents.")
    part_rows = config.batch_rows // config.accumulation // world.size
    slots = boundary_slots(max(split.max_documents, held_out.max_documents), part_rows)
    loader = Loader(split, config.batch_rows, config.accumulation, config.seed, slots, config.batch_ramp, row_keys(split, config.row_order))
    return loader, open_held_out(held_out, config.eval_rows, config.eval_by)


def _open_books(config: TrainConfig, folder: Path, world: World, state: State) -> tuple[MetricsFile | None, list]:
    """metrics.jsonl and the trackers, of the first process alone."""
    if not world.is_first:
        return None, []
    metrics = MetricsFile(folder / METRICS, state.step if state.held_out_first else -1)
    return metrics, open_trackers(config.log_to, folder, config_record(config), state.step)
