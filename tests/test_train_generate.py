"""Text from a model: the same for the same seed, the most likely at temperature 0, within top-p and context."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from test_train_handoff import BOS, BYTE_VOCABULARY, EOS, PAD, byte_tokenizer
from test_train_model import TINY, lively_model

from rules.places import SettingError
from train.attention import PrefixPlan
from train.config import TrainError
from train.generate import Sampler, Writer, generate, open_writer

torch.set_num_threads(1)
CONFIG = dataclasses.replace(TINY, vocab_size=BYTE_VOCABULARY, context=40)


@pytest.fixture(scope="module")
def writer() -> Writer:
    return Writer(lively_model(CONFIG, seed=1), byte_tokenizer(), BOS, EOS, PAD)


def test_the_same_seed_writes_the_same_text(writer: Writer) -> None:
    texts = [writer.continuation("ab", 20, temperature=1.0, top_p=1.0, seed=seed) for seed in (3, 3, 4, 5)]
    assert texts[0] == texts[1] and len(set(texts)) == 3


def test_greedy_equals_the_full_pass_without_a_cache(writer: Writer) -> None:
    ids = [BOS, 10, 20]
    chosen = generate(writer.model, ids, 12, Sampler(0.0, 1.0, 0, []), eos_id=-1)
    for _ in range(12):
        with torch.no_grad():
            hidden = writer.model(torch.tensor([ids]), torch.arange(len(ids))[None], PrefixPlan())
        ids = [*ids, int(writer.model.logits(hidden[0, -1]).argmax())]
    assert chosen == ids[3:]


def test_it_ends_where_the_document_ends(writer: Writer) -> None:
    free = generate(writer.model, [BOS], 20, Sampler(0.0, 1.0, 0, []), eos_id=-1)
    end = free[7]
    assert generate(writer.model, [BOS], 20, Sampler(0.0, 1.0, 0, []), eos_id=end) == free[: free.index(end)]


def test_it_stays_within_the_context(writer: Writer) -> None:
    assert len(generate(writer.model, [BOS] * 30, 100, Sampler(0.0, 1.0, 0, []), eos_id=-1)) == 10
    with pytest.raises(TrainError, match="the prompt has 40 tokens, the model's context is 40"):
        generate(writer.model, [BOS] * 40, 1, Sampler(0.0, 1.0, 0, []), eos_id=-1)


def test_top_p_keeps_the_smallest_set_that_reaches_it() -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    for top_p, kept in ((0.5, {0}), (0.51, {0, 1}), (0.8, {0, 1}), (0.96, {0, 1, 2, 3}), (1.0, {0, 1, 2, 3})):
        sampler = Sampler(1.0, top_p, 0, [])
        assert {sampler.choose(logits) for _ in range(300)} == kept, top_p


def test_sampling_follows_the_probabilities() -> None:
    sampler = Sampler(0.5, 1.0, 0, [2])
    logits = torch.tensor([0.6, 0.2, 9.0, 0.2]).log()
    counts = torch.bincount(torch.tensor([sampler.choose(logits) for _ in range(3000)]), minlength=4) / 3000
    expected = torch.tensor([0.36, 0.04, 0.0, 0.04]) / 0.44
    assert (counts - expected).abs().max() < 0.03


def test_special_tokens_are_never_written(writer: Writer) -> None:
    free, bound = (
        generate(writer.model, [BOS], 39, Sampler(3.0, 1.0, 0, never), eos_id=-1) for never in ([], list(range(200)))
    )
    assert min(free) < 200 <= min(bound)


@pytest.mark.parametrize(("temperature", "top_p"), [(-1, 1), (float("nan"), 1), (1, 0), (1, 1.5), (1, float("nan"))])
def test_settings_that_make_no_sense(temperature: float, top_p: float) -> None:
    with pytest.raises(SettingError):
        Sampler(temperature, top_p, 0, [])


def test_prompts_that_are_not_text(writer: Writer) -> None:
    with pytest.raises(TrainError, match="not valid UTF-8"):
        writer.continuation("a\udcff", 1, 0.0, 1.0, 0)


def test_folders_without_a_model(tmp_path) -> None:
    with pytest.raises(TrainError, match="is not the folder of a training run"):
        open_writer(tmp_path, torch.device("cpu"))
