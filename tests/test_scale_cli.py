"""The command `scale`: a grid planned, trained, interrupted, resumed, collected; other people's runs; mistakes in words."""

from __future__ import annotations

import csv
import json
import os
import signal
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from test_train_handoff import made_up_texts, write_packed

from train import scale_cli
from train.scale_cli import scale

torch.set_num_threads(1)
GRID = ["--budgets", "2", "--sizes", "3", "--spread", "1.6", "--tokens-per-param", "0.1", "--eval-rows", "4"]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(scale, list(map(str, arguments)))


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> Path:
    texts = {"train": made_up_texts(80, 1), "held_out": made_up_texts(9, 2)}
    return write_packed(tmp_path_factory.mktemp("scale") / "packed", texts, 64)


class Interrupting(scale_cli._Lines):
    """Ctrl-C when the third run starts."""

    def __call__(self, name: str, event: dict) -> None:
        super().__call__(name, event)
        if event["kind"] == "start" and self.ended == 2:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope="module")
def trained(packed) -> tuple[Path, Result, Result]:
    """A grid interrupted in its third run, and resumed."""
    grid = packed.parent / "grid"
    planned = call("plan", packed, grid, "--budget", "1e10", "--device-flops", "1e10", *GRID)
    assert planned.exit_code == 0, planned.output
    assert "6 runs, " in planned.stdout and "hours of one device at 1e+10 FLOP/s" in planned.stdout
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scale_cli, "_Lines", Interrupting)
        interrupted = call("run", grid)
    return grid, interrupted, call("run", grid)


def test_an_interrupted_grid_exits_130_and_says_how_to_go_on(trained):
    _, interrupted, _ = trained
    assert interrupted.exit_code == 130 and interrupted.stdout == "" and "Traceback" not in interrupted.stderr
    assert "run the same command to resume: gristmill scale run" in interrupted.stderr


def test_a_stopped_grid_goes_on_and_is_collected(trained):
    grid, _, result = trained
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("6 of 6 runs finished\n") and "from step 1 of" in result.stderr and "(4/4)" in result.stderr
    rows = list(csv.DictReader(open(grid / "results.csv")))
    record = json.loads((grid / "plan.json").read_text())
    planned = {run["name"]: run for run in record["runs"]}
    for row in rows:
        run = planned[row["run"]]["run"]
        assert float(row["tokens"]) == pytest.approx(run["tokens"], rel=0.05)
        assert float(row["flops"]) == pytest.approx(run["flops"], rel=0.05) and 0.1 < float(row["loss"]) < 5.8
    again = call("run", grid, "--json")
    assert again.exit_code == 0 and again.stderr == "" and len(json.loads(again.stdout)["runs"]) == 6


def test_commands_name_what_is_left(trained, packed, tmp_path):
    call("plan", packed, tmp_path / "a grid", "--budget", "1e10", "--device-flops", "1e10", *GRID)
    lines = call("run", tmp_path / "a grid", "--commands").stdout.splitlines()
    assert len(lines) == 6 and lines[0].startswith("gristmill train '") and lines[0].endswith(".yaml'")
    assert call("run", trained[0], "--commands").stdout == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["plan", "PACKED", "grid", "--budget", "lots"], "budget 'lots': expected FLOPs"),
        (["plan", "PACKED", "grid", "--budget", "1e3", "--device-flops", "1"], "Raise --budget to"),
        (["plan", "nowhere", "grid", "--budget", "1e18", "--device-flops", "1"], "Pack the data first"),
        (["run", "nowhere"], "nowhere: has no plan.json. Plan first"),
        (["run", "nowhere", "--address", "auto"], "go with --ray"),
    ],
)
def test_mistakes_exit_2_with_words(packed, arguments, words):
    result = call(*[packed if argument == "PACKED" else argument for argument in arguments])
    assert result.exit_code == 2 and words in result.stderr and result.stdout == "" and "Traceback" not in result.stderr
