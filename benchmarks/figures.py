"""What benchmarks measure: seconds of several runs, and figures that go to the page of results.

A benchmark times each thing BENCHMARK_RUNS times (5 if the environment does not say), after a run that compiles and loads, and
shows the median. `record` notes a figure, and `show_table` a whole table, for benchmarks/results.py, which gathers them in the file
that BENCHMARK_FIGURES names; where it names none, as when a benchmark is run by hand, nothing is noted.
"""

from __future__ import annotations

import importlib.metadata
import json
import math
import os
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from benchmarks.results_page import table

RUNS = int(os.environ.get("BENCHMARK_RUNS", "5"))
SHORTEST_SECONDS = 0.2  # what takes less is repeated within a run, for clocks are coarse
Clock = Callable[[], float]


def timed(work: Callable[[], object], runs: int | None = None, clock: Clock = time.process_time, warm: bool = True) -> list[float]:
    """Seconds of `work` in each of so many runs (RUNS if not told); by default those of this process on processors.

    `warm`: after one that is not counted, in which kernels are compiled or loaded."""
    if warm:
        work()
    first = _seconds(work, 1, clock)
    repeats = max(1, math.ceil(SHORTEST_SECONDS / max(first, 1e-9))) if warm else 1
    if repeats > 1:
        first = _seconds(work, repeats, clock)
    return [first, *(_seconds(work, repeats, clock) for _ in range((runs or RUNS) - 1))]


def _seconds(work: Callable[[], object], repeats: int, clock: Clock) -> float:
    start = clock()
    for _ in range(repeats):
        work()
    return (clock() - start) / repeats


def in_turns(works: dict[str, Callable[[], object]], runs: int | None = None, clock: Clock = time.process_time) -> dict[str, list[float]]:
    """Seconds of each of several works, run in turns, so that what slows the machine down for a while slows all of them."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()
    for _ in range(runs or RUNS):
        for name, work in works.items():
            found[name].append(_seconds(work, 1, clock))
    return found


def rates(amount: float, seconds: Sequence[float]) -> list[float]:
    """Amounts a second."""
    return [amount / each for each in seconds]


def named(library: str) -> str:
    """A library with its version here."""
    return f"{library} {importlib.metadata.version(library)}"


def record(
    key: str, what: str, ours: Sequence[float], unit: str, *, peer: str = "", theirs: Sequence[float] = (), on: str = "", note: str = ""
) -> None:  # fmt: skip
    """Note a figure. Of the units s and ms less is better, of all others more.

    key: a name that no other figure has. ours, theirs: one value for each run, on the same documents. peer: what we are compared
    with. on: how many documents or what input. note: what a reader must know to read the figure rightly.
    """
    _note({"key": key, "what": what, "ours": list(ours), "unit": unit, "peer": peer, "theirs": list(theirs), "on": on, "note": note})


def show_table(key: str, header: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: int = 0, on: str = "") -> None:
    """Print a table in Markdown, and note it as it is.

    key: a name that no other table has. numbers: how many of the last columns are numbers. on: how many documents or what input.
    """
    print("\n".join(table(header, rows, numbers)))
    _note({"table": key, "header": list(header), "rows": [list(row) for row in rows], "numbers": numbers, "on": on})


def _note(found: dict[str, Any]) -> None:
    if path := os.environ.get("BENCHMARK_FIGURES"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(found) + "\n")


__all__ = ["RUNS", "in_turns", "median", "named", "rates", "record", "show_table", "timed"]
