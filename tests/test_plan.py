"""--dry-run tells what a run would do, and writes nothing; --fresh deletes what runs wrote, after asking."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from corpus import write_corpus, write_job

from curation.job import load_job
from curation.plan import plan_run
from curation.run import run_job
from curation.run_cli import run as run_command
from curation.run_directory import RunDirectoryError


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("planned")
    job = write_job(folder / "job.yaml", write_corpus(folder / "corpus"))
    run_job(load_job(job))
    return job


def state(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_before_the_first_run_everything_is_to_do_and_nothing_is_written(tmp_path):
    job = load_job(write_job(tmp_path / "job.yaml", write_corpus(tmp_path / "corpus")))
    plan = plan_run(job, "inline")
    assert not job.output.exists()
    assert (plan.files, plan.shards, plan.done, plan.workers) == (4, 4, 0, 0)
    assert [(step.title, step.done, step.to_do) for step in plan.steps][0] == ("read, rules", 0, 4)
    assert all(step.to_do == -1 for step in plan.steps[1:])
    assert plan.disk_bytes > 0 and plan.worker_memory_bytes > 0 and plan.disk_free_bytes > 0


def test_the_stages_told_are_the_stages_run(finished):
    job = load_job(finished)
    before = state(job.output)
    plan = plan_run(job)
    assert all(step.to_do == 0 for step in plan.steps)
    assert plan.done == len([path for path in before if path.startswith("manifest/")])
    assert "everything is done" in plan.lines()[-1]
    assert state(job.output) == before
    stages = [json.loads(line).get("stage") for line in (job.output / "log.jsonl").read_text().splitlines() if '"stage_started"' in line]
    assert [s.title for s in plan.steps if s.title in stages] == [s for s in stages if s in {step.title for step in plan.steps}]


def test_records_that_a_run_counted_are_told_as_they_are(finished, tmp_path):
    job = load_job(finished)
    plan = plan_run(job)
    report = json.loads((job.output / "report/report.json").read_text())
    assert (plan.documents, plan.documents_are_estimated) == (report["in"], False) and any(f"for {report['in']} documents" in note for note in plan.notes)
    other = write_job(tmp_path / "job.yaml", write_corpus(tmp_path / "corpus"))
    run_job(load_job(other))
    (tmp_path / "corpus/part-0.jsonl").open("a").write('{"text": "one more"}\n')
    assert plan_run(load_job(other)).documents_are_estimated


def test_what_a_change_leaves_alone_is_told_and_true(finished, tmp_path):
    """A changed action decides documents again; a changed file redoes one shard."""
    text = finished.read_text().replace("gopher_quality]", "{use: gopher_quality, set: {stop-words: tag}}]")
    changed = finished.with_name("changed.yaml")
    changed.write_text(text)
    before = state(load_job(changed).output)
    first = plan_run(load_job(changed)).steps[0]
    assert (first.done, first.to_do, first.decided_again) == (0, 4, 4)
    grown = finished.parent / "corpus/part-3.jsonl"
    whole = grown.read_text()
    grown.write_text(whole + json.dumps({"id": "new", "text": "one more"}) + "\n")
    first = plan_run(load_job(finished)).steps[0]
    grown.write_text(whole)
    assert (first.done, first.to_do, first.decided_again) == (3, 1, 0)
    assert state(load_job(changed).output) == before


def test_too_little_disk_is_said(finished, monkeypatch):
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1))
    assert any("TOO LITTLE" in line for line in plan_run(load_job(finished)).lines())


def test_a_plan_is_refused_where_a_run_would_be(tmp_path):
    job = write_job(tmp_path / "job.yaml", write_corpus(tmp_path / "corpus"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.doc").write_text("precious")
    with pytest.raises(RunDirectoryError, match="not a run directory"):
        plan_run(load_job(job))


def test_commands(tmp_path):
    job, command = write_job(tmp_path / "job.yaml", write_corpus(tmp_path / "corpus")), CliRunner()
    told = command.invoke(run_command, [str(job), "--dry-run"])
    assert told.exit_code == 0 and "1. read, rules: 0 units done, 4 to do" in told.output and "nothing was written" in told.output
    as_json = json.loads(command.invoke(run_command, [str(job), "--dry-run", "--json"]).output)
    assert as_json["steps"][0] == {"title": "read, rules", "done": 0, "to_do": 4, "decided_again": 0}
    assert command.invoke(run_command, [str(job), "--dry-run", "--fresh"]).exit_code == 2
    assert command.invoke(run_command, [str(job), "--yes"]).exit_code == 2
    assert not (tmp_path / "out").exists()


def test_fresh_asks_and_deletes_only_what_runs_wrote(tmp_path):
    job, command = write_job(tmp_path / "job.yaml", write_corpus(tmp_path / "corpus", files=1, count=20)), CliRunner()
    assert command.invoke(run_command, [str(job), "--fresh", "--workers", "inline"]).exit_code == 0  # nothing to delete, nothing asked
    (tmp_path / "out/my notes.txt").write_text("mine")
    before = state(tmp_path / "out")
    for answer in ("n\n", ""):
        refused = command.invoke(run_command, [str(job), "--fresh"], input=answer)
        assert refused.exit_code == 2 and "nothing was deleted" in refused.output and f"of earlier runs in {tmp_path}/out" in refused.output
        assert state(tmp_path / "out") == before
    for answer, options in (("y\n", []), (None, ["--yes"])):
        again = command.invoke(run_command, [str(job), "--fresh", "--workers", "inline", *options], input=answer)
        assert again.exit_code == 0 and "done before" not in again.output, again.output
        after = state(tmp_path / "out")
        assert {k: v for k, v in after.items() if k.startswith(("clean", "my"))} == {k: v for k, v in before.items() if k.startswith(("clean", "my"))}
