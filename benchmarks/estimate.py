"""What a corpus of many terabytes would take on many machines, from constants measured here: the arithmetic, line by line.

    python -m benchmarks.estimate [PARQUET FILES OR FOLDERS] [--terabytes 10] [--machines 100] [--cores 16] [--network 10] [--storage 20]

The job of benchmarks/pipeline.py runs inline twice: over a few documents, which is its start, and over all. What is more in the
second is taken to grow with the text (benchmarks/growth.py says how far that is so). Bytes are those of the files that the
manifest lists. Every line of the second table is one multiplication or sum of lines above it.
"""

from __future__ import annotations

import json
import pickle
import sys
import tempfile
import time
import tracemalloc
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as parquet

from benchmarks.documents import ROOT, megabytes, options, parquet_files, table_of
from benchmarks.figures import show_table
from benchmarks.machine import processor
from benchmarks.pipeline import WORKERS, job_text, warm_up
from benchmarks.process_tree import Usage, measured
from curation import ray_start
from curation.common_parts import common_of
from curation.executor import map_tasks, stop_workers
from curation.inputs import SHARD_BYTES, list_inputs, plan_shards
from curation.job import load_job
from curation.manifest import Manifest, key_of
from curation.memory import needed_bytes
from curation.pass_plan import ShardTask, plan_passes
from curation.ray_start import RaySettings

FEW, TASKS = 200, 1_000
JOBS = 40  # a job for each crawl or language, instead of one for all


@dataclass
class Constants:
    """Measured on one corpus."""

    text: float  # bytes
    documents: int
    sizes: dict[str, int]  # bytes of files by kind
    seconds: float  # of a processor, without the start
    start_seconds: float
    worker_bytes: int  # most memory of a process that works
    task_bytes: int  # what Ray is sent for a shard
    shared_bytes: int  # and once for all
    manifest_bytes: float  # for a shard, all its units together
    units: float  # for a shard
    live_bytes: float  # of memory, for a shard, in the process that hands out
    task_seconds: float  # of a processor, to hand out a task and take its result


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--terabytes", type=float, default=10.0, help="of text")
    for name, default, what in (("machines", 100, "how many"), ("cores", 16, "of a machine"), ("network", 10, "Gbit/s of a machine"), ("storage", 20, "GB/s of all storage together")):
        parser.add_argument(f"--{name}", type=float, default=default, help=what)
    arguments = parser.parse_args()
    files = parquet_files(arguments.paths)
    on = f"{megabytes(table_of(files, ['text'])):.1f} MB of text, inline"
    print(f"{processor()}; {on}\n")
    with tempfile.TemporaryDirectory() as name:
        found = constants_of(files, Path(name))
    show_table("estimate", ("what", "how", "result"), [*measured_rows(found), *estimated_rows(found, arguments)], numbers=1, on=on)


# ---- constants


def constants_of(files: list[Path], folder: Path) -> Constants:
    table = parquet.read_table(files[0])
    warm_up(folder, table)
    parquet.write_table(table.slice(0, FEW), folder / "few.parquet")
    few, all_ = (run_of(some, folder / name) for some, name in (([folder / "few.parquet"], "few"), (files, "all")))
    output = folder / "all"
    shards, entries = len(list((output / "manifest" / "pass0").glob("*.json"))), list((output / "manifest").rglob("*.json"))
    texts, start = table_of(files, ["text"]), megabytes(table.slice(0, FEW))
    share = megabytes(texts) / (megabytes(texts) - start)
    sizes = file_sizes(output) | {"input": sum(file.stat().st_size for file in files)}
    shared, task = task_sizes(folder / "all.yaml")
    return Constants(
        megabytes(texts) * 1e6, len(texts), sizes, (all_.processor_s - few.processor_s) * share, few.processor_s, all_.peak_bytes,
        task, shared, sum(path.stat().st_size for path in entries) / shards, len(entries) / shards, live_bytes(output) / shards,
        task_seconds(task),
    )  # fmt: skip


