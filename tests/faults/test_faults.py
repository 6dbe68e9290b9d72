"""Every fault ends in the bytes of a run that was left alone, or in a clear error from which the same command goes on."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import fsspec
import pytest
from corpus import write_job
from fsspec.implementations.local import LocalFileSystem

from curation.job import load_job
from curation.manifest import Manifest
from curation.run import run_job
from faults.runs import Run, data_files, go_on, gone

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds the processes of a run in Linux's /proc")


# --- killed ---------------------------------------------------------------------------------------------------


def test_the_driver_is_killed(left_alone, job):
    run = Run(job, hold=2)
    assert run.wait_until(run.is_held), run.said
    (inner,) = run.victims("inner")
    assert run.kill("driver") and run.process.wait() == -signal.SIGKILL
    assert gone(inner), "the process that works goes with the one that watches it"
    run.end()
    go_on(job, left_alone)


def test_the_process_that_works_is_killed_and_the_run_ends_all_the_same(left_alone, job):
    run = Run(job, hold=1)
    assert run.wait_until(run.is_held), run.said
    assert run.kill("inner")
    run.let_go()
    code = run.finish()
    assert code == 3 or (code == 128 + signal.SIGKILL and "continue with: gristmill run" in run.said), run.said
    go_on(job, left_alone)


@pytest.mark.parametrize("victim", ["worker", "raylet"])
def test_a_process_of_ray_is_killed(left_alone, job, victim):
    run = Run(job, "2", ray=True, hold=0)
    assert run.wait_until(lambda: run.is_held() and run.kill(victim)), run.said
    run.let_go()
    code = run.finish()
    assert code == 3 or "what is finished is saved" in run.said, run.said
    if victim == "worker":
        assert code == 3, run.said
    go_on(job, left_alone)


@pytest.mark.parametrize("victim", ["forked", "inner", "driver"])
def test_a_process_of_forked_workers_is_killed(left_alone, job, victim):
    run = Run(job, "2", hold=0)
    assert run.wait_until(lambda: run.is_held() and run.victims("forked") and run.kill(victim)), run.said
    run.let_go()
    code = run.process.wait(300)
    assert code == {"forked": 3, "driver": -signal.SIGKILL}.get(victim, code) and code in (3, 128 + signal.SIGKILL, -signal.SIGKILL), run.said
    assert all(gone(process) for process in run.started()), "nobody is left behind"
    run.end()
    go_on(job, left_alone)


# --- asked to stop --------------------------------------------------------------------------------------------


def test_one_interrupt_finishes_what_is_under_way_and_says_how_to_go_on(left_alone, job):
    run = Run(job, hold=1)
    assert run.wait_until(run.is_held), run.said
    run.process.send_signal(signal.SIGINT)
    assert run.wait_until(lambda: "once more to stop now" in run.said), run.said
    run.let_go()
    assert run.finish() == 130 and run.units() == 2
    assert f"continue with: gristmill run {job}" in run.said
    assert not list(run.output.rglob(".*.tmp*")) and not list((run.output / ".work/attempts").glob("*"))
    go_on(job, left_alone)


def test_two_interrupts_stop_now(left_alone, job):
    run = Run(job, faults={"poison": {"the": "hang"}})
    assert run.wait_until(run.worked_on), run.said
    run.process.send_signal(signal.SIGINT)
    assert run.wait_until(lambda: "once more to stop now" in run.said)
    assert run.process.poll() is None, "one interrupt waits for the unit under way"
    while run.process.poll() is None:
        run.wait_until(lambda: False, seconds=0.4)
        run.process.send_signal(signal.SIGINT)
    assert run.finish() == 130 and "continue with" in run.said
    go_on(job, left_alone)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_run_has_begun_ends_it_with_a_word(tmp_path, number):
    """The job is a pipe that nobody writes to, so that the run is held where it reads it."""
    job = tmp_path / "job.yaml"
    os.mkfifo(job)
    run = Run(job)
    held = []

    def reading() -> bool:
        with contextlib.suppress(OSError):  # nobody reads yet
            held.append(os.open(job, os.O_WRONLY | os.O_NONBLOCK))
        return bool(held)

    assert run.wait_until(reading), run.said
    run.process.send_signal(number)
    assert run.finish() == 130, run.said
    assert run.said == f"interrupted; what is finished is saved, continue with: gristmill run {job}\n"
    os.close(held[0])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("module", "words"),
    [("click", "interrupted before anything was begun; nothing was written"), ("curation.run_cli", "interrupted before anything was begun; nothing was written"), ("curation.run", "interrupted; what is finished is saved, continue with: gristmill run {job}")],
)
def test_a_signal_while_the_command_is_loaded_ends_it_with_a_word(job, number, module, words):
    run = Run(job, faults={"loading": module})
    assert run.wait_until(lambda: "loading" in run.said)
    run.process.send_signal(number)
    assert run.finish() == 130
    assert run.said == f"loading\n{words.format(job=job)}\n"


# --- no memory ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["refused", "killed"])
@pytest.mark.parametrize("place", ["hand on", "tokens"])
def test_memory_runs_out_once(left_alone, job, tmp_path, place, end):
    """In the middle of a shard the run goes on with care; elsewhere it ends with a word on how to go on."""
    run = Run(job, faults={"memory": {"place": place, "after": 1, "end": end, "marks": str(tmp_path)}})
    code = run.finish()
    assert (tmp_path / "memory").exists() and "Traceback" not in run.said
    assert code == {"hand on": 3, "tokens": 2 if end == "refused" else 137}[place], run.said
    assert place == "hand on" or "what is finished is saved" in run.said
    go_on(job, left_alone)


# --- no room, failing reads, vanishing files ------------------------------------------------------------------


@pytest.mark.parametrize("most", [1500, 6000, 20_000])
def test_no_room_to_write(left_alone, job, most):
    """A limit on the size of files fails writes as a full disk does, in C++ as in Python."""
    run = Run(job, limits={resource.RLIMIT_FSIZE: most})
    assert run.finish() == 2, run.said
    assert "Traceback" not in run.said and ("make room" in run.said or "cannot write to output" in run.said), run.said
    assert not list(run.output.rglob(".*.tmp*"))
    go_on(job, left_alone)


def test_a_disk_that_is_full(left_alone, tmp_path):
    """A file system of 300 kB, where the system lets us have one in a name space of our own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    job = write_job(tmp_path / "job.yaml", left_alone / "corpus")
    script = f"mount -t tmpfs -o size=300k none {disk} && cd {tmp_path} && mkdir disk/out && ln -s disk/out out && {{ timeout 300 $PYTHON $MAIN run job.yaml --workers inline; echo $? > code; cp -r disk/out saved; }}"
    environment = os.environ | {"PYTHON": sys.executable, "MAIN": str(Path(__file__).parents[2] / "gristmill.py")}
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, env=environment, check=False) if shutil.which("unshare") else None
    if done is None or not (tmp_path / "code").exists():
        pytest.skip("no right to mount a file system")
    assert (tmp_path / "code").read_text().strip() == "2", done.stderr
    assert "No space left" in done.stderr and "make room" in done.stderr and "Traceback" not in done.stderr
    (tmp_path / "out").unlink()
    (tmp_path / "saved").rename(tmp_path / "out")
    go_on(job, left_alone)


