"""A large file whose work ends early goes on at the last commit, and ends in the bytes of a run that nobody disturbed."""

from __future__ import annotations

import gzip
import json
import os
import signal
from pathlib import Path

import pyarrow as pa
import pytest
from corpus import documents
from faults.runs import Run, data_files

from curation import archives, passes, shard_output
from curation.job import load_job
from curation.partial_output import Journal
from curation.run import run_job
from curation.verify import verify

JOB = """\
input: {file}
output: out
packs: [web_chrome, gopher_quality]
exact: {{}}
near: {{bands: 14, rows: 8}}
lines: {{}}
substrings: {{}}
workers: inline
"""


def jsonl() -> bytes:
    rows = [json.dumps(row) for row in documents(count=200)]
    return "\n".join([*rows[:40], "", '{"text": 5}', *rows[40:90], "torn {", *rows[90:]]).encode()


def warc() -> bytes:
    """A member for each record; some are skipped, one is garbage, one says another length."""
    found = []
    for number, row in enumerate(documents(count=200)):
        body = f"HTTP/1.1 {200 if number % 7 else 404} OK\r\nContent-Type: text/html\r\n\r\n<html><body><p>{row['text']}</p></body></html>".encode()
        head = f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://x/{number}\r\nContent-Type: application/http\r\nContent-Length: {len(body) + (number == 60)}\r\n\r\n"
        found.append(gzip.compress(b"garbage" if number == 33 else head.encode() + body + b"\r\n\r\n"))
    return b"".join(found)


FILES = {"a.jsonl": jsonl, "a.jsonl.gz": lambda: gzip.compress(jsonl()), "a.warc.gz": warc}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Files that are large, and batches that are small."""
    monkeypatch.setattr("curation.partial_output.LEAST_BYTES", 0)
    monkeypatch.setattr(shard_output, "COMMIT_BYTES", 9_000)
    monkeypatch.setattr(passes, "BATCH_BYTES", 5_000)


def job_in(folder: Path, name: str) -> Path:
    folder.mkdir()
    (folder / name).write_bytes(FILES[name]())
    (folder / "job.yaml").write_text(JOB.format(file=name))
    return folder / "job.yaml"


class Stopped(Exception):
    pass


def counted(monkeypatch, module, name: str, stop_after: int = 10**9) -> list[int]:
    """An item for each call of a function (of the first pass, where it has a task); call number `stop_after` raises."""
    real, calls = getattr(module, name), []

    def wrapped(*arguments, **options):
        if getattr(getattr(arguments[0], "step", None), "number", 0) == 0:
            calls.append(len(calls))
        if len(calls) > stop_after:
            raise Stopped
        return real(*arguments, **options)

    monkeypatch.setattr(module, name, wrapped)
    return calls


@pytest.mark.parametrize("name", FILES)
def test_work_goes_on_at_the_last_commit(tmp_path, name):
    with pytest.MonkeyPatch.context() as patch:
        batches, pages = counted(patch, passes, "hand_on"), counted(patch, archives, "read_page")
        run_job(load_job(job_in(tmp_path / "alone", name)))
    alone = data_files(tmp_path / "alone/out")
    job = job_in(tmp_path / "stopped", name)
    journal = tmp_path / "stopped/out/.work/partial/pass0-00000.journal"
    for after in (6, 1, 5):  # the second stops before it comes to a commit of its own
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
            counted(patch, passes, "hand_on", after)
            run_job(load_job(job))
        assert journal.exists()
    with pytest.MonkeyPatch.context() as patch:
        again, pages_again = counted(patch, passes, "hand_on"), counted(patch, archives, "read_page")
        run_job(load_job(job))
    assert len(batches) > 12 and len(again) <= len(batches) - 6, "what was committed is not worked on again"
    assert len(pages_again) <= 0.7 * len(pages), "and pages are not extracted again"
    assert data_files(tmp_path / "stopped/out") == alone
    assert not journal.exists() and verify(tmp_path / "stopped/out").problems == []


def test_a_file_that_changed_is_begun_again(tmp_path):
    job = job_in(tmp_path / "a", "a.jsonl")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
        counted(patch, passes, "hand_on", 6)
        run_job(load_job(job))
    path = job.parent / "a.jsonl"
    path.write_bytes(path.read_bytes().replace(b"fisherman", b"fishermen", 3))
    run_job(load_job(job))
    (tmp_path / "b").mkdir()
    for name in ("a.jsonl", "job.yaml"):
        (tmp_path / "b" / name).write_bytes((job.parent / name).read_bytes())
    run_job(load_job(tmp_path / "b/job.yaml"))
    assert data_files(tmp_path / "a/out") == data_files(tmp_path / "b/out")


def test_a_journal_that_is_cut_or_damaged_anywhere_gives_what_was_committed_before(tmp_path):
    path = tmp_path / "j"
    journal = Journal(path, "key")
    ends = [0]
    for number in range(3):
        for kind in ("kept", "ids"):
            journal.note(kind, pa.table({"n": [number] * 5, "d": pa.array(["x", None, "y", "x", "x"]).dictionary_encode()}))
        journal.commit({"next_record": number + 1})
        ends.append(path.stat().st_size)
    journal.note("kept", pa.table({"n": [9]}))
    journal.close()
    whole = path.read_bytes()
    damaged = [whole[:cut] for cut in range(0, len(whole), 97)] + [whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :] for at in range(0, len(whole), 101)]
    for data in damaged:
        same = len(os.path.commonprefix([data, whole]))
        expected = sum(end <= same for end in ends[1:])
        path.write_bytes(data)
        again = Journal(path, "key")
        assert again.state == ({"next_record": expected} if expected else {})
        tables: list[tuple[str, pa.Table]] = []
        again.replay(lambda *written, tables=tables: tables.append(written))
        assert [(kind, table["n"][0].as_py()) for kind, table in tables] == [(kind, number) for number in range(expected) for kind in ("kept", "ids")]
        again.note("kept", pa.table({"n": [7]}))
        again.commit({"next_record": 99})
        again.close()
        assert Journal(path, "key").state == {"next_record": 99}
    path.write_bytes(whole)
    assert Journal(path, "another key").state == {}


def test_the_process_is_killed(tmp_path):
    """SIGKILL in the middle of a file, in a process of its own."""
    run_job(load_job(job_in(tmp_path / "alone", "a.warc.gz")))
    job = job_in(tmp_path / "killed", "a.warc.gz")
    run = Run(job, faults={"set": {"curation.partial_output": {"LEAST_BYTES": 0}, "curation.shard_output": {"COMMIT_BYTES": 9000}, "curation.passes": {"BATCH_BYTES": 5000}}}, hold=6)
    journal = run.output / ".work/partial/pass0-00000.journal"
    assert run.wait_until(run.is_held), run.said
    assert run.kill("driver") and run.process.wait() == -signal.SIGKILL
    run.end()
    committed = Journal(journal, json.loads(journal.read_bytes()[16:].partition(b"}")[0] + b"}")["key"])
    assert committed.state["next_record"] > 0
    committed.close()
    run_job(load_job(job))
    assert data_files(tmp_path / "killed/out") == data_files(tmp_path / "alone/out")
