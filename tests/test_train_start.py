"""Runs that begin with the weights of another model: of a run, of a checkpoint, of a folder of transformers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from test_train_config import write_config
from test_train_handoff import byte_tokenizer, made_up_texts, write_packed

from train.checkpoint import checkpoint_folders
from train.config import TrainError, load_config
from train.hugging_face import export_model
from train.loop import Stopped, train
from train.open_model import open_model

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Path:
    """A folder with packed data, a finished run on it, and the run exported."""
    folder = tmp_path_factory.mktemp("start")
    write_packed(folder / "packed", {"train": made_up_texts(60, 1), "held_out": made_up_texts(9, 2)}, 64)
    train(load_config(write_config(folder / "first.yaml", "packed", "first")))
    export_model(open_model(folder / "first", torch.device("cpu")), folder / "exported", "float32", None)
    return folder


def further(folder: Path, output: Path, start: Path | str, **changes) -> Path:
    """A configuration without `model` that starts from `start`."""
    path = write_config(output.with_suffix(".yaml"), folder / "packed", output, start_from=start, **changes)
    lines = path.read_text().split("model:\n")[0]
    path.write_text(lines)
    return path


@pytest.mark.parametrize("start", ["first", "exported", "checkpoint"])
def test_a_run_goes_on_from_the_weights_of_another(first: Path, tmp_path: Path, start: str) -> None:
    place = checkpoint_folders(first / "first")[-1] if start == "checkpoint" else first / start
    ended = open_model(first / "first", torch.device("cpu")).model.state_dict()
    config = load_config(further(first, tmp_path / "second", place, seed=9, learning_rate=1e-30, weight_decay=0.0))
    summary = train(config)
    again = open_model(tmp_path / "second", torch.device("cpu")).model.state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in ended.items())
    assert summary["held_out_first"] == summary["held_out_last"]


def test_a_resumed_run_does_not_start_again(first: Path, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        train(load_config(further(first, tmp_path / "stopped", first / "first")), should_stop=lambda: True)
    resumed = train(load_config(further(first, tmp_path / "stopped", first / "first")))
    whole = train(load_config(further(first, tmp_path / "whole", first / "first")))
    assert resumed["held_out_last"] == whole["held_out_last"] != whole["held_out_first"]
    states = [open_model(tmp_path / name, torch.device("cpu")).model.state_dict() for name in ("stopped", "whole")]
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())


def test_models_and_tokenizers_that_do_not_fit(first: Path, tmp_path: Path) -> None:
    other = write_config(tmp_path / "shape.yaml", first / "packed", "out", {"ffn_dim": 64}, start_from=first / "first")
    with pytest.raises(TrainError, match="ffn_dim: 48 -> 64"):
        train(load_config(other))
    tokenizer = byte_tokenizer()
    tokenizer.pre_tokenizer = None
    write_packed(tmp_path / "packed", {"train": ["a b"] * 9, "held_out": ["c"] * 9}, 64, tokenizer)
    with pytest.raises(TrainError, match="gives other token ids"):
        train(load_config(further(tmp_path, tmp_path / "out", first / "exported")))
    with pytest.raises(TrainError, match="does not exist"):
        load_config(further(first, tmp_path / "nowhere", tmp_path / "none"))
