"""What two workers on Ray gain over none, and the most memory that a run holds: once, and with its input five times over.

    python -m benchmarks.workers [PARQUET FILES OR FOLDERS] [--copies 5] [--cluster]

The job is that of benchmarks/pipeline.py. Every run is a command of its own, from its imports to its report. Copies have
texts of their own (benchmarks/growth.py marks them), or there would be less and less to do. `--cluster` adds runs that join a
Ray which is there already; it is started before the clock.

Three times are told. Whole: of the command, with the start of Ray and its workers. Stages: from the first shard handed to a
worker that is ready to the last one written; inline, loading kernels is in it. And what the clock would show of the stages if two processors were free for
them: for each stage, the processor seconds of its busiest process, or half of all processes' together where that is more.
On a busy machine only the last means something. Whatever the size, the start is paid once: what the copies add is told too.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as parquet

from benchmarks.documents import ROOT, megabytes, options, parquet_files, table_of
from benchmarks.figures import record, show_table
from benchmarks.growth import marked
from benchmarks.machine import processor
from benchmarks.pipeline import WORKERS, job_text, warm_up
from benchmarks.process_tree import Usage, measured
from curation import ray_start

WAYS = {"inline": "inline", "ray": f"{WORKERS} workers on Ray", "forked": f"{WORKERS} workers without Ray", "cluster": f"{WORKERS} workers on a Ray that runs"}
LOCAL = getattr(ray_start, "LOCAL", None)  # the address of a Ray of our own, where workers can do without Ray
WANTED = 1.6
KINDS = {  # of times: by the key of a figure, what it is called, and where it is
    "whole-clock": ("whole, on the clock", lambda times: times.usage.wall_s),
    "stages-clock": ("stages, on the clock", lambda times: times.stages),
    "stages-free": ("stages, on two free processors", lambda times: times.free),
}


@dataclass(frozen=True)
class Times:
    """Of one run, in seconds."""

    usage: Usage
    stages: float  # on the clock
    free: float  # on the clock, if two processors were free
    in_stages: float  # of processors

    @property
    def whole_free(self) -> float:
        """The whole command, if two processors were free: what is in no stage, one thing after the other at the worst."""
        return self.free + self.usage.processor_s - self.in_stages


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--copies", type=int, default=5)
    parser.add_argument("--cluster", action="store_true", help="also on a Ray that was started before")
    arguments = parser.parse_args()
    files = parquet_files(arguments.paths)
    table = table_of(files, ["text"])
    on = f"{len(table):,} documents, {megabytes(table):.1f} MB"
    print(f"{processor()}, {os.cpu_count()} processors; {on}")
    ways = ["inline", "ray", *["forked"] * bool(LOCAL), *["cluster"] * arguments.cluster]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        warm_up(folder, parquet.read_table(files[0]))
        found = {}
        for copies in (1, arguments.copies):
            some = copied(files, copies, folder)
            for way in ways:
                found[copies, way] = run_of(folder, some, way, f"{way}-{copies}")
                print(f"input {copies} times, {WAYS[way]}: {found[copies, way].usage.wall_s:.1f} s", flush=True)
    print()
    header = ("input", "how", "whole: clock", "whole: processors", "stages: clock", "stages: two free processors", "most memory", "Ray's servers")
    show_table("workers", header, [row(copies, way, times) for (copies, way), times in found.items()], numbers=6, on=on)
    print()
    show_gains(found, ways[1:], (1, arguments.copies), on)


def copied(files: list[Path], copies: int, folder: Path) -> list[Path]:
    """Each file so many times, each time with other texts."""
    place, found = folder / f"copies-{copies}", []
    place.mkdir()
    for copy in range(copies):
        for number, file in enumerate(files):
            found.append(place / f"{copy:02}-{number:02}.parquet")
            if copy:
                parquet.write_table(marked(parquet.read_table(file), copy), found[-1], compression="zstd", row_group_size=2_000)
            else:
                found[-1].symlink_to(file)
    return found


def run_of(folder: Path, files: list[Path], way: str, name: str) -> Times:
    job = folder / f"{name}.yaml"
    text = job_text(files, folder / name, "inline" if way == "inline" else str(WORKERS))
    job.write_text(text + f"ray: {{address: {LOCAL}}}\n" * bool(way == "ray" and LOCAL))
    command = [sys.executable, ROOT / "gristmill.py", "run", job]
    if way == "cluster":
        with cluster() as (head, environment):
            usage = measured(command, environment, [head])
    else:
        usage = measured(command)
    times = times_of(usage, folder / name / "log.jsonl")
    shutil.rmtree(folder / name)
    return times


@contextlib.contextmanager
def cluster() -> Iterator[tuple[int, dict[str, str]]]:
    """A head node of so many processors, in a process of its own: its number, and the environment that joins it.

    Its files lie in a folder of their own, with a short name because of sockets. (`ray stop` would stop every Ray here.)"""
    import ray.util

    with socket.socket() as listener:
        listener.bind(("", 0))
        port = listener.getsockname()[1]
    folder = tempfile.mkdtemp(prefix="r", dir="/tmp")
    environment = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": folder}
    start = ["start", "--head", "--block", f"--port={port}", f"--num-cpus={WORKERS}", "--include-dashboard=false", "--object-store-memory=200000000"]
    command = [sys.executable, "-m", "ray.scripts.scripts", *start]
    head = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ | environment, start_new_session=True)
    try:
        for said in head.stdout:
            if b"--block" in said or b"Ray runtime started" in said:
                break
        yield head.pid, environment | {"RAY_ADDRESS": f"{ray.util.get_node_ip_address()}:{port}"}
    finally:
        os.killpg(head.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            head.wait(timeout=30)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(head.pid, signal.SIGKILL)
        head.wait()
        shutil.rmtree(folder, ignore_errors=True)


# ---- times


def times_of(usage: Usage, log: Path) -> Times:
    """The times of a run by its log: stages begin when workers are ready, or where there are none, when the first one starts."""
    events = [json.loads(text) for text in log.read_text().splitlines()]
    marks = [(datetime.fromisoformat(event["at"]).timestamp(), event["event"]) for event in events]
    stages = [at for at, event in marks if event in ("stage_started", "stage_finished", "workers_ready")]
    begin = next((at for at, event in marks if event == "workers_ready"), stages[0])
    stages = [at for at in stages if at >= begin]
    parts = [usage.used(first, last) for first, last in zip(stages, stages[1:])]
    free = sum(max(*part.values(), sum(part.values()) / WORKERS) if len(part) > 1 else sum(part.values()) for part in parts)
    return Times(usage, stages[-1] - begin, free, sum(sum(part.values()) for part in parts))


def row(copies: int, way: str, times: Times) -> list[str]:
    usage = times.usage
    seconds = [f"{each:.1f} s" for each in (usage.wall_s, usage.processor_s, times.stages, times.free)]
    return ["once" if copies == 1 else f"{copies} times", WAYS[way], *seconds, *(f"{size / 1e9:.2f} GB" if size else "" for size in (usage.peak_bytes, usage.servers_bytes))]


def show_gains(found: dict[tuple[int, str], Times], ways: list[str], sizes: tuple[int, int], on: str) -> None:
    """How many times as fast as inline, for each kind of time, and from which size on the whole command is WANTED times as fast."""
    rows = []
    for way in ways:
        for key, (kind, seconds) in KINDS.items():
            once, more = ([seconds(found[size, each]) for each in ("inline", way)] for size in sizes)
            slopes = [(b - a) / (sizes[1] - sizes[0]) for a, b in zip(once, more)]
            rows.append([WAYS[way], kind, *(f"{inline / ours:.2f}" for inline, ours in (once, more, slopes))])
            record(f"workers-{way}-{key}", f"{WAYS[way]}, {kind}", [once[1]], "s", peer="inline", theirs=[once[0]], on=f"{on}, once")
        rows.append([WAYS[way], f"whole, {WANTED} times as fast", size_of_gain(found, way, sizes), "", ""])
    header = ("how", "times as fast as inline", "input once", f"{sizes[1]} times", "what that adds")
    show_table("workers-gains", header, rows, numbers=3, on=on)


def size_of_gain(found: dict[tuple[int, str], Times], way: str, sizes: tuple[int, int]) -> str:
    """By straight lines through the whole command's times on free processors at two sizes."""
    (a, b), (c, d) = ([found[size, each].whole_free for size in sizes] for each in ("inline", way))
    step = sizes[1] - sizes[0]
    (start, more), (start_way, more_way) = ((first - sizes[0] * (last - first) / step, (last - first) / step) for first, last in ((a, b), (c, d)))
    if more <= WANTED * more_way:
        return f"at no size: it tends to {more / more_way:.2f}"
    return f"from {max(1.0, (WANTED * start_way - start) / (more - WANTED * more_way)):.1f} times the input on"


if __name__ == "__main__":
    main()