def run_of(files: list[Path], output: Path) -> Usage:
    job = output.with_suffix(".yaml")
    job.write_text(job_text(files, output, "inline"))
    return measured([sys.executable, ROOT / "gristmill.py", "run", job])


def file_sizes(output: Path) -> dict[str, int]:
    """Bytes of all files that the manifest lists, by what they are."""
    found: Counter[str] = Counter()
    for entry in (output / "manifest").rglob("*.json"):
        for path, file in json.loads(entry.read_text())["outputs"].items():
            found[kind_of(path)] += file["bytes"]
    return dict(found)


def kind_of(path: str) -> str:
    if ".keys." in path:
        return "keys"
    if path.endswith(".bands"):
        return "bands"
    return "handed on" if path.startswith(".work/pass0/") and path.endswith(".parquet") else "results"


def task_sizes(job_file: Path) -> tuple[int, int]:
    """Bytes of what all tasks share, and of what each adds."""
    job = load_job(job_file)
    step = plan_passes(job.stages)[0]
    tasks = [ShardTask(job, step, shard, "0" * 64, run_id="0" * 12) for shard in plan_shards(list_inputs(job.inputs, job.folder))]
    common = common_of([*tasks, replace(tasks[0], key="1" * 64)])
    return len(pickle.dumps(common)), max(len(pickle.dumps(common.less(task))) for task in tasks)


def live_bytes(output: Path) -> int:
    """Memory of all entries of the manifest, as the process that hands out shards holds them."""
    manifest = Manifest(output)
    tracemalloc.start()
    held = [manifest.read(unit) for unit in manifest.units()]
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert all(entry is not None for entry in held)
    return size


def task_seconds(size: int) -> float:
    """Processor seconds of the process that hands out tasks of so many bytes on Ray, for each."""
    settings = RaySettings(address=getattr(ray_start, "LOCAL", None))
    tasks = [f"{number:0{size}d}" for number in range(TASKS)]
    try:
        list(map_tasks(key_of, tasks[:20], WORKERS, settings))
        start = time.process_time()
        list(map_tasks(key_of, tasks, WORKERS, settings))
        return (time.process_time() - start) / TASKS
    finally:
        stop_workers()


# ---- the table


def shown(number: float, unit: str = "B") -> str:
    for size, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {prefix}{unit}"
    return f"{number:.3g} {unit}"


def measured_rows(found: Constants) -> list[tuple[str, str, str]]:
    each = {name: size / found.text for name, size in found.sizes.items()}
    return [
        ("bytes of text a document", f"{shown(found.text)} / {found.documents:,}", f"{found.text / found.documents:,.0f} B"),
        *((f"{name}, for each byte of text", f"{shown(size)} / {shown(found.text)}", f"{each[name]:.3f} B") for name, size in sorted(found.sizes.items())),
        ("processor, for each byte of text", f"{found.seconds:.2f} s / {shown(found.text)}", f"{1e9 * found.seconds / found.text:.1f} ns"),
        ("start of a process", f"{FEW} documents", f"{found.start_seconds:.1f} s"),
        ("memory of a process that works", "most seen", shown(found.worker_bytes)),
        ("to decide about a document", "formula of `--dry-run`", f"{needed_bytes(1, ('near',))} B"),
        ("Ray: a task; what all tasks share", "pickled", f"{shown(found.task_bytes)}; {shown(found.shared_bytes)}"),
        ("to hand out a task on Ray", f"{TASKS:,} tasks that do nothing", f"{1e3 * found.task_seconds:.2f} ms"),
        ("manifest, for a shard", f"{found.units:.1f} files", shown(found.manifest_bytes)),
        ("the same held in memory", "tracemalloc", shown(found.live_bytes)),
    ]


