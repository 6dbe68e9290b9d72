"""The commands: exit codes, what goes to stdout and stderr, Ctrl-C, and a finished run that starts nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from test_train_config import write_config
from test_train_handoff import made_up_texts, write_packed

from train.checkpoint import checkpoint_folders
from train.cli import json_line, train
from train.durable import write_json
from train.generate_cli import generate
from train.run_folder import read_json

torch.set_num_threads(1)
ROOT = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run: its configuration file, its folder, and what the command printed."""
    folder = tmp_path_factory.mktemp("cli")
    write_packed(folder / "packed", {"train": made_up_texts(60, 1), "held_out": made_up_texts(9, 2)}, 64)
    config = write_config(folder / "train.yaml", "packed", "run")
    return config, folder / "run", CliRunner().invoke(train, [str(config)])


def test_a_run_prints_its_result_and_nothing_else_on_stdout(trained) -> None:
    _, run, result = trained
    assert result.exit_code == 0, result.output
    names = [line[:15].strip() for line in result.stdout.splitlines()]
    assert names == ["steps", "held-out loss", "bits per byte", "sample", "checkpoint"]
    assert " -> " in result.stdout and str(run / "checkpoints" / "step-00000008") in result.stdout
    assert "parameters" in result.stderr and "held-out" in result.stderr


def test_a_finished_run_answers_without_pytorch(trained) -> None:
    config, _, result = trained
    code = (
        "import sys; from train.cli import train\n"
        f"try: train([{str(config)!r}])\n"
        "finally: assert not {'torch', 'rich', 'tokenizers'} & sys.modules.keys()"
    )
    again = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True)
    assert again.returncode == 0 and again.stdout == result.stdout
    assert "already trained" in again.stderr


