"""Updates: groups, clipping, skipped steps; and the values of the schedules."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from test_train_model import TINY

from train.config import TrainConfig
from train.model import build_model
from train.optimizer import build_optimizer, decay_groups, update
from train.schedule import learning_rate

torch.set_num_threads(1)
CONFIG = TrainConfig(data="", output="", model=TINY, steps=100, batch_rows=4, learning_rate=0.5, warmup_steps=10,
                     decay_frac=0.25, weight_decay=0.1)  # fmt: skip


def test_only_matrices_decay() -> None:
    model = build_model(TINY, 0)
    decayed, plain = ({id(p) for p in group} for group in decay_groups(model))
    names = {name: id(p) in decayed for name, p in model.named_parameters()}
    assert not decayed & plain and len(decayed | plain) == len(names)
    for name, decays in names.items():
        assert decays == (not ("norm" in name or name == "embedding.weight")), name


def with_gradients(scale: float):
    model = build_model(TINY, 0)
    optimizer = build_optimizer(model, CONFIG)
    random = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=random) * scale
    return model, optimizer


@pytest.mark.parametrize("scale", [1e-4, 10.0])
def test_update_equals_plain_adamw_on_clipped_gradients(scale: float) -> None:
    model, optimizer = with_gradients(scale)
    expected, _ = with_gradients(scale)
    decayed, plain = decay_groups(expected)
    reference = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}],
                                  lr=0.02, betas=(0.9, 0.95), eps=1e-8, foreach=False)  # fmt: skip
    norm = math.sqrt(sum(float(p.grad.double().square().sum()) for p in expected.parameters()))
    for parameter in expected.parameters():
        parameter.grad *= min(1.0, 1.0 / norm)
    reference.step()
    found_norm, skipped = update(optimizer, 0.02, clip_norm=1.0)
    assert abs(float(found_norm) / norm - 1) < 1e-4 and float(skipped) == 0
    assert all(parameter.grad is None for parameter in model.parameters())
    for one, other in zip(model.parameters(), expected.parameters(), strict=True):
        assert torch.allclose(one, other, atol=2e-5)


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_changes_nothing(poison: float) -> None:
    model, optimizer = with_gradients(0.1)
    update(optimizer, 0.02, 1.0)
    before = [parameter.clone() for parameter in model.parameters()]
    moments = [state["exp_avg"].clone() for state in optimizer.state.values()]
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    model.final_norm.weight.grad[3] = poison
    _, skipped = update(optimizer, 0.02, 1.0)
    assert float(skipped) == 1
    assert all(torch.equal(one, other) for one, other in zip(before, model.parameters(), strict=True))
    states = optimizer.state.values()
    assert all(torch.equal(one, state["exp_avg"]) for one, state in zip(moments, states, strict=True))
    assert {float(state["step"]) for state in states} == {1.0}


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