class Reading:
    """A file whose first reads fail."""

    def __init__(self, file, path, system):
        self.file, self.path, self.system = file, path, system

    def __getattr__(self, name):
        return getattr(self.file, name)

    def read(self, *size):
        if self.system.left.setdefault(self.path, self.system.failures):
            self.system.left[self.path] -= 1
            self.system.failed += 1
            raise OSError(5, "Input/output error")
        return self.file.read(*size)


class Flaky(fsspec.AbstractFileSystem):
    """The local file system under another name; the first reads of each file fail."""

    protocol = "flaky"
    cachable = False
    failures, failed = 0, 0
    left: dict[str, int] = {}

    @classmethod
    def failing(cls, failures: int) -> type[Flaky]:
        """From now on, each file fails that often."""
        cls.failures, cls.failed, cls.left = failures, 0, {}
        fsspec.register_implementation("flaky", cls, clobber=True)
        return cls

    @classmethod
    def _strip_protocol(cls, path):
        return "/" + str(path).removeprefix("flaky://").strip("/")

    def info(self, path, **_):
        found = LocalFileSystem().info(self._strip_protocol(path))
        return {key: found[key] for key in ("name", "size", "type", "mtime")}

    def ls(self, path, detail=True, **_):
        found = [self.info(name) for name in LocalFileSystem().ls(self._strip_protocol(path), detail=False)]
        return found if detail else [entry["name"] for entry in found]

    def _open(self, path, mode="rb", **_):
        return Reading(open(self._strip_protocol(path), mode), path, type(self))


