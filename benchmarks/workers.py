"""What two workers on Ray gain over none, and the most memory that a run holds: alone, and with its input five times over.

    python -m benchmarks.workers [PARQUET FILES OR FOLDERS] [--copies 5]

The job is that of benchmarks/pipeline.py. Every run is a command of its own, from its imports to its report; memory is
that of all its processes together, Ray's included. Copies are links under other names, so their documents are new
documents (and duplicates). Starting Ray and its workers costs some seconds whatever there is to do, so that the gain is told
for the input as it is, for its copies, and for what the copies add, in which no start is.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pyarrow.parquet as parquet

from benchmarks.documents import megabytes, options, parquet_files, table_of
from benchmarks.machine import processor
from benchmarks.pipeline import WORKERS, own_run, warm_up
from benchmarks.process_tree import Usage


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--copies", type=int, default=5)
    arguments = parser.parse_args()
    files = parquet_files(arguments.paths)
    table = table_of(files, ["text"])
    print(f"{processor()}, {os.cpu_count()} processors; {len(table):,} documents, {megabytes(table):.1f} MB")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        warm_up(folder, parquet.read_table(files[0]))
        found = {}
        for copies in (1, arguments.copies):
            some = copied(files, copies, folder)
            for workers in ("inline", str(WORKERS)):
                found[copies, workers] = own_run(folder, some, workers)
                print(line(copies, workers, found[copies, workers]), flush=True)
    for copies in (1, arguments.copies):
        print(f"input {copies} times: {WORKERS} workers are {found[copies, 'inline'].wall_s / found[copies, str(WORKERS)].wall_s:.2f} times as fast as inline")
    more = [found[arguments.copies, workers].wall_s - found[1, workers].wall_s for workers in ("inline", str(WORKERS))]
    print(f"what is more than the input once, without any start: {more[0] / more[1]:.2f} times as fast")


def copied(files: list[Path], copies: int, folder: Path) -> list[Path]:
    """Each file so many times, under names of its own."""
    found = []
    for copy in range(copies):
        for file in files:
            place = folder / f"copies-{copies}" / f"{copy}-{file.name}"
            place.parent.mkdir(exist_ok=True)
            place.symlink_to(file)
            found.append(place)
    return found


def line(copies: int, workers: str, usage: Usage) -> str:
    how = "inline" if workers == "inline" else f"{workers} workers"
    return f"input {copies} times, {how}: {usage.wall_s:.1f} s on the clock, {usage.processor_s:.1f} s of processors, {usage.peak_bytes / 1e9:.2f} GB at most"


if __name__ == "__main__":
    main()
