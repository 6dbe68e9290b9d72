"""Text from a trained model: the prompt in one pass, then one token at a time over a static cache of KV heads.

Sampling happens on the CPU in fp64 with its own seeded generator, so the same logits, seed and settings give the same
text on any device. One token costs one pass over the weights and over the keys and values so far.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from train.attention import PrefixPlan
from train.checkpoint import checkpoint_folders, load_weights
from train.config import TrainError, check_sampling, model_of_record
from train.handoff import TOKENIZER_NAME
from train.model import KVCache, Transformer
from train.run_folder import read_run


@dataclass(frozen=True)
class Writer:
    """A model with the tokenizer it was trained on."""

    model: Transformer
    tokenizer: Tokenizer
    bos_id: int
    eos_id: int
    pad_id: int

    def continuation(self, prompt: str, tokens: int, temperature: float, top_p: float, seed: int) -> str:
        """The text that follows `prompt`: at most `tokens` tokens, fewer where the document or the context ends."""
        prompt_ids = [self.bos_id, *self._ids(prompt)]
        never = {self.bos_id, self.pad_id} - {self.eos_id}
        sampler = Sampler(temperature, top_p, seed, sorted(never))
        chosen = generate(self.model, prompt_ids, tokens, sampler, self.eos_id)
        before, whole = (self.tokenizer.decode(ids) for ids in (prompt_ids, prompt_ids + chosen))
        return whole[len(before) :] if whole.startswith(before) else self.tokenizer.decode(chosen)

    def _ids(self, prompt: str) -> list[int]:
        try:
            prompt.encode()
        except UnicodeEncodeError:
            raise TrainError("the prompt is not valid UTF-8 text.") from None
        return self.tokenizer.encode(prompt, add_special_tokens=False).ids


class Sampler:
    """Chooses a token from logits [V]. Temperature 0 takes the most likely; `never` holds ids that are not text."""

    def __init__(self, temperature: float, top_p: float, seed: int, never: list[int]):
        check_sampling(temperature, top_p)
        self.temperature, self.top_p, self.never = temperature, top_p, never
        self.generator = torch.Generator().manual_seed(seed)

    def choose(self, logits: Tensor) -> int:
        logits = logits.double().cpu()
        logits[self.never] = -torch.inf
        if self.temperature == 0:
            return int(logits.argmax())
        probabilities, order = torch.softmax(logits / self.temperature, 0).sort(descending=True, stable=True)
        before = probabilities.cumsum(0) - probabilities
        kept = torch.where(before < self.top_p, probabilities, 0.0)  # the smallest set that reaches top_p
        return int(order[torch.multinomial(kept, 1, generator=self.generator)])


def open_writer(run: Path, device: torch.device) -> Writer:
    """The model of a run's last checkpoint. Raises TrainError when there is none."""
    record = read_run(run)
    folders = checkpoint_folders(run)
    if not folders:
        raise TrainError(f"{run}: holds no checkpoint yet. Train first: gristmill train CONFIG.")
    model = Transformer(model_of_record(record["config"]["model"]))
    load_weights(folders[-1], model)
    return Writer(model.to(device).eval(), open_tokenizer(run / TOKENIZER_NAME), **record["tokens"])


def open_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer in `path`, without any cutting or padding that its file may ask for."""
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise TrainError(f"{path}: is not a tokenizer ({error}). Pack the data again.") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def generate(model: Transformer, prompt_ids: list[int], tokens: int, sampler: Sampler, eos_id: int) -> list[int]:
    """At most `tokens` ids after `prompt_ids`, up to `eos_id` or the context. Raises TrainError if no token fits."""
    context = model.config.context
    if len(prompt_ids) >= context:
        raise TrainError(
            f"the prompt has {len(prompt_ids)} tokens, the model's context is {context}. Use a shorter one."
        )
    limit = min(tokens, context - len(prompt_ids))
    device = model.embedding.weight.device
    cache = KVCache(model.config, 1, len(prompt_ids) + limit, device, model.embedding.weight.dtype)
    chosen: list[int] = []
    with torch.inference_mode():
        logits = next_logits(model, prompt_ids, cache)
        while len(chosen) < limit:
            token = sampler.choose(logits)
            if token == eos_id:
                break
            chosen.append(token)
            if len(chosen) < limit:
                logits = next_logits(model, [token], cache)
    return chosen


def next_logits(model: Transformer, ids: list[int], cache: KVCache) -> Tensor:
    """Run `ids` after what `cache` holds; the logits [V] that follow the last of them."""
    device = model.embedding.weight.device
    input_ids = torch.tensor([ids], device=device)
    positions = torch.arange(cache.tokens, cache.tokens + len(ids), device=device)[None]
    return model.logits(model(input_ids, positions, PrefixPlan(), cache)[0, -1])
