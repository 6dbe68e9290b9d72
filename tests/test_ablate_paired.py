"""Verdicts on made-up losses whose truth is known: no false alarms, no missed differences, honest intervals and advice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.ablate.paired import judge, paired_difference


def losses(random, seeds: int, documents: int, effect: float, seed_noise: float, noise: float):
    """Bits of two arms: documents differ greatly, pairs little; `effect` is bits per byte of A over B."""
    sizes = random.integers(200, 5000, documents).astype(float)
    hard = random.normal(1.5, 0.5, documents)
    drift = random.normal(0, seed_noise, (seeds, 1))
    b = (hard + random.normal(0, noise, (seeds, documents))) * sizes
    a = b + (effect + drift + random.normal(0, noise, documents)) * sizes
    return a, b, sizes


def test_intervals_hold_the_truth_and_false_alarms_are_rare() -> None:
    held = alarms = 0
    for trial in range(200):
        random = np.random.default_rng(trial)
        effect = 0.0 if trial % 2 else -0.02
        found = paired_difference(*losses(random, 3, 60, effect, 0.01, 0.05), seed=trial)
        held += found.interval.low <= effect <= found.interval.high
        alarms += bool(trial % 2) and judge(found, 0.0).outcome in ("A better", "B better")
    assert held >= 185 and alarms <= 8


def test_a_clear_difference_is_seen_in_every_seed_and_a_swap_turns_it_around() -> None:
    a, b, sizes = losses(np.random.default_rng(1), 3, 40, -0.05, 0.002, 0.02)
    found, swapped = paired_difference(a, b, sizes), paired_difference(b, a, sizes)
    assert judge(found, 0.001).outcome == "A better" and judge(swapped, 0.001).outcome == "B better"
    assert all(one.off_zero() for one in found.of_seeds) and found.value == pytest.approx(-swapped.value)
    plain = ((a - b).sum(1) / sizes.sum()).mean()
    assert found.value == pytest.approx(plain) and found.interval.low < found.value < found.interval.high


def test_equal_arms_and_differences_that_do_not_matter() -> None:
    a, b, sizes = losses(np.random.default_rng(1), 3, 40, -0.05, 0.002, 0.02)
    same = paired_difference(a, a, sizes)
    assert judge(same, 0.0).outcome == "not distinguishable" and same.value == same.interval.low == same.interval.high == 0
    assert judge(paired_difference(a, b, sizes), 0.2).outcome == "not distinguishable"
    few = paired_difference(a[:, :3], b[:, :3], sizes[:3])
    assert judge(few, 0.0).why == "only 3 documents to judge on"


def test_more_tokens_are_asked_for_where_they_would_do() -> None:
    _, b, sizes = losses(np.random.default_rng(3), 3, 400, 0.0, 0.0, 0.01)
    found = paired_difference(b + np.array([[-0.05], [-0.02], [0.01]]) * sizes, b, sizes)
    verdict = judge(found, 0.0)
    assert verdict.outcome == "needs more tokens" and verdict.more_seeds >= 1
    needed = found.seeds + verdict.more_seeds
    assert found.half_width(needed) < abs(found.value) <= found.half_width(needed - 1)
    noisy = paired_difference(*losses(np.random.default_rng(4), 3, 8, -0.001, 0.0, 0.2))
    assert "more documents" in judge(noisy, 0.0).why and noisy.smallest() > abs(noisy.value)


def test_one_seed_says_nothing_of_seeds() -> None:
    a, b, sizes = losses(np.random.default_rng(1), 1, 40, -0.05, 0.0, 0.02)
    found = paired_difference(a, b, sizes)
    assert found.seed_sd is None and found.interval.low == pytest.approx(found.of_seeds[0].low)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.integers(1, 30), st.integers(0, 2**32 - 1), st.floats(0.1, 10))
def test_intervals_hold_the_estimate_and_scale_with_the_unit(seeds, documents, seed, unit) -> None:
    a, b, sizes = losses(np.random.default_rng(seed), seeds, documents, 0.01, 0.01, 0.1)
    found, scaled = paired_difference(a, b, sizes), paired_difference(a * unit, b * unit, sizes)
    assert found.interval.low <= found.value <= found.interval.high
    assert scaled.interval.low == pytest.approx(found.interval.low * unit, rel=1e-6, abs=1e-12)
    assert found.half_width(seeds + 1) <= found.half_width(seeds) + 1e-12 or seeds == 1
