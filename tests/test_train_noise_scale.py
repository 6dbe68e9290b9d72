"""The gradient noise scale on a model where it is known, and the line of advice."""

from __future__ import annotations

import math

import pytest
import torch
from test_train_batch import WIDTH, rows_of
from test_train_model import TINY, lively_model

from train.attention import PLANS
from train.batch import StepBatch, packed_batch
from train.noise_scale import NoiseScale, advice
from train.objective import Objective
from train.part_gradients import PartGradients
from train.world import World

torch.set_num_threads(1)


def test_it_finds_the_scale_of_gradients_that_are_known() -> None:
    """Gradients of tokens are normal around G with variance 1 in each of 50 dimensions: tr(Sigma) / |G|^2 is known."""
    random = torch.Generator().manual_seed(0)
    mean = torch.randn(50, generator=random) * 0.3
    expected = 50 / float(mean.square().sum())
    noise = NoiseScale(torch.device("cpu"))
    for _ in range(2000):
        tokens = mean + torch.randn(64, 50, generator=random)
        noise.add(16.0, 64, tokens[:16].mean(0).square().sum(), tokens.mean(0).square().sum(), torch.tensor(0.0))
    assert math.isclose(noise.tokens(), expected, rel_tol=0.25)
    again = NoiseScale(torch.device("cpu"), **noise.record())
    assert again.tokens() == noise.tokens()


def test_steps_that_are_skipped_or_not_finite_do_not_count() -> None:
    noise = NoiseScale(torch.device("cpu"))
    assert noise.tokens() is None
    for part, square, skipped in ((math.nan, 1.0, 0.0), (2.0, math.inf, 0.0), (2.0, 1.0, 1.0)):
        noise.add(1.0, 4, torch.tensor(part), torch.tensor(square), torch.tensor(skipped))
    noise.add(4.0, 4, torch.tensor(1.0), torch.tensor(1.0), torch.tensor(0.0))  # a part as large as the step
    assert noise.record() == {"signal": 0.0, "scatter": 0.0}
    noise.add(1.0, 4, torch.tensor(2.0), torch.tensor(1.0), torch.tensor(0.0))
    assert math.isclose(noise.tokens(), (1 / (1 - 1 / 4)) / ((4 - 2) / 3))


def test_the_first_part_is_measured_beside_the_step() -> None:
    """Against the gradients of mean losses, each taken by itself."""
    objective = Objective(lively_model(TINY), torch.float32, "chunked", 64, 0.0)
    parts = [packed_batch(rows_of(lengths)) for lengths in ([[10, 3], [WIDTH]], [[20], [4, 4, 9]])]
    tokens = sum(part.predicted_tokens for part in parts)
    batch = StepBatch(tuple(parts), tokens, tokens, 0)

    def mean_square(*of) -> float:
        totals = [objective(p.input_ids, p.positions, p.labels, PLANS["loop"](p))[0] for p in of]
        loss = sum(totals) / sum(p.predicted_tokens for p in of)
        return sum(float(g.square().sum()) for g in torch.autograd.grad(loss, list(objective.parameters())))

    noise = NoiseScale(torch.device("cpu"))
    measuring = PartGradients(objective, World(0, 1, torch.device("cpu")), False, noise)
    for index, part in enumerate(parts):
        total, _ = objective(part.input_ids, part.positions, part.labels, PLANS["loop"](part))
        (total / tokens).backward()
        if index == 0:
            measuring.measure(part, batch)
    norm = sum(p.grad.square().sum() for p in objective.parameters()).sqrt()
    measuring.compare(batch, norm, torch.tensor(0.0))
    expected = NoiseScale(torch.device("cpu"))
    squares = (torch.tensor(mean_square(parts[0])), torch.tensor(mean_square(*parts)))
    expected.add(parts[0].predicted_tokens, tokens, *squares, torch.tensor(0.0))
    assert noise.record() == pytest.approx(expected.record(), rel=1e-4)


@pytest.mark.parametrize(
    ("batch", "words"), [(100.0, "a larger batch"), (1000.0, "about right"), (5000.0, "a smaller batch")]
)
def test_advice(batch: float, words: str) -> None:
    line = advice(1000.0, batch)
    assert words in line and "1,000 tokens" in line and "\n" not in line
    assert advice(None, batch) is None and "drowns the signal" in advice(None, batch, drowns=True)
