"""verify: a finished run passes; any one byte, file or number that is changed afterwards does not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from corpus import write_corpus, write_job

from curation.cli import verify as verify_command
from curation.job import load_job
from curation.run import run_job
from curation.verify import verify
from curation.why_cli import why


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    job = write_job(folder / "job.yaml", write_corpus(folder / "corpus"))
    run_job(load_job(job))
    return folder / "out"


@pytest.fixture
def copy(finished, tmp_path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "out"))


def files(output: Path) -> list[Path]:
    folders = ("clean", "removed", "edits", "signals", "clusters", "quarantine", "packed", ".work")
    return [p for folder in folders for p in sorted((output / folder).rglob("*")) if p.is_file()]


def test_a_finished_run_is_whole(finished):
    found = verify(finished)
    assert found.problems == []
    assert found.files == len(files(finished)) and found.bytes == sum(p.stat().st_size for p in files(finished))


def test_without_the_working_files_it_is_still_whole(copy):
    shutil.rmtree(copy / ".work")
    assert verify(copy).problems == []


def names(output: Path) -> set[str]:
    """The files that verify complains about."""
    return {problem.split(": ")[0] for problem in verify(output).problems}


def test_every_single_file_is_missed(copy):
    for path in files(copy):
        data = path.read_bytes()
        path.unlink()
        assert str(path.relative_to(copy)) in names(copy)
        path.write_bytes(data)
    assert verify(copy).problems == []


def test_one_changed_byte_and_one_lost_byte_are_seen_in_every_file(copy):
    for path in files(copy):
        data = path.read_bytes()
        middle = len(data) // 2
        for damaged in (data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :], data[:-1]):
            path.write_bytes(damaged)
            assert str(path.relative_to(copy)) in names(copy)
        path.write_bytes(data)


def test_what_verify_says_of_an_altered_file_mends_it(tmp_path):
    corpus = write_corpus(tmp_path / "in", files=2, count=20)
    job = load_job(write_job(tmp_path / "job.yaml", corpus))
    run_job(job, "inline")
    output, whole = job.output, {}
    for path in sorted(output.rglob("*.parquet")):
        whole[path] = data = path.read_bytes()
        path.write_bytes(data[:40] + bytes([data[40] ^ 255]) + data[41:])
        (said,) = (line for line in verify(output).problems if line.startswith(str(path.relative_to(output))))
        assert said.endswith("delete it, and `gristmill run` makes it again")
        path.unlink()
        run_job(job, "inline")
    assert not verify(output).problems and all(path.read_bytes() == data for path, data in whole.items())


def test_commands_that_meet_an_altered_file_send_to_verify(copy):
    path = copy / "clean/00000.parquet"
    data = path.read_bytes()
    path.write_bytes(data[:40] + bytes([data[40] ^ 255]) + data[41:])
    done = CliRunner().invoke(why, [str(copy), "no-such-id"])
    assert done.exit_code == 2 and "`gristmill verify OUT` names it" in done.output


def test_a_stranger_is_named(copy):
    (copy / "clean/extra file.parquet").write_bytes(b"not ours")
    assert names(copy) == {"clean/extra file.parquet"}


def test_a_lost_unit_leaves_its_files_unlisted(copy):
    lost = next((copy / "manifest").rglob("pass0/*.json"))
    lost.unlink()
    problems = verify(copy).problems
    assert any("not listed" in p for p in problems) and any(p.startswith("books: ") for p in problems)


def test_a_whole_input_file_cannot_vanish(copy):
    """Unit and files gone together: the books of each stage may balance, but run.json knows how many files there were."""
    for entry in sorted((copy / "manifest").rglob("pass*/00000.json")):
        for path in json.loads(entry.read_text())["outputs"]:
            (copy / path).unlink()
        entry.unlink()
    assert any("input files were read" in p for p in verify(copy).problems)


def test_a_changed_count_does_not_balance(copy):
    path = next((copy / "manifest").rglob("pass1/*.json"))
    entry = json.loads(path.read_text())
    entry["counts"]["exact"]["kept"] += 1
    path.write_text(json.dumps(entry))
    assert any(p.startswith("books: ") for p in verify(copy).problems)


def test_a_changed_report_and_a_lost_report_are_told(copy):
    report = copy / "report/report.json"
    numbers = json.loads(report.read_text())
    numbers["funnel"][0]["in"] += 1
    report.write_text(json.dumps(numbers))
    assert "funnel" in verify(copy).problems[0]
    report.unlink()
    assert "not finished" in verify(copy).problems[0]


def test_damaged_manifest_files_are_told(copy):
    path = next((copy / "manifest").rglob("barrier*.json"))
    path.write_text("{")
    assert f"manifest/{path.name}" in names(copy)


def test_command(finished, copy, tmp_path):
    done = CliRunner().invoke(verify_command, [str(finished)])
    assert done.exit_code == 0 and "as the manifest says; 121 in = " in done.output
    next((copy / "clean").glob("*.parquet")).unlink()
    done = CliRunner().invoke(verify_command, [str(copy), "--json"])
    assert done.exit_code == 1 and json.loads(done.output)["problems"] == ["clean/00000.parquet: missing; `gristmill run` makes it again"]
    done = CliRunner().invoke(verify_command, [str(tmp_path)])
    assert done.exit_code == 2
