"""What a fine-tuned model says of items: scores, answers for people and programs, and how good they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from train.diverged import NotFinite
from train.finetune_config import FinetuneConfig
from train.finetune_folder import HEAD, read_finetuned
from train.finetune_head import Head, Reader, open_reader, scores_of
from train.finetune_items import Item, read_items
from train.finetune_scores import choice_scores, class_scores, number_scores
from train.open_model import open_model
from train.world import choose_device


def predict(folder: Path, path: Path, device: str = "auto") -> Iterator[dict[str, Any]]:
    """What the fine-tuned model in `folder` says of each item in the file `path`, in order."""
    config, classes, scale = read_finetuned(folder)
    saved = open_model(folder, choose_device(device))
    items = read_items(config, saved, str(path), classes, labelled=False)
    tensors = load_file(folder / HEAD, device=str(saved.device))
    head = Head(saved.model.config.dim, len(tensors["linear.bias"]), config.dropout, 0).to(saved.device)
    head.load_state_dict(tensors)
    reader = open_reader(saved, [items])
    scores = item_scores(reader, head, items.items, config)
    for item, answer in zip(items.items, answers(scores, config, classes, scale)):
        yield {"line": item.line, **answer}


def item_scores(reader: Reader, head: Head, items: Sequence[Item], config: FinetuneConfig) -> list[np.ndarray]:
    """Scores of each item [outputs or choices]. Raises NotFinite for those of a model that diverged."""
    head.eval()
    states = reader.states_of(items).split([len(item.sequences) for item in items])
    with torch.no_grad():
        scores = [scores_of(head, own, [item], config.task)[0].cpu().numpy() for own, item in zip(states, items)]
    if any(np.isnan(row).any() for row in scores):
        raise NotFinite(
            "the fine-tuned model's numbers are not finite: its training diverged, and it can say nothing. "
            "Lower learning_rate, and fine-tune into another `output`."
        )
    return scores


def answers(scores: Sequence[np.ndarray], config: FinetuneConfig, classes: Sequence[str], scale: tuple[float, float]) -> Iterator[dict[str, Any]]:
    """What is predicted, in words for people and programs: a class, a place or a number, and how likely."""
    for row in scores:
        if config.target == "number":
            yield {"predicted": float(row[0]) * scale[1] + scale[0]}
            continue
        likely = np.exp(row - row.max())
        likely /= likely.sum()
        best = int(row.argmax())
        names = classes or range(len(row))
        yield {"predicted": names[best], "probabilities": {str(name): float(value) for name, value in zip(names, likely)}}


def judged(
    scores: Sequence[np.ndarray], given: Sequence[dict[str, Any]], items: Sequence[Item], config: FinetuneConfig, classes: Sequence[str]
) -> dict[str, Any]:
    """The figures for items whose answers are known."""
    right = np.array([item.label for item in items])
    if config.target == "number":
        return number_scores(np.array([answer["predicted"] for answer in given]), right)
    best = np.array([int(row.argmax()) for row in scores])
    if config.task == "multiple_choice":
        return choice_scores(best, right, np.array([len(row) for row in scores]))
    return class_scores(best, right.astype(int), len(classes))
