"""What a command and every process that it starts use: seconds on the clock and of processors, and the most memory.

Read from Linux's /proc several times a second, since Ray's processes outlive their parents and nobody waits for them.
Memory is the proportional set size (PSS): pages that processes share count once. Processor seconds are those that each
process had used when it was last seen, or what the system tells of those that were waited for, whichever is more.
"""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

INTERVAL_SECONDS = 0.1
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """Of a command and all its descendants."""

    wall_s: float
    processor_s: float
    peak_bytes: int  # of all processes together, at the worst moment


def measured(command: Sequence[object], environment: dict[str, str] | None = None) -> Usage:
    """Run a command to its end. Raises RuntimeError with its last words where it fails."""
    start, before, seconds, seen, peak = time.perf_counter(), _waited_for(), {}, set(), 0
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ | (environment or {}))
    seen.add(process.pid)
    os.set_blocking(process.stdout.fileno(), False)
    said = b""
    while process.poll() is None:
        said = (said + (process.stdout.read() or b""))[-2000:]
        peak = max(peak, _observe(seen, seconds))
        time.sleep(INTERVAL_SECONDS)
    wall = time.perf_counter() - start
    said += process.stdout.read() or b""
    process.stdout.close()
    if process.returncode not in (0, 3):  # 3: finished, with something in quarantine
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{said.decode(errors='replace')}")
    return Usage(wall, max(sum(seconds.values()), _waited_for() - before), peak)


def _waited_for() -> float:
    """Processor seconds of all children that ended and were waited for, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _observe(seen: set[int], seconds: dict[int, float]) -> int:
    """Add new descendants to `seen` and note what each has used; returns the memory they hold now, in bytes."""
    stats = {pid: found for pid in _processes() if (found := _stat(pid)) is not None}
    grown = True
    while grown:
        new = {pid for pid, (parent, _) in stats.items() if parent in seen and pid not in seen}
        seen |= new
        grown = bool(new)
    alive = [pid for pid in seen if pid in stats]
    seconds.update({pid: stats[pid][1] for pid in alive})
    return sum(map(_memory, alive))


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _stat(pid: int) -> tuple[int, float] | None:
    """Parent and processor seconds; None for a process that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / TICKS


def _memory(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
