"""What an ablation, a probe and a search for mixtures say before they train anything; and that `ablate` tells where its evidence went."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from test_ablate import ablation_file, project

from curation.ablate.mix import load_mix
from curation.ablate.settings import load_ablation
from curation.ablate_cli import ablate as command
from rules.places import Problems

RULE = "job: job.yaml\nrule: mine/cookies"


def test_the_evidence_of_a_rule_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = ablation_file(project(tmp_path), RULE, tokens=128)
    done = CliRunner().invoke(command, [str(path)], catch_exceptions=False)
    assert done.exit_code == 0 and "evidence: written to mine.yaml\n" in done.stderr and "report: ablation/report.md\n" in done.stderr


def refused(path: Path) -> str:
    """What `ablate --dry-run` says of the file."""
    done = CliRunner().invoke(command, [str(path), "--dry-run"], catch_exceptions=False)
    assert done.exit_code == 2
    return done.output


@pytest.mark.parametrize(
    "judge, said",
    [
        ("tasks: [arc_easy]", r"R103 task arc_easy: where is arc_easy.jsonl\? Name the folder of its items \(--items; .*`items` beside `tasks`\)"),
        ("tasks: [arc_easy], items: .", "arc_easy.jsonl: no such file"),
        ("documents: nope/*.jsonl", r"R103 input 'nope/\*.jsonl' matches no file"),
    ],
)  # fmt: skip
def test_what_models_are_judged_on_is_looked_for_first(tmp_path, judge, said):
    path = ablation_file(project(tmp_path), RULE)
    path.write_text(path.read_text().replace("judge: {", f"judge: {{{judge}, "))
    with pytest.raises(Problems, match=said):
        load_ablation(path)
    assert path.name in refused(path) and not (tmp_path / "ablation").exists()


def test_a_tokenizer_that_is_none(tmp_path):
    path = ablation_file(project(tmp_path), RULE + "\ntokenizer: tokenizer.json")
    (tmp_path / "tokenizer.json").write_bytes(bytes(range(256)) * 400)
    said = refused(path)
    assert "tokenizer.json' is no tokenizer.json" in said and len(said) < 1000


def test_an_output_that_holds_something_else_is_refused(tmp_path):
    path = ablation_file(project(tmp_path), RULE)
    (tmp_path / "ablation").mkdir()
    assert load_ablation(path).output == tmp_path / "ablation", "an empty folder is free"
    (tmp_path / "ablation/config.json").write_text("{}")
    assert "holds something else (config.json); name another folder" in refused(path)
    (tmp_path / "ablation/arms").mkdir()
    assert load_ablation(path), "its own output is gone on with, whatever else lies there"


def test_a_search_for_mixtures_sees_the_same(tmp_path):
    (tmp_path / "in.jsonl").write_text(json.dumps({"id": "a", "text": "Text."}) + "\n")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/checkpoints").mkdir()
    settings = "output: out\ndocuments: in.jsonl\ntokens: 1000\njudge: {documents: nope}\n"
    (tmp_path / "mix.yaml").write_text(settings)
    with pytest.raises(Problems, match=r"holds something else \(checkpoints\)(.|\n)*'nope' matches no file"):
        load_mix(tmp_path / "mix.yaml")
