"""Folders that are not what a command wants: said in words, with what they are and what to name, and nothing in them is touched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from test_train_config import write_config
from test_train_finetune import write_items, write_yaml
from test_train_handoff import made_up_texts, write_packed

from curation.trace_cli import trace
from train.checkpoint import STATE, checkpoint_folders
from train.cli import train
from train.evaluate_cli import evaluate
from train.finetune_cli import finetune
from train.generate_cli import generate
from train.hugging_face_cli import export, import_

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """packed/, a run on it of 8 steps with checkpoints at 4 and 8, its export, an import of that, and a fine-tuned model."""
    folder = tmp_path_factory.mktemp("folders")
    write_packed(folder / "packed", {"train": made_up_texts(60, 1), "held_out": made_up_texts(9, 2)}, 64)
    config = write_config(folder / "train.yaml", "packed", "run", checkpoint_every=4)
    write_items(folder / "items.jsonl", "classification", 24)
    yaml = write_yaml(folder, folder / "run", "classification", epochs=1, trains="head")
    for command, arguments in (
        (train, [config]), (export, [folder / "run", folder / "exported"]), (import_, [folder / "exported", folder / "imported"]), (finetune, [yaml]),
    ):  # fmt: skip
        result = CliRunner().invoke(command, list(map(str, arguments)))
        assert result.exit_code in (0, 1), result.output  # 1: transformers is not installed
    return folder


def refused(command, *arguments: object) -> str:
    result = CliRunner().invoke(command, list(map(str, arguments)))
    assert result.exit_code == 2 and result.stdout == "" and "Traceback" not in result.stderr, result.output
    return result.stderr


@pytest.mark.parametrize(("name", "what"), [("exported", "a model of Hugging Face's transformers"), ("imported", "an imported model"), ("tuned", "a fine-tuned model")])
def test_output_that_holds_another_kind_of_model(home: Path, tmp_path: Path, name: str, what: str) -> None:
    before = {path: path.read_bytes() for path in (home / name).rglob("*") if path.is_file()}
    said = refused(train, write_config(tmp_path / "t.yaml", home / "packed", home / name))
    assert f"{home / name}: holds {what}" in said and "Choose an empty or new folder as `output`" in said
    if name != "tuned":
        shutil.copy(home / "items.jsonl", tmp_path)
        said = refused(finetune, write_yaml(tmp_path, home / "run", "classification", output=home / name))
        assert f"{home / name}: holds {what}" in said
    assert {path: path.read_bytes() for path in (home / name).rglob("*") if path.is_file()} == before


def test_fine_tuning_into_another_run_lists_what_differs(home: Path, tmp_path: Path) -> None:
    shutil.copy(home / "items.jsonl", tmp_path)
    yaml = write_yaml(tmp_path, home / "run", "classification", epochs=2, trains="head", dropout=0.3, output=home / "tuned")
    said = refused(finetune, yaml)
    assert "dropout: 0.1 -> 0.3" in said and "epochs: 1 -> 2" in said and "items" not in said
    write_items(tmp_path / "items.jsonl", "classification", 30)
    said = refused(finetune, write_yaml(tmp_path, home / "run", "classification", epochs=1, trains="head", output=home / "tuned"))
    assert "the items are others" in said


def test_a_curation_run_is_told_from_its_packed_data(home: Path, tmp_path: Path) -> None:
    said = refused(train, write_config(tmp_path / "t.yaml", home, "run"))
    assert f"name {home / 'packed'}." in said
    assert f"name {home / 'packed'}." in refused(evaluate, home / "run", "--data", home)
    assert "is a folder, not a task" in refused(evaluate, home / "run", home / "packed")
    assert "none: does not exist" in refused(evaluate, home / "run", "--data", tmp_path / "none")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no such file. Pack the data first" in refused(evaluate, home / "run", "--data", empty)


def test_tracing_says_what_it_was_given(home: Path, tmp_path: Path) -> None:
    assert "holds a fine-tuned model, so there are no steps to trace" in refused(trace, home / "tuned", "--step", "1")
    assert "holds an imported model, so there are no steps to trace" in refused(trace, home / "imported", "--step", "1")
    assert "none: does not exist" in refused(trace, tmp_path / "none", "--step", "1")


def test_commands_name_the_checkpoint_they_use(home: Path, tmp_path: Path) -> None:
    run = shutil.copytree(home / "run", tmp_path / "run")
    older, newer = checkpoint_folders(run)
    for command, options in ((evaluate, ["--json"]), (generate, ["--tokens", "3", "--json"])):
        result = CliRunner().invoke(command, [str(run), *options])
        assert f"{newer}: the last checkpoint, step 8" in result.stderr and json.loads(result.stdout)
        named = CliRunner().invoke(command, [str(older), *options])
        assert "step 8" not in named.stderr and named.exit_code == 0
        assert not CliRunner().invoke(command, [str(home / "exported"), *options, *(["--data", str(home / "packed")] if command is evaluate else [])]).stderr
    assert json.loads(CliRunner().invoke(evaluate, [str(run), "--json"]).stdout)["checkpoint"] == str(newer)
    (newer / STATE).unlink()
    for command, options in ((evaluate, []), (generate, ["--tokens", "3"])):
        result = CliRunner().invoke(command, [str(run), *options])
        assert f"{newer}: is incomplete (no state.json) and left aside" in result.stderr and result.exit_code == 0
        assert f"{older}: the last checkpoint, step 4" in result.stderr


def test_resuming_says_that_a_checkpoint_is_incomplete(home: Path, tmp_path: Path) -> None:
    run = shutil.copytree(home / "run", tmp_path / "run")
    (run / "summary.json").unlink()
    older, newer = checkpoint_folders(run)
    (newer / STATE).unlink()
    result = CliRunner().invoke(train, [str(write_config(tmp_path / "t.yaml", home / "packed", run, checkpoint_every=4))])
    assert result.exit_code == 0, result.output
    assert f"{newer}: is incomplete (no state.json) and left aside" in result.stderr and "resuming at step 4 of 8" in result.stderr
    assert checkpoint_folders(run) == [older, newer]
    (newer / STATE).unlink()
    (older / STATE).unlink()
    assert "holds no whole checkpoint" in refused(generate, run)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["arc_easy", "--by", "lang"], "--by: this is for the loss"), (["arc_easy", "--split", "train", "--rows", "3"], "--split and --rows: this is for the loss"), (["--shots", "5"], "--shots: this is for TASKS")],
)
def test_options_of_eval_that_would_do_nothing_are_refused(home: Path, arguments: list[str], words: str) -> None:
    assert words in refused(evaluate, home / "run", *arguments)


def test_fine_tuning_tells_the_loss_of_the_language_model_where_it_is_trained(home: Path, tmp_path: Path) -> None:
    shutil.copy(home / "items.jsonl", tmp_path)
    for trains, told in (("head", False), ("full", True)):
        yaml = write_yaml(tmp_path, home / "run", "classification", epochs=1, trains=trains, output=trains)
        result = CliRunner().invoke(finetune, [str(yaml)])
        assert result.exit_code == 0 and ("language model" in result.stderr) is told
