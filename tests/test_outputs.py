"""No command writes over one of its inputs or over a file of another kind; it says so and leaves the file as it was."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import click
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click import BadParameter
from click.testing import CliRunner

import curation.cli
from gristmill import gristmill
from rules.outputs import check_folder, check_output
from train.config import TrainError
from train.scaling.report import write_report

WORDS = "the mill grinds the grain and the wheel turns in the water of the stream"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Texts, a tokenizer, a profile, and files of other kinds."""
    monkeypatch.chdir(tmp_path)
    rows = [{"id": f"d{k}", "text": f"{WORDS} {k}", "lang": "en"} for k in range(60)]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "other.jsonl").write_text('{"text": "another corpus"}\n')
    (tmp_path / "other.json").write_text('{"openapi": "3.1.0"}')
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "d.parquet")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "positive.parquet")
    assert call("tokenizer", "train", "d.jsonl", "--out", "t.json", "--vocab-size", "280")[0] == 0
    assert call("profile", "build", "d.jsonl", "-o", "p.parquet")[0] == 0
    (tmp_path / "labels.jsonl").write_text("")
    return tmp_path


def call(*arguments: str, given: str = "") -> tuple[int, str]:
    result = CliRunner().invoke(gristmill, arguments, input=given, catch_exceptions=False)
    return result.exit_code, result.output


INPUT, KIND = "is an input of this command", "is there and is not"


@pytest.mark.parametrize(
    ("arguments", "file", "says"),
    [
        (["tokenizer", "train", "d.jsonl", "--out", "d.jsonl", "--vocab-size", "300"], "d.jsonl", INPUT),
        (["tokenizer", "train", "*.jsonl", "--out", "./d.jsonl", "--vocab-size", "300"], "d.jsonl", INPUT),
        (["tokenizer", "train", "d.jsonl", "--out", "other.jsonl", "--vocab-size", "300"], "other.jsonl", KIND),
        (["tokenizer", "train", "d.jsonl", "--out", "other.json", "--vocab-size", "300"], "other.json", KIND),
        (["tokenizer", "extend", "t.json", "d.jsonl", "--add", "9", "--out", "t.json"], "t.json", INPUT),
        (["tokenizer", "import", "d.jsonl", "--like", "gpt2", "--out", "d.jsonl"], "d.jsonl", INPUT),
        (["tokenizer", "measure", "t.json", "d.jsonl", "--plot", "picture.png"], "picture.png", KIND),
        (["profile", "build", "d.parquet", "-o", "d.parquet"], "d.parquet", INPUT),
        (["profile", "build", "d.jsonl", "-o", "d.parquet"], "d.parquet", KIND),
        (["trace", "run", "--steps", "3-4", "--out", "t.json"], "t.json", KIND),
        (["trace", "run", "--steps", "3-4", "--out", "d.parquet"], "d.parquet", KIND),
        (["inspect", "--export", "d.parquet"], "d.parquet", KIND),
        (["fit-thresholds", "--reference", "d.jsonl", "-o", "mine.yaml"], "mine.yaml", KIND),
        (["classifier", "train", "--positive", "positive.parquet", "--negative", "d.jsonl", "-o", "m", "--held-out-texts", "."], "positive.parquet", INPUT),
        (["classifier", "train", "--positive", "d.parquet", "--negative", "d.jsonl", "-o", "m", "--held-out-texts", "."], "positive.parquet", KIND),
    ],
)
def test_a_file_that_would_be_lost_is_kept(folder, arguments, file, says):
    for name, content in (("picture.png", "no picture"), ("mine.yaml", "pack: mine\n")):
        (folder / name).write_text(content)
    before = (folder / file).read_bytes()
    code, said = call(*arguments)
    assert code == 2 and f"{file} {says}" in said, said
    assert (folder / file).read_bytes() == before


