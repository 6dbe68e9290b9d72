"""Plans: the grid spends its budget, batch and rate follow their rule, differences agree with simulation, runs are written."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from test_train_handoff import made_up_texts, write_packed

from train.config import TrainError, load_config, resolve
from train.handoff import read_manifest
from train.scaling.budget import (
    Budget,
    DataFacts,
    learning_rate,
    parse_budget,
    plan_run,
    smallest_difference,
)
from train.scaling.grid_runs import seed_deviation
from train.scaling.plan import Grid, data_facts, make_plan, plan_record, write_plan
from train.scaling.shapes import WIDTHS, family, nearest, shape
from train.scaling.told import plan_lines
from train.sizes import parameter_counts, training_flops

FACTS = DataFacts(32_768, 2048, 10**9, 2040.0, 400.0, 1000)


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> Path:
    texts = {"train": made_up_texts(80, 1), "held_out": made_up_texts(9, 2)}
    return write_packed(tmp_path_factory.mktemp("plan") / "packed", texts, 64)


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("3e18", Budget(flops=3e18)), ("1.5E+20 FLOPs", Budget(flops=1.5e20)), ("24 gpu-hours", Budget(device_hours=24)),
        ("1.5h", Budget(device_hours=1.5)), ("2 GPU hours", Budget(device_hours=2)),
    ],
)  # fmt: skip
def test_budgets_are_flops_or_hours(text, budget):
    assert parse_budget(text) == budget
    assert Budget(device_hours=2).total_flops(1e14) == 7.2e17


@pytest.mark.parametrize("text", ["", "much", "0", "-3h", "1..2", "3e18 euros", "e18"])
def test_other_budgets_are_refused(text):
    with pytest.raises(TrainError, match="expected FLOPs, such as 3e18, or hours"):
        parse_budget(text)


def test_cells_of_the_plan_stand_apart(packed):
    record = plan_record(make_plan(packed, 1e15, Grid(budgets=2, sizes=3), 1e12))
    heads, *rows = (line.split() for line in plan_lines(record, "grid")[:7])
    assert all(len(row) == len(heads) for row in rows) and max(len(row[5]) for row in rows) > 6, rows


def test_the_family_grows_in_every_way():
    models = family(32_768, 2048)
    sizes = [parameter_counts(model).matrix for model in models]
    assert sizes == sorted(set(sizes)) and [model.dim for model in models] == WIDTHS
    assert sizes[0] < 1.2e6 and sizes[-1] > 1e11 and max(np.diff(np.log(sizes))) < 0.6
    assert nearest(models, sizes[7] * 1.01) is models[7]
    assert 1 / 3 < parameter_counts(shape(4096, 128_256, 8192)).total / 8.03e9 < 1


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(WIDTHS[:40]), st.floats(14.0, 24.0))
def test_a_run_spends_what_it_was_given(dim, log_flops):
    model = shape(dim, FACTS.vocab_size, FACTS.context)
    if 10**log_flops < 100 * training_flops(model, 2040, 2040 * 400.0):
        return
    run = plan_run(model, FACTS, flops=10**log_flops)
    assert run.flops == pytest.approx(10**log_flops, rel=0.01)
    assert run.flops == pytest.approx(training_flops(model, run.tokens, run.tokens * 400.0), rel=1e-6)
    assert run.steps >= min(399, 10**log_flops / training_flops(model, 2040, 2040 * 400.0) - 1)
    assert math.log2(run.batch_rows).is_integer() and run.warmup_steps <= run.steps


def test_batch_and_rate_are_those_of_the_published_ladder():
    assert learning_rate(108_000_000, 2048 * 160) == 0.00235
    assert learning_rate(10_000, 1e9) == 0.01
    assert learning_rate(8 * 108_000_000, 4 * 2048 * 160) == pytest.approx(0.00235 / 2, rel=0.01)
    assert learning_rate(108_000_000, 2048 * 40) == pytest.approx(0.00235 / 2, rel=0.01)  # a quarter of the batch
    with pytest.raises(TrainError, match="less than one row"):
        plan_run(shape(128, FACTS.vocab_size, FACTS.context), FACTS, tokens=900)


@pytest.mark.parametrize("known", [True, False])
def test_the_smallest_difference_is_seen_four_times_of_five(known):
    seeds, deviation = 5, 0.01
    least = smallest_difference(deviation, seeds, known)
    differences = np.random.default_rng(0).normal(least, deviation, (20_000, seeds))
    error = deviation / math.sqrt(seeds) if known else differences.std(1, ddof=1) / math.sqrt(seeds)
    threshold = stats.norm.ppf(0.975) if known else stats.t.ppf(0.975, seeds - 1)
    assert (differences.mean(1) / error > threshold).mean() == pytest.approx(0.8, abs=0.015)
    assert smallest_difference(deviation, seeds - 1, known) > least
    assert smallest_difference(deviation, 1, known=False) == math.inf


def test_the_deviation_between_seeds_is_pooled_over_cells():
    random = np.random.default_rng(0)
    rows = [{"params": size, "budget": 1.0, "loss": (3 + size) * np.exp(0.01 * random.standard_normal())} for size in range(200) for _ in range(3)]
    deviation, cells = seed_deviation(rows)
    assert cells == 200 and deviation == pytest.approx(0.01, rel=0.1)
    assert seed_deviation(rows[::3]) is None


def test_data_facts_are_counted(packed):
    facts = data_facts(packed)
    assert facts.vocab_size == 259 and facts.context == 64 and facts.held_out_documents == 9
    entry = read_manifest(packed).splits["train"][0]
    assert facts.train_tokens == entry.tokens and facts.tokens_per_row == entry.tokens / entry.rows
    assert 1 < facts.pairs_per_token < 32.5


@pytest.mark.parametrize(("kind", "flops"), [("isoflop", 2e15), ("ladder", 2e16)])
def test_a_grid_spends_the_budget(packed, kind, flops):
    plan = make_plan(packed, flops, Grid(kind, seeds=2), 1e10)
    assert len({run.name for run in plan.runs}) == len(plan.runs) == 40
    if kind == "isoflop":
        assert plan.flops == pytest.approx(flops, rel=0.02)
        for budget in {run.budget for run in plan.runs}:
            sizes = {run.run.params for run in plan.runs if run.budget == budget}
            centre = np.exp(np.log(list(sizes)).mean())
            assert len(sizes) == 5 and budget / 6 / centre**2 == pytest.approx(20, rel=0.5)
    else:
        assert 0.3 * flops < plan.flops <= flops * 1.02
        assert {round(run.run.tokens / run.run.params) for run in plan.runs} <= {19, 20, 21, 39, 40, 41, *range(98, 103), *range(195, 206)}
    assert plan.device_hours == pytest.approx(plan.flops / 3.6e13)
    assert plan.smallest_difference_frac(2) == pytest.approx(2.80 * 0.003, rel=0.01)
    assert "reads the data" in plan.warnings[0] and "9 held-out documents" in plan.warnings[1]


def test_budgets_too_small_say_what_is_enough(packed):
    with pytest.raises(TrainError, match="Raise --budget to") as caught:
        make_plan(packed, 1e9, Grid(), 1e10)
    enough = float(str(caught.value).split("Raise --budget to ")[1].split(",")[0])
    assert len(make_plan(packed, enough * 1.05, Grid(), 1e10).runs) == 20


def test_a_plan_is_written_once_and_read_by_the_trainer(packed, tmp_path):
    plan = make_plan(packed, 2e13, Grid(budgets=2, sizes=3, spread=1.6), 1e10)
    write_plan(plan, tmp_path / "grid", 4)
    write_plan(dataclasses.replace(plan, device_flops=2e10), tmp_path / "grid", 4)  # what a device does is no part of the runs
    with pytest.raises(TrainError, match="holds another plan"):
        write_plan(make_plan(packed, 6e13, Grid(budgets=2, sizes=3, spread=1.6), 1e10), tmp_path / "grid", 4)
    for run in plan.runs:
        config = load_config(tmp_path / "grid/runs" / f"{run.name}.yaml")
        assert resolve(config, read_manifest(config.data)).model == run.run.model
        assert (config.steps, config.batch_rows, config.learning_rate) == (run.run.steps, run.run.batch_rows, run.run.learning_rate)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").write_text("")
    with pytest.raises(TrainError, match="holds other files"):
        write_plan(plan, tmp_path / "other")