def test_reads_that_fail_twice_and_then_work(left_alone, tmp_path, monkeypatch):
    """Every file fails twice, and the run never notices."""
    monkeypatch.setattr("curation.patient_file.WAITS", (0.0, 0.0, 0.0))
    flaky = Flaky.failing(2)
    job = write_job(tmp_path / "job.yaml", f"flaky://{left_alone / 'corpus'}")
    run_job(load_job(job))
    assert flaky.failed == 2 * 4
    assert data_files(tmp_path / "out") == data_files(left_alone / "out")


def test_reads_that_never_work_are_an_error_that_can_be_gone_on_from(left_alone, tmp_path, monkeypatch):
    monkeypatch.setattr("curation.patient_file.WAITS", (0.0, 0.0, 0.0))
    job = write_job(tmp_path / "job.yaml", f"flaky://{left_alone / 'corpus'}")
    Flaky.failing(10**6)
    with pytest.raises(OSError, match="part-..jsonl at byte 0, tried 4 times"):
        run_job(load_job(job))
    Flaky.failing(0)
    go_on(job, left_alone)


@pytest.mark.parametrize("change", ["gone", "changed"])
def test_an_input_that_goes_or_changes_in_mid_run(left_alone, tmp_path, change):
    corpus = Path(shutil.copytree(left_alone / "corpus", tmp_path / "corpus"))
    job, victim = write_job(tmp_path / "job.yaml", corpus), corpus / "part-3.jsonl"
    asked = iter([False])

    def interfere() -> bool:
        if next(asked, True):
            victim.unlink() if change == "gone" else victim.write_text('{"text": "another"}\n')
        return False

    with pytest.raises(ValueError, match=f"part-3.jsonl' was .*{'is gone; put it back' if change == 'gone' else 'changed while the run went on'}"):
        run_job(load_job(job), should_stop=lambda: interfere() if victim.exists() else False)
    shutil.copy2(left_alone / "corpus/part-3.jsonl", victim)
    go_on(job, left_alone)


@pytest.mark.parametrize("place", [".work/pass0", "clean"])
def test_a_shard_of_the_run_is_deleted_in_mid_run(left_alone, job, place):
    """What a pass handed on, or wrote, is gone before it is needed: an error, and the next run makes it again."""
    output = job.parent / "out"

    def delete() -> bool:
        files = [path for path in sorted((output / place).glob("*.parquet")) if ".keys" not in path.name]
        if len(files) == 4:
            files[2].unlink()
        return False

    with pytest.raises((OSError, ValueError), match=r"00002"):
        run_job(load_job(job), should_stop=delete)
    go_on(job, left_alone)


def test_a_clock_that_goes_backwards(left_alone, job):
    run = Run(job, faults={"clock": True}, hold=3)
    assert run.wait_until(run.is_held), run.said
    run.kill("driver")
    run.finish()
    for path in run.output.rglob("*"):
        os.utime(path, (0, 2**32))  # from the future
    assert Run(job, faults={"clock": True}).finish() == 3
    assert data_files(run.output) == data_files(left_alone / "out")


def test_units_are_noted_while_they_are_worked_on(left_alone):
    assert not list((left_alone / "out/.work").glob("attempts/*"))
    assert all(Manifest(left_alone / "out").read(unit) for unit in Manifest(left_alone / "out").units())
