"""Every benchmark, several times, into one page: benchmarks/RESULTS.md, where the README's figures come from.

    python -m benchmarks.results [--runs 5] [--only pipeline rules] [--out benchmarks/RESULTS.md]

`make bench` runs it. Of each benchmark the page has its command and what it printed, every number the median of the runs and,
where they differ by more than a tenth of it, the lowest and the highest. Peers run in the same command, on the same texts. A
benchmark that fails, or is missing what it compares with, has its last words there; the others go on.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.machine import memory_bytes, processor

ROOT = Path(__file__).parents[1]
PEER = ROOT / ".venv-oracle" / "bin" / "python"
BENCHMARKS = {
    "pipeline": [],
    "workers": [],
    "overhead": [],
    "growth": [],
    "signals": [],
    "rules": [],
    "line_patterns": [],
    "language": ["FILES"],
    "classifier": [],
    "minhash": ["FILES"],
    "duplicates": ["FILES", "--signatures", "1", "5", "20"],
    "encode": ["FILES"],
    "packing": ["FILES"],
    "train": [],
}
LIBRARIES = ("numpy", "numba", "pyarrow", "ray", "torch", "tokenizers", "fasttext-numpy2", "datasketch", "datatrove", "spacy", "transformers")
NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?![\w,]*\d)")


def main() -> None:
    arguments = parse_arguments()
    began = time.time()
    parts = [heading(arguments.runs)]
    for name in arguments.only or BENCHMARKS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        parts.append(section(name, arguments.runs))
        arguments.out.write_text("\n".join(parts), encoding="utf-8")  # what is done is kept if the rest is interrupted
    print(f"{arguments.out} after {(time.time() - began) / 60:.0f} minutes")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="how often each benchmark is run")
    parser.add_argument("--only", nargs="*", choices=BENCHMARKS, default=[], metavar="NAME", help=f"some of: {', '.join(BENCHMARKS)}")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "RESULTS.md")
    return parser.parse_args()


def heading(runs: int) -> str:
    """The machine and the versions."""
    load = os.getloadavg()[0]
    versions = [f"Python {platform.python_version()}", *(f"{name} {found}" for name in LIBRARIES if (found := version(name)))]
    return (
        "# Results\n\n"
        f"Made by `make bench`: each number the median of {runs} runs, the lowest and highest behind it where they are far apart.\n\n"
        f"- machine: {processor()}, {os.cpu_count()} processors, {memory_bytes() / 1e9:.0f} GB, {platform.system()} {platform.release()}; load {load:.1f} when it began\n"
        f"- versions: {', '.join(versions)}\n"
        f"- peers in an environment of their own: {peer_versions()}\n"
    )


def version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def peer_versions() -> str:
    if not PEER.exists():
        return "none (`make oracle` makes it)"
    listed = subprocess.run([PEER, "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"], capture_output=True, text=True).stdout
    wanted = ("datatrove==", "spacy==", "numpy==", "fasttext", "pyarrow==")
    return ", ".join(line.replace("==", " ") for line in listed.splitlines() if line.startswith(wanted))


def section(name: str, runs: int) -> str:
    files = [os.path.relpath(path, ROOT) for path in sorted((ROOT.parent / "shared" / "data" / "bench").glob("*.parquet"))]
    words = [word for part in BENCHMARKS[name] for word in (files if part == "FILES" else [part])]
    shown = f"python -m benchmarks.{name} {' '.join(BENCHMARKS[name])}".strip()
    printed = []
    for _ in range(runs):
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *words], cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            last = "\n".join(done.stderr.strip().splitlines()[-5:])
            return f"## {name}\n\n`{shown}` ended with {done.returncode}:\n\n```\n{last}\n```\n"
        printed.append(done.stdout)
    body = medians(printed)
    tables = body.lstrip().startswith("|")
    return f"## {name}\n\n`{shown}`\n\n" + (f"{body}\n" if tables else f"```\n{body}\n```\n")


def medians(printed: list[str]) -> str:
    """What several runs printed as one text, each number the median of the runs, to as many places as it was printed with.

    A line of which the runs say something else than other numbers stands as the last run printed it."""
    lines = [text.rstrip("\n").split("\n") for text in printed]
    if len({len(some) for some in lines}) > 1:
        return printed[-1].rstrip("\n")
    return "\n".join(median_line(list(some)) for some in zip(*lines))


def median_line(lines: list[str]) -> str:
    if len({NUMBER.sub("#", line) for line in lines}) > 1:
        return lines[-1]
    columns = iter(list(zip(*(NUMBER.findall(line) for line in lines))))
    return NUMBER.sub(lambda _: median_number(next(columns)), lines[-1])


def median_number(written: tuple[str, ...]) -> str:
    values = [float(text.replace(",", "")) for text in written]
    places = max(len(text.partition(".")[2]) for text in written)
    form = f",.{places}f" if any("," in text for text in written) else f".{places}f"
    middle = statistics.median(values)
    apart = max(values) - min(values) > abs(middle) / 10
    return format(middle, form) + (f" ({format(min(values), form)} to {format(max(values), form)})" if apart and len(values) > 1 else "")


if __name__ == "__main__":
    main()
