"""What the engine itself costs: processor seconds of a run inline, by what they were spent on.

    python -m benchmarks.overhead [PARQUET FILES OR FOLDERS]

The job is that of benchmarks/pipeline.py, again and again in one process, which has everything loaded from the first time, as a
worker has from its second shard on. cProfile tells what compiled code took (kernels, Arrow, checksums), which it does not slow
down; Python it does, so what Python took is the rest of runs without it. Work is kernels, what rules ask of Arrow (patterns on
RE2, comparisons of columns), and writing Parquet; the engine is all the rest. What a first run takes beside is the start: a
command of its own, from Python's start to its exit.
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
from benchmarks.figures import RUNS, median, show_table
from benchmarks.machine import processor
from benchmarks.pipeline import job_text, own_run, warm_up
from curation.job import load_job
from curation.run import run_job

WORK = ("kernels", "patterns and columns of rules, in Arrow", "writing Parquet")
ARROW, READING, SUMS = "columns of stages, in Arrow", "reading Parquet", "checksums and syncing"
REST = "Python, and all that is not above"
NEXT, READER = "<built-in method builtins.next>", str(ROOT / "curation" / "tables.py")  # Arrow's batches, and who asks for them
Place = tuple[str, int, str]  # file, line and name of a function


def main() -> None:
    parser = options(__doc__)
    files = parquet_files(parser.parse_args().paths)
    table = table_of(files, ["text"])
    on = f"{len(table):,} documents, {megabytes(table):.1f} MB"
    print(f"{processor()}; {on}; processor seconds of a run inline")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        warm_up(folder, parquet.read_table(files[0]))
        first = median([own_run(folder, files, "inline").processor_s for _ in range(RUNS)])
        jobs = [written_job(folder / f"run{number}", files) for number in range(2 + RUNS)]
        seconds_of(jobs[0])
        spent = profiled(jobs[1])
        whole = median([seconds_of(job) for job in jobs[2:]])
    spent[REST] = whole - spent.total()
    show(spent, first, on)


def written_job(output: Path, files: list[Path]) -> Path:
    job = output.with_suffix(".yaml")
    job.write_text(job_text(files, output, "inline"))
    return job


def seconds_of(job: Path) -> float:
    """Processor seconds of a run in this process."""
    before = time.process_time()
    run_job(load_job(job))
    return time.process_time() - before


def profiled(job: Path) -> Counter[str]:
    """Processor seconds that compiled code took in a run, by what for."""
    profile = cProfile.Profile(time.process_time)
    profile.runcall(lambda: run_job(load_job(job)))
    kernels, found = kernel_places(), Counter()
    for place, (_, _, own, _, callers) in pstats.Stats(profile).stats.items():
        if place[0].endswith("pyarrow/compute.py") and callers:  # by who asked for it
            for caller, (_, _, seconds, _) in callers.items():
                found[WORK[1] if is_of(caller, "rules") else ARROW] += seconds
        elif place[2] == NEXT:
            found[READING] += sum(seconds for (file, _, _), (_, _, seconds, _) in callers.items() if file == READER)
        elif (what := purpose(place, kernels)) is not None:
            found[what] += own
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


def purpose(place: Place, kernels: set[Place]) -> str | None:
    """What the own time of a function was spent on, where it is compiled, or hands on to what is."""
    file, _, name = place
    if place in kernels:
        return WORK[0]
    if "pyarrow/parquet" in file:
        return WORK[2] if "write" in name or name in ("close", "__init__") else READING
    if "hash" in name.lower() or "fsync" in name or "hashlib" in file:
        return SUMS
    return ARROW if "pyarrow" in file else None


def show(spent: Counter[str], first: float, on: str) -> None:
    """A table in Markdown: what a run takes that has everything loaded, and what a first one takes beside."""
    rows = [[name, *cells(spent[name], spent.total())] for name in (*WORK, READING, ARROW, SUMS, REST)]
    work = sum(spent[name] for name in WORK)
    for name, seconds in (("work", work), ("the engine", spent.total() - work)):
        rows.append([f"**{name}**", *cells(seconds, spent.total())])
    start = first - spent.total()
    rows.append(["a first run takes more: Python's start, imports, loading kernels and models", f"{start:.2f} s", ""])
    rows.append(["that and half of the work: what two processors would take if the engine cost nothing", f"{start + work / 2:.2f} s", ""])
    show_table("overhead", ("spent on", "processor", "share"), rows, numbers=2, on=on)


def cells(seconds: float, whole: float) -> list[str]:
    return [f"{seconds:.2f} s", f"{100 * seconds / whole:.1f} %"]


if __name__ == "__main__":
    main()
