"""The benchmark of workers: what a log and samples of processes say of a run's stages, and lines through two sizes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.estimate import file_sizes, kind_of, shown
from benchmarks.growth import exponent
from benchmarks.process_tree import Usage, Watched, measured
from benchmarks.workers import Times, size_of_gain, times_of

BEGAN = 1_700_000_000.0


def at(second: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(BEGAN + second, UTC).isoformat(timespec="milliseconds")


def logged(folder: Path, *events: tuple[float, str]) -> Path:
    path = folder / "log.jsonl"
    path.write_text("".join(json.dumps({"at": at(second), "event": event}) + "\n" for second, event in events))
    return path


def test_stages_count_from_when_workers_are_ready(tmp_path):
    log = logged(tmp_path, (0, "run_started"), (1, "stage_started"), (5, "workers_ready"), (9, "stage_finished"), (9.5, "stage_started"), (11, "stage_finished"))
    samples = [(BEGAN, {1: 0.0}), (BEGAN + 5, {1: 2.0, 2: 1.0, 3: 1.0}), (BEGAN + 9, {1: 2.5, 2: 4.0, 3: 3.0}), (BEGAN + 11, {1: 2.5, 2: 5.0, 3: 3.9})]
    times = times_of(Usage(12.0, 11.4, 0, 0, samples), log)
    assert times.stages == pytest.approx(6.0)
    assert times.in_stages == pytest.approx(0.5 + 3 + 2 + 1 + 0.9)
    assert times.free == pytest.approx(3.0 + 1.0), "the busiest worker of each stage, or half of all where that is more"
    assert times.whole_free == pytest.approx(4.0 + 11.4 - 7.4)


def test_without_workers_one_process_does_all(tmp_path):
    log = logged(tmp_path, (1, "stage_started"), (9, "stage_finished"))
    times = times_of(Usage(10.0, 8.0, 0, 0, [(BEGAN, {1: 0.5}), (BEGAN + 9, {1: 7.0})]), log)
    assert times.free == times.in_stages == pytest.approx(6.5)


def of(whole: float) -> Times:
    return Times(Usage(whole, whole, 0), whole, whole, whole)


def test_the_size_from_which_the_command_gains():
    found = {(1, "inline"): of(10), (5, "inline"): of(42), (1, "ray"): of(10), (5, "ray"): of(26)}  # 2 + 8n and 6 + 4n
    assert "from 4.8 times" in size_of_gain(found, "ray", (1, 5)), "2 + 8n = 1.6 (6 + 4n)"
    assert "at no size: it tends to 1.00" in size_of_gain(found | {(5, "ray"): of(42)}, "ray", (1, 5))


def test_the_exponent_of_a_power():
    assert exponent([1, 3, 10], [2.0, 2 * 3**1.1, 2 * 10**1.1]) == pytest.approx(1.1)


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="reads Linux's /proc")
def test_a_command_and_its_children_are_measured(tmp_path, monkeypatch):
    """The child stays until it was looked at, however late that is."""
    observe = Watched.observe

    def observed(watched: Watched, memory: bool = True) -> None:
        observe(watched, memory)
        if len(watched.seconds) == 2 and watched.peak > 60e6:
            (tmp_path / "seen").touch()

    monkeypatch.setattr(Watched, "observe", observed)
    wait = f"import os, time\nuntil = time.monotonic() + 60\nwhile not os.path.exists({str(tmp_path / 'seen')!r}) and time.monotonic() < until: time.sleep(0.01)"
    child = f"x = bytearray(60_000_000)\nx[::4096] = b'x' * len(x[::4096])\n{wait}"
    command = [sys.executable, "-c", f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])"]
    usage = measured(command)
    assert 60e6 < usage.peak_bytes < 300e6 and usage.servers_bytes == 0 and 0 < usage.processor_s < usage.wall_s + 5
    assert any(len(seconds) == 2 for _, seconds in usage.samples)
    with pytest.raises(RuntimeError, match=r"ended with 2:(.|\n)*sorry"):
        measured([sys.executable, "-c", "print('sorry'); raise SystemExit(2)"])


def wait_for_command(pid: int) -> None:
    """Linux wakes who started a process as soon as its new memory is there, before the words of its command are."""
    until = time.monotonic() + 10
    while not Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < until, f"process {pid} has no command"
        time.sleep(0.001)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads Linux's /proc")
def test_servers_of_ray_are_told_from_workers(tmp_path):
    """By the first words of their commands, not by ports of servers that a worker's command names."""
    command = tmp_path / "gcs_server"
    command.symlink_to("/bin/sleep")
    processes = [subprocess.Popen(words) for words in ([command, "300"], ["/bin/sh", "-c", "sleep 20; true", "x", "/raylet/raylet"])]
    try:
        for process in processes:
            wait_for_command(process.pid)
        watched = Watched({process.pid for process in processes})
        watched.observe()
        assert watched.servers == {processes[0].pid} and watched.peak > 0 and watched.peak_of_servers > 0
        assert os.getpid() not in watched.seen
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_files_of_a_run_by_kind(tmp_path):
    assert [kind_of(path) for path in (".work/pass0/00000.parquet", ".work/pass0/00000.keys.parquet", ".work/barrier0/00000.bands", "clean/00000.parquet")] == ["handed on", "keys", "bands", "results"]
    (tmp_path / "manifest" / "pass0").mkdir(parents=True)
    (tmp_path / "manifest" / "pass0" / "00000.json").write_text(json.dumps({"outputs": {"clean/0.parquet": {"bytes": 3}, "removed/0.parquet": {"bytes": 4}}}))
    assert file_sizes(tmp_path) == {"results": 7}
    assert shown(3.5e12) == "3.5 TB" and shown(12) == "12 B" and shown(4e6, "") == "4 M"
