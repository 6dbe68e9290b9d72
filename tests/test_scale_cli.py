"""The command `scale`: a grid planned, trained, interrupted, resumed, collected; other people's runs; mistakes in words."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from test_train_handoff import made_up_texts, write_packed

from train import scale_cli
from train.scale_cli import scale

torch.set_num_threads(1)
ROOT = Path(__file__).parents[1]
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


def test_finished_runs_are_judged_once_for_the_ladder(trained, tmp_path):
    grid, task = trained[0], tmp_path / "mill.yaml"
    task.write_text("task: mill\nabout: What a miller says.\nkind: multiple_choice\ndata: mill.jsonl\nprompt: '{q}'\nchoices: c\ngold: gold\n")
    (tmp_path / "mill.jsonl").write_text('{"q": "the mill", "c": ["water", "qqqq"], "gold": 0}\n{"q": "the", "c": ["xzx", "wheel"], "gold": 1}\n')
    first = call("run", grid, "--task", task)
    assert first.exit_code == 0 and first.stderr.count(": mill") == 6 and "points of 1 tasks" in first.stdout, first.output
    points = json.loads(call("run", grid, "--task", task, "--json").stdout)["points"]
    assert len(points) == 6 and all(0 <= point["accuracy"] <= 1 and point["nll"] > 0 for point in points)
    assert call("run", grid, "--task", task).stderr == ""
    assert call("run", grid, "--task", task, "--limit", "1").stderr.count(": mill") == 6
    result = call("ladder", grid, "--target", "1e6,1e6", "--resamples", "20")
    assert result.exit_code == 0 and "1e6,1e6" in result.stdout, result.output
    assert "no task 'mil'" in call("run", grid, "--task", "mil").stderr


def test_runs_go_side_by_side_on_ray(packed, tmp_path):
    """In a process of its own: one process can start Ray only so often. The third run diverges, and is told."""
    grid = tmp_path / "grid"
    call("plan", packed, grid, "--budget", "1e10", "--device-flops", "1e10", *GRID)
    record = json.loads((grid / "plan.json").read_text())
    record["runs"] = record["runs"][:3]
    (grid / "plan.json").write_text(json.dumps(record))
    yaml = grid / "runs" / f"{record['runs'][2]['name']}.yaml"
    code = f"from train.scale_cli import scale; scale(['run', {str(grid)!r}, '--ray'])"

    yaml.write_text(yaml.read_text().replace("learning_rate: ", "learning_rate: 1e30 #"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 2 and f"{yaml}: the gradient was not finite" in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert done.stderr.count("held-out") == 2 and len(list(grid.glob("runs/*/summary.json"))) == 2
    assert len(call("run", grid, "--commands").stdout.splitlines()) == 1


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


def write_isoflops(path: Path, extra: str = "") -> Path:
    """A CSV of other people's runs, with names of their own."""
    from test_scaling_isoflop import planted

    runs, _ = planted(0.001)
    lines = [f"{n},{d},{c},{loss},a{extra}" for n, d, c, loss in zip(runs.params, runs.tokens, runs.budget, runs.loss)]
    path.write_text("\n".join(["n,tokens,budget,c4_loss,set" + extra, *lines, "1e8,2e9,1.2e18,,b" + extra]) + "\n")
    return path


NAMES = ["--column", "params=n", "--column", "loss=c4_loss", "--resamples", "50"]


def test_other_peoples_runs_give_both_laws_and_the_gap(tmp_path):
    path = write_isoflops(tmp_path / "runs.csv")
    first = call("isoflop", path, *NAMES, "--target", "1e23", "--out", tmp_path / "laws", "--plot")
    assert first.exit_code == 0, first.output
    assert "D*(C) = " in first.stdout and "at 1e+23 FLOPs: " in first.stdout and "│" in first.stdout and "\x1b" not in first.stdout
    assert "1 rows lack a value and are left out" in first.stderr
    second = call("parametric", path, *NAMES, "--target", "1e23", "--out", tmp_path / "laws")
    assert second.exit_code == 0 and "exponent of tokens" in second.stdout
    report = json.loads((tmp_path / "laws/report.json").read_text())
    assert report["isoflop"]["tokens"]["exponent"]["value"] == pytest.approx(0.5, abs=0.02)
    gap = report["parametric"]["beside_isoflop"]["tokens"]
    assert gap["ratio"] == pytest.approx(gap["parametric"] / gap["isoflop"]) and gap["ratio"] == pytest.approx(1, abs=0.3)
    for name in ("isoflop", "parametric"):
        assert (tmp_path / f"laws/{name}.png").read_bytes().startswith(b"\x89PNG")
    again = call("isoflop", path, *NAMES, "--target", "1e23", "--out", tmp_path / "again", "--json")
    assert json.loads(again.stdout)["isoflop"] == report["isoflop"]
    assert (tmp_path / "again/isoflop.png").read_bytes() == (tmp_path / "laws/isoflop.png").read_bytes()


def test_a_grids_own_results_are_read(trained):
    result = call("parametric", trained[0], "--resamples", "20", "--no-plot", "--target", "1e12")
    assert result.exit_code == 0, result.output
    assert "6 runs, mean error" in result.stdout and ("at 1e+12 FLOPs: " in result.stdout or "warning: " in result.stdout)
    assert result.stdout.endswith(f"report: {trained[0] / 'laws/report.json'}\n")


def test_a_ladder_predicts_what_is_held_back(tmp_path):
    from test_scaling_ladder import made_up

    points = made_up(0.001)
    rows = [f"ta$k,{run},{n},{d},{nll},{accuracy},{'eval' if n > 1e9 else 'train'}" for run, n, d, nll, accuracy in
            zip(points.run, points.params, points.tokens, points.nll, points.accuracy)]  # fmt: skip
    path = tmp_path / "points.csv"
    path.write_text("\n".join(["task,run,params,tokens,nll,accuracy,mode", *rows]) + "\n")
    result = call("ladder", path, "--compare", "mode=eval", "--target", "big=1e10,2e11", "--out", tmp_path, "--resamples", "20", "--plot")
    assert result.exit_code == 0, result.output
    assert "ta$k" in result.stdout and "run-9" in result.stdout and "big" in result.stdout
    report = json.loads((tmp_path / "report.json").read_text())["ladder"]["tasks"]["ta$k"]
    assert abs(report["targets"]["run-9"]["error"]) < 0.05 and report["targets"]["big"]["accuracy"]["value"] > 0.3
    assert (tmp_path / "ladder.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["isoflop", "runs.csv", "--column", "loss"], "'loss': expected NAME=VALUE"),
        (["isoflop", "none.csv"], "none.csv: No such file"),
        (["isoflop", "runs.csv"], "has no column 'params'"),
        (["isoflop", "runs.csv", *NAMES, "--where", "set=b"], "no row has params, tokens and loss"),
        (["parametric", "runs.csv", *NAMES, "--by", "sett"], "did you mean 'set'"),
        (["parametric", "runs.csv", *NAMES, "--scores", "set"], "go with --by"),
        (["ladder", "runs.csv", "--target", "7e9,x"], "'x' is no number above 0"),
        (["isoflop", "grid"], "Train the grid first: gristmill scale run"),
    ],
)
def test_mistakes_about_runs_exit_2_with_words(tmp_path, monkeypatch, arguments, words):
    write_isoflops(tmp_path / "runs.csv")
    (tmp_path / "grid").mkdir()
    monkeypatch.chdir(tmp_path)
    result = call(*arguments)
    assert result.exit_code == 2 and words in result.stderr and "Traceback" not in result.stderr, result.output
