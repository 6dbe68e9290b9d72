"""Several processes: replicated and sharded runs equal one process, and a run may change its number of processes."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from test_train_loop import ENVIRONMENT, config_of, packed, stops_at  # noqa: F401

from train.batch import Loader
from train.checkpoint import STATE, checkpoint_folders
from train.config import TrainConfig
from train.generate import open_writer
from train.handoff import open_split
from train.loop import Stopped, train
from train.metrics import read_metrics

torch.set_num_threads(1)
# Each run takes its first two steps alone; then two processes go on; what they leave at step 6 is finished alone.
# At step 4 they write a checkpoint while the steps go on.
RUNS = {
    "replicate": {"parallel": "replicate", "batch_ramp": "[{until_step: 3, batch_rows: 2}]", "accumulation": 2},
    "shard": {"parallel": "shard", "accumulation": 2},
    "shard, muon": {"parallel": "shard", "optimizer": "muon"},
}
TWO_PROGRAM = """
import json, sys
import torch
from train.config import load_config
from train.loop import Stopped, train

torch.set_num_threads(1)
torch.distributed.init_process_group("gloo")  # once for all runs, as Ray Train does
for path in sys.argv[2:]:
    asked = iter(range(1, 100))
    try:
        train(load_config(path), should_stop=lambda: next(asked) == 2)
    except Stopped as stopped:
        pass
summary = train(load_config(sys.argv[1]))
if summary:
    print(json.dumps(summary))
torch.distributed.destroy_process_group()
"""


def two_processes(folder: Path, *configs: Path) -> dict:
    (folder / "two.py").write_text(TWO_PROGRAM)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=0", "--standalone",
               str(folder / "two.py"), *map(str, configs)]  # fmt: skip
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-5000:]
    return json.loads(done.stdout)


def weights(run: Path) -> list[torch.Tensor]:
    return [parameter.detach() for parameter in open_writer(run, torch.device("cpu")).model.parameters()]


@pytest.fixture(scope="module")
def worlds(packed: Path, tmp_path_factory) -> tuple[Path, dict, dict]:  # noqa: F811
    """For each of RUNS a run by one process (NAME-one) and one by one, two and one (NAME); the summary of a run by two."""
    folder = tmp_path_factory.mktemp("worlds")
    configs = {name: config_of(packed, folder / name, **changes) for name, changes in RUNS.items()}
    for config in configs.values():
        with pytest.raises(Stopped):
            train(config, should_stop=stops_at(2))
    whole = config_of(packed, folder / "two-all-along")
    two = two_processes(folder, *(folder / f"{name}.yaml" for name in ("two-all-along", *RUNS)))
    layouts = {name: sorted(path.name for path in checkpoint_folders(folder / name)[-1].iterdir()) for name in RUNS}
    for name, changes in RUNS.items():
        train(configs[name])
        train(config_of(packed, folder / f"{name}-one", **changes))
    train(TrainConfig(**{**vars(whole), "output": str(folder / "two-all-along-one")}))
    return folder, two, layouts


@pytest.mark.parametrize("name", RUNS)
def test_one_two_one_equals_one(worlds, name: str) -> None:
    folder, _, layouts = worlds
    assert STATE in layouts[name]
    assert any(file.startswith("shard-00002") for file in layouts[name]) == name.startswith("shard")
    for one, other in zip(weights(folder / name), weights(folder / f"{name}-one"), strict=True):
        assert torch.allclose(one, other, atol=5e-4)
    records = [read_metrics(run / "metrics.jsonl") for run in (folder / name, folder / f"{name}-one")]
    steps = [{r["step"]: r for r in found if r["kind"] == "step"} for found in records]
    assert steps[0].keys() == steps[1].keys()
    for step, record in steps[0].items():
        assert record["tokens"] == steps[1][step]["tokens"]  # the same rows
        assert math.isclose(record["loss"], steps[1][step]["loss"], rel_tol=1e-3)
    losses = [[r["nats_per_token"] for r in found if r["kind"] == "eval"] for found in records]
    assert all(math.isclose(one, other, rel_tol=1e-3) for one, other in zip(*losses, strict=True))


def test_two_processes_equal_one(worlds) -> None:
    folder, two, _ = worlds
    one = json.loads((folder / "two-all-along-one" / "summary.json").read_text())
    assert two["processes"] == 2 and two["tokens"] == one["tokens"] and two["sample"]["text"] is not None
    assert two["held_out_last"]["tokens"] == one["held_out_last"]["tokens"]
    assert math.isclose(two["held_out_last"]["nats_per_token"], one["held_out_last"]["nats_per_token"], rel_tol=1e-3)
    for left, right in zip(weights(folder / "two-all-along"), weights(folder / "two-all-along-one"), strict=True):
        assert torch.allclose(left, right, atol=5e-4)


def test_the_noise_scale_is_measured_wherever_there_is_something_smaller_than_a_step(worlds) -> None:
    folder, two, _ = worlds
    assert two["noise"]["scatter"] != 0  # by DDP's hook
    summaries = {name: json.loads((folder / name / "summary.json").read_text()) for name in RUNS}
    assert summaries["replicate"]["noise"]["scatter"] != 0 and summaries["shard"]["noise"]["scatter"] != 0
    one = json.loads((folder / "two-all-along-one" / "summary.json").read_text())
    assert one["noise"] == {"signal": 0, "scatter": 0} and one["batch_advice"] is None


def test_a_ramp_takes_the_rows_that_follow(packed: Path) -> None:  # noqa: F811
    from train.config import RampStage

    split = open_split(packed, "train")
    plain = Loader(split, 2, 1, 5, 100)
    ramp = Loader(split, 8, 4, 5, 100, (RampStage(2, 2), RampStage(4, 6)))
    assert [len(ramp.rows(step)) for step in range(6)] == [2, 2, 6, 6, 8, 8]
    rows = [row for step in range(6) for row in ramp.rows(step).tolist()]
    assert rows == [row for step in range(16) for row in plain.rows(step).tolist()]
    assert [len(ramp.batch(step).parts) for step in (0, 2, 5)] == [1, 3, 4]
    assert {part.input_ids.shape for step in (0, 2, 5) for part in ramp.batch(step).parts} == {(2, 64)}
    two = [ramp.batch(2, rank, 2) for rank in range(2)]
    assert torch.equal(torch.cat([share.parts[1].input_ids for share in two]), ramp.batch(2).parts[1].input_ids)
