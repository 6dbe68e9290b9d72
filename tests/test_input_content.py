"""Inputs are told by what they hold: touched is the same, changed is not, and a change that hides is found by verify."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from corpus import documents, write_corpus, write_job

from curation.cli import verify as verify_command
from curation.input_content import content_sha256
from curation.job import load_job
from curation.plan import plan_run
from curation.progress import Progress
from curation.run import run_job
from curation.verify import verify


def rows_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


@pytest.fixture(scope="module", params=["jsonl", "parquet"])
def finished(request, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    if request.param == "jsonl":
        write_corpus(folder / "corpus", count=40)
    else:
        (folder / "corpus").mkdir()
        table = pa.Table.from_pylist(documents(count=40))
        pq.write_table(table, folder / "corpus/part-0.parquet", row_group_size=10, compression="none", use_dictionary=False, write_statistics=False)
    run_job(load_job(write_job(folder / "job.yaml", Path("corpus"))))
    return folder


@pytest.fixture
def copy(finished, tmp_path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def altered(path: Path) -> None:
    """Another letter in a text: as many bytes, the same Parquet footer."""
    data = path.read_bytes()
    assert b"fisherman" in data
    path.write_bytes(data.replace(b"fisherman", b"fishermen", 1))


def test_a_file_that_is_only_touched_is_not_done_again(copy):
    job = load_job(copy / "job.yaml")
    for path in (copy / "corpus").iterdir():
        path.write_bytes(path.read_bytes())
        os.utime(path, (0, 2**30))
    assert not any(step.is_open for step in plan_run(job).steps)
    again = run_job(job)
    assert again.done_before == again.units
    entry = json.loads((copy / "out/manifest/pass0/00000.json").read_text())
    assert entry["input"]["stamp"][1] == 2**30 * 10**9, "the new time is noted, so that the file is not hashed at every run"
    assert verify(copy / "out", inputs=True).problems == []


def test_a_file_that_holds_something_else_is_done_again(copy):
    victim = sorted((copy / "corpus").iterdir())[0]
    altered(victim)
    os.utime(victim, (0, 2**30))
    again = run_job(load_job(copy / "job.yaml"))
    assert again.done_before < again.units
    assert verify(copy / "out", inputs=True).problems == []


def test_a_change_that_keeps_size_and_time_is_found_by_verify(copy):
    victim = sorted((copy / "corpus").iterdir())[0]
    run_job(load_job(copy / "job.yaml"))  # the copy has other inodes, which are noted
    status = victim.stat()
    altered(victim)
    os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert run_job(load_job(copy / "job.yaml")).report["in"] == 40 + (victim.suffix == ".jsonl")
    assert verify(copy / "out").problems == []
    found = CliRunner().invoke(verify_command, [str(copy / "out"), "--inputs"])
    assert found.exit_code == 1 and str(victim) in found.output and "touch" in found.output
    victim.touch()
    run_job(load_job(copy / "job.yaml"))
    assert verify(copy / "out", inputs=True).problems == []


def test_row_groups_are_told_apart(tmp_path):
    table = pa.table({"text": [f"text {n}" for n in range(30)]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=10, compression="none", use_dictionary=False, write_statistics=False)
    before = [content_sha256(str(tmp_path / "a.parquet"), [group]) for group in range(3)]
    data = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(data.replace(b"text 15", b"test 15"))
    after = [content_sha256(str(tmp_path / "a.parquet"), [group]) for group in range(3)]
    assert [a == b for a, b in zip(before, after)] == [True, False, True]
    assert len(set(before)) == 3


class Notes(Progress):
    def __init__(self):
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_why_results_are_done_again_is_told(copy):
    job = copy / "job.yaml"

    def told() -> list[str]:
        notes = Notes()
        run_job(load_job(job), progress=notes)
        return [note for note in notes.notes if "done again" in note]

    assert told() == []
    job.write_text(job.read_text().replace("rows: 8", "rows: 7"))
    assert told() == ["since the last run here the job changed in near: what depends on near is done again; what does not depend on it is kept"]
    job.write_text(job.read_text().replace("gopher_quality]", "c4]"))
    assert told() == ["since the last run here the job changed in packs (gopher_quality, c4): what depends on rules is done again; what does not depend on it is kept"]
    job.write_text(job.read_text().replace("held_out: 0.2", "held_out: 0.1"))
    assert "packed/ is done again" in plan_run(load_job(job)).notes[0], "a dry run says it, too"
    assert "packed/ is done again" in told()[0]
    run = json.loads((copy / "out/run.json").read_text())
    run["output_version"] -= 1
    (copy / "out/run.json").write_text(json.dumps(run))
    (why,) = told()
    assert "another version of gristmill" in why and "everything is done again" in why
