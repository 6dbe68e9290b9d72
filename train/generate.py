"""Text from a trained model: all prompts in one pass (prefill), then one token of each text at a time (decode).

Keys and values lie in a static cache (kv_cache.py), so decoding has one shape per window of WINDOW slots and can be
compiled. Texts of one batch end by themselves; a text drawn in a batch is the one drawn alone with its seed, but for
rounding. One step costs one pass over the weights, and over the window's keys and values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from train.config import TrainError
from train.kv_cache import KVCache
from train.model import Transformer
from train.open_model import open_model
from train.sampler import Sampler, choose_all
from train.saved_model import SavedModel, open_tokenizer

__all__ = ["Sampler", "Writer", "generate", "open_tokenizer", "open_writer", "stream"]

WINDOW = 256
UNFINISHED = "\ufffd"  # what the bytes of half a character decode to


@dataclass(frozen=True)
class Writer(SavedModel):
    """A model that writes."""

    def continuation(self, prompt: str, tokens: int, temperature: float, top_p: float, seed: int) -> str:
        """The text that follows `prompt`: at most `tokens` tokens, fewer where the document or the context ends."""
        return self.continuations([prompt], tokens, temperature, top_p, seed)[0]

    def continuations(
        self, prompts: Sequence[str], tokens: int, temperature: float, top_p: float, seed: int, compiled: bool = False
    ) -> list[str]:
        """What follows each of `prompts`, written as one batch; text i is drawn with `seed + i`."""
        texts = [""] * len(prompts)
        for pieces in self.stream(prompts, tokens, temperature, top_p, seed, compiled):
            texts = [text + piece for text, piece in zip(texts, pieces, strict=True)]
        return texts

    def stream(
        self, prompts: Sequence[str], tokens: int, temperature: float, top_p: float, seed: int, compiled: bool = False
    ) -> Iterator[list[str]]:
        """`continuations` piece by piece: after each token, what it adds to each text (whole characters only)."""
        prompt_ids = [self.begin() + self.encode(prompt) for prompt in prompts]
        never = sorted({id for id in (self.bos_id, self.pad_id) if id is not None} - {self.eos_id, *self.stop_ids})
        samplers = [Sampler(temperature, top_p, seed + number, never) for number in range(len(prompts))]
        texts = [GrowingText(self.tokenizer.decode, ids) for ids in prompt_ids]
        for step in stream(self.model, prompt_ids, tokens, samplers, {self.eos_id, *self.stop_ids}, compiled):
            yield [text.add(token) for text, token in zip(texts, step, strict=True)]
        yield [text.rest() for text in texts]


def open_writer(path: Path, device: torch.device) -> Writer:
    """The model of a run's last checkpoint. Raises TrainError when there is none."""
    return Writer(**vars(open_model(path, device)))


class GrowingText:
    """Decodes ids as they come. Characters that lack bytes are held back; a few ids before give each its surroundings."""

    def __init__(self, decode: Callable[[list[int]], str], prompt_ids: list[int]):
        self.decode, self.ids = decode, list(prompt_ids)
        self.first, self.shown = max(0, len(self.ids) - 8), len(self.ids)

    def add(self, token: int | None) -> str:
        """What `token` adds to the text; None adds nothing."""
        if token is None:
            return ""
        self.ids.append(token)
        return self._new(whole_characters=True)

    def rest(self) -> str:
        """What was held back."""
        return self._new(whole_characters=False)

    def _new(self, whole_characters: bool) -> str:
        before = self.decode(self.ids[self.first : self.shown])
        text = self.decode(self.ids[self.first :])
        if whole_characters and text.endswith(UNFINISHED):
            return ""
        self.first, self.shown = self.shown, len(self.ids)
        return text[len(before) :]


def generate(model: Transformer, prompt_ids: list[int], tokens: int, sampler: Sampler, eos_id: int) -> list[int]:
    """At most `tokens` ids after `prompt_ids`, up to `eos_id` or the context. Raises TrainError if no token fits."""
    steps = stream(model, [prompt_ids], tokens, [sampler], {eos_id})
    return [token for (token,) in steps if token is not None]


def stream(
    model: Transformer, prompts: Sequence[list[int]], tokens: int, samplers: Sequence[Sampler],
    stop_ids: set[int | None], compiled: bool = False,
) -> Iterator[list[int | None]]:  # fmt: skip
    """After each step the next id of every text; None from where a text ended. Raises TrainError if no token fits.

    `compiled` decodes with one compiled graph over the whole cache: worth its minute where much is written on CUDA.
    """
    context = model.config.context
    lengths = [len(ids) for ids in prompts]
    _check_prompts(lengths, context)
    left = [min(tokens, context - length) for length in lengths]
    slots = max(length + more for length, more in zip(lengths, left, strict=True))
    weight = model.embedding.weight
    cache = KVCache(model.config, len(prompts), slots, weight.device, weight.dtype)
    decode = torch.compile(_decode, dynamic=False) if compiled else _decode
    ended = [False] * len(prompts)
    with torch.inference_mode():
        logits = prefill(model, prompts, cache)
        for step in range(max(left)):
            chosen = choose_all(samplers, logits)
            ended = [over or step >= more or token in stop_ids for over, more, token in zip(ended, left, chosen)]
            if all(ended):
                return
            yield [None if over else token for over, token in zip(ended, chosen)]
            if step + 1 < max(left):
                places = [min(length + step, slots - 1) for length in lengths]
                window = slots if compiled else min(slots, (max(places) // WINDOW + 1) * WINDOW)
                positions = torch.tensor(places, device=weight.device)[:, None]
                ids = torch.tensor(chosen, device=weight.device)[:, None]
                logits = decode(model, ids, positions, cache, window)


def prefill(model: Transformer, prompts: Sequence[list[int]], cache: KVCache) -> Tensor:
    """Read all prompts in one pass into `cache`; the logits [B, V] that follow the last token of each."""
    device = model.embedding.weight.device
    width = max(map(len, prompts))
    ids = torch.tensor([[*prompt, *[0] * (width - len(prompt))] for prompt in prompts], device=device)
    positions = torch.arange(width, device=device).expand(len(prompts), -1)
    hidden = model(ids, positions, cache.fill(), cache)
    last = torch.tensor([len(prompt) - 1 for prompt in prompts], device=device)
    return model.logits(hidden[torch.arange(len(prompts), device=device), last])


def _decode(model: Transformer, ids: Tensor, positions: Tensor, cache: KVCache, window: int) -> Tensor:
    """Read one token of each row, ids and positions [B, 1], after what `cache` holds; the logits [B, V] that follow."""
    return model.logits(model(ids, positions, cache.at(positions, window), cache)[:, -1])


def _check_prompts(lengths: list[int], context: int) -> None:
    if not lengths or min(lengths) < 1:
        raise TrainError("the prompt is empty, and this model has no token that begins a document. Write a prompt.")
    if max(lengths) >= context:
        raise TrainError(
            f"the prompt has {max(lengths)} tokens, the model's context is {context}. Use a shorter one."
        )
