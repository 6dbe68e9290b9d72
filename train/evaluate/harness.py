"""Tasks of lm-evaluation-harness on a model of gristmill, when that package (`lm_eval`) is installed.

    results = run_harness(open_model(path, device), ["arc_easy"], shots=5, limit=100)

The harness makes the prompts and the scores; this file answers its three questions: how likely is a continuation, how
likely is a whole text, and what does the model write. Requests with one context are computed together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lm_eval.api.model import LM
from lm_eval.evaluator import simple_evaluate
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from train.evaluate.few_shot import encode_pair
from train.evaluate.likelihood import Likelihood, Request, likelihoods
from train.generate import Writer
from train.saved_model import SavedModel

WRITTEN_TOKENS = 256
TEXTS_AT_ONCE = 16


class HarnessModel(LM):
    """A saved model as the harness wants to see it."""

    def __init__(self, saved: SavedModel):
        super().__init__()
        self.saved = saved

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """log p(continuation | context), and whether greedy decoding writes the continuation."""
        pairs = [encode_pair(self.saved, *request.args) for request in requests]
        return [(-found.nats, found.greedy) for found in self._likelihoods(pairs)]

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
        """log p of whole texts, in windows of the context that do not overlap in what they predict."""
        first = self.saved.bos_id if self.saved.bos_id is not None else self.saved.eos_id
        windows, owners = [], []
        for owner, request in enumerate(requests):
            ids = self.saved.encode(request.args[0])
            made = get_rolling_token_windows(ids, first, self.saved.model.config.context, context_len=1)
            for context, continuation in map(make_disjoint_window, made):
                windows.append(Request(list(context), list(continuation)))
                owners.append(owner)
        totals = [0.0] * len(requests)
        for owner, found in zip(owners, self._likelihoods(windows), strict=True):
            totals[owner] -= found.nats
        return totals

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """What the model writes after each context, up to the first of the texts it shall stop at."""
        texts = []
        for request in requests:
            context, settings = request.args
            tokens = settings.get("max_gen_toks", WRITTEN_TOKENS)
            temperature = settings.get("temperature", 0.0) if settings.get("do_sample", False) else 0.0
            writer = Writer(**vars(self.saved))
            kept = self._last_tokens(context, self.saved.model.config.context - tokens)
            text = writer.continuation(kept, tokens, temperature, settings.get("top_p", 1.0), seed=0)
            stops = settings.get("until") or []
            texts.append(_before(text, [stops] if isinstance(stops, str) else stops))
        return texts

    def _last_tokens(self, context: str, most: int) -> str:
        ids = self.saved.encode(context)
        room = max(1, most - len(self.saved.begin()))
        return context if len(ids) <= room else self.saved.tokenizer.decode(ids[-room:])

    def _likelihoods(self, requests: Sequence[Request]) -> list[Likelihood]:
        """In the order of `requests`; those of one context are one item."""
        groups: dict[tuple[int, ...], list[int]] = {}
        for number, request in enumerate(requests):
            groups.setdefault(tuple(request.context), []).append(number)
        answers = likelihoods(self.saved, [[requests[number] for number in numbers] for numbers in groups.values()])
        found = dict(pair for numbers, some in zip(groups.values(), answers) for pair in zip(numbers, some, strict=True))
        return [found[number] for number in range(len(requests))]


def run_harness(saved: SavedModel, tasks: list[str], shots: int | None, limit: int | None, **options: Any) -> dict[str, Any]:
    """What lm-evaluation-harness finds of `saved` on its own `tasks`; `shots` of None is what each task says."""
    found = simple_evaluate(HarnessModel(saved), tasks=tasks, num_fewshot=shots, limit=limit, **options)
    return {name: dict(scores) for name, scores in found["results"].items()}


def _before(text: str, stops: Sequence[str]) -> str:
    ends = [place for stop in stops if stop and (place := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else text
