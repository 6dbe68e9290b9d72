"""Chunked cross entropy against PyTorch's own on whole logits."""

from __future__ import annotations

import importlib.util
import types

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from train.batch import IGNORED
from train.config import TrainError
from train.loss import _softmax_in_place, choose_loss, cross_entropy, liger_cross_entropy

torch.set_num_threads(1)


def case(tokens: int, ignored_frac: float, seed: int, dtype=torch.float32):
    random = torch.Generator().manual_seed(seed)
    hidden = torch.randn(tokens, 12, generator=random).to(dtype).requires_grad_()
    weight = torch.randn(31, 12, generator=random).requires_grad_()
    labels = torch.randint(0, 31, (tokens,), generator=random)
    labels[torch.rand(tokens, generator=random) < ignored_frac] = IGNORED
    return hidden, weight, labels


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 50), st.sampled_from([0.0, 0.4, 1.0]), st.integers(0, 5),
    st.sampled_from([0.0, 1e-4, 0.1]),
)  # fmt: skip
def test_equals_whole_logits(tokens: int, chunk_tokens: int, ignored_frac: float, seed: int, z_loss: float) -> None:
    hidden, weight, labels = case(tokens, ignored_frac, seed)
    total, per_token = cross_entropy(hidden, weight, labels, chunk_tokens, z_loss)
    logits = hidden @ weight.t()
    expected = F.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="none")
    expected_total = expected.sum() + z_loss * logits.logsumexp(1)[labels != IGNORED].square().sum()
    assert torch.allclose(per_token, expected, atol=1e-5)
    assert torch.allclose(total, expected_total, rtol=1e-5, atol=1e-4)
    found = torch.autograd.grad(total * 0.3, (hidden, weight))
    wanted = torch.autograd.grad(expected_total * 0.3, (hidden, weight))
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_shapes_follow_the_labels_and_nothing_is_kept_without_gradients() -> None:
    hidden, weight, labels = case(12, 0.2, 1)
    with torch.no_grad():
        total, per_token = cross_entropy(hidden.view(3, 4, 12), weight, labels.view(3, 4), 5)
    assert per_token.shape == (3, 4) and not total.requires_grad
    total, per_token = cross_entropy(hidden.view(3, 4, 12), weight, labels.view(3, 4), 5)
    assert total.requires_grad and not per_token.requires_grad


def test_huge_logits_stay_finite() -> None:
    hidden, weight, labels = case(9, 0.2, 2)
    total, _ = cross_entropy(hidden * 1e4, weight, labels, 4)
    gradients = torch.autograd.grad(total, (hidden, weight))
    assert total.isfinite() and all(gradient.isfinite().all() for gradient in gradients)


def test_half_precision_hidden_keeps_the_head_gradient_in_fp32() -> None:
    hidden, weight, labels = case(40, 0.2, 3, torch.bfloat16)
    total, _ = cross_entropy(hidden, weight, labels, 16)
    total.backward()
    exact = F.cross_entropy(hidden.detach().float() @ weight.t(), labels, ignore_index=IGNORED, reduction="sum")
    (expected,) = torch.autograd.grad(exact, weight)
    assert weight.grad.dtype == torch.float32 and hidden.grad.dtype == torch.bfloat16
    assert (weight.grad - expected).norm() / expected.norm() < 0.02


@pytest.mark.parametrize("tied", [True, False])
def test_gradients_of_a_tied_weight_add_up(tied: bool) -> None:
    _, weight, labels = case(10, 0.0, 4)
    embedding = weight if tied else weight.detach().clone().requires_grad_()
    total, _ = cross_entropy(embedding[labels], weight, labels, 3)
    total.backward()
    expected_weight = weight.detach().clone().requires_grad_()
    expected_embedding = expected_weight if tied else weight.detach().clone().requires_grad_()
    F.cross_entropy(expected_embedding[labels] @ expected_weight.t(), labels, reduction="sum").backward()
    assert torch.allclose(weight.grad, expected_weight.grad, atol=1e-5)


def test_softmax_is_the_same_on_devices_that_take_it_in_steps() -> None:
    logits = torch.randn(7, 50, generator=torch.Generator().manual_seed(3)) * 20
    stepwise = types.SimpleNamespace(device=torch.device("cuda"), sub_=logits.clone().sub_)
    found = _softmax_in_place(stepwise, logits.amax(1, keepdim=True))
    assert torch.allclose(found, logits.softmax(1), atol=1e-6)


def test_liger_by_device() -> None:
    assert choose_loss("auto", torch.device("cpu")) == "chunked" == choose_loss("chunked", torch.device("cuda"))
    with pytest.raises(TrainError, match="liger runs on a CUDA device only"):
        choose_loss("liger", torch.device("cpu"))
    if importlib.util.find_spec("liger_kernel") is None:
        assert choose_loss("auto", torch.device("cuda")) == "chunked"
        with pytest.raises(TrainError, match="pip install liger-kernel"):
            choose_loss("liger", torch.device("cuda"))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("z_loss", [0.0, 1e-4])
def test_liger_equals_chunks(z_loss: float) -> None:
    pytest.importorskip("liger_kernel")
    random = torch.Generator("cuda").manual_seed(0)
    hidden = torch.randn(200, 64, generator=random, device="cuda").bfloat16().requires_grad_()
    weight = torch.randn(1000, 64, generator=random, device="cuda").requires_grad_()
    labels = torch.randint(0, 1000, (200,), generator=random, device="cuda")
    labels[::7] = IGNORED
    total, nats = liger_cross_entropy(hidden, weight, labels, z_loss)
    expected, per_token = cross_entropy(hidden, weight, labels, 50, z_loss)
    assert torch.allclose(total, expected, rtol=1e-2) and torch.allclose(nats, per_token.sum(), rtol=1e-2)
    gradients = (torch.autograd.grad(loss, (hidden, weight)) for loss in (total, expected))
    for one, other in zip(*gradients, strict=True):
        assert (one - other).norm() / other.norm() < 0.03
