"""Error as a function of loss: planted laws come back; the published runs on three datasets rank as they were measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from train.scale_cli import scale
from train.scaling.downstream import ErrorLaw, fit_error
from train.scaling.runs import read_table

RUNS = Path(__file__).parent / "data/scaling/mlfoundations_overtraining_runs.csv"
TASKS = "arc_easy,arc_challenge,hellaswag,piqa,lambada_openai,copa,boolq,winograd,winogrande"


@settings(max_examples=50, deadline=None)
@given(st.floats(0.5, 1.0), st.floats(0.3, 1.5), st.floats(0.5, 3.0))
def test_a_planted_law_is_found(eps, gamma, k):
    losses = np.linspace(2.2, 5.0, 12)
    found = fit_error(losses, ErrorLaw(eps, k, gamma).at(losses))
    assert found.at(np.array([2.0, 3.3])) == pytest.approx(ErrorLaw(eps, k, gamma).at(np.array([2.0, 3.3])), abs=1e-3)


def measured() -> dict[str, tuple[float, float]]:
    """Loss on C4 and error of each dataset, a mean over the sizes that all three were trained at."""
    table = read_table(RUNS)
    errors = 1 - np.mean([table.numbers(name, positive=False) for name in TASKS.split(",")], 0)
    rows: dict[tuple, dict[str, tuple[float, float]]] = {}
    for row, error in zip(table.rows, errors):
        rows.setdefault((row["params"], row["tokens"]), {})[row["dataset"]] = (float(row["c4_val_loss"]), float(error))
    whole = [found for found in rows.values() if len(found) == 3]
    assert len(whole) == 33
    return {name: tuple(np.mean([found[name] for found in whole], 0)) for name in whole[0]}


def test_datasets_rank_as_published():
    """Trained on C4, loss on C4 is lowest; by error over tasks, RefinedWeb is best."""
    arguments = [str(RUNS), "--column", "loss=c4_val_loss", "--by", "dataset", "--scores", TASKS, "--json"]
    for place in ([], ["--at", "411616256,8232325120"]):
        result = CliRunner().invoke(scale, ["parametric", *arguments, *place])
        assert result.exit_code == 0, result.stderr
        ranks = json.loads(result.stdout)["parametric_by_dataset"]["ranks"]
        truth = measured()
        assert [rank["name"] for rank in ranks] == sorted(truth, key=lambda name: truth[name][1])
        assert min(ranks, key=lambda rank: rank["loss"])["name"] == min(truth, key=lambda name: truth[name][0]) == "c4_original"
    assert ranks[0]["name"] == "rw_original"


def test_a_few_runs_are_refused():
    with pytest.raises(ValueError, match="needs 4 runs"):
        fit_error(np.ones(3), np.ones(3))
