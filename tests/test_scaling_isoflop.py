"""IsoFLOP curves: Llama 3's published exponent and optimum, planted minima, intervals that hold, warnings."""

from __future__ import annotations

import numpy as np
import pytest

from train.scaling.isoflop import fit_isoflop
from train.scaling.parametric import Law
from train.scaling.power_law import fit_power_law, interval
from train.scaling.report import isoflop_lines, isoflop_record
from train.scaling.runs import Runs, read_table, runs_of

# Read off the minima of the parabolas in figure 2 of arXiv 2407.21783.
LLAMA3_BUDGETS = np.array([6e18, 1e19, 3e19, 6e19, 1e20, 3e20, 6e20, 1e21, 3e21, 1e22])
LLAMA3_TOKENS = np.array([4.41e9, 5.14e9, 7.56e9, 1.15e10, 1.53e10, 2.53e10, 4.10e10, 5.46e10, 9.82e10, 2.38e11])


def planted(noise: float, seed: int = 0, alpha: float = 0.34, beta: float = 0.34, shift: float = 1.0) -> tuple[Runs, Law]:
    """Seven budgets of seven sizes around the optimum of a law with equal exponents, where the parabolas have no bias."""
    law = Law(400.0, 400.0, 1.7, alpha, beta)
    budget = np.repeat(np.geomspace(1e18, 1e21, 7), 7)
    tokens = law.best_tokens(budget) * np.tile(np.geomspace(0.4, 2.5, 7), 7) * shift
    params = budget / 6 / tokens
    loss = law.loss(params, tokens) * np.exp(noise * np.random.default_rng(seed).standard_normal(len(budget)))
    return Runs(params, tokens, loss, budget, budget), law


def test_the_minima_of_llama_3_give_its_exponent():
    law = fit_power_law(LLAMA3_BUDGETS, LLAMA3_TOKENS)
    assert law.exponent == pytest.approx(0.537, abs=0.005)
    assert law.coefficient == pytest.approx(0.30, abs=0.01)


def test_the_points_of_llama_3_give_its_optimum(shared_data):
    runs = runs_of(read_table(shared_data / "scaling/llama3_isoflops.csv").where({"condition": "raw_loss"}))
    found = fit_isoflop(runs)
    assert np.array([curve.minimum for curve in found.tokens.curves]) == pytest.approx(LLAMA3_TOKENS, rel=0.005)
    tokens, within = found.tokens.at(3.8e25)
    assert tokens == pytest.approx(16.1e12, rel=0.005) and within.low < 16.55e12 < within.high
    params, within = found.params.at(3.8e25)
    assert params == pytest.approx(393e9, rel=0.005) and within.low < 402e9 < within.high
    assert found.warnings == ()


def test_planted_minima_lie_inside_the_intervals_for_nine_of_ten_seeds():
    inside = np.zeros(3)
    for seed in range(200):
        runs, law = planted(0.002, seed)
        found = fit_isoflop(runs, 100, seed)
        for place, (minima, truth) in enumerate(((found.tokens, law.tokens_law()), (found.params, law.params_law()))):
            stated = interval(minima.resampled.exponent, minima.freedom)
            inside[place] += stated.low <= truth.exponent <= stated.high
        within = found.tokens.at(1e23)[1]
        inside[2] += within.low <= law.best_tokens(1e23) <= within.high
    assert (inside >= 180).all(), inside


def test_minima_out_of_sight_are_told():
    runs, _ = planted(0.0, shift=0.3)
    (first, *others) = fit_isoflop(runs, 10).warnings
    assert "outside of the sizes tried; add runs on more tokens" in first and len(others) == 6
    flat = Runs(runs.params, runs.tokens, np.where(runs.budget == runs.budget[0], -runs.loss, runs.loss), runs.flops, runs.budget)
    assert "has no minimum" in fit_isoflop(flat, 10).warnings[0]


def test_no_interval_is_claimed_where_the_fit_is_exact():
    runs, law = planted(0.001)
    two = fit_isoflop(runs.chosen(np.arange(14)), 10)
    assert not two.tokens.has_intervals and two.params.at(1e19)[1] is None and "no intervals: they need three budgets" in "\n".join(isoflop_lines(two, 1e19))
    record = isoflop_record(two, 1e19)["tokens"]["at_target"]
    assert record["value"] == pytest.approx(law.best_tokens(1e19), rel=0.1) and record["low"] is None
    three_sizes = fit_isoflop(runs.chosen(np.arange(49).reshape(7, 7)[:, 2:5].ravel()), 10)
    assert not three_sizes.tokens.has_intervals and fit_isoflop(runs, 10).tokens.has_intervals


def test_an_absurd_target_is_refused():
    """Sizes that all lie on one side of the minimum, as in a grid of tiny runs; and minima that fall with the budget."""
    budget = np.repeat([2.5e11, 7.5e11], 3)
    params = np.array([89e3, 210e3, 681e3, 89e3, 400e3, 876e3])
    tiny = Runs(params, budget / 6 / params, np.array([4.88, 5.16, 5.71, 4.24, 4.99, 5.46]), budget, budget)
    found = fit_isoflop(tiny, 10)
    lines = isoflop_lines(found, 1e21)
    assert any(line.startswith("at 1e+21 FLOPs: no answer; by these runs the best number of params falls with the budget") for line in lines)
    assert not any("params (" in line for line in lines) and "value" not in isoflop_record(found, 1e21)["params"]["at_target"]
    aside = fit_isoflop(planted(0.0, shift=0.3)[0], 10)
    assert "only 0 of 7 minima lie inside the sizes tried" in isoflop_lines(aside, 1e23)[-8]


def test_budgets_with_too_few_sizes_are_refused_or_told():
    runs, _ = planted(0.0)
    with pytest.raises(ValueError, match="two budgets with three sizes"):
        fit_isoflop(runs.chosen(np.arange(9)))
    downwards = Runs(runs.params, runs.tokens, -runs.loss, runs.flops, runs.budget)
    with pytest.raises(ValueError, match="only 0 of 7 curves over tokens have a minimum"):
        fit_isoflop(downwards, 10)
    assert fit_isoflop(runs.chosen(np.arange(16)), 10).warnings == ("1 budgets with fewer than three sizes are left out",)
