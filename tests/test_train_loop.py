"""Whole runs: learning, resuming bitwise, several processes, refusals, evaluation and metrics."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from test_train_config import write_config
from test_train_handoff import made_up_texts, write_packed
from test_train_proof import whole_rows

from train.attention import PLANS, PrefixPlan
from train.batch import packed_batch
from train.checkpoint import checkpoint_folders
from train.config import TrainConfig, TrainError, load_config, model_of_record
from train.generate import open_writer
from train.handoff import HandoffError, open_split, read_documents
from train.loop import Stopped, train
from train.metrics import MetricsFile, read_metrics
from train.proof import ProofError
from train.run_folder import read_run

torch.set_num_threads(1)
ROOT = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> Path:
    splits = {"train": made_up_texts(120, 1), "held_out": made_up_texts(20, 2, longest=100)}
    return write_packed(tmp_path_factory.mktemp("data") / "packed", splits, sequence_length=64)


def config_of(packed: Path, run: Path, model: dict | None = None, **changes) -> TrainConfig:
    return load_config(write_config(run.with_suffix(".yaml"), packed, run, model, **changes))


@pytest.fixture(scope="module")
def whole_run(packed: Path, tmp_path_factory) -> tuple[Path, dict]:
    """A run nobody stopped."""
    run = tmp_path_factory.mktemp("whole") / "run"
    return run, train(config_of(packed, run))


LONG = {"steps": 20, "checkpoint_every": 5, "eval_every": 20, "log_every": 1}


@pytest.fixture(scope="module")
def long_run(packed: Path, tmp_path_factory) -> Path:
    """A longer run with more checkpoints, which nobody stopped either."""
    run = tmp_path_factory.mktemp("long") / "run"
    train(config_of(packed, run, **LONG))
    return run


def stops_at(*steps: int):
    """A should_stop that stops after these many questions."""
    asked = iter(range(1, 10**6))
    return lambda: next(asked) in steps


def final_bytes(run: Path) -> dict[str, bytes]:
    folder = checkpoint_folders(run)[-1]
    return {name: (folder / name).read_bytes() for name in ("model.safetensors", "optimizer.safetensors")}


def test_a_run_learns_and_says_so(whole_run, packed: Path) -> None:
    run, summary = whole_run
    assert summary == json.loads((run / "summary.json").read_text())
    first, last = summary["held_out_first"], summary["held_out_last"]
    assert abs(first["nats_per_token"] - math.log(259)) < 0.3
    assert last["nats_per_token"] < first["nats_per_token"] - 1
    assert last["by_lang"].keys() == {"de", "en"}
    assert sum(score["tokens"] for score in last["by_lang"].values()) == last["tokens"]
    kinds = [(record["kind"], record["step"]) for record in read_metrics(run / "metrics.jsonl")]
    assert kinds == [("eval", 0), ("step", 2), ("step", 4), ("eval", 4), ("step", 6), ("step", 8), ("eval", 8)]
    assert [folder.name for folder in checkpoint_folders(run)] == ["step-00000004", "step-00000008"]
    assert summary["skipped_steps"] == 0 and summary["step"] == 8
    assert summary["attention"] == "loop" and summary["proof"]["gradient_difference"] < 1e-3


def test_held_out_loss_by_hand(whole_run, packed: Path) -> None:
    run, summary = whole_run
    model = open_writer(run, torch.device("cpu")).model
    split, documents = open_split(packed, "held_out"), read_documents(packed)
    nats, tokens, text_bytes = 0.0, 0, 0.0
    for index in range(min(4, len(split))):
        row, lengths, refs = split.sequence(index)
        for piece, ref in zip(np.split(row, np.cumsum(lengths)), refs.tolist(), strict=False):
            ids = torch.from_numpy(piece.astype(np.int64))[None]
            with torch.no_grad():
                logits = model.logits(model(ids, torch.arange(ids.shape[1])[None], PrefixPlan()))
            nats += float(F.cross_entropy(logits[0, :-1], ids[0, 1:], reduction="sum"))
            tokens += ids.shape[1] - 1
            continues = documents["part"][ref].as_py() > 0
            predicted_frac = (len(piece) - 1) / len(piece) if continues else 1.0
            text_bytes += documents["text_bytes"][ref].as_py() * predicted_frac
    last = summary["held_out_last"]
    assert last["tokens"] == tokens
    assert math.isclose(last["nats_per_token"], nats / tokens, rel_tol=1e-5)
    assert math.isclose(last["bits_per_byte"], nats / math.log(2) / text_bytes, rel_tol=1e-5)


def test_a_finished_run_is_not_run_again(whole_run, packed: Path) -> None:
    run, summary = whole_run
    before = (run / "metrics.jsonl").stat().st_mtime_ns
    assert train(config_of(packed, run)) == summary
    assert (run / "metrics.jsonl").stat().st_mtime_ns == before


@pytest.mark.parametrize("at", [(1,), (4,), (3, 2)])
def test_stopped_and_resumed_equals_never_stopped(whole_run, packed: Path, tmp_path: Path, at: tuple[int, ...]) -> None:
    config = config_of(packed, tmp_path / "run")
    reached = 0
    for questions in at:
        reached += questions
        with pytest.raises(Stopped) as stopped:
            train(config, should_stop=stops_at(questions))
        assert stopped.value.step == reached and stopped.value.checkpoint.exists()
    summary = train(config)
    assert final_bytes(tmp_path / "run") == final_bytes(whole_run[0])
    assert summary["held_out_last"] == whole_run[1]["held_out_last"]
    assert summary["held_out_first"] == whole_run[1]["held_out_first"]
    assert summary["tokens"] == whole_run[1]["tokens"]
    steps = [record["step"] for record in read_metrics(tmp_path / "run" / "metrics.jsonl") if record["kind"] == "step"]
    assert steps == sorted(set(steps))


KILLED_PROGRAM = """
import os, sys
from train import checkpoint_writer
from train.config import load_config
from train.loop import train

