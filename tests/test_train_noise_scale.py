"""The gradient noise scale on a model where it is known, and the line of advice."""

from __future__ import annotations

import math

import pytest
import torch

from train.noise_scale import NoiseScale, advice

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


@pytest.mark.parametrize(
    ("batch", "words"), [(100.0, "a larger batch"), (1000.0, "about right"), (5000.0, "a smaller batch")]
)
def test_advice(batch: float, words: str) -> None:
    line = advice(1000.0, batch)
    assert words in line and "1,000 tokens" in line and "\n" not in line
    assert advice(None, batch) is None