def estimated_rows(found: Constants, wanted: object) -> list[tuple[str, str, str]]:
    """Every line from lines before it; `wanted`: terabytes, machines, cores, network, storage."""
    text, machines, cores = wanted.terabytes * 1e12, wanted.machines, wanted.cores
    documents, shards = text / (found.text / found.documents), text / SHARD_BYTES
    size = {name: text * found.sizes.get(name, 0) / found.text for name in ("input", "handed on", "keys", "bands", "results")}
    seconds = text * found.seconds / found.text
    moved = size["input"] + 2 * (size["handed on"] + size["bands"]) + 4 * size["keys"] + size["results"]
    shuffled = 3 * size["keys"] + 2 * size["bands"]
    flight = 2 * machines * cores * found.task_bytes
    at_work = seconds / (machines * cores)
    network = machines * wanted.network * 1e9 / 8
    decided, asked = documents * needed_bytes(1, ("near",)), 16 * size["keys"] / wanted.network / 1e9 / 60  # bytes, minutes
    return [
        ("documents", f"{shown(text)} / {found.text / found.documents:,.0f} B", shown(documents, "")),
        ("shards of 64 MiB of text", f"{shown(text)} / {shown(SHARD_BYTES)}", f"{shards:,.0f}"),
        ("processors", f"{shown(text)} x {1e9 * found.seconds / found.text:.1f} ns", f"{seconds / 3600:,.0f} core hours"),
        ("on the clock, if only they count", f"/ {machines:g} machines / {cores:g} cores", f"{at_work / 60:.1f} min"),
        ("read and written", "input + 2 x (handed on + bands) + 4 x keys + results", shown(moved)),
        ("of a machine", f"/ {machines:g}", shown(moved / machines)),
        ("on the clock, if only the network counts", f"{shown(moved)} / ({machines:g} x {wanted.network:g} Gbit/s)", f"{moved / network / 60:.1f} min"),
        ("on the clock, if only storage counts", f"{shown(moved)} / {wanted.storage:g} GB/s", f"{moved / wanted.storage / 1e9 / 60:.1f} min"),
        ("shuffled between shards, through files", "keys read for bands and twice for similarities, bands written and read", shown(shuffled)),
        ("of a machine", f"/ {machines:g}", shown(shuffled / machines)),
        ("keys that the process that decides reads, twice", f"2 x {shown(size['keys'])} / {wanted.network:g} Gbit/s", f"{asked:.0f} min"),
        (f"for each of {JOBS} jobs, if they are {JOBS}", f"{asked:.0f} min / {JOBS}", f"{asked / JOBS:.1f} min"),
        ("memory of a machine", f"{cores:g} x {shown(found.worker_bytes)}", shown(cores * found.worker_bytes)),
        ("memory to decide, in one process", f"{shown(documents, '')} x {needed_bytes(1, ('near',))} B", shown(decided)),
        (f"in that of each of {JOBS} jobs, if they are {JOBS}", f"{shown(decided)} / {JOBS}", shown(decided / JOBS)),
        ("the manifest on disk", f"{shards:,.0f} x {shown(found.manifest_bytes)}", f"{shown(shards * found.manifest_bytes)} in {shards * found.units:,.0f} files"),
        ("the manifest in the memory of the process that hands out", f"{shards:,.0f} x {shown(found.live_bytes)}", shown(shards * found.live_bytes)),
        ("Ray: all tasks of two passes", f"2 x {shards:,.0f} x {shown(found.task_bytes)}", shown(2 * shards * found.task_bytes)),
        ("Ray: in flight, two a worker", f"2 x {machines * cores:,.0f} x {shown(found.task_bytes)}", shown(flight)),
        ("Ray: object store of a machine", "what all tasks share, of one stage after the other", shown(found.shared_bytes)),
        ("tasks a second that one process hands out", f"2 x {shards:,.0f} / the longest of the times above", f"{2 * shards / max(at_work, moved / network, moved / wanted.storage / 1e9):,.0f}"),
        ("and could hand out, if it did nothing else", f"1 / {1e3 * found.task_seconds:.2f} ms", f"{1 / found.task_seconds:,.0f}"),
    ]


if __name__ == "__main__":
    main()
