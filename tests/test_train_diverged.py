"""Runs whose numbers are no longer finite: told in words, by every command that meets such a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file
from test_train_config import write_config
from test_train_finetune import write_items, write_yaml
from test_train_handoff import made_up_texts, write_packed

from train.checkpoint import checkpoint_folders
from train.cli import train
from train.diverged import diverged, finite
from train.evaluate_cli import evaluate
from train.finetune_cli import finetune
from train.generate_cli import generate

torch.set_num_threads(1)
SETTINGS = {"learning_rate": "1e9", "warmup_steps": 0, "steps": 9, "log_every": 2, "eval_every": 100, "checkpoint_every": 1}


@pytest.fixture(scope="module")
def lost(tmp_path_factory) -> tuple[Path, Path]:
    """The configuration and the folder of a run that diverged."""
    folder = tmp_path_factory.mktemp("diverged")
    write_packed(folder / "packed", {"train": made_up_texts(60, 1), "held_out": made_up_texts(9, 2)}, 64)
    config = write_config(folder / "train.yaml", "packed", "run", **SETTINGS)
    return config, folder / "run"


def strict(line: str) -> dict:
    return json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_a_run_that_diverged_has_a_summary_and_says_when_it_began(lost) -> None:
    config, run = lost
    first, again = (CliRunner().invoke(train, [str(config)]) for _ in range(2))
    assert first.exit_code == again.exit_code == 1 and first.stdout == again.stdout
    assert [line[:15].strip() for line in first.stdout.splitlines()] == ["steps", "held-out loss", "bits per byte", "checkpoint"]
    summary = strict((run / "summary.json").read_text())
    began = summary["step"] - summary["skips_in_a_row"] + 1
    assert 1 < began <= 3 and summary["sample"]["text"] is None
    assert f"{summary['skipped_steps']} skipped, as the gradient was not finite" in first.stdout
    assert first.stderr.count(f"step {began}: the gradient is not finite; such steps change nothing") == 1
    for result in (first, again):
        assert f"this run diverged: the gradient is not finite since step {began}, and the held-out loss is not finite" in result.stderr
        assert "Lower learning_rate" in result.stderr and "Traceback" not in result.stderr
    records = [strict(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert records[-1]["kind"] == "eval" and records[-1]["nats_per_token"] is None
    as_json = CliRunner().invoke(train, [str(config), "--json"])
    assert as_json.exit_code == 1 and strict(as_json.stdout)["sample"]["text"] is None


def test_the_checkpoint_from_before_is_named(tmp_path: Path) -> None:
    summary = {"step": 20, "skips_in_a_row": 12, "held_out_last": {"nats_per_token": 3.0, "tokens": 9}}
    assert "no checkpoint is from before that" in diverged(summary, tmp_path)
    for step in (4, 8, 9, 20):
        (tmp_path / "checkpoints" / f"step-{step:08d}").mkdir(parents=True)
    assert "since step 9." in diverged(summary, tmp_path) and "step-00000008 is from before that" in diverged(summary, tmp_path)
    assert diverged({**summary, "skips_in_a_row": 1}, tmp_path) is None


@pytest.fixture(scope="module")
def lost_model(lost) -> Path:
    """A run whose last checkpoint has a weight that is no number."""
    CliRunner().invoke(train, [str(lost[0])])
    path = checkpoint_folders(lost[1])[-1] / "model.safetensors"
    tensors = load_file(path)
    tensors["final_norm.weight"][0] = float("nan")
    save_file(tensors, path)
    return lost[1]


def test_generate_and_eval_say_that_the_numbers_are_not_finite(lost_model, tmp_path: Path) -> None:
    items = tmp_path / "items.jsonl"
    items.write_text(json.dumps({"question": "the", "options": ["mill", "wheel"], "gold": 1}) + "\n")
    task = tmp_path / "task.yaml"
    task.write_text(f"task: mine\nabout: mills\nkind: multiple_choice\ndata: {items}\nprompt: '{{question}}'\nchoices: options\ngold: gold\n")
    for command, options in (
        (generate, []), (generate, ["--temperature", "0"]), (generate, ["--samples", "2", "--json"]), (evaluate, []), (evaluate, [str(task)]),
    ):  # fmt: skip
        result = CliRunner().invoke(command, [str(lost_model), *options])
        assert result.exit_code == 2 and result.stdout == "", (command, options, result.output)
        assert "the model's numbers are not finite" in result.stderr and "Traceback" not in result.stderr


def test_fine_tuning_that_diverged_says_so(lost_model, tmp_path: Path) -> None:
    write_items(tmp_path / "items.jsonl", "classification", 24)
    result = CliRunner().invoke(finetune, [str(write_yaml(tmp_path, lost_model, "classification", epochs=1))])
    assert result.exit_code == 2 and "the fine-tuned model's numbers are not finite" in result.stderr


def test_null_stands_for_what_is_not_finite() -> None:
    record = {"a": float("nan"), "b": [1.5, float("inf")], "c": {"d": "nan", "e": True}}
    assert finite(record) == {"a": None, "b": [1.5, None], "c": {"d": "nan", "e": True}}