def test_what_a_command_wrote_it_writes_again(folder):
    (folder / "empty.json").write_text("")
    for out in ("t.json", "empty.json"):
        assert call("tokenizer", "train", "d.jsonl", "--out", out, "--vocab-size", "270")[0] == 0
    assert call("profile", "build", "d.jsonl", "-o", "p.parquet", "--words", "5")[0] == 0
    for _ in range(2):
        assert call("inspect", "--export", "labels.parquet")[0] == 0
        assert call("tokenizer", "measure", "t.json", "d.jsonl", "--plot", "plot.svg")[0] == 0


def test_a_model_is_replaced_after_a_question_alone(folder):
    (folder / "m").mkdir()
    (folder / "m/model.ftz").write_text("a model that packs use")
    train = ["classifier", "train", "--positive", "d.jsonl", "--negative", "d.parquet", "-o", "m"]
    for options, given, says in (([], "", "train over it with --fresh"), (["--fresh"], "n\n", "give --yes"), (["--fresh"], "", "give --yes"), (["--yes"], "", "goes with --fresh")):
        code, said = call(*train, *options, given=given)
        assert code == 2 and says in said, said
    for options, given in ((["--fresh", "--yes"], ""), (["--fresh"], "y\n")):
        code, said = call(*train, *options, given=given)
        assert code == 2 and "too few different texts" in said, "it went on to the texts"
    assert (folder / "m/model.ftz").read_text() == "a model that packs use"


def test_a_place_that_cannot_be_written_to_is_found_before_anything_is_read(folder):
    code, said = call("classifier", "train", "--positive", "d.jsonl", "--negative", "d.parquet", "-o", "d.jsonl/m")
    assert code == 2 and "d.jsonl" in said and "too few" not in said, said
    with pytest.raises(OSError, match="Not a directory"):
        check_folder(folder / "d.jsonl/a/b")
    check_folder(folder / "new/a/b")
    assert not (folder / "new").exists()


def test_links_and_pipes(folder):
    (folder / "link.jsonl").symlink_to("d.jsonl")
    with pytest.raises(BadParameter, match="is an input"):
        check_output(Path("link.jsonl"), [Path("d.jsonl")], lambda _: True, "x")
    check_output(Path("/dev/null"), [Path("d.jsonl"), Path("not there")], lambda _: False, "x")


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), MemoryError()])
def test_only_commands_that_go_on_say_that_something_is_saved(capsys, error):
    def broken() -> None:
        raise error

    for name, saved in (("run", True), ("train", False)):
        with pytest.raises(SystemExit) as ended, click.Context(click.Command(name)):
            curation.cli.user_errors(broken)()
        said = capsys.readouterr().err
        assert ended.value.code == 2 and ("what is finished is saved" in said) == saved and "give the same command again" in said, said


def test_a_classifier_that_is_not_there_is_told(folder):
    (folder / "pack.yaml").write_text("pack: x\nabout: x\nclassifiers: {nix: models/nix}\nrules: []\n")
    code, said = call("check", "pack.yaml")
    assert code == 2 or code == 1
    assert f"pack.yaml:3:20: R103 no file or folder '{folder / 'models/nix'}'" in said, said


def test_what_is_no_profile_is_told(folder):
    (folder / "binary.parquet").write_bytes(b"\xff\xfe\x00PAR")
    for name in ("d.jsonl", "d.parquet", "binary.parquet", "t.json"):
        code, said = call("profile", "show", name)
        assert code == 2 and said.startswith("error: ") and name in said and len(said) < 400, said
    (folder / "binary.txt").write_bytes(b"\xff\xfe\x00PAR")
    assert "make one with `gristmill profile build`" in call("profile", "show", "binary.txt")[1]


def test_a_report_of_something_else_is_kept(tmp_path):
    (tmp_path / "report.json").write_text('{"funnel": []}')
    with pytest.raises(TrainError, match="is no report of scaling laws"):
        write_report(tmp_path, "isoflop", {})
    (tmp_path / "report.json").write_text('{"schema_version": 1, "parametric_by_set": {}}')
    write_report(tmp_path, "isoflop", {})
    assert json.loads((tmp_path / "report.json").read_text()).keys() == {"schema_version", "parametric_by_set", "isoflop"}
