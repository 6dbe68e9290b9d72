"""Runs from CSV: names of columns, budgets that belong together, mistakes with their line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train.config import TrainError
from train.scaling.runs import read_table, runs_of, same_budgets, write_table


def file(folder: Path, text: str) -> Path:
    path = folder / "runs.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_other_peoples_names_and_missing_values(tmp_path):
    path = file(tmp_path, "n,tokens,c4,set\n1e8,2e9,3.5,a\n2e8,4e9,,a\n2e8,4e9,3.2,b\n")
    runs = runs_of(read_table(path), {"params": "n", "loss": "c4"})
    assert runs.loss.tolist() == [3.5, 3.2] and runs.left_out == 1 and runs.per_param_token == pytest.approx(6)
    assert len(runs_of(read_table(path).where({"set": "b"}), {"params": "n", "loss": "c4"})) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("params,tokens,loss\n", "no rows"),
        ("params,token,loss\n1,2,3\n", "no column 'tokens', did you mean 'token'"),
        ("params,tokens,loss\n1,2,3\n1,x,3\n", r"runs.csv:3: tokens is 'x', expected a number above 0"),
        ("params,tokens,loss\n1,-2,3\n", r":2: tokens is '-2'"),
        ("params,tokens,loss\n1,2\n", r":2: has another number of fields than the header \(3\)"),
        ("params,tokens,loss\n1,2,\n", "no row has params, tokens and loss"),
        ('params,tokens,loss\n"1,2,3\n', "is not a CSV file"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path, text, words):
    with pytest.raises(TrainError, match=words):
        runs_of(read_table(file(tmp_path, text)))


def test_wrong_names_and_conditions(tmp_path):
    table = read_table(file(tmp_path, "params,tokens,loss\n1,2,3\n"))
    with pytest.raises(TrainError, match="no row has loss=4"):
        table.where({"loss": "4"})
    with pytest.raises(TrainError, match="'lost' is none that runs have, did you mean 'loss'"):
        runs_of(table, {"lost": "loss"})


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 0.04)), min_size=1, max_size=30))
def test_runs_of_one_budget_are_found(points):
    flops = np.array([10.0 ** (18 + power) * np.exp(shift) for power, shift in points])
    budgets = same_budgets(flops)
    powers = np.array([power for power, _ in points])
    assert all((budgets[powers == power] == budgets[powers == power][0]).all() for power in powers)
    assert len(np.unique(budgets)) == len(np.unique(powers)) and (np.abs(np.log(budgets / flops)) <= 0.05).all()


def test_tables_come_back(tmp_path):
    write_table(tmp_path / "t.csv", ("params", "name"), [{"params": 1e8, "name": 'a "b", c'}])
    table = read_table(tmp_path / "t.csv")
    assert table.rows == [{"params": "100000000.0", "name": 'a "b", c'}] and not list(tmp_path.glob("*.tmp"))
