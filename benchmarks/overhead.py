"""What the engine itself costs: a run inline under cProfile, its processor seconds by what they were spent on.

    python -m benchmarks.overhead [PARQUET FILES OR FOLDERS]

The job is that of benchmarks/pipeline.py, twice in one process: the first run imports, loads compiled kernels and models, and
reads patterns; the second has only the documents to do. cProfile slows Python down and not what is compiled, so the engine's
share is less than it says. Work is kernels, what rules ask of Arrow (patterns on RE2, comparisons of columns), and writing
Parquet; the engine is all the rest.
"""

from __future__ import annotations

import cProfile
import pstats
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as parquet
from numba.core.dispatcher import Dispatcher

from benchmarks.documents import ROOT, megabytes, options, parquet_files, table_of
from benchmarks.figures import show_table
from benchmarks.machine import processor
from benchmarks.pipeline import job_text, warm_up
from curation.job import load_job
from curation.run import run_job

WORK = ("kernels", "patterns and columns of rules, in Arrow", "writing Parquet")
Place = tuple[str, int, str]  # file, line and name of a function


def main() -> None:
    parser = options(__doc__)
    files = parquet_files(parser.parse_args().paths)
    table = table_of(files, ["text"])
    on = f"{len(table):,} documents, {megabytes(table):.1f} MB"
    print(f"{processor()}; {on}; processor seconds of a run inline, profiled")
    with tempfile.TemporaryDirectory() as name:
        warm_up(Path(name), parquet.read_table(files[0]))
        first, second = (profiled(files, Path(name) / f"run{number}") for number in range(2))
    show(first, second, on)


def profiled(files: list[Path], output: Path) -> Counter[str]:
    """Processor seconds of a run by what they were spent on."""
    job = output.with_suffix(".yaml")
    job.write_text(job_text(files, output, "inline"))
    profile = cProfile.Profile(time.process_time)
    profile.runcall(lambda: run_job(load_job(job)))
    kernels, found = kernel_places(), Counter()
    for place, (_, _, own, _, callers) in pstats.Stats(profile).stats.items():
        if place[0].endswith("pyarrow/compute.py") and callers:  # by who asked for it
            for caller, (_, _, seconds, _) in callers.items():
                found[WORK[1] if is_of(caller, "rules") else "columns of stages, in Arrow"] += seconds
        else:
            found[purpose(place, kernels)] += own
    return found


def kernel_places() -> set[Place]:
    """Where the compiled functions stand that are loaded."""
    found = set()
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in ("rules", "curation"):
            codes = [value.py_func.__code__ for value in vars(module).values() if isinstance(value, Dispatcher)]
            found |= {(code.co_filename, code.co_firstlineno, code.co_name) for code in codes}
    return found


def is_of(place: Place, room: str) -> bool:
    return place[0].startswith(str(ROOT / room) + "/")


def purpose(place: Place, kernels: set[Place]) -> str:
    """What the own time of a function was spent on. What is neither ours nor Arrow's starts something, but for checksums."""
    file, _, name = place
    if place in kernels:
        return WORK[0]
    if "pyarrow/parquet" in file:
        return WORK[2] if "write" in name or name in ("close", "__init__") else "reading Parquet"
    if "hash" in name.lower() or "fsync" in name or "hashlib" in file:
        return "checksums and syncing"
    for room in ("rules", "curation"):
        if is_of(place, room):
            return f"Python of {room}/"
    return "columns of stages, in Arrow" if "pyarrow" in file else "libraries: imports, loading kernels, JSON"


def show(first: Counter[str], second: Counter[str], on: str) -> None:
    """A table in Markdown: the first run, the second, and their shares."""
    names = [*WORK, *sorted(set(first | second) - set(WORK), key=lambda name: -first[name])]
    rows = [[name, *cells(first, first[name]), *cells(second, second[name])] for name in names]
    for name, wanted in (("work", True), ("the engine", False)):
        sums = [sum(seconds for what, seconds in run.items() if (what in WORK) == wanted) for run in (first, second)]
        rows.append([f"**{name}**", *cells(first, sums[0]), *cells(second, sums[1])])
    show_table("overhead", ("spent on", "first run", "", "second run", ""), rows, numbers=4, on=on)


def cells(run: Counter[str], seconds: float) -> list[str]:
    return [f"{seconds:.2f} s", f"{100 * seconds / run.total():.1f} %"]


if __name__ == "__main__":
    main()
