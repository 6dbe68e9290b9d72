"""The lock of a run directory: who holds it and since when, and what a killed run leaves behind."""

from __future__ import annotations

import errno
import fcntl
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from corpus import write_corpus, write_job

from curation.job import load_job
from curation.progress import Progress
from curation.run import run_job
from curation.run_directory import RunDirectoryError
from curation.run_lock import LOCK_FILE, locked

ROOT = Path(__file__).parents[1]


def hold(output: Path) -> subprocess.Popen:
    """A process that holds `output` until a line comes in."""
    code = f"from pathlib import Path; from curation.run_lock import locked\nwith locked(Path({str(output)!r})): print('held', flush=True); input()"
    holder = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    return holder


def test_the_second_is_told_who_holds_it_and_since_when(tmp_path):
    holder = hold(tmp_path)
    with pytest.raises(RunDirectoryError) as refused, locked(tmp_path):
        pass
    assert re.search(rf"process {holder.pid} on \S+ since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{{4}}, \d+\.\d s ago", str(refused.value))
    holder.communicate("\n")
    with locked(tmp_path) as left:
        assert left is None
    assert (tmp_path / LOCK_FILE).read_text() == ""


def test_what_a_killed_run_left_is_recognised_and_told(tmp_path):
    job = load_job(write_job(tmp_path / "job.yaml", write_corpus(tmp_path / "corpus", files=1, count=10)))
    holder = hold(job.output)
    holder.kill()
    holder.wait()
    notes = []

    class Noted(Progress):
        def note(self, text: str) -> None:
            notes.append(text)

    run_job(job, "inline", Noted())
    assert f"process {holder.pid}" in notes[0] and "ended without giving its lock back" in notes[0]
    notes.clear()
    run_job(job, "inline", Noted())
    assert not any("lock" in note for note in notes)


def test_without_locks_of_the_file_system_the_file_is_believed(tmp_path, monkeypatch):
    def unsupported(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with locked(tmp_path):
        holder = json.loads((tmp_path / LOCK_FILE).read_text())
        with pytest.raises(RunDirectoryError, match="has no locks"), locked(tmp_path):
            pass
    dead = subprocess.Popen(["true"])
    dead.wait()
    (tmp_path / LOCK_FILE).write_text(json.dumps(holder | {"process": dead.pid}))
    with locked(tmp_path) as left:
        assert left.process == dead.pid
    (tmp_path / LOCK_FILE).write_text(json.dumps(holder | {"machine": "another"}))
    with pytest.raises(RunDirectoryError, match="process .* on another since"), locked(tmp_path):
        pass


def test_a_clock_set_back_hides_only_how_long_ago(tmp_path):
    holder = hold(tmp_path)
    lock = json.loads((tmp_path / LOCK_FILE).read_text())
    (tmp_path / LOCK_FILE).write_text(json.dumps(lock | {"epoch": lock["epoch"] + 1e6}))
    with pytest.raises(RunDirectoryError, match=r"since [^,]*\); wait"), locked(tmp_path):
        pass
    holder.communicate("\n")
