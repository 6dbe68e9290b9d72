"""Options that take files take all that the shell makes of a pattern, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from curation.files_option import FilesCommand, files_option
from gristmill import gristmill


def parsed(arguments: list[str], *more) -> dict:
    found: dict = {}
    command = FilesCommand("x", params=[], callback=lambda **options: found.update(options))
    for decorate in (files_option("--good"), files_option("-b", "--bad"), click.option("--out"), click.option("--json", is_flag=True), *more):
        command = decorate(command)
    result = CliRunner().invoke(command, arguments)
    return found if result.exit_code == 0 else {"error": result.output}


@pytest.fixture
def files(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a.jsonl", "b.jsonl", "c.jsonl", "pack.yaml"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "folder").mkdir()
    return tmp_path


def test_all_paths_up_to_the_next_option_belong_to_it(files):
    found = parsed(["--good", "a.jsonl", "b.jsonl", "folder", "--out", "x", "-b", "c.jsonl", "a.jsonl", "--json"])
    assert found == {"good": ("a.jsonl", "b.jsonl", "folder"), "bad": ("c.jsonl", "a.jsonl"), "out": "x", "json": True}
    assert parsed(["--good", "none.jsonl", "--good", "*.jsonl"])["good"] == ("none.jsonl", "*.jsonl"), "patterns and what is not there are told later"


@pytest.mark.parametrize("arguments", (["--good", "a.jsonl", "none.jsonl"], ["--out", "a.jsonl", "b.jsonl"], ["--json", "a.jsonl"], ["--good=a.jsonl", "--", "b.jsonl"], ["a.jsonl"]))
def test_what_belongs_to_no_option_is_a_mistake(files, arguments):
    assert "unexpected extra argument" in parsed(arguments)["error"]


def test_packs_and_folders_stay_arguments_of_commands_that_have_some(files):
    argument = click.argument("paths", nargs=-1)
    found = parsed(["pack.yaml", "--good", "a.jsonl", "b.jsonl", "pack.yaml", "folder", "c.jsonl"], argument)
    assert found["good"] == ("a.jsonl", "b.jsonl") and found["paths"] == ("pack.yaml", "pack.yaml", "folder", "c.jsonl")


def test_a_pack_is_tried_on_all_files_of_a_pattern(tmp_path):
    (tmp_path / "p.yaml").write_text(
        "pack: p\nabout: A test.\nrules:\n  - {id: few, why: A test., drop_when: {words: '< 2'}, expect_drop: 1, examples: {drop: [{words: 1}], keep: [{words: 2}]}}\n"
    )
    for name in "abc":
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"text": f"two {name}"}) + "\n")
    shell = [str(path) for path in sorted(tmp_path.glob("*.jsonl"))]
    result = CliRunner().invoke(gristmill, ["check", str(tmp_path / "p.yaml"), "--sample", *shell], catch_exceptions=False)
    assert result.exit_code == 0 and "3 documents: 3 kept" in result.output, result.output
