"""Every stage about duplicates, in partitions: stopped after any unit, or by a full disk, a run goes on to the same bytes."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from corpus import write_parts
from test_duplicates import copies
from test_run import RUN, data_files
from test_substrings import pages

from curation.job import load_job
from curation.manifest import Manifest
from curation.run import run_job

ROOT = Path(__file__).parents[1]
STAGES = """\
decontaminate: {files: eval.jsonl, action: cut}
exact: {by: [text, source]}
near: {threshold: 0.7, verify: 0.6, keep: score, score: points}
substrings: {min_words: 20}
lines: {max_repeats: 2, within: source}
memory: 100kB
workers: inline
"""


def write_job(folder: Path, output: str = "out") -> Path:
    rows = [{**row, "text": f"Home About us Contact\n{row['text']}"} for row in [*copies(), *pages()[0]]]
    write_parts(folder / "in", rows)
    (folder / "eval.jsonl").write_text(json.dumps({"query": " ".join(pages()[0][2]["text"].split()[3:20])}) + "\n")
    (folder / "job.yaml").write_text(f"input: in\noutput: {output}\n{STAGES}")
    return folder / "job.yaml"


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    job = write_job(tmp_path_factory.mktemp("whole"))
    run_job(load_job(job))
    return job.parent / "out"


def test_there_are_several_partitions_and_something_to_do_in_each_stage(finished):
    units = Manifest(finished).units()
    assert sum(unit.startswith("barrier0/join/") for unit in units) > 1 < sum("/wjoin/" in unit for unit in units)
    report = json.loads((finished / "report/report.json").read_text())
    assert [row["stage"] for row in report["funnel"]] == ["read", "extract", "decontaminate", "exact", "near", "substrings", "lines"]
    assert report["evaluation"] and {"lines/repeated", "substrings/repeated"} <= set(report["edits"])
    assert all(report["duplicates"][stage]["removed"] for stage in ("exact", "near"))


def test_stopped_after_any_unit_and_resumed_gives_the_same_bytes(finished, tmp_path):
    """The next unit is never begun; what follows starts from the manifest alone."""
    job = load_job(write_job(tmp_path))
    known = lambda: len(Manifest(tmp_path / "out").units())  # noqa: E731
    stops = 0
    while stops < 200:
        before = known()
        try:
            run_job(job, should_stop=lambda before=before: known() > before)
            break
        except KeyboardInterrupt:
            stops += 1
    assert 20 < stops < 200
    assert data_files(tmp_path / "out") == data_files(finished)


KILLED_BEFORE = """\
import os, signal, sys
from curation.job import load_job
from curation.manifest import Manifest
from curation.run import run_job
record = Manifest.record
def killed(self, entry):
    if entry.unit.startswith(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return record(self, entry)
Manifest.record = killed
run_job(load_job(sys.argv[1]))
"""
PHASES = (
    "pass0/00001", "barrier0/bands/00001", "barrier0/join/00001", "barrier0/shingles/00001", "barrier0", "pass1/00001",
    "barrier1/wbands/00001", "barrier1/wjoin/00001", "barrier1", "pass2/00001", "barrier2/count/01", "barrier2", "pass3/00001",
)  # fmt: skip


def test_killed_in_each_phase_and_resumed_gives_the_same_bytes(finished, tmp_path):
    """One run is killed thirteen times, each time when the files of a unit are written and the unit is not yet recorded."""
    job, output = write_job(tmp_path), tmp_path / "out"
    for phase in PHASES:
        process = subprocess.run([sys.executable, "-c", KILLED_BEFORE, str(job), phase], cwd=ROOT, capture_output=True)
        assert process.returncode == -signal.SIGKILL, (phase, process.stderr[-500:])
        assert Manifest(output).read(phase) is None and data_files(output) != data_files(finished)
    run_job(load_job(job))
    assert data_files(output) == data_files(finished) and not list(output.rglob("*.tmp*"))


def test_killed_at_any_moment_and_resumed_gives_the_same_bytes(finished, tmp_path):
    job = write_job(tmp_path)
    process = subprocess.Popen([sys.executable, "-c", RUN, str(job)], cwd=ROOT)
    deadline = time.monotonic() + 600
    while process.poll() is None and len(Manifest(tmp_path / "out").units()) < 14 and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    run_job(load_job(job))
    assert data_files(tmp_path / "out") == data_files(finished) and not list((tmp_path / "out").rglob("*.tmp*"))


@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_files_that_may_not_grow_stop_the_run_and_it_goes_on_where_they_may(finished, tmp_path, share):
    """What a full disk or a quota does, without a file system of its own: writing fails in the middle of a file."""
    job, output = load_job(write_job(tmp_path)), tmp_path / "out"
    sizes = sorted(path.stat().st_size for path in (finished / ".work").rglob("*") if path.is_file())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (sizes[int(share * (len(sizes) - 1))], limits[1]))
    try:
        with pytest.raises(OSError) as error:
            run_job(job)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert error.value.errno == errno.EFBIG and not list(output.rglob("*.tmp*"))
    run_job(job)
    assert data_files(output) == data_files(finished)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_a_full_disk_stops_the_run_and_it_goes_on_with_more_room(finished, tmp_path, share):
    if os.geteuid():
        pytest.skip("a small file system can be mounted by root alone")
    job, disk = write_job(tmp_path), tmp_path / "out"
    disk.mkdir()
    kilobytes = sum(-(-path.stat().st_size // 4096) * 4 for path in finished.rglob("*") if path.is_file())
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={int(share * kilobytes)}k", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("this machine does not let root mount a file system")
    try:
        with pytest.raises(OSError) as error:
            run_job(load_job(job))
        assert error.value.errno == errno.ENOSPC
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        run_job(load_job(job))
        assert data_files(disk) == data_files(finished) and not list(disk.rglob("*.tmp*"))
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
