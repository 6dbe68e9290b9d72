"""Metrics in TensorBoard's files as well, also after a resume; packages that are missing are told before training."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path

import pytest
import torch
from test_train_loop import config_of, packed, stops_at  # noqa: F401

from train.config import TrainError
from train.loop import Stopped, train
from train.metrics import read_metrics
from train.trackers import figures_of

torch.set_num_threads(1)


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    """What the event files hold: name -> step -> value."""
    from tensorboardX.proto.event_pb2 import Event

    found: dict[str, dict[int, float]] = {}
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        while content:
            length = int.from_bytes(content[:8], "little")
            event = Event.FromString(content[12 : 12 + length])
            content = content[16 + length :]
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found


def test_tensorboard_holds_what_metrics_hold(packed: Path, tmp_path: Path) -> None:  # noqa: F811
    pytest.importorskip("tensorboardX")
    plain = config_of(packed, tmp_path / "run", accumulation=2)
    with pytest.raises(Stopped):
        train(plain, should_stop=stops_at(3))
    train(dataclasses.replace(plain, log_to=("tensorboard",)))  # may begin at any time
    found = scalars(tmp_path / "run" / "tensorboard")
    records = [record for record in read_metrics(tmp_path / "run" / "metrics.jsonl") if record["step"] > 3]
    for record in records:
        for name, value in figures_of(record).items():
            assert found[name][record["step"]] == pytest.approx(value, rel=1e-5), name
    assert {"step/loss", "step/noise_scale_tokens", "eval/by_lang/en/bits_per_byte"} <= found.keys()
    assert {record["kind"] for record in records} == {"step", "eval"}


@pytest.mark.skipif(importlib.util.find_spec("wandb") is not None, reason="wandb is installed here")
def test_a_missing_tracker_is_told_before_training(packed: Path, tmp_path: Path) -> None:  # noqa: F811
    with pytest.raises(TrainError, match="log_to: wandb is not installed. pip install wandb"):
        train(dataclasses.replace(config_of(packed, tmp_path / "run"), log_to=("wandb",)))
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="needs wandb")
def test_wandb_takes_figures_offline(packed: Path, tmp_path: Path, monkeypatch) -> None:  # noqa: F811
    monkeypatch.setenv("WANDB_MODE", "offline")
    train(dataclasses.replace(config_of(packed, tmp_path / "run"), log_to=("wandb",)))
    assert list((tmp_path / "run" / "wandb").glob("offline-run-*"))


def test_figures_are_numbers_with_their_path() -> None:
    record = {"kind": "eval", "step": 3, "a": 1, "b": None, "c": {"d": {"e": 2.5}}, "f": True, "g": "text"}
    assert figures_of(record) == {"eval/a": 1.0, "eval/c/d/e": 2.5}
