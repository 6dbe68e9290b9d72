"""Likelihoods with shared prefixes equal each text read by itself, in this model and in transformers."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_train_handoff import BOS, BYTE_VOCABULARY, EOS, PAD, byte_tokenizer
from test_train_model import TINY, hugging_face_twin, lively_model

from train.attention import PrefixPlan
from train.evaluate import likelihood
from train.evaluate.likelihood import Request, likelihoods
from train.saved_model import SavedModel

torch.set_num_threads(1)
CONFIG = dataclasses.replace(TINY, vocab_size=BYTE_VOCABULARY, context=32)
SAVED = SavedModel(lively_model(CONFIG, 4).eval(), byte_tokenizer(), BOS, EOS, PAD)
IDS = st.lists(st.integers(0, 3), min_size=1, max_size=7)


def alone(request: Request) -> tuple[float, bool]:
    """As it is defined: the whole text in one pass, the last `context` tokens of what is read."""
    read = (request.context + request.continuation)[:-1][-CONFIG.context :]
    with torch.no_grad():
        logits = SAVED.model.logits(SAVED.model(torch.tensor([read]), torch.arange(len(read))[None], PrefixPlan())[0])
    ends = logits[-len(request.continuation) :]
    targets = torch.tensor(request.continuation)
    return float(torch.nn.functional.cross_entropy(ends, targets, reduction="sum")), bool((ends.argmax(1) == targets).all())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(IDS, st.lists(IDS, min_size=1, max_size=4), st.booleans()), min_size=1, max_size=5), st.integers(0, 5))
def test_texts_that_share_are_as_likely_as_alone(items, shots: int) -> None:
    """Items of answers to one question, and of questions with one answer; with a common beginning and without."""
    start = [BOS, 7, 8, 9, 7][:shots]
    made = [
        [Request(start + (question if same else answer), answer if same else question) for answer in answers]
        for question, answers, same in items
    ]
    for requests, found in zip(made, likelihoods(SAVED, made), strict=True):
        for request, result in zip(requests, found, strict=True):
            nats, greedy = alone(request)
            assert result.nats == pytest.approx(nats, rel=1e-5, abs=1e-4) and result.greedy == greedy


def test_texts_longer_than_the_context_lose_their_beginning() -> None:
    request = Request([BOS, *range(60)], [5, 6, 7])
    assert likelihoods(SAVED, [[request]])[0][0].nats == pytest.approx(alone(request)[0], rel=1e-5)


def test_batches_of_any_size_give_the_same(monkeypatch) -> None:
    made = [[Request([BOS, *range(size)], [answer, answer + 1]) for answer in range(3)] for size in range(1, 12)]
    whole = likelihoods(SAVED, made)
    monkeypatch.setattr(likelihood, "TOKENS_AT_ONCE", 40)
    monkeypatch.setattr(likelihood, "LOGITS_AT_ONCE", 5)
    for found, expected in zip(likelihoods(SAVED, made), whole, strict=True):
        assert [one.nats for one in found] == pytest.approx([one.nats for one in expected], rel=1e-5)


def test_greedy_continuations_are_seen() -> None:
    ids = [BOS, 1, 2, 3]
    for _ in range(3):
        with torch.no_grad():
            hidden = SAVED.model(torch.tensor([ids]), torch.arange(len(ids))[None], PrefixPlan())
        ids.append(int(SAVED.model.logits(hidden[0, -1]).argmax()))
    right, wrong = likelihoods(SAVED, [[Request(ids[:4], ids[4:]), Request(ids[:4], [*ids[4:6], (ids[6] + 1) % 256])]])[0]
    assert right.greedy and not wrong.greedy


def test_equal_to_transformers() -> None:
    twin = hugging_face_twin(SAVED.model)
    requests = [Request([BOS, 11, 12, 13], [20 + number, 30]) for number in range(3)]
    for request, found in zip(requests, likelihoods(SAVED, [requests])[0]):
        ids = torch.tensor([request.context + request.continuation])
        with torch.no_grad():
            logs = twin(ids, use_cache=False).logits[0].log_softmax(1)
        expected = -sum(float(logs[place - 1, ids[0, place]]) for place in (4, 5))
        assert found.nats == pytest.approx(expected, abs=1e-4)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_finds_texts_about_as_likely() -> None:
    """Products run in bf16 there."""
    made = [[Request([BOS, *range(size)], [answer, answer + 1]) for answer in range(3)] for size in range(1, 12)]
    on_device = dataclasses.replace(SAVED, model=lively_model(CONFIG, 4).eval().cuda())
    for found, expected in zip(likelihoods(on_device, made), likelihoods(SAVED, made), strict=True):
        assert [one.nats for one in found] == pytest.approx([one.nats for one in expected], rel=0.05)
