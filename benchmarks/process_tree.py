"""What a command and every process that it starts use: seconds on the clock and of processors, and the most memory.

Read from Linux's /proc several times a second, since Ray's processes outlive their parents and nobody waits for them.
Memory is the proportional set size (PSS): pages that processes share count once; that of Ray's own servers is told apart.
Processor seconds are those that each process had used when it was last seen, or what the system tells of those that were
waited for, whichever is more.
"""

from __future__ import annotations

import os
import resource
import select
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

INTERVAL_SECONDS = 0.2
TICKS = os.sysconf("SC_CLK_TCK")
SERVERS = ("/raylet/raylet", "/gcs_server", "/dashboard/", "/runtime_env/", "ray::DashboardAgent", "ray::RuntimeEnvAgent")


@dataclass(frozen=True)
class Usage:
    """Of a command and all its descendants."""

    wall_s: float
    processor_s: float
    peak_bytes: int  # of all processes together but Ray's own servers, at the worst moment
    servers_bytes: int = 0  # of Ray's servers together, at their worst moment
    samples: list[tuple[float, dict[int, float]]] = field(default_factory=list, repr=False)  # date, processor seconds of each process so far

    def used(self, begin: float, end: float) -> dict[int, float]:
        """Processor seconds of each process between two dates."""
        first, last = self._at(begin), self._at(end)
        return {process: seconds - first.get(process, 0.0) for process, seconds in last.items() if seconds > first.get(process, 0.0)}

    def _at(self, date: float) -> dict[int, float]:
        before = [seconds for at, seconds in self.samples if at <= date]
        return before[-1] if before else {}


@dataclass
class Watched:
    """The processes seen so far, and what they were seen to use."""

    seen: set[int]
    seconds: dict[int, float] = field(default_factory=dict)
    servers: set[int] = field(default_factory=set)
    peak: int = 0
    peak_of_servers: int = 0

    def observe(self, memory: bool = True) -> None:
        """Look for new descendants, and at what all have used and, for `memory`, hold."""
        stats = {pid: found for pid in _processes() if (found := _stat(pid)) is not None}
        while new := {pid for pid, (parent, _) in stats.items() if parent in self.seen and pid not in self.seen}:
            self.seen |= new
        alive = [pid for pid in self.seen if pid in stats]
        self.seconds.update({pid: stats[pid][1] for pid in alive})
        if not memory:
            return
        self.servers |= {pid for pid in alive if _is_server(pid)}
        held = {pid: _memory(pid) for pid in alive}
        self.peak = max(self.peak, sum(size for pid, size in held.items() if pid not in self.servers))
        self.peak_of_servers = max(self.peak_of_servers, sum(size for pid, size in held.items() if pid in self.servers))


def measured(command: Sequence[object], environment: dict[str, str] | None = None, also: Sequence[int] = (), memory: bool = True) -> Usage:
    """Run a command to its end. `also`: processes that were there before, which work for it with all that they started; memory
    is theirs too, processor seconds are what they use meanwhile. `memory`: watch it too, which takes the command some hundredths
    of its time: the system walks all its pages. Raises RuntimeError with its last words where it fails."""
    before = Watched(set(also))
    if also:
        before.observe(memory)
    start, waited, samples = time.perf_counter(), _waited_for(), []
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=_environment() | (environment or {}))
    watched, ended = Watched({process.pid, *also}), os.pidfd_open(process.pid)
    os.set_blocking(process.stdout.fileno(), False)
    said = b""
    while not select.select([ended], [], [], INTERVAL_SECONDS)[0]:  # wakes when the process ends, not when it is looked at
        said = (said + (process.stdout.read() or b""))[-2000:]
        watched.observe(memory)
        samples.append((time.time(), dict(watched.seconds)))
    wall = time.perf_counter() - start
    os.close(ended)
    process.wait()
    said += process.stdout.read() or b""
    process.stdout.close()
    if process.returncode not in (0, 3):  # 3: finished, with something in quarantine
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{said.decode(errors='replace')}")
    used = sum(watched.seconds.values()) - sum(before.seconds.values())
    return Usage(wall, max(used, _waited_for() - waited), watched.peak, watched.peak_of_servers, samples)


def _environment() -> dict[str, str]:
    """Ours, but that compiled Python is kept, as it is where nobody forbids it: else each run would compile all of it again."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _waited_for() -> float:
    """Processor seconds of all children that ended and were waited for, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _stat(pid: int) -> tuple[int, float] | None:
    """Parent and processor seconds; None for a process that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / TICKS


def _is_server(pid: int) -> bool:
    """Is it one of Ray's own servers, by the first words of its command (the others name ports of servers)?"""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:3]
    except OSError:
        return False
    return any(name in word.decode(errors="replace") for name in SERVERS for word in words)


def _memory(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
