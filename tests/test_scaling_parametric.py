"""E + A/N^alpha + B/D^beta: a planted law comes back inside its intervals, gradients are right, the optimum is one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar, nnls

from train.scaling.least_squares import fit, huber
from train.scaling.parametric import (
    DELTA,
    PARAMETERS,
    Law,
    fit_parametric,
    log_loss_curve,
    nonnegative_least_squares,
)
from train.scaling.power_law import interval
from train.scaling.report import parametric_lines, parametric_record
from train.scaling.runs import Runs

CHINCHILLA = Law(406.4, 410.7, 1.69, 0.34, 0.28)
SEEDS = 200


def grid() -> tuple[np.ndarray, np.ndarray]:
    """25 runs: five sizes, each on 5 to 200 tokens a parameter."""
    params, ratios = (values.ravel() for values in np.meshgrid(np.geomspace(4e7, 4e9, 5), np.geomspace(5, 200, 5)))
    return params, params * ratios


def test_without_noise_the_law_is_found_exactly():
    params, tokens = grid()
    found = fit_parametric(params, tokens, CHINCHILLA.loss(params, tokens), 10).law
    for name in PARAMETERS:
        assert getattr(found, name) == pytest.approx(getattr(CHINCHILLA, name), rel=1e-6), name


def test_a_planted_law_lies_inside_the_intervals_for_nine_of_ten_seeds():
    params, tokens = grid()
    inside = dict.fromkeys((*PARAMETERS, "best_params"), 0)
    for seed in range(SEEDS):
        noise = 0.002 * np.random.default_rng([7, seed]).standard_normal(len(params))
        found = fit_parametric(params, tokens, CHINCHILLA.loss(params, tokens) * np.exp(noise), 100, seed)
        freedom = len(params) - len(PARAMETERS)
        for name in PARAMETERS:
            stated = interval(getattr(found.resampled, name), freedom)
            inside[name] += stated.low <= getattr(CHINCHILLA, name) <= stated.high
        stated = interval(found.resampled.best_params(1e24), freedom)
        inside["best_params"] += stated.low <= CHINCHILLA.best_params(1e24) <= stated.high
    assert all(count >= 0.9 * SEEDS for count in inside.values()), inside


def test_a_size_that_makes_no_difference_is_told():
    params, tokens = grid()
    runs = Runs(params, tokens, 2 + 300 / tokens**0.3, 6 * params * tokens, 6 * params * tokens)
    found = fit_parametric(runs.params, runs.tokens, runs.loss, 20)
    record = parametric_record(runs, found, 1e24, None)
    assert not found.law.has_optimum and "at_target" not in record
    assert "the number of params makes no difference" in parametric_lines(record)[-1]


def test_outliers_move_it_little():
    params, tokens = grid()
    losses = CHINCHILLA.loss(params, tokens) * np.exp(1e-4 * np.random.default_rng(0).standard_normal(len(params)))
    losses[[3, 17]] *= 1.3
    found = fit_parametric(params, tokens, losses, 10).law
    assert found.alpha == pytest.approx(0.34, abs=0.01) and found.E == pytest.approx(1.69, abs=0.02)


def test_its_objective_is_the_least_of_many_starts():
    params, tokens = grid()
    losses = CHINCHILLA.loss(params, tokens) * np.exp(0.01 * np.random.default_rng(3).standard_normal(len(params)))
    log_n, log_d = np.log(params / 1e8), np.log(tokens / 1e10)
    random = np.random.default_rng(1)
    starts = np.column_stack((random.uniform(-2, 2, (200, 3)), random.uniform(0, 1, (200, 2))))
    others = fit(log_loss_curve(log_n, log_d), starts, np.log(losses), DELTA, steps=300)
    assert fit_parametric(params, tokens, losses, 2).objective <= np.nanmin(others.objective) * (1 + 1e-6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=5, max_size=5), st.integers(0, 1000))
def test_derivatives_are_those_of_differences(point, seed):
    random = np.random.default_rng(seed)
    curve = log_loss_curve(random.normal(size=7), random.normal(size=7))
    parameters, step = np.array([point]), 1e-6
    slopes = curve(parameters)[1][0]
    for index in range(5):
        shift = step * np.eye(5)[index]
        difference = (curve(parameters + shift)[0] - curve(parameters - shift)[0])[0] / (2 * step)
        assert slopes[:, index] == pytest.approx(difference, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_nonnegative_least_squares_equal_scipys(seed):
    random = np.random.default_rng(seed)
    columns, target = random.normal(size=(3, 8, 3)), random.normal(size=8)
    factors, errors = nonnegative_least_squares(columns, target)
    for place in range(3):
        expected, norm = nnls(columns[place], target)
        assert factors[place] == pytest.approx(expected, abs=1e-6) and errors[place] == pytest.approx(norm**2, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.floats(0.1, 0.8), st.floats(0.1, 0.8), st.floats(1e18, 1e26), st.floats(5, 9))
def test_the_best_size_is_the_minimum_along_a_budget(alpha, beta, flops, per_param_token):
    law = Law(300.0, 500.0, 1.5, alpha, beta)
    best = law.best_params(flops, per_param_token)
    found = minimize_scalar(
        lambda shift: law.loss(best * np.exp(shift), flops / per_param_token / best * np.exp(-shift)), bounds=(-2, 2), method="bounded"
    )
    assert found.x == pytest.approx(0, abs=1e-3)
    assert best * law.best_tokens(flops, per_param_token) * per_param_token == pytest.approx(flops)
    assert law.params_law(per_param_token).at(flops) == pytest.approx(best)
    assert law.tokens_law(per_param_token).at(flops) == pytest.approx(law.best_tokens(flops, per_param_token))


def test_huber_is_a_square_and_then_a_line():
    assert huber(np.array([0.5, -3.0]), 1.0).tolist() == [0.125, 2.5]


@pytest.mark.parametrize(
    ("params", "tokens", "words"),
    [([1e8] * 5, [1e9] * 5, "more than 5 runs"), ([1e8] * 6, np.geomspace(1e9, 1e10, 6), "same params")],
)
def test_runs_that_cannot_tell_are_refused(params, tokens, words):
    with pytest.raises(ValueError, match=words):
        fit_parametric(params, tokens, np.linspace(3, 4, len(params)))
