"""Every stage about duplicates, in partitions: stopped after any unit, or by a full disk, a run goes on to the same bytes."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
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
substrings: {words: 20}
lines: {max_repeats: 2, by: source}
memory: 100kB
workers: inline
"""


def write_job(folder: Path, output: str = "out") -> Path:
    rows = [{**row, "text": f"Home About us Contact\n{row['text']}"} for row in [*copies(), *pages()[0]]]
    (folder / "in").mkdir(parents=True)
    for number in range(3):
        (folder / f"in/{number}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[number::3]))
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
    for _ in range(200):
        units = iter((False, False, True))
        try:
            run_job(job, should_stop=lambda units=units: next(units))
            break
        except KeyboardInterrupt:
            continue
    assert data_files(tmp_path / "out") == data_files(finished)


@pytest.mark.parametrize("units", [6, 14])
def test_killed_in_a_barrier_and_resumed_gives_the_same_bytes(finished, tmp_path, units):
    job = write_job(tmp_path)
    process = subprocess.Popen([sys.executable, "-c", RUN, str(job)], cwd=ROOT)
    deadline = time.monotonic() + 120
    while process.poll() is None and len(Manifest(tmp_path / "out").units()) < units and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    run_job(load_job(job))
    assert data_files(tmp_path / "out") == data_files(finished) and not list((tmp_path / "out").rglob("*.tmp*"))


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
