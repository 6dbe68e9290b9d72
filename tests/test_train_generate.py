"""Text from a model: the same for the same seed, the most likely at temperature 0, within top-p and context."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_train_handoff import BOS, BYTE_VOCABULARY, EOS, PAD, byte_tokenizer
from test_train_model import TINY, lively_model

from rules.places import SettingError
from train.attention import PrefixPlan
from train.config import TrainError
from train.generate import GrowingText, Writer, generate, open_writer, stream
from train.kv_cache import KVCache
from train.model import Transformer
from train.sampler import Sampler

torch.set_num_threads(1)
CONFIG = dataclasses.replace(TINY, vocab_size=BYTE_VOCABULARY, context=40)


@pytest.fixture(scope="module")
def writer() -> Writer:
    return Writer(lively_model(CONFIG, seed=1), byte_tokenizer(), BOS, EOS, PAD)


def test_the_same_seed_writes_the_same_text(writer: Writer) -> None:
    texts = [writer.continuation("ab", 20, temperature=1.0, top_p=1.0, seed=seed) for seed in (3, 3, 4, 5)]
    assert texts[0] == texts[1] and len(set(texts)) == 3


def without_cache(model: Transformer, ids: list[int], tokens: int) -> list[int]:
    """Greedy decoding as it is defined: all of the text in one pass for each token."""
    ids = list(ids)
    for _ in range(tokens):
        with torch.no_grad():
            hidden = model(torch.tensor([ids]), torch.arange(len(ids))[None], PrefixPlan())
        ids.append(int(model.logits(hidden[0, -1]).argmax()))
    return ids[-tokens:]


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_greedy_equals_decoding_without_a_cache(kv_heads: int) -> None:
    model = lively_model(dataclasses.replace(CONFIG, kv_heads=kv_heads), seed=kv_heads)
    prompts = [[BOS, 10, 20], [BOS], [BOS, *range(17)]]
    samplers = [Sampler(0.0, 1.0, 0, []) for _ in prompts]
    steps = list(stream(model, prompts, 12, samplers, set()))
    for number, prompt in enumerate(prompts):
        assert [step[number] for step in steps] == without_cache(model, prompt, 12)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=4), min_size=1, max_size=3), st.data())
def test_reading_in_any_chunks_equals_one_pass(rows: list[list[int]], data) -> None:
    """Rows of different lengths, prefilled together and then read on in chunks of any size, window or not."""
    model = lively_model(CONFIG, seed=2)
    total = max(map(sum, rows))
    ids = torch.randint(0, BYTE_VOCABULARY, (len(rows), total), generator=torch.Generator().manual_seed(3))
    positions = torch.arange(total).expand(len(rows), -1)
    cache = KVCache(CONFIG, len(rows), total, torch.device("cpu"), torch.float32)
    first = data.draw(st.integers(1, total))
    with torch.no_grad():
        whole = model(ids, positions, PrefixPlan())
        parts = [model(ids[:, :first], positions[:, :first], cache.fill(), cache)]
        while first < total:
            last = data.draw(st.integers(first + 1, total))
            there = positions[:, first:last]
            window = data.draw(st.sampled_from([None, last, total]))
            parts.append(model(ids[:, first:last], there, cache.at(there, window), cache))
            first = last
    assert (torch.cat(parts, 1) - whole).abs().max() < 1e-5


def test_the_cache_holds_kv_heads_alone() -> None:
    cache = KVCache(dataclasses.replace(CONFIG, kv_heads=1), 3, 20, torch.device("cpu"), torch.float32)
    assert cache.keys.shape == cache.values.shape == (2, 3, 20, 1, 8)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_text_in_a_batch_is_the_text_alone(writer: Writer, temperature: float) -> None:
    prompts = ["ab", "", "the mill stone", "x"]
    together = writer.continuations(prompts, 20, temperature, top_p=0.9, seed=7)
    alone = [writer.continuation(prompt, 20, temperature, 0.9, 7 + number) for number, prompt in enumerate(prompts)]
    assert together == alone and len(set(alone)) == 4


def test_pieces_make_the_text_and_are_written_as_they_come(writer: Writer) -> None:
    pieces = [piece for (piece,) in writer.stream(["ab"], 20, 1.0, 1.0, seed=1)]
    assert len(pieces) >= 10 and sum(map(bool, pieces)) > 5
    assert "".join(pieces) == writer.continuation("ab", 20, 1.0, 1.0, seed=1)


@given(st.text(max_size=12), st.text(max_size=12))
def test_characters_come_whole(prompt: str, text: str) -> None:
    tokenizer = byte_tokenizer()
    growing = GrowingText(tokenizer.decode, [BOS, *tokenizer.encode(prompt, add_special_tokens=False).ids])
    pieces = [growing.add(token) for token in tokenizer.encode(text, add_special_tokens=False).ids]
    assert "".join(pieces) + growing.rest() == text
    assert all(piece in text for piece in pieces)


def test_texts_of_a_batch_end_by_themselves(writer: Writer) -> None:
    prompts = [[BOS], [BOS, 3]]
    samplers = [Sampler(0.0, 1.0, 0, []) for _ in prompts]
    free = list(zip(*stream(writer.model, prompts, 20, samplers, set())))
    end = free[0][4]
    bound = list(zip(*stream(writer.model, prompts, 20, samplers, {end})))
    for text, stopped in zip(free, bound):
        kept = text.index(end) if end in text else len(text)
        assert stopped[:kept] == text[:kept] and set(stopped[kept:]) <= {None}


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


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("compiled", [False, True])
def test_cuda_writes_what_decoding_without_a_cache_writes(compiled: bool) -> None:
    model = lively_model(CONFIG, seed=1).cuda()
    prompts = [[BOS, 10, 20], [BOS], [BOS, *range(17)]]
    samplers = [Sampler(0.0, 1.0, 0, []) for _ in prompts]
    steps = list(stream(model, prompts, 12, samplers, set(), compiled))
    on_host = lively_model(CONFIG, seed=1)
    for number, prompt in enumerate(prompts):
        assert [step[number] for step in steps] == without_cache(on_host, prompt, 12)
