"""How the cost of every stage grows with the input: processor seconds at several sizes, and the exponent fitted to them.

    python -m benchmarks.growth [PARQUET FILES OR FOLDERS] [--times 0.3 1 3]

`--times 1 3 10` takes about three times as long. Less than once the input is the first documents of every file.

Each size is a run inline in a process of its own, whose kernels are loaded before the clock starts. Copies must not be
duplicates of each other, or there would be less and less to do: in copy k every fourth word has a mark of its own, so that
no five words in a row are the same in two copies. Seconds of a pass are its stages' together, and
those of finding duplicates have the steps in them that follow. The exponent is the slope of
log seconds over log bytes of text by least squares: 1 is linear, less than 1 has a part that does not grow.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as parquet

from benchmarks.documents import ROOT, megabytes, options, parquet_files, table_of
from benchmarks.figures import record, show_table
from benchmarks.machine import processor
from benchmarks.rules import PACKS
from curation.job import load_job
from curation.progress import Progress, StageBar, Work
from curation.run import run_job

SIZE, MEMORY = "text, MB", "most memory, GB"
FOURTH_WORD = r"((?:\S+\s+){3}\S+)"
JOB = """input: {folder}
output: {output}
order: [language, exact, near, rules, substrings, lines]
language: {{}}
exact: {{}}
near: {{}}
packs: [{packs}]
substrings: {{}}
lines: {{}}
pack: {{vocab_size: 8192, sequence_length: 2048}}
workers: inline
"""


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--times", type=float, nargs="+", default=[0.3, 1, 3])
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)  # the one size, in this process
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.paths[0])))
        return
    files = parquet_files(arguments.paths)
    size = megabytes(table_of(files, ["text"]))
    print(f"{processor()}; {size:.1f} MB of text, inline: processor seconds by the size of the input")
    print()
    with tempfile.TemporaryDirectory() as name:
        found = [run_of(files, times, Path(name) / f"size{number}-") for number, times in enumerate(arguments.times)]
    show(arguments.times, found)


# ---- one size


def run_of(files: list[Path], times: float, folder: Path) -> dict[str, float]:
    """Processor seconds of every stage, the megabytes of text, and the most memory, in a process of its own."""
    folder.mkdir()
    size = 0.0
    for copy in range(math.ceil(times)):
        for number, file in enumerate(files):
            table = parquet.read_table(file)
            table = marked(table.slice(0, math.ceil(len(table) * min(1.0, times - copy))), copy)
            parquet.write_table(table, folder / f"{copy:02}-{number:02}.parquet", compression="zstd", row_group_size=2_000)
            size += megabytes(table)
    command = [sys.executable, "-m", "benchmarks.growth", str(folder), "--measure"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    for place in folder.parent.glob(f"{folder.name}*"):
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    return json.loads(done.stdout.splitlines()[-1]) | {SIZE: size}


def marked(table: pa.Table, copy: int) -> pa.Table:
    """`table` with texts and ids of its own for each copy; copy 0 is as it was."""
    if copy == 0:
        return table
    mark = "".join(chr(ord("a") + int(digit)) for digit in str(copy))
    texts = pc.replace_substring_regex(table["text"], FOURTH_WORD, r"\1" + f"q{mark}")
    table = table.set_column(table.column_names.index("text"), "text", texts)
    return table.set_column(table.column_names.index("id"), "id", pc.binary_join_element_wise(table["id"], mark, "-"))


class Clocked(Progress):
    """Processor seconds of this process within each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, title: str, waiting: Sequence[Work], done_before: int = 0) -> Iterator[StageBar]:
        start = time.process_time()
        with super().stage(title, waiting, done_before) as bar:
            yield bar
        self.seconds[title] = self.seconds.get(title, 0.0) + time.process_time() - start


def measure(folder: Path) -> dict[str, float]:
    """A run over the files of `folder`, after one over a little of them."""
    little = folder.parent / f"{folder.name}little"
    little.mkdir()
    first = sorted(folder.glob("*.parquet"))[0]
    parquet.write_table(parquet.read_table(first).slice(0, 400), little / "little.parquet")
    clocked(little)
    progress, start = Clocked(), time.process_time()
    clocked(folder, progress)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return progress.seconds | {"all": time.process_time() - start, MEMORY: memory}


def clocked(folder: Path, progress: Progress | None = None) -> None:
    output = folder.parent / f"{folder.name}out"
    job = output.with_suffix(".yaml")
    job.write_text(JOB.format(folder=folder, output=output, packs=", ".join(PACKS)))
    run_job(load_job(job), progress=progress)


# ---- the table


def show(times: list[float], found: list[dict[str, float]]) -> None:
    rows, sizes = [], [f"{size:g} times" for size in times]
    for name in found[-1]:
        unit = "" if name in (SIZE, MEMORY) else " s"
        there = [run for run in found if name in run]  # the keys of few documents are held, which takes no stage
        slope = exponent([run[SIZE] for run in there], [run[name] for run in there])
        rows.append([name, *(f"{run[name]:.2f}{unit}" if name in run else "" for run in found), "" if np.isnan(slope) else f"{slope:.2f}"])
        if not np.isnan(slope):
            record(f"growth-{re.sub('[^a-z]+', '-', name.lower())}", f"growth of: {name}", [slope], "", on=" ".join(f"{size:g}" for size in times) + " times the input")
    show_table("growth", ("stage", *sizes, "exponent"), rows, numbers=len(sizes) + 1)


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The slope of log values over log sizes, by least squares."""
    if len(sizes) < 2 or min(values) <= 0:
        return float("nan")
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
