"""A disk that is full: one paragraph that names the folder and what is saved, and the same command goes on when there is room."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from test_train_config import write_config
from test_train_finetune import write_items, write_yaml
from test_train_handoff import made_up_texts, write_packed

from curation.trace_cli import trace
from train.checkpoint import checkpoint_folders
from train.cli import train
from train.durable import with_lasting_names
from train.finetune_cli import finetune
from train.hugging_face_cli import export, import_
from train.metrics import MetricsFile

torch.set_num_threads(1)
NO_ROOM = "there is no room to write (File too large)"


@contextlib.contextmanager
def files_up_to(size: int):
    """Files of this process may not grow beyond `size` bytes, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def refused(command, *arguments: object) -> str:
    result = CliRunner().invoke(command, list(map(str, arguments)))
    assert result.exit_code == 2 and result.stdout == "" and "Traceback" not in result.stderr, (result.output, result.exception)
    return result.stderr


def done(command, *arguments: object) -> None:
    result = CliRunner().invoke(command, list(map(str, arguments)))
    assert result.exit_code in (0, 1), result.output  # 1: exported without transformers


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """packed/ and a run on it."""
    folder = tmp_path_factory.mktemp("room")
    write_packed(folder / "packed", {"train": made_up_texts(60, 1), "held_out": made_up_texts(9, 2)}, 64)
    done(train, write_config(folder / "train.yaml", "packed", "run", checkpoint_every=2))
    write_items(folder / "items.jsonl", "classification", 48)
    return folder


def test_no_room_for_a_later_checkpoint(home: Path, tmp_path: Path, monkeypatch) -> None:
    config = write_config(tmp_path / "t.yaml", home / "packed", "run", checkpoint_every=2)
    run, write = tmp_path / "run", os.fsync
    full = [True]

    def out_of_room(descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if full[0] and "step-00000006.tmp/optimizer" in path:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(descriptor)

    monkeypatch.setattr(os, "fsync", out_of_room)
    said = refused(train, config).splitlines()[-1]
    assert said.startswith(f"{run}: there is no room to write (No space left on device). step-00000004 is saved")
    assert said.endswith("Make room, then give the same command again.")
    assert [path.name for path in sorted((run / "checkpoints").iterdir())] == ["step-00000002", "step-00000004"]
    full[0] = False
    done(train, config)
    assert (run / "checkpoints/step-00000008/model.safetensors").read_bytes() == (home / "run/checkpoints/step-00000008/model.safetensors").read_bytes()


def test_no_room_for_the_first_checkpoint(home: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / "t.yaml", home / "packed", "run")
    with files_up_to(60_000):  # safetensors says so in an error of its own
        assert f"{tmp_path / 'run'}: {NO_ROOM}. No checkpoint is saved yet." in refused(train, config)
    assert not list((tmp_path / "run/checkpoints").iterdir())
    done(train, config)


def test_no_room_for_the_tokenizer_or_for_metrics(home: Path, tmp_path: Path, monkeypatch) -> None:
    config = write_config(tmp_path / "t.yaml", home / "packed", "run")
    with files_up_to(100):
        said = refused(train, config)
    assert said.startswith(f"{tmp_path / 'run'}: {NO_ROOM}") and str(home / "packed") not in said
    with monkeypatch.context() as patch:
        patch.setattr(MetricsFile, "write", lambda self, record: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device")))
        assert f"{tmp_path / 'run'}: there is no room to write" in refused(train, config)
    done(train, config)


@pytest.mark.parametrize(("size", "saved"), [(100, "No checkpoint is saved yet."), (60_000, "No checkpoint is saved yet.")])
def test_no_room_for_fine_tuning(home: Path, tmp_path: Path, size: int, saved: str) -> None:
    shutil.copy(home / "items.jsonl", tmp_path)
    yaml = write_yaml(tmp_path, home / "run", "classification", epochs=1)
    with files_up_to(size):
        said = refused(finetune, yaml)
    assert f"{tmp_path / 'tuned'}: {NO_ROOM}. {saved}" in said and f"{home}" not in said.replace(str(tmp_path), "")
    done(finetune, yaml)
    assert len(checkpoint_folders(tmp_path / "tuned")) == 1


@pytest.mark.parametrize("size", [100, 50_000])
def test_no_room_for_an_export(home: Path, tmp_path: Path, size: int) -> None:
    done(export, home / "run", tmp_path / "whole")
    for command, arguments in ((export, (home / "run", tmp_path / "out")), (import_, (tmp_path / "whole", tmp_path / "out"))):
        with files_up_to(size):
            assert f"{tmp_path / 'out'}: {NO_ROOM}. Nothing of it is left behind." in refused(command, *arguments)
        assert not list(tmp_path.glob("out*"))


def test_errors_name_files_by_their_lasting_names(home: Path) -> None:
    assert "/proc/worst.parquet" in refused(trace, home / "run", "--steps", "1-2", "--out", "/proc/worst.parquet")
    assert with_lasting_names("/a/.b.json.81.tmp: no") == "/a/b.json: no"
    assert with_lasting_names("/a/summary.json.tmp") == "/a/summary.json"
    assert with_lasting_names("/a/step-00000004.tmp/model.safetensors") == "/a/step-00000004/model.safetensors"
    assert with_lasting_names("/a/mine.tmp/b.txt.tmp") == "/a/mine.tmp/b.txt.tmp"