def test_json_is_one_object(trained) -> None:
    config, run, _ = trained
    result = CliRunner().invoke(train, [str(config), "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {**read_json(run / "summary.json"), "output": str(run)}
    assert json.loads(result.stdout)["schema_version"] == 1


def test_mistakes_exit_2_with_words(trained, tmp_path: Path) -> None:
    config, _, _ = trained
    wrong = write_config(tmp_path / "wrong.yaml", config.parent / "packed", "run", stepz=3)
    missing = write_config(tmp_path / "missing.yaml", "nowhere", "run")
    other = write_config(config.parent / "other.yaml", "packed", "run", seed=9)
    for arguments, words in (
        ([tmp_path / "none.yaml"], "none.yaml:1:1: R100 cannot read this file"),
        ([wrong], "wrong.yaml:12:1: R101 unknown key 'stepz', did you mean 'steps'?"),
        ([missing], "nowhere: does not exist. Pack the data first"),
        ([other], "holds a run of another configuration"),
    ):
        result = CliRunner().invoke(train, list(map(str, arguments)))
        assert result.exit_code == 2 and result.stdout == ""
        assert words in result.stderr and "Traceback" not in result.stderr


def test_a_folder_that_cannot_be_written_exits_2(trained, tmp_path: Path) -> None:
    config, _, _ = trained
    (tmp_path / "file").write_text("")
    blocked = write_config(tmp_path / "blocked.yaml", config.parent / "packed", "file/run")
    result = CliRunner().invoke(train, [str(blocked)])
    assert result.exit_code == 2 and str(tmp_path / "file") in result.stderr


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_runs_save_and_go_on(trained, tmp_path: Path, sent: signal.Signals) -> None:
    packed = trained[0].parent / "packed"
    config = write_config(tmp_path / "long.yaml", packed, "run", steps=100_000, eval_every=100_000,
                          checkpoint_every=100_000, log_every=5)  # fmt: skip
    command = [sys.executable, "-c", f"from train.cli import train; train([{str(config)!r}])"]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    metrics, deadline = tmp_path / "run" / "metrics.jsonl", time.monotonic() + 600
    while not (metrics.exists() and '"kind": "step"' in metrics.read_text()):
        assert process.poll() is None and time.monotonic() < deadline, "it made no step"
        time.sleep(0.01)
    process.send_signal(sent)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 130 and out == ""
    assert "Run the same command to resume" in err and "Traceback" not in err
    (folder,) = checkpoint_folders(tmp_path / "run")
    assert read_json(folder / "state.json")["step"] == int(folder.name.removeprefix("step-"))


def test_generate_continues_the_prompt(trained) -> None:
    _, run, _ = trained
    arguments = [str(run), "--prompt", "the mill", "--tokens", "12", "--seed", "3"]
    results = [CliRunner().invoke(generate, arguments) for _ in range(2)]
    assert results[0].exit_code == 0 and results[0].stdout == results[1].stdout
    assert results[0].stdout.startswith("the mill")
    record = json.loads(CliRunner().invoke(generate, [*arguments, "--json"]).stdout)
    assert record["prompt"] == "the mill" and record["seed"] == 3 and record["schema_version"] == 1
    assert results[0].stdout == "the mill" + record["text"] + "\n"


def test_generate_continues_many_prompts_each_with_its_seed(trained, tmp_path: Path) -> None:
    _, run, _ = trained
    file = tmp_path / "prompts.jsonl"
    file.write_text('{"prompt": "wheel"}\n\n{"prompt": "ça", "id": 3}\n', encoding="utf-8")
    arguments = [str(run), "--prompt", "the mill", "--prompts", str(file), "--samples", "2", "--tokens", "9", "--json"]
    result = CliRunner().invoke(generate, arguments)
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(record["prompt"], record["seed"]) for record in records] == [
        ("the mill", 0), ("the mill", 1), ("wheel", 2), ("wheel", 3), ("ça", 4), ("ça", 5)]  # fmt: skip
    alone = CliRunner().invoke(generate, [str(run), "--prompt", "wheel", "--tokens", "9", "--seed", "3", "--json"])
    assert json.loads(alone.stdout) == records[3]
    for content, words in (("x", "1: is not JSON"), ('{"text": "a"}', '1: has no text under "prompt"'), ("", "no prompts")):
        file.write_text(content)
        result = CliRunner().invoke(generate, [str(run), "--prompts", str(file)])
        assert result.exit_code == 2 and words in result.stderr and result.stdout == ""


def test_generate_takes_a_checkpoint(trained) -> None:
    _, run, _ = trained
    arguments = ["--prompt", "the", "--tokens", "9"]
    texts = [CliRunner().invoke(generate, [str(path), *arguments]).stdout for path in (run, checkpoint_folders(run)[-1])]
    assert texts[0] == texts[1] and texts[0].startswith("the")

def test_generated_terminal_commands_are_shown_not_obeyed(trained, tmp_path: Path, monkeypatch) -> None:
    _, run, _ = trained
    hostile = "\x1b]0;title\x07 \x9b31m \u202e\r\x7f"
    monkeypatch.setattr("train.generate.Writer.stream", lambda self, *a, **settings: iter([[hostile[:9]], [hostile[9:]]]))
    for arguments in ([str(run), "--prompt", "\x1b[2J"], [str(run), "--json"]):
        result = CliRunner().invoke(generate, arguments)
        assert result.exit_code == 0
        assert not set(hostile + "\x1b") - {" "} & set(result.stdout) - set("]0;title31m")
    assert json.loads(json_line({"text": hostile})) == {"text": hostile}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "does not exist"),
        (["nowhere", "--tokens", "0"], "'--tokens'"),
        (["nowhere", "--top-p", "2"], "'--top-p'"),
        (["nowhere", "--temperature", "-1"], "'--temperature'"),
    ],
)
def test_generate_mistakes_exit_2(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(generate, arguments)
    assert result.exit_code == 2 and words in result.stderr and result.stdout == ""


def test_generate_without_a_number_exits_2(trained) -> None:
    result = CliRunner().invoke(generate, [str(trained[1]), "--temperature", "nan"])
    assert result.exit_code == 2 and "must be at least 0" in result.stderr


def test_a_summary_of_other_data_is_not_taken_for_this_run(trained, tmp_path: Path) -> None:
    config, run, _ = trained
    copy = tmp_path / "run"
    copy.mkdir()
    write_json(copy / "summary.json", {**read_json(run / "summary.json"), "packed_sha256": "0" * 64})
    elsewhere = write_config(tmp_path / "train.yaml", config.parent / "packed", "run")
    result = CliRunner().invoke(train, [str(elsewhere)])
    assert result.exit_code == 2 and "holds other files" in result.stderr
