"""From Parquet to clean Parquet beside datatrove, in FineWeb-2's order, on two cores: one run, one machine, the same texts.

    python -m benchmarks.pipeline [PARQUET FILES OR FOLDERS] [--documents 2000] [--peer .venv-oracle]

Languages, near duplicates by MinHash (14 bands of 8, word 5-grams), then the packs gopher_repetition, gopher_quality, c4
and fineweb. datatrove runs the same in the same order with its local executor, in an environment of its own (`make oracle`
makes it). It gets --documents, spread over all, and a few alone: what the few take is its start, and the rest grows with
the text, so that what all the texts would take is told without waiting for it.

Times are of processors, of every process that a side starts, and on the clock of two workers. Memory is of a run of its own, since
watching it takes time.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet

from benchmarks.documents import ROOT, megabytes, options, parquet_files, slice_of, table_of
from benchmarks.figures import RUNS, median, named, record
from benchmarks.machine import processor
from benchmarks.process_tree import Usage, measured
from benchmarks.rules import PACKS

WORKERS, FEW = 2, 40
HOW = {"inline": "one process, one core", str(WORKERS): f"{WORKERS} workers"}  # by what `workers:` says
MODEL = ROOT / "curation" / "models" / "lid.176.ftz"


def main() -> None:
    arguments = options(__doc__, peer_documents=2000).parse_args()
    files = parquet_files(arguments.paths)
    table = table_of(files)
    print(f"{processor()}, {os.cpu_count()} processors; {len(table):,} documents, {megabytes(table):.1f} MB, {WORKERS} workers")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        warm_up(folder, table)
        ours = {workers: own_runs(folder, files, workers) for workers in HOW}
        python = arguments.peer / "bin" / "python"
        if not python.exists():
            print(f"no {python}: `make oracle` makes it; the peer is not timed")
            return
        peer = [whole_of_peer(folder, python, table, arguments.documents, run) for run in range(min(RUNS, 2))]
        show_ratios(ours, peer, f"{len(table):,} documents, {megabytes(table):.1f} MB; datatrove's seconds from {arguments.documents:,} of them")


# ---- gristmill


def job_text(files: list[Path], output: Path, workers: str) -> str:
    inputs = "".join(f"\n  - {file}" for file in files)
    return f"input:{inputs}\noutput: {output}\norder: [language, near, rules]\nlanguage: {{}}\nnear: {{}}\npacks: [{', '.join(PACKS)}]\nworkers: {workers}\n"


def own_run(folder: Path, files: list[Path], workers: str, memory: bool = False) -> Usage:
    """One run of `gristmill run` into a new folder, imports, kernels and Ray's start included."""
    name = f"own-{workers}-{len(files)}-{len(list(folder.iterdir()))}"
    job = folder / f"{name}.yaml"
    job.write_text(job_text(files, folder / name, workers))
    return measured([sys.executable, ROOT / "gristmill.py", "run", job], memory=memory)


def own_runs(folder: Path, files: list[Path], workers: str) -> list[Usage]:
    peak = own_run(folder, files, workers, memory=True).peak_bytes
    found = []
    for _ in range(RUNS):
        found.append(replace(own_run(folder, files, workers), peak_bytes=peak))
        print(f"gristmill, {HOW[workers]}: {found[-1].wall_s:.2f} s on the clock, {found[-1].processor_s:.2f} s of processors, {peak / 1e9:.2f} GB at most")
    return found


def warm_up(folder: Path, table: pa.Table) -> None:
    """Have every kernel compiled and kept, as on any machine where gristmill ran before."""
    parquet.write_table(table.slice(0, 200), folder / "warm.parquet")
    own_run(folder, [folder / "warm.parquet"], "inline")


# ---- datatrove


def peer_run(folder: Path, python: Path, table: pa.Table, run: int) -> Usage:
    """datatrove's run over `table`, which lies in a file for each worker."""
    source = folder / f"peer-{len(table)}-{run}"
    source.mkdir()
    for worker in range(WORKERS):
        part = table.select(["id", "text"]).take(pa.array(range(worker, len(table), WORKERS)))
        parquet.write_table(part, source / f"{worker}.parquet")
    command = [python, ROOT / "benchmarks" / "pipeline_peer.py", source, folder / f"{source.name}-out", "--model", MODEL, "--workers", WORKERS]
    return measured(command, {"HF_ASSETS_CACHE": str(folder / "assets"), "HF_HUB_OFFLINE": "1"}, memory=False)


def whole_of_peer(folder: Path, python: Path, table: pa.Table, documents: int, run: int) -> Usage:
    """What the peer would take for the whole table: its start, and the rest by the bytes of the text."""
    numbered = table.append_column("place", pa.array(range(len(table))))
    few, many = (table.take(slice_of(numbered["place"].combine_chunks(), count)) for count in (FEW, documents))
    start, longer = (peer_run(folder, python, some, run) for some in (few, many))
    for part, usage in ((few, start), (many, longer)):
        print(f"datatrove on {len(part):,} documents, {megabytes(part):.2f} MB: {usage.wall_s:.1f} s on the clock, {usage.processor_s:.1f} s of processors")
    more = (megabytes(table) - megabytes(few)) / (megabytes(many) - megabytes(few))
    return Usage(
        start.wall_s + more * (longer.wall_s - start.wall_s), start.processor_s + more * (longer.processor_s - start.processor_s),
        longer.peak_bytes,
    )  # fmt: skip


def show_ratios(ours: dict[str, list[Usage]], peer: list[Usage], on: str) -> None:
    their_clock, their_busy = [run.wall_s for run in peer], [run.processor_s for run in peer]
    print(f"datatrove on all, by what grows with the text: {median(their_clock):,.0f} s on the clock, {median(their_busy):,.0f} s of processors")
    for workers, runs in ours.items():
        clock, busy = [run.wall_s for run in runs], [run.processor_s for run in runs]
        print(f"    gristmill, {HOW[workers]}, is {median(their_clock) / median(clock):.0f} times faster on the clock and takes {median(their_busy) / median(busy):.0f} times less of processors")
        what, theirs = f"Parquet to clean Parquet in FineWeb-2's order, {HOW[workers]}, from start to exit", f"{named('datatrove')}, {WORKERS} workers"
        memory = f"{max(run.peak_bytes for run in runs) / 1e9:.2f} GB at most"
        record(f"pipeline-{workers}-clock", f"{what}, by the clock", clock, "s", peer=theirs, theirs=their_clock, on=on, note=memory)
        record(f"pipeline-{workers}", f"{what}, seconds of processors", busy, "s", peer=theirs, theirs=their_busy, on=on, note=memory)


if __name__ == "__main__":
    main()
