"""What one record may take: seconds and memory. A record that takes more is quarantined, the rest of its shard goes on.

A batch is watched while it is worked on in the ordinary way, by the system itself: a process that uses more processor
time than allowed gets SIGXCPU, one that gets more memory than allowed is refused it. That costs two system calls a second.
Which record it was is found out afterwards, with care (guard.py).
"""

from __future__ import annotations

import contextlib
import faulthandler
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from curation.sizes import parse_size
from rules.places import SettingError

MEGABYTE = 1 << 20
BATCH_MEMORY_MB = 2048  # what the many records of a batch may take together, beyond what one may
WALL_FACTOR = 10  # waiting is no work, but nothing waits for ever
_REARM_SECONDS = 1.0


@dataclass(frozen=True)
class Limits:
    """`seconds_per_record`: processor time for one record, and a second more for each megabyte of it. `memory_per_record`:
    memory that working on it may take, such as 4GB, beyond what the process has before."""

    seconds_per_record: float = 60.0
    memory_per_record: str | int = "4GiB"

    def __post_init__(self) -> None:
        if self.seconds_per_record <= 0:
            raise SettingError("seconds_per_record", f"seconds_per_record must be more than 0, got {self.seconds_per_record}")
        parse_size(self.memory_per_record, "memory_per_record", MEGABYTE)

    @property
    def memory_mb(self) -> int:
        """`memory_per_record` in MiB."""
        return parse_size(self.memory_per_record) // MEGABYTE

    def seconds(self, size: int) -> float:
        """Processor time for a record, or a batch, of `size` bytes."""
        return self.seconds_per_record + size / MEGABYTE


@contextmanager
def limited_memory(megabytes: int) -> Iterator[None]:
    """No more than `megabytes` beyond what this process has now; asking for more is a MemoryError, or the end."""
    have = _data_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    allowed = have + (megabytes << 20)
    if have < 0 or soft != resource.RLIM_INFINITY and soft <= allowed or hard != resource.RLIM_INFINITY and hard < allowed:
        yield  # the system does not tell, or allows less already
        return
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _data_bytes() -> int:
    """What counts for RLIMIT_DATA; -1 where the system does not tell."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) << 10
    return -1


class Watchdog:
    """Ends this process, with a traceback in `file`, where work on something takes too long. Only for a process whose end
    somebody sees (a worker, or a run that is supervised)."""

    def __init__(self, limits: Limits, file: TextIO):
        self.limits, self.file = limits, file
        self._again = 0.0  # when to arm again, by the monotonic clock
        self._before = resource.getrlimit(resource.RLIMIT_CPU)

    def __enter__(self) -> Watchdog:
        faulthandler.enable(self.file)
        faulthandler.register(signal.SIGXCPU, self.file, all_threads=False, chain=True)
        return self

    def __exit__(self, *_: Any) -> None:
        self.rest()
        faulthandler.unregister(signal.SIGXCPU)
        faulthandler.enable()

    def begin(self, size: int) -> None:
        """Work on something of `size` bytes begins."""
        now = time.monotonic()
        if now < self._again and size < MEGABYTE:
            return
        seconds = self.limits.seconds(size) + _REARM_SECONDS
        self._again = now + _REARM_SECONDS if size < MEGABYTE else now
        hard = self._before[1]
        soft = int(time.process_time() + seconds) + 1
        if hard == resource.RLIM_INFINITY or soft < hard:
            resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))
        faulthandler.dump_traceback_later(WALL_FACTOR * seconds, exit=True, file=self.file)

    def rest(self) -> None:
        """Nothing is worked on that could take too long."""
        self._again = 0.0
        faulthandler.cancel_dump_traceback_later()
        resource.setrlimit(resource.RLIMIT_CPU, self._before)