def die(*_):
    os.kill(os.getpid(), 9)

def die_before_the_rename(folder):
    if folder.name == "step-00000010.tmp":
        die()

def die_half_way_through_deleting(folder):
    doomed = folder.with_name(folder.name + ".tmp")
    os.replace(folder, doomed)
    (doomed / "model.safetensors").unlink()
    die()

listen = lambda event: None
if sys.argv[2] == "in a step":
    listen = lambda event: die() if event["step"] == 13 else None
elif sys.argv[2] == "before a rename":
    checkpoint_writer.sync_folder = die_before_the_rename
else:
    checkpoint_writer._remove = die_half_way_through_deleting
train(load_config(sys.argv[1]), listen)
"""


@pytest.mark.parametrize(
    ("moment", "kept"),
    [("in a step", {5, 10}), ("before a rename", {5}), ("half way through deleting", {15})],
)
def test_killed_and_resumed_equals_never_stopped(
    long_run: Path, packed: Path, tmp_path: Path, moment: str, kept: set[int]
) -> None:
    """Checkpoints are written beside the steps, so that of step 10 may or may not be whole at step 13."""
    config = config_of(packed, tmp_path / "run", **LONG)
    command = [sys.executable, "-c", KILLED_PROGRAM, str(tmp_path / "run.yaml"), moment]
    killed = subprocess.run(command, env=ENVIRONMENT, timeout=600)
    assert killed.returncode == -signal.SIGKILL
    assert int(checkpoint_folders(tmp_path / "run")[-1].name.removeprefix("step-")) in kept
    train(config)
    assert final_bytes(tmp_path / "run") == final_bytes(long_run)
    assert not list((tmp_path / "run" / "checkpoints").glob("*.tmp"))


def test_half_written_checkpoints_are_not_used(packed: Path, tmp_path: Path) -> None:
    config = config_of(packed, tmp_path / "run")
    with pytest.raises(Stopped):
        train(config, should_stop=stops_at(2))
    torn = tmp_path / "run" / "checkpoints" / "step-00000006.tmp"
    torn.mkdir()
    (torn / "state.json").write_text("{")
    with open(tmp_path / "run" / "metrics.jsonl", "a") as stream:
        stream.write('{"kind": "step", "step": 3}\n{"kind": "st')
    train(config)
    assert not torn.exists()
    assert all(len(record) > 2 for record in read_metrics(tmp_path / "run" / "metrics.jsonl"))


def test_a_damaged_checkpoint_is_told_in_words(packed: Path, tmp_path: Path) -> None:
    config = config_of(packed, tmp_path / "run")
    with pytest.raises(Stopped):
        train(config, should_stop=stops_at(2))
    weights = checkpoint_folders(tmp_path / "run")[-1] / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(TrainError, match="model.safetensors: cannot be used.*Delete the folder"):
        train(config)


@pytest.mark.parametrize("accumulation", [2, 4])
def test_accumulation_gives_the_same_gradient(whole_run, packed: Path, tmp_path: Path, accumulation: int) -> None:
    train(config_of(packed, tmp_path / "run", accumulation=accumulation))
    models = [open_writer(run, torch.device("cpu")).model for run in (whole_run[0], tmp_path / "run")]
    for one, other in zip(*(model.parameters() for model in models), strict=True):
        assert torch.allclose(one, other, atol=2e-4)


def test_another_configuration_is_refused(whole_run, packed: Path) -> None:
    with pytest.raises(TrainError, match="another configuration:\n  learning_rate: 0.01 -> 0.02\n"):
        train(dataclasses.replace(config_of(packed, whole_run[0]), learning_rate=0.02))


def test_a_foreign_folder_is_refused(packed: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "letters.txt").write_text("mine")
    with pytest.raises(TrainError, match="holds other files"):
        train(config_of(packed, tmp_path / "run"))
    assert (tmp_path / "run" / "letters.txt").read_text() == "mine"


def test_leaky_attention_never_trains(packed: Path, tmp_path: Path) -> None:
    with pytest.raises(ProofError):
        train(config_of(packed, tmp_path / "run"), planners=PLANS | {"loop": whole_rows})
    assert not checkpoint_folders(tmp_path / "run")


def test_damaged_data_never_trains(tmp_path: Path) -> None:
    packed = write_packed(tmp_path / "packed", {"train": made_up_texts(20, 1), "held_out": ["a"]}, 64)
    content = bytearray((packed / "train-00000.arrow").read_bytes())
    content[len(content) // 2] ^= 1
    (packed / "train-00000.arrow").write_bytes(content)
    with pytest.raises(HandoffError, match="sha256"):
        train(config_of(packed, tmp_path / "run"))


@pytest.mark.parametrize("empty", ["train", "held_out"])
def test_empty_splits_are_told_in_words(tmp_path: Path, empty: str) -> None:
    packed = write_packed(tmp_path / "packed", {"train": ["a b"], "held_out": ["a"], empty: []}, 64)
    with pytest.raises(TrainError, match="split is empty"):
        train(config_of(packed, tmp_path / "run"))


@pytest.mark.parametrize("log_every", [1, 5])
def test_steps_that_are_not_finite_end_the_run(packed: Path, tmp_path: Path, log_every: int) -> None:
    with pytest.raises(TrainError, match="the gradient was not finite in 1. steps in a row"):
        train(config_of(packed, tmp_path / "run", learning_rate="1e30", adam_eps="1e-30", warmup_steps=0, steps=60,
                        eval_every=60, checkpoint_every=60, log_every=log_every))  # fmt: skip
    lines = (tmp_path / "run" / "metrics.jsonl").read_text()
    assert '"loss": null' in lines and "NaN" not in lines and "Infinity" not in lines


def test_a_dense_run_agrees_with_loop(whole_run, packed: Path, tmp_path: Path) -> None:
    summary = train(config_of(packed, tmp_path / "run", attention="dense"))
    assert math.isclose(
        summary["held_out_last"]["nats_per_token"], whole_run[1]["held_out_last"]["nats_per_token"], rel_tol=1e-3
    )


def test_devices_and_worlds_that_do_not_fit(packed: Path, tmp_path: Path, monkeypatch) -> None:
    if not torch.cuda.is_available():
        with pytest.raises(TrainError, match="sees no CUDA device. Use `device: auto`"):
            train(config_of(packed, tmp_path / "run", device="cuda"))
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(TrainError, match="4 rows cannot be cut evenly over 3 processes"):
        train(config_of(packed, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_metrics_after_the_checkpoint_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    file = MetricsFile(path, -1)
    for step in range(5):
        file.write({"kind": "step", "step": step, "text": "ü\u2028"})
    with open(path, "a") as stream:
        stream.write('{"step": 9')
    MetricsFile(path, 2)
    assert [record["step"] for record in read_metrics(path)] == [0, 1, 2]


def test_the_run_folder_describes_itself(whole_run, packed: Path) -> None:
    record = read_run(whole_run[0])
    model = model_of_record(record["config"]["model"])
    assert model.vocab_size == 259 and model.context == 64
    assert torch.__version__.split("+")[0] == record["versions"]["torch"].split("+")[0]
    batch = packed_batch([open_split(packed, "train").sequence(0)])
    assert int(batch.input_ids[0, 0]) == record["tokens"]["bos_id"]


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(
    ("attention", "compiled"), [("flex", False), ("flex", True), ("varlen", True), ("dense", False)]
)
def test_a_run_on_cuda_learns(packed: Path, tmp_path: Path, attention: str, compiled: bool) -> None:
    config = config_of(packed, tmp_path / "run", {"dim": 64}, device="cuda", attention=attention, compile=compiled)
    summary = train(config)
    assert summary["device"] == "cuda:0" and summary["precision"] == "bfloat16"
    assert summary["held_out_last"]["nats_per_token"] < summary["held_out_first"]["nats_per_token"] - 1
