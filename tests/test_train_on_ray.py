"""Training by Ray Train: the same loop, the same weights, mistakes and requests to stop as without Ray."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from test_train_loop import config_of, packed  # noqa: F401

from train.config import TrainError
from train.generate import open_writer
from train.loop import train
from train.on_ray import _require_devices, train_on_ray

torch.set_num_threads(1)


def test_two_workers_equal_one_process(packed: Path, tmp_path: Path) -> None:  # noqa: F811
    events: list[dict] = []
    summary = train_on_ray(config_of(packed, tmp_path / "ray"), events.append, lambda: False, workers=2)
    alone = train(config_of(packed, tmp_path / "alone"))
    assert summary["processes"] == 2 and summary["tokens"] == alone["tokens"]
    assert [(event["kind"], event["step"]) for event in events if event["kind"] == "step"] == [("step", step) for step in (2, 4, 6, 8)]
    models = [open_writer(tmp_path / run, torch.device("cpu")).model for run in ("ray", "alone")]
    for one, other in zip(*(model.parameters() for model in models), strict=True):
        assert torch.allclose(one, other, atol=5e-4)


def test_more_workers_than_devices_are_refused() -> None:
    assert _require_devices({"CPU": 4.0}, None) == 0 and _require_devices({"GPU": 2.0, "CPU": 1.0}, 2) == 2
    for resources, words in (({"CPU": 2.0}, "no GPU and 2 CPUs"), ({"GPU": 2.0, "CPU": 64.0}, "2 GPUs")):
        with pytest.raises(TrainError, match=f"--workers 3: the Ray cluster has {words}"):
            _require_devices(resources, 3)
