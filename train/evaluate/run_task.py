"""One task on one model: prompts, likelihoods or texts, scores with intervals.

accuracy             the right answer is the most likely one (cloze: each of its tokens is; generation: it is written)
accuracy_per_byte    the same with log-likelihoods divided by the UTF-8 bytes of the answers
gold_bits_per_byte   NLL of the right answer per byte, in bits: smooth where accuracy is still chance, so it serves
                     scaling laws (arXiv 2412.04403)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from train.config import TrainError
from train.evaluate.contamination import flags, overlapping_items
from train.evaluate.few_shot import Prompts, build_prompts, example_text, prompt_texts
from train.evaluate.intervals import estimate
from train.evaluate.likelihood import Likelihood, likelihoods
from train.evaluate.task import Item, Task, read_items
from train.generate import Writer
from train.saved_model import SavedModel

TEXTS_AT_ONCE = 16
METRICS = ("accuracy", "accuracy_per_byte", "gold_bits_per_byte")


@dataclass(frozen=True)
class Settings:
    """How tasks are run: `limit` takes the first items only; `items` is the folder with the tasks' files.

    `overlaps` is a curation run that looked for the items in its documents: those found are flagged, and scores are told
    without them, too.
    """

    items: Path | None = None
    shots: int = 0
    seed: int = 0
    limit: int | None = None
    overlaps: Path | None = None


def run_task(saved: SavedModel, task: Task, settings: Settings) -> dict[str, Any]:
    """Scores of `task`, and under `details` one record for each item."""
    items = read_items(task, settings.items)[: settings.limit]
    pool = read_items(task, settings.items, task.examples) if task.examples else read_items(task, settings.items)
    if settings.shots >= len(pool):
        raise TrainError(f"task {task.task}: {settings.shots} examples were asked for, there are {len(pool)} items to draw from.")
    found = {"task": task.task, "kind": task.kind, "items": len(items), "shots": settings.shots, "seed": settings.seed}
    if task.kind == "generation":
        return {**found, **_flagged(_run_generation(saved, task, items, pool, settings), items, settings)}
    prompts = build_prompts(saved, task, items, pool, settings.shots, settings.seed)
    answers = _answers(saved, prompts)
    details = [_detail(task, item, found) for item, found in zip(items, answers, strict=True)]
    scores = {"fewer_shots": prompts.fewer_shots, "cut": prompts.cut, "metrics": _metrics(details), "details": details}
    return {**found, **_flagged(scores, items, settings)}


def _metrics(details: Sequence[dict[str, Any]]) -> dict[str, Any]:
    names = [name for name in METRICS if details and name in details[0]]
    return {name: estimate(np.array([detail[name] for detail in details])).record() for name in names}


def _flagged(scores: dict[str, Any], items: Sequence[Item], settings: Settings) -> dict[str, Any]:
    """`scores` with each item that occurs in the corpus flagged, and the scores without those items."""
    if settings.overlaps is None:
        return scores
    found = flags(items, overlapping_items(settings.overlaps))
    details = [{**detail, "in_corpus": flag} for detail, flag in zip(scores["details"], found, strict=True)]
    clean = [detail for detail in details if not detail["in_corpus"]]
    return {**scores, "in_corpus": sum(found), "metrics_without": _metrics(clean), "details": details}


def _answers(saved: SavedModel, prompts: Prompts) -> list[list[Likelihood]]:
    """Likelihoods of all requests, those after the same examples together: then the examples are computed once."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, examples in enumerate(prompts.examples):
        groups.setdefault(examples, []).append(number)
    found: dict[int, list[Likelihood]] = {}
    for numbers in groups.values():
        found |= zip(numbers, likelihoods(saved, [prompts.requests[number] for number in numbers]), strict=True)
    return [found[number] for number in range(len(prompts.requests))]


def _detail(task: Task, item: Item, found: Sequence[Likelihood]) -> dict[str, Any]:
    nats = np.array([one.nats for one in found])
    sizes = np.array([len((task.delimiter + answer).strip().encode()) for answer in item.answers])
    bits = float(nats[item.gold] / math.log(2) / max(sizes[item.gold], 1))
    if task.kind == "cloze":
        return {"accuracy": float(found[0].greedy), "gold_bits_per_byte": bits, "log_likelihoods": (-nats).tolist()}
    best, best_per_byte = int(nats.argmin()), int((nats / np.maximum(sizes, 1)).argmin())
    return {
        "accuracy": float(best == item.gold),
        **({} if task.kind == "schema" else {"accuracy_per_byte": float(best_per_byte == item.gold)}),
        "gold_bits_per_byte": bits,
        "gold": item.gold,
        "chosen": best,
        "log_likelihoods": (-nats).tolist(),
    }


def _run_generation(saved: SavedModel, task: Task, items: Sequence[Item], pool: Sequence[Item], settings: Settings) -> dict[str, Any]:
    """Greedy texts up to a stop, compared with the answer without blanks around and without case."""
    writer = Writer(**vars(saved))
    drawn = np.random.default_rng(settings.seed).permutation(len(pool))[: settings.shots + 1].tolist()
    prompts, fewer = [], 0
    room = saved.model.config.context - task.tokens
    for item in items:
        before = [example_text(task, pool[number]) for number in drawn if pool[number] != item][: settings.shots]
        kept = len(before)
        while kept and len(saved.encode(prompt_texts(task, item, before[:kept])[0])) >= room:
            kept -= 1
        fewer += kept < settings.shots
        prompts.append(prompt_texts(task, item, before[:kept])[0])
    texts: list[str] = []
    for first in range(0, len(prompts), TEXTS_AT_ONCE):
        texts += writer.continuations(prompts[first : first + TEXTS_AT_ONCE], task.tokens, 0.0, 1.0, settings.seed)
    written = [_until(text.lstrip(), task.stop) for text in texts]
    details = [
        {"accuracy": float(_plain(text) == _plain(item.answers[0])), "written": text, "answer": item.answers[0]}
        for text, item in zip(written, items, strict=True)
    ]
    return {"fewer_shots": fewer, "cut": 0, "metrics": _metrics(details), "details": details}


def _until(text: str, stops: Sequence[str]) -> str:
    ends = [place for stop in stops if (place := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else text


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
