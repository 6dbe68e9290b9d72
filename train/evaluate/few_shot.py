"""Few-shot prompts in GPT-3's way (arXiv 2005.14165): k solved examples before the question, drawn once with a seed.

The same examples stand before every item, so that they are computed once; an item that is one of them gets the next in
its place. Where k examples and an item do not fit in the context, the last examples are left out for that item, and the
result says for how many items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from train.evaluate.likelihood import Request
from train.evaluate.task import Item, Task
from train.saved_model import SavedModel


@dataclass(frozen=True)
class Prompts:
    """The requests of every item, and the examples before them (equal texts share a prefix).

    `fewer_shots` counts items that some examples did not fit before, `cut` those that are too long without any.
    """

    requests: list[list[Request]]
    examples: list[tuple[str, ...]]
    fewer_shots: int
    cut: int


def build_prompts(
    saved: SavedModel, task: Task, items: Sequence[Item], pool: Sequence[Item], shots: int, seed: int
) -> Prompts:
    """Requests for `items`, each after `shots` examples drawn from `pool` (which may be the items themselves)."""
    drawn = np.random.default_rng(seed).permutation(len(pool))[: shots + 1].tolist()
    examples = [(pool[number], example_text(task, pool[number])) for number in drawn]
    room, requests, shown, fewer, cut = saved.model.config.context + 1, [], [], 0, 0
    for item in items:
        before = [text for example, text in examples if example != item][:shots]
        made = _requests(saved, task, item, before)
        kept = len(before)
        while kept and _longest(made) > room:
            kept -= 1
            made = _requests(saved, task, item, before[:kept])
        fewer += kept < shots
        cut += _longest(made) > room
        requests.append(made)
        shown.append(tuple(before[:kept]))
    return Prompts(requests, shown, fewer, cut)


def example_text(task: Task, item: Item) -> str:
    """A solved example: the prompt with its right answer."""
    prompt = item.prompts[item.gold] if len(item.prompts) > 1 else item.prompts[0]
    return prompt + task.delimiter + item.answers[item.gold]


def prompt_texts(task: Task, item: Item, before: Sequence[str]) -> list[str]:
    """The prompt of each answer, after the examples."""
    start = "".join(text + task.separator for text in before)
    prompts = item.prompts if len(item.prompts) > 1 else item.prompts * len(item.answers)
    return [start + prompt for prompt in prompts]


def _requests(saved: SavedModel, task: Task, item: Item, before: Sequence[str]) -> list[Request]:
    prompts = prompt_texts(task, item, before)
    return [encode_pair(saved, prompt, task.delimiter + answer) for prompt, answer in zip(prompts, item.answers)]


def encode_pair(saved: SavedModel, context: str, continuation: str) -> Request:
    """Context and continuation encoded together and cut at the context's tokens; blanks at its end go over.

    (Tokenizers join a blank with the word after it, so a prompt that ended in a blank would be another text.)
    """
    kept = context.rstrip()
    continuation = context[len(kept) :] + continuation
    begin = saved.begin()
    whole, head = saved.encode(kept + continuation), saved.encode(kept)
    if not begin and not head:  # nothing to begin with: the first token stands for the context
        return Request(whole[:1], whole[1:] or whole[:1])
    return Request(begin + whole[: len(head)], whole[len(head) :] or whole[-1:])


def _longest(requests: Sequence[Request]) -> int:
    return max(len(request.context) + len(request.continuation) for request in requests)
