"""Every benchmark, beside its peers, into one page: benchmarks/RESULTS.md, where all figures of README and docs/ come from.

    python -m benchmarks.results [--runs 5] [--only pipeline rules] [--update]

`make bench` runs it. A benchmark repeats what it times; peers run in the same command, on the same texts, those that take long
once. RESULTS.json holds every run of every figure, RESULTS.md shows medians and ratios, and the tables of figures in README.md
and docs/ are written from it. A benchmark that fails is a row with its last words; the others go on. With --only the page is
out/benchmarks/RESULTS.md, and nothing else is written; with --update as well, what was run takes its place in the whole page.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks import results_page
from benchmarks.machine import memory_bytes, processor

ROOT = Path(__file__).parents[1]
PEERS = {".venv-oracle": ("datatrove", "spacy", "numpy", "rensa", "pyarrow"), ".venv-juicer": ("py-data-juicer",)}
BY_HAND = {"language_packs"}  # it takes texts that are fetched, and times nothing
LISTED = {
    "pipeline": ["pipeline"],
    "workers": ["workers"],
    "overhead": ["overhead"],
    "rules": ["rules"],
    "juicer": ["juicer"],
    "line_patterns": ["line_patterns"],
    "signals": ["signals"],
    "language": ["language"],
    "classifier": ["classifier"],
    "minhash": ["minhash"],
    "duplicates": ["duplicates"],
    "clusters": ["duplicates", "--signatures", "1", "5", "20"],
    "encode": ["encode"],
    "packing": ["packing"],
    "train": ["train"],
    "inspection": ["inspection"],
    "growth": ["growth", "--times", "1", "3", "10"],
    "estimate": ["estimate"],
}


def benchmarks(folder: Path = ROOT / "benchmarks") -> dict[str, list[str]]:
    """Name -> module and arguments: those listed, then every other module that is a command, but for the peers' sides."""
    commands = [path.stem for path in sorted(folder.glob("*.py")) if "\nif __name__ ==" in path.read_text(encoding="utf-8")]
    others = [name for name in commands if not name.endswith(("_speed", "_peer")) and name not in {"results", *BY_HAND, *LISTED}]
    return LISTED | {name: [name] for name in others}


BENCHMARKS = benchmarks()
LIBRARIES = (
    "numpy", "numba", "pyarrow", "ray", "torch", "tokenizers", "tiktoken", "fasttext-numpy2", "datasketch", "datatrove", "spacy", "transformers",
)  # fmt: skip
LONGEST_SECONDS = 900  # of one benchmark


def main() -> None:
    arguments = parse_arguments()
    names, began = arguments.only or list(BENCHMARKS), time.time()
    whole = not arguments.only or arguments.update
    path = results_page.RESULTS if whole else ROOT / "out" / "benchmarks" / "RESULTS.json"
    before = {benchmark["name"]: benchmark for benchmark in results_page.load()["benchmarks"]}
    kept = dict(before) if arguments.update else {}
    if kept and results_page.load()["machine"] != machine():
        sys.exit("RESULTS.json is of another machine: run all benchmarks")
    for place, name in enumerate(names):
        last = f", {before[name]['seconds']:.0f} s last time" if name in before else ""
        say(f"[{place + 1}/{len(names)}] {name}{last}")
        kept[name] = run(name, arguments.runs)
        say(f"    {kept[name]['seconds']:.0f} s ({kept[name]['processor_seconds']:.0f} s of processors), {len(kept[name]['figures'])} figures" + (", FAILED" if kept[name]["error"] is not None else ""))
        write(path, results_of(kept, arguments.runs))  # what is done is kept if the rest is interrupted
    if whole:
        for page in results_page.write_tables(results_page.load()):
            say(f"figures of {page.relative_to(ROOT)}")
    print(f"{path.with_suffix('.md').relative_to(ROOT)} after {(time.time() - began) / 60:.0f} minutes")
    failed = [name for name in names if kept[name]["error"] is not None]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}; once mended: make bench BENCHMARKS=\"{' '.join(failed)}\" UPDATE=1")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="how often each thing is timed")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=[], metavar="NAME", help=f"some of: {', '.join(BENCHMARKS)}")
    parser.add_argument("--update", action="store_true", help="put what --only ran into the whole page")
    return parser.parse_args()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# ---- one benchmark


def run(name: str, runs: int, longest_seconds: float = LONGEST_SECONDS) -> dict[str, Any]:
    """What a benchmark printed, its figures and tables, and its last words where it failed."""
    module, *words = BENCHMARKS[name]
    load, began, busy = os.getloadavg()[0], time.time(), children_seconds()
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder) / "figures.jsonl"
        environment = os.environ | {"BENCHMARK_RUNS": str(runs), "BENCHMARK_FIGURES": str(figures), "PYTHONUNBUFFERED": "1"}
        code, printed, complaints = watched([sys.executable, "-m", f"benchmarks.{module}", *words], environment, longest_seconds)
        noted = [json.loads(line) for line in figures.read_text(encoding="utf-8").splitlines()] if figures.exists() else []
    last = "\n".join(complaints.strip().splitlines()[-15:])
    error = None if code == 0 else last or (f"it took longer than {longest_seconds:.0f} s" if code is None else f"ended with {code}")
    return {
        "name": name, "command": " ".join(["python -m", f"benchmarks.{module}", *words]), "seconds": round(time.time() - began, 1),
        "processor_seconds": round(children_seconds() - busy, 1), "load": load, "error": error, "printed": printed,
        "figures": [found for found in noted if "key" in found], "tables": [found for found in noted if "table" in found],
    }  # fmt: skip


def children_seconds() -> float:
    """Processor seconds of the processes that this one has started and that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def watched(command: list[str], environment: dict[str, str], longest_seconds: float) -> tuple[int | None, str, str]:
    """Exit code (None: it took too long and was ended), stdout, which is shown as it comes, and stderr."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaints:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=complaints, text=True, start_new_session=True)
        late = threading.Event()
        timer = threading.Timer(longest_seconds, lambda: (late.set(), os.killpg(process.pid, 9)))
        timer.start()
        printed = []
        for line in process.stdout or ():
            printed.append(line)
            say(f"    {line.rstrip()}")
        code = process.wait()
        timer.cancel()
        complaints.seek(0)
        return (None if late.is_set() else code), "".join(printed), complaints.read()


# ---- all of them


def results_of(benchmarks: dict[str, dict[str, Any]], runs: int) -> dict[str, Any]:
    versions = [f"Python {platform.python_version()}", *(f"{name} {found}" for name in LIBRARIES if (found := version(name)))]
    return {
        "machine": machine(), "versions": versions, "peers": peer_versions(), "runs": runs,
        "benchmarks": [benchmarks[name] for name in BENCHMARKS if name in benchmarks],
    }  # fmt: skip


def machine() -> str:
    return f"{processor()}, {os.cpu_count()} processors, {memory_bytes() / 1e9:.0f} GB, {platform.system()} {platform.release()}"


def version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def peer_versions() -> list[str]:
    found = []
    for folder, wanted in PEERS.items():
        python = ROOT / folder / "bin" / "python"
        if not python.exists():
            found.append(f"no {folder} (`make bench` makes it)")
            continue
        code = "import importlib.metadata as m, sys; print(*(f'{n} {m.version(n)}' for n in sys.argv[1:] if any(m.distributions(name=n))), sep='\\n')"
        found += subprocess.run([python, "-c", code, *wanted], capture_output=True, text=True).stdout.split("\n")[:-1]
    return found


def write(path: Path, results: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(results_page.page(results), encoding="utf-8")


if __name__ == "__main__":
    main()
