"""Log-likelihoods of gristmill's evaluation beside those of lm-evaluation-harness, item by item: `make harness-parity`.

    python scripts/harness_parity.py ../shared/data/eval [--model FOLDER] [--limit 100] [--shots 3]

The model is a Llama folder of Hugging Face; without one, a small one with random weights is made, with a tokenizer trained
on the items. gristmill computes with its own model, shared prefixes once; the harness with transformers, through its HFLM
and `add_bos_token`. Exit 1 where any answer differs by more than 1e-3 nats.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers.utils import logging

from train.config import ModelConfig
from train.evaluate.few_shot import build_prompts, prompt_texts
from train.evaluate.run_task import Settings, run_task
from train.evaluate.task import Item, Task, find_task, read_items
from train.hugging_face import export_model
from train.model import build_model
from train.open_model import open_model
from train.saved_model import SavedModel

TASKS = ("arc_easy", "hellaswag", "piqa", "copa", "openbook_qa", "winogrande", "lambada")
TOLERANCE_NATS = 1e-3
CONTEXT = 1024


def main() -> None:
    logging.disable_progress_bar()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("items", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--shots", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen.model or _made_model(chosen.items, Path(scratch) / "model")
        worst = [_compare(folder, find_task(name), chosen.items, chosen.limit, chosen.shots) for name in TASKS]
    sys.exit(int(max(worst) > TOLERANCE_NATS))


def _made_model(items: Path, folder: Path) -> Path:
    """A small Llama with random weights, large enough that answers differ."""
    texts = [prompt for name in TASKS for item in read_items(find_task(name), items)[:300] for prompt in (*item.prompts, *item.answers)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=2048, special_tokens=["<bos>", "<eos>", "<pad>"], initial_alphabet=alphabet, show_progress=False))
    tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", tokenizer.token_to_id("<bos>"))])
    config = ModelConfig(layers=2, dim=128, query_heads=4, kv_heads=2, ffn_dim=256, vocab_size=tokenizer.get_vocab_size(), context=CONTEXT)
    model = build_model(config, 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3.0 if parameter.dim() > 1 else 1.0)
    ids = [tokenizer.token_to_id(name) for name in ("<bos>", "<eos>", "<pad>")]
    export_model(SavedModel(model.eval(), tokenizer, *ids), folder, "float32", None)
    return folder


def _compare(folder: Path, task: Task, items: Path, limit: int, shots: int) -> float:
    """The largest difference over the answers of a task, in nats; printed."""
    saved = open_model(folder, torch.device("cpu"))
    details = run_task(saved, task, Settings(items, shots, 0, limit))["details"]
    ours = [value for detail in details for value in detail["log_likelihoods"]]
    theirs = _harness(folder, _pairs(saved, task, items, limit, shots), saved.model.config.context)
    gaps = [abs(a - b) for a, b in zip(ours, theirs, strict=True)]
    print(f"{task.task:<24} {len(details):>4} items  {len(gaps):>5} answers  {shots} shots  largest difference {max(gaps):.2e} nats")
    return max(gaps)


def _pairs(saved: SavedModel, task: Task, items: Path, limit: int, shots: int) -> list[tuple[str, str]]:
    """Context and continuation of every answer, as texts."""
    pool: list[Item] = read_items(task, items)
    prompts = build_prompts(saved, task, pool[:limit], pool, shots, 0)
    found = []
    for item, before in zip(pool[:limit], prompts.examples, strict=True):
        contexts = prompt_texts(task, item, before)
        found += [(context, task.delimiter + answer) for context, answer in zip(contexts, item.answers, strict=True)]
    return found


def _harness(folder: Path, pairs: list[tuple[str, str]], context: int) -> list[float]:
    model = HFLM(pretrained=str(folder), tokenizer=str(folder), add_bos_token=True, batch_size=8, max_length=context, device="cpu", dtype="float32")
    requests = [Instance(request_type="loglikelihood", doc={}, arguments=pair, idx=number) for number, pair in enumerate(pairs)]
    return [value for value, _ in model.loglikelihood(requests, disable_tqdm=True)]


if __name__ == "__main__":
    main()
