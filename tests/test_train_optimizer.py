"""Updates: groups, clipping, skipped steps; and the values of the schedules."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from test_train_model import TINY

from train.config import TrainConfig
from train.model import build_model
from train.muon import orthogonal
from train.optimizer import Optimizer, decays
from train.schedule import learning_rate

torch.set_num_threads(1)
CONFIG = TrainConfig(data="", output="", model=TINY, steps=100, batch_rows=4, learning_rate=0.5, warmup_steps=10,
                     decay_frac=0.25, weight_decay=0.1)  # fmt: skip


def test_only_matrices_decay() -> None:
    names = {name: decays(name, p) for name, p in build_model(TINY, 0).named_parameters()}
    for name, pulled in names.items():
        assert pulled == (not ("norm" in name or name == "embedding.weight")), name


def with_gradients(scale: float, config: TrainConfig = CONFIG):
    model = build_model(TINY, 0)
    optimizer = Optimizer(model, config)
    random = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=random) * scale
    return model, optimizer


def plain_adamw(model, wanted=lambda name: True) -> torch.optim.AdamW:
    pulled, plain = [], []
    for name, parameter in model.named_parameters():
        if wanted(name):
            (pulled if decays(name, parameter) else plain).append(parameter)
    groups = [{"params": pulled, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=0.02, betas=(0.9, 0.95), eps=1e-8,
                             foreach=False)  # fmt: skip


def clip_by_hand(model) -> float:
    norm = math.sqrt(sum(float(p.grad.double().square().sum()) for p in model.parameters()))
    for parameter in model.parameters():
        parameter.grad *= min(1.0, 1.0 / norm)
    return norm


@pytest.mark.parametrize("scale", [1e-4, 10.0])
def test_update_equals_plain_adamw_on_clipped_gradients(scale: float) -> None:
    model, optimizer = with_gradients(scale)
    expected, _ = with_gradients(scale)
    norm = clip_by_hand(expected)
    plain_adamw(expected).step()
    found_norm, skipped = optimizer.update(0.02)
    assert abs(float(found_norm) / norm - 1) < 1e-4 and float(skipped) == 0
    assert all(parameter.grad is None for parameter in model.parameters())
    for one, other in zip(model.parameters(), expected.parameters(), strict=True):
        assert torch.allclose(one, other, atol=2e-5)


MUON = dataclasses.replace(CONFIG, optimizer="muon")


def test_muon_moves_the_matrices_of_blocks_as_pytorchs_does() -> None:
    """PyTorch iterates in bf16, which is good to a percent or so; all else is moved by AdamW."""
    model, optimizer = with_gradients(0.1, MUON)
    expected, _ = with_gradients(0.1)
    by_muon = {name: p for name, p in expected.named_parameters() if name.startswith("blocks.") and p.dim() == 2}
    muon = torch.optim.Muon(list(by_muon.values()), lr=0.02, weight_decay=0.1, momentum=0.95,
                            adjust_lr_fn="match_rms_adamw")  # fmt: skip
    adamw = plain_adamw(expected, lambda name: name not in by_muon)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    random = torch.Generator().manual_seed(1)
    for _ in range(3):
        clip_by_hand(expected)
        muon.step()
        adamw.step()
        optimizer.update(0.02)
        for one, other in zip(model.parameters(), expected.parameters(), strict=True):
            one.grad = torch.randn(one.shape, generator=random)
            other.grad = one.grad.clone()
    for (name, one), other in zip(model.named_parameters(), expected.parameters(), strict=True):
        moved = (other - before[name]).norm()
        assert (one - other).norm() < (0.05 * moved if name in by_muon else 1e-3 * moved + 1e-6), name
    assert not {f"exp_avg.{name}" for name in by_muon} & optimizer.tensors().keys()


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 5, 20), (2, 20, 5)])
def test_orthogonal_takes_singular_values_near_one_and_keeps_directions(shape: tuple[int, ...]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    found = orthogonal(matrices)
    left, values, right = torch.linalg.svd(matrices, full_matrices=False)
    mixed = left.mT @ found @ right.mT
    diagonal = mixed.diagonal(dim1=-2, dim2=-1)
    assert (mixed - torch.diag_embed(diagonal)).abs().max() < 1e-3
    assert diagonal[values > 0.2].min() > 0.6 and diagonal.max() < 1.3


@pytest.mark.parametrize("poison", [math.nan, math.inf])
@pytest.mark.parametrize("config", [CONFIG, MUON], ids=["adamw", "muon"])
def test_a_gradient_that_is_not_finite_changes_nothing(config: TrainConfig, poison: float) -> None:
    model, optimizer = with_gradients(0.1, config)
    optimizer.update(0.02)
    before = [parameter.clone() for parameter in model.parameters()]
    moments = {name: tensor.clone() for name, tensor in optimizer.tensors().items()}
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    model.blocks[0].ffn.up.weight.grad[3, 2] = poison
    _, skipped = optimizer.update(0.02)
    assert float(skipped) == 1
    assert all(torch.equal(one, other) for one, other in zip(before, model.parameters(), strict=True))
    assert all(torch.equal(tensor, moments[name]) for name, tensor in optimizer.tensors().items())
    assert {float(tensor) for name, tensor in moments.items() if name.startswith("step.")} == {1.0}


def test_warm_up_stable_decay() -> None:
    rates = [learning_rate(CONFIG, step) for step in range(100)]
    assert rates[0] == 0.05 and rates[9] == 0.5 and rates[4] == 0.25
    assert set(rates[9:76]) == {0.5}
    assert rates[76] == 0.5 * 24 / 25 and math.isclose(rates[99], 0.5 / 25)
    floor = dataclasses.replace(CONFIG, final_learning_rate_frac=0.1)
    assert math.isclose(learning_rate(floor, 99), 0.5 * (0.1 + 0.9 / 25))
    assert {learning_rate(dataclasses.replace(CONFIG, decay_frac=0.0), step) for step in range(10, 100)} == {0.5}


def test_cosine() -> None:
    config = dataclasses.replace(CONFIG, schedule="cosine", final_learning_rate_frac=0.1)
    assert learning_rate(config, 9) == 0.5 == learning_rate(config, 10)
    assert math.isclose(learning_rate(config, 55), 0.5 * 0.55)  # half way down from 1 to 0.1
    assert math.isclose(learning_rate(config, 100), 0.05)
    rates = [learning_rate(config, step) for step in range(10, 100)]
    assert rates == sorted(rates, reverse=True)
    assert learning_rate(dataclasses.replace(config, warmup_steps=100), 99) == 0.5
