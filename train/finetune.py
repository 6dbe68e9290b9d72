"""Fine-tuning in GPT-1's way (Radford et al. 2018, section 3.2): the main path.

    model, items -> steps on loss of the task + lm_weight * loss of the language model -> scores on held-out items

Losses are means: over the items of a batch, and over the tokens of their sequences. `trains: head` reads every sequence
once and trains the head on the states: seconds where `full` takes minutes.

The output is like a run's folder, so `gristmill eval` and `generate` take it:
    config.json  tokenizer.json  checkpoints/  head.safetensors  predictions.jsonl  summary.json
Started again, it goes on from the last checkpoint, on a CPU bit for bit, or returns the summary of what is finished.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from train.batch import epoch_order
from train.checkpoint import (
    OPTIMIZER,
    STATE,
    checkpoint_folders,
    incomplete_checkpoints,
    load_tensors,
    load_weights,
    what_is_saved,
)
from train.checkpoint_writer import CheckpointWriter
from train.config import TrainError
from train.durable import write_json
from train.finetune_config import FinetuneConfig
from train.finetune_folder import HEAD, finished, identity, prepare_folder
from train.finetune_head import Head, Reader, open_reader, scores_of, task_loss
from train.finetune_items import Item, Items, read_items, split_items
from train.finetune_predict import answers, item_scores, judged
from train.model_path import run_of
from train.open_model import open_model
from train.room import room_in
from train.run import Stopped
from train.run_folder import SUMMARY
from train.saved_model import SavedModel
from train.world import World, choose_device

PREDICTIONS = "predictions.jsonl"
Listener = Callable[[dict[str, Any]], None]


@dataclass
class Tuning:
    """Everything a run of fine-tuning works with. `number_scale`: mean and deviation of the numbers to predict."""

    config: FinetuneConfig
    folder: Path
    saved: SavedModel
    reader: Reader
    head: Head
    training: Items
    held_out: Items
    optimizer: torch.optim.AdamW
    number_scale: tuple[float, float]
    step: int = 0
    seconds: float = 0.0
    skipped_steps: int = 0

    @property
    def steps(self) -> int:
        return self.config.epochs * -(-len(self.training.items) // self.config.batch_items)

    def parameters(self) -> list[nn.Parameter]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]


def finetune(config: FinetuneConfig, listen: Listener = lambda event: None, should_stop: Callable[[], bool] = lambda: False) -> dict[str, Any]:
    """Fine-tune, or resume, or return the summary of what is finished. Raises TrainError, and Stopped when asked to stop."""
    if summary := finished(config):
        return summary
    output = Path(config.output)
    with room_in(output, lambda: what_is_saved(output)):
        return _tuned(config, listen, should_stop)


def _tuned(config: FinetuneConfig, listen: Listener, should_stop: Callable[[], bool]) -> dict[str, Any]:
    tuning = _open(config)
    listen({"kind": "start", "step": tuning.step, "steps": tuning.steps, "items": len(tuning.training.items),
            "held_out": len(tuning.held_out.items), "classes": len(tuning.training.classes), "cut": tuning.training.cut,
            "incomplete": incomplete_checkpoints(tuning.folder)})  # fmt: skip
    writer = CheckpointWriter(tuning.folder, World(0, 1, tuning.reader.device), sharded=False)
    try:
        _train(tuning, writer, listen, should_stop)
    finally:
        writer.close()
    return _finish(tuning)


def _open(config: FinetuneConfig) -> Tuning:
    device = choose_device(config.device)
    model_path = Path(config.model)
    saved = open_model(model_path, device)
    saved = dataclasses.replace(saved, model=saved.model.float())
    training, held_out = _read(config, saved)
    folder = prepare_folder(config, saved, run_of(model_path) or model_path, training.classes, number_scale(config, training))
    outputs = len(training.classes) if training.classes else 1
    head = Head(saved.model.config.dim, outputs, config.dropout, config.seed).to(device)
    saved.model.requires_grad_(config.trains == "full")
    optimizer = _optimizer(config, saved.model, head)
    tuning = Tuning(config, folder, saved, open_reader(saved, [training, held_out]), head, training, held_out, optimizer, number_scale(config, training))
    folders = checkpoint_folders(folder)
    if folders:
        _resume(tuning, folders[-1])
    return tuning


def _read(config: FinetuneConfig, saved: SavedModel) -> tuple[Items, Items]:
    training = read_items(config, saved, config.items)
    if config.held_out_file is None:
        return split_items(training, config.held_out_frac, config.seed)
    return training, read_items(config, saved, config.held_out_file, training.classes)


def number_scale(config: FinetuneConfig, training: Items) -> tuple[float, float]:
    """Mean and deviation of the numbers to predict; (0, 1) for classes and choices. Raises TrainError where none varies."""
    if config.target != "number":
        return 0.0, 1.0
    labels = np.array([item.label for item in training.items])
    if labels.std() == 0:
        raise TrainError(f"{config.items}: all items have the same number; there is nothing to learn.")
    return float(labels.mean()), float(labels.std())


def _optimizer(config: FinetuneConfig, model: nn.Module, head: Head) -> torch.optim.AdamW:
    """Matrices decay; norms, biases and the embedding do not."""
    named = [*(model.named_parameters() if config.trains == "full" else ()), *(("head." + name, p) for name, p in head.named_parameters())]
    decaying = [p for name, p in named if p.dim() == 2 and not name.startswith("embedding.")]
    plain = [p for name, p in named if p.dim() != 2 or name.startswith("embedding.")]
    groups = [{"params": decaying, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
    for parameter in (*decaying, *plain):  # all moments exist from the start, so that checkpoints hold the same tensors
        optimizer.state[parameter] = {"step": torch.zeros((), device=parameter.device), "exp_avg": torch.zeros_like(parameter),
                                      "exp_avg_sq": torch.zeros_like(parameter)}  # fmt: skip
    return optimizer


def _train(tuning: Tuning, writer: CheckpointWriter, listen: Listener, should_stop: Callable[[], bool]) -> None:
    config, states = tuning.config, None
    if config.trains == "head":
        states = tuning.reader.states_of(tuning.training.items)
    tuning.saved.model.train(config.trains == "full")
    tuning.head.train()
    sums, began = torch.zeros(3), time.perf_counter()
    while tuning.step < tuning.steps:
        sums += _step(tuning, states)
        tuning.step += 1
        last = tuning.step == tuning.steps
        if last or tuning.step % config.log_every == 0:
            tuning.seconds, began = tuning.seconds + time.perf_counter() - began, time.perf_counter()
            lm_loss = float(sums[1] / sums[2]) if _with_lm(config) else None
            listen({"kind": "step", "step": tuning.step, "steps": tuning.steps, "loss": float(sums[0] / sums[2]), "lm_loss": lm_loss})
            sums.zero_()
        stopping = should_stop() and not last
        if last or stopping or tuning.step % config.checkpoint_every == 0:
            folder = _save(tuning, writer)
            if stopping:
                writer.finish()
                raise Stopped(tuning.step, folder)
    writer.finish()


def _step(tuning: Tuning, states: Tensor | None) -> Tensor:
    """One update on the items of a batch; mean losses of task and language model, and 1, to be summed."""
    config, step = tuning.config, tuning.step
    torch.manual_seed(config.seed * 1_000_003 + step)  # dropout follows from the step, so that a resumed run is the same
    places = _places(config, len(tuning.training.items), step)
    items = [tuning.training.items[place] for place in places]
    predicted = max(sum(len(tokens) - 1 for item in items for tokens in item.sequences), 1)
    with_lm = _with_lm(config)
    losses = torch.zeros(2, device=tuning.reader.device)
    for part in tuning.reader.parts_of(items):
        chosen = [items[index] for index in part]
        if states is None:
            read, nats = tuning.reader.states([tokens for item in chosen for tokens in item.sequences], with_lm)
        else:
            read, nats = torch.cat([_own(states, tuning.training.items, places[index]) for index in part]), losses.new_zeros(())
        loss = task_loss(scores_of(tuning.head, read, chosen, config.task), _labels(tuning, chosen), config.target) / len(items)
        (loss + config.lm_weight * nats / predicted).backward()
        losses += torch.stack((loss.detach(), nats.detach() / predicted))
    _update(tuning, step)
    return torch.cat((losses.cpu(), torch.ones(1)))


def _with_lm(config: FinetuneConfig) -> bool:
    """Whether the loss of the language model is a part of what is trained."""
    return config.trains == "full" and config.lm_weight > 0


def _update(tuning: Tuning, step: int) -> None:
    """Clip and move, unless a gradient is not finite; linear warm-up, then a line to 0."""
    config, parameters = tuning.config, tuning.parameters()
    warmup = max(1, round(config.warmup_frac * tuning.steps))
    rate = config.learning_rate * min((step + 1) / warmup, (tuning.steps - step) / max(tuning.steps - warmup, 1), 1.0)
    for group in tuning.optimizer.param_groups:
        group["lr"] = rate
    norm = nn.utils.clip_grad_norm_([p for p in parameters if p.grad is not None], config.clip_norm)
    if torch.isfinite(norm):
        tuning.optimizer.step()
    else:
        tuning.skipped_steps += 1
    tuning.optimizer.zero_grad(set_to_none=True)


def _places(config: FinetuneConfig, count: int, step: int) -> list[int]:
    """The items of a step, from the seed and the step alone; the last batch of an epoch may be smaller."""
    epoch, batch = divmod(step, -(-count // config.batch_items))
    return epoch_order(config.seed, epoch, count)[batch * config.batch_items : (batch + 1) * config.batch_items].tolist()


def _labels(tuning: Tuning, items: Sequence[Item]) -> Tensor:
    mean, deviation = tuning.number_scale
    return torch.tensor([(item.label - mean) / deviation for item in items], dtype=torch.float32, device=tuning.reader.device)


def _own(states: Tensor, items: Sequence[Item], place: int) -> Tensor:
    """The states of item `place`: an item has as many sequences as the others, except where it has choices."""
    width = len(items[0].sequences)
    first = place * width if len(states) == width * len(items) else sum(len(item.sequences) for item in items[:place])
    return states[first : first + len(items[place].sequences)]


def _save(tuning: Tuning, writer: CheckpointWriter) -> Path:
    state = {"step": tuning.step, "seconds": tuning.seconds, "skipped_steps": tuning.skipped_steps}
    return writer.save(tuning.step, tuning.saved.model.state_dict(), _kept(tuning), state)


def _kept(tuning: Tuning) -> dict[str, Tensor]:
    """The head and the moments, by name."""
    names = {id(p): name for name, p in [*tuning.saved.model.named_parameters(), *(("head." + n, p) for n, p in tuning.head.named_parameters())]}
    moments = {f"{key}.{names[id(p)]}": value for p in tuning.parameters() for key, value in tuning.optimizer.state[p].items()}
    return moments | {"head." + name: p for name, p in tuning.head.named_parameters()}


def _resume(tuning: Tuning, folder: Path) -> None:
    load_weights(folder, tuning.saved.model)
    load_tensors(folder, OPTIMIZER, _kept(tuning))
    for name, value in json.loads((folder / STATE).read_text(encoding="utf-8")).items():
        setattr(tuning, name, value)


def _finish(tuning: Tuning) -> dict[str, Any]:
    """Judge on held-out items; write head, predictions and, last, the summary."""
    config, items, classes = tuning.config, tuning.held_out.items, tuning.training.classes
    scores = item_scores(tuning.reader, tuning.head, items, config)
    given = list(answers(scores, config, classes, tuning.number_scale))
    save_file({name: value.cpu().contiguous() for name, value in tuning.head.state_dict().items()}, tuning.folder / HEAD)
    with open(tuning.folder / PREDICTIONS, "w", encoding="utf-8") as stream:
        for item, answer in zip(items, given):
            label = classes[int(item.label)] if classes else item.label
            stream.write(json.dumps({"line": item.line, "label": label, **answer}, ensure_ascii=False) + "\n")
    summary = {
        "schema_version": 1, **identity(config), "task": config.task, "trains": config.trains, "steps": tuning.steps, "seconds": tuning.seconds,
        "skipped_steps": tuning.skipped_steps, "items": len(tuning.training.items), "held_out_items": len(items),
        "classes": list(classes), "cut": tuning.training.cut + tuning.held_out.cut, "scores": judged(scores, given, items, config, classes),
    }  # fmt: skip
    write_json(tuning.folder / SUMMARY, summary)
    return summary
