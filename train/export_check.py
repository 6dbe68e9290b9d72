"""Whether an export is the same model in transformers: tokens, logits, and the text it writes.

tokens   AutoTokenizer gives the ids that training began its documents with.
logits   on rows of several documents, under a 4D mask that keeps them apart: position ids alone do not, once a cache
         or a 2D mask is in play.
text     greedy generation, here with the static cache, there with theirs. Where two tokens are equally likely within
         the tolerance either may come first.

Both models compute in fp32 on the CPU from the weights as exported. Price: two models in memory and some passes.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from train.attention import PrefixPlan, dense_plan, loop_plan
from train.batch import PackedBatch, packed_batch
from train.config import TrainError
from train.generate import stream
from train.sampler import Sampler
from train.saved_model import SavedModel

TOLERANCE = 1e-4
LENGTHS = ([1, 23, 40], [64], [9, 30])  # documents of the rows compared, in rows of 64 tokens
NEW_TOKENS = 24
TEXTS = ("The mill grinds.", "  two spaces\n\tand a tab\n\n", "Grüße, 你好, привет!", "x = [1, 23, 456]", "<|endoftext|> <s>")


class ExportMismatch(TrainError):
    """The export is another model in transformers; the text says in what."""


def has_transformers() -> bool:
    return importlib.util.find_spec("transformers") is not None


def check_export(folder: Path, saved: SavedModel) -> dict[str, Any]:
    """Compare the exported `folder`, read back as `saved`, with transformers. Raises ExportMismatch."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    encoded = _check_tokens(saved, AutoTokenizer.from_pretrained(folder))
    twin = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()
    with torch.no_grad():
        difference = _check_logits(saved, twin)
        written = _check_text(saved, twin)
    return {"texts_encoded": encoded, "logit_difference": difference, "tokens_written": written}


def _check_tokens(saved: SavedModel, tokenizer: Any) -> int:
    """How many texts both encode alike; those that spell a special token are left out, which transformers obeys."""
    texts = [text for text in TEXTS if not any(token in text for token in tokenizer.all_special_tokens)]
    for text in texts:
        ours, theirs = saved.begin() + saved.encode(text), tokenizer(text)["input_ids"]
        if ours != theirs:
            raise ExportMismatch(f"transformers encodes {text!r} as {theirs[:12]}, training as {ours[:12]}.")
    return len(texts)


def _check_logits(saved: SavedModel, twin: Any) -> float:
    """The largest difference of two logits, over the largest logit where that is above 1."""
    batch = random_rows(saved.model.config.vocab_size, min(64, saved.model.config.context))
    ours = saved.model.logits(saved.model(batch.input_ids, batch.positions, loop_plan(batch)))
    theirs = twin(batch.input_ids, attention_mask=dense_plan(batch).mask, position_ids=batch.positions).logits
    difference = float((ours - theirs).abs().max() / ours.abs().max().clamp(min=1))
    if not difference <= TOLERANCE:
        raise ExportMismatch(f"the logits of transformers differ by {difference:.2e}; {TOLERANCE:.0e} is allowed.")
    return difference


def random_rows(vocab_size: int, width: int) -> PackedBatch:
    """Rows of random tokens in documents of LENGTHS, cut to `width`."""
    random = np.random.default_rng(0)
    rows = []
    for lengths in LENGTHS:
        ends = np.minimum(np.cumsum(lengths), width)
        kept = np.diff(ends, prepend=0)
        kept = kept[kept > 0].astype(np.int32)
        rows.append((random.integers(0, vocab_size, width), kept, np.zeros(len(kept), np.int64)))
    return packed_batch(rows)


def _check_text(saved: SavedModel, twin: Any) -> int:
    """How many tokens both wrote alike, over all prompts."""
    prompts = [(saved.begin() + saved.encode(text))[:16] for text in TEXTS]
    tokens = min(NEW_TOKENS, saved.model.config.context - max(map(len, prompts)))
    count = 0
    for prompt in (prompt for prompt in prompts if prompt and tokens > 0):
        steps = stream(saved.model, [prompt], tokens, [Sampler(0.0, 1.0, 0, [])], set())
        ours = [token for (token,) in steps if token is not None]
        theirs = twin.generate(
            torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long), do_sample=False,
            max_new_tokens=tokens, min_new_tokens=tokens, eos_token_id=-1, pad_token_id=0,
        )[0, len(prompt) :].tolist()  # fmt: skip
        count += _require_same_text(saved, prompt, ours, theirs)
    return count


def _require_same_text(saved: SavedModel, prompt: list[int], ours: list[int], theirs: list[int]) -> int:
    """How many tokens are alike: all of them, or those up to a tie. Raises ExportMismatch."""
    alike = next((place for place, pair in enumerate(zip(ours, theirs)) if pair[0] != pair[1]), len(ours))
    if alike == len(ours) == len(theirs):
        return alike
    logits = _next_logits(saved, prompt + ours[:alike])
    if alike < min(len(ours), len(theirs)):
        gap = float(logits[ours[alike]] - logits[theirs[alike]]) / max(1.0, float(logits.abs().max()))
        if abs(gap) <= 2 * TOLERANCE:
            return alike
    raise ExportMismatch(f"after {alike} tokens transformers writes {theirs[alike:][:6]}, this model {ours[alike:][:6]}.")


def _next_logits(saved: SavedModel, ids: list[int]) -> Tensor:
    positions = torch.arange(len(ids))[None]
    return saved.model.logits(saved.model(torch.tensor([ids]), positions, PrefixPlan())[0, -1])
