"""Start a run as a user does, break it, go on, and compare what it wrote."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HOOK = Path(__file__).parent / "hook"
DATA = ("clean", "removed", "edits", "signals", "clusters", "quarantine", "packed")


def data_files(output: Path) -> dict[str, bytes]:
    """Every data file of a run directory, by path; without the hash of the job, which tells where the input lies."""
    found = {str(p.relative_to(output)): p.read_bytes() for name in DATA for p in sorted((output / name).rglob("*")) if p.is_file()}
    manifest = "packed/manifest.json"
    return found | {manifest: re.sub(rb'"job_sha256": "\w+"', b"", found[manifest])} if manifest in found else found


def parent_of(process: int) -> int:
    """The parent of a process; 0 where it is gone."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def is_over(process: int) -> bool:
    """Has it ended, with its last thread? Until then it may hold the lock of the run."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        return state in "ZX" and len(os.listdir(f"/proc/{process}/task")) == 1
    except OSError:
        return True


def gone(process: int, seconds: float = 120) -> bool:
    """Does it end within so long?"""
    until = time.monotonic() + seconds
    while not is_over(process):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


@dataclass
class Run:
    """A `gristmill run` in a process of its own, with all that it starts in one process group."""

    job: Path
    workers: str = "inline"
    faults: dict[str, Any] = field(default_factory=dict)  # for hook/sitecustomize.py
    hold: int | None = None  # the number of a batch that is not handed on, by each process that works, before let_go()
    limits: dict[int, int] = field(default_factory=dict)  # resource -> most, for setrlimit
    ray: bool = False  # are workers Ray's?

    def __post_init__(self) -> None:
        self.temporary = tempfile.mkdtemp(prefix="f", dir="/tmp")  # Ray's sockets want a short path
        self.log = tempfile.TemporaryFile()
        if self.hold is not None:  # a test that looks late finds the run where it is to be broken
            self.faults = self.faults | {"hold": ["curation.passes", "hand_on", self.hold, f"{self.temporary}/go"]}
        self.process = self.start([str(ROOT / "gristmill.py"), "run", str(self.job), "--workers", self.workers])

    def environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(HOOK), str(ROOT)])
        more = {"PYTHONPATH": path, "FAULTS": json.dumps(self.faults), "RAY_TMPDIR": self.temporary, "PYTHONFAULTHANDLER": ""}
        more |= {"RAY_ADDRESS": "local"} if self.ray else {}
        return {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"} | more

    def start(self, command: list[str]) -> Any:
        command = [sys.executable, *command]
        return subprocess.Popen(command, stdout=self.log, stderr=self.log, env=self.environment(), start_new_session=True, preexec_fn=self.prepare)

    def prepare(self) -> None:
        """What the new process does before anything else."""
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # what is started in the background ignores it
        for what, most in self.limits.items():
            resource.setrlimit(what, (most, most))

    @property
    def output(self) -> Path:
        return self.job.parent / "out"

    def is_held(self) -> bool:
        return (Path(self.temporary) / "go-held").exists()

    def let_go(self) -> None:
        (Path(self.temporary) / "go").touch()

    def finish(self, timeout: float = 600) -> int:
        """Wait for its end; its exit code. Whatever it leaves behind is ended too."""
        try:
            return self.process.wait(timeout)
        finally:
            self.end()

    def end(self) -> None:
        """Kill all that belongs to it, and see that it is over: a process that still dies holds the lock of the run."""
        until = time.monotonic() + 120
        while alive := [process for process in {self.process.pid, *self.started()} if not is_over(process)]:
            assert time.monotonic() < until, f"{alive} outlive SIGKILL"
            for process in alive:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(0.01)
        self.process.wait()
        subprocess.run(["rm", "-rf", self.temporary], check=False)

    @property
    def said(self) -> str:
        return os.pread(self.log.fileno(), 1 << 20, 0).decode("utf-8", "replace")

    def started(self) -> dict[int, str]:
        """Processes that belong to this run, wherever they hang: their numbers and command lines."""
        mark = f"RAY_TMPDIR={self.temporary}".encode()
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                line = (folder / "cmdline").read_bytes()
                session = int((folder / "stat").read_text().rpartition(")")[2].split()[3])
                if session == self.process.pid or self.temporary.encode() in line or mark in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = line.replace(b"\0", b" ").decode("utf-8", "replace")
        return found

    def victims(self, kind: str) -> list[int]:
        """Processes of a kind: driver (the command itself), inner (the process that runs, under the one that watches), worker
        (of Ray), raylet, forked (a worker of the process that runs), careful (where records are worked on with care)."""
        if kind == "driver":
            return [self.process.pid]
        everybody = self.started()
        if kind == "inner":
            return [process for process in everybody if process != self.process.pid and parent_of(process) == self.process.pid]
        if kind == "forked":
            return [process for process in everybody if parent_of(process) in self.victims("inner")]
        mark = {"worker": "ray::_in_worker", "raylet": "/raylet/raylet", "careful": "guarded_child"}[kind]
        return [process for process, command in everybody.items() if mark in command]

    def kill(self, kind: str) -> bool:
        """SIGKILL one process of a kind, if there is one."""
        for victim in self.victims(kind)[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
                return True
        return False

    def wait_until(self, happened: Any, seconds: float = 300) -> bool:
        """Wait until happened() or the run ends. True where it happened while the run went on."""
        until = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < until:
            if happened():
                return True
            time.sleep(0.005)
        return False

    def worked_on(self) -> bool:
        """Is a unit under way?"""
        return any((self.output / ".work/attempts").glob("*.txt"))

    def units(self) -> int:
        return len(list((self.output / "manifest").rglob("[!.]*.json")))


def go_on(job: Path, left_alone: Path) -> None:
    """The same job again, undisturbed, ends in the same bytes, and every file is in order."""
    from curation.job import load_job
    from curation.run import run_job
    from curation.verify import verify

    run_job(load_job(job))
    assert data_files(job.parent / "out") == data_files(left_alone / "out")
    assert verify(job.parent / "out").problems == []
