"""Training by Ray Train: the same loop, the same weights, mistakes and requests to stop as without Ray."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from test_train_loop import config_of, packed  # noqa: F401

from train.config import TrainError
from train.generate import open_writer
from train.loop import train
from train.on_ray import _require_devices

torch.set_num_threads(1)
ROOT = Path(__file__).parents[1]

# In a process of its own: one process can start Ray only so often, and other tests have.
ON_RAY = """
import json, sys
from pathlib import Path
sys.path[:0] = ["tests", "."]
import torch
torch.set_num_threads(1)
from test_train_loop import config_of
from train.on_ray import train_on_ray
events = []
summary = train_on_ray(config_of(Path(sys.argv[1]), Path(sys.argv[2])), events.append, lambda: False, workers=2)
print(json.dumps([summary, events], default=str))
"""


def test_two_workers_equal_one_process(packed: Path, tmp_path: Path) -> None:  # noqa: F811
    command = [sys.executable, "-c", ON_RAY, str(packed), str(tmp_path / "ray")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=600)
    assert done.returncode == 0, done.stderr
    summary, events = json.loads(done.stdout.splitlines()[-1])
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
