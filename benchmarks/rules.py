"""How fast packs decide, beside datatrove's filters on the same documents: one run, one processor, ratios.

    python -m benchmarks.rules [PARQUET FILES OR FOLDERS] [--documents 2000] [--peer .venv-oracle]

gristmill applies gopher_quality, gopher_repetition, c4 (with its line rules) and fineweb: every signal measured, every
hit recorded. The peer runs its four filters in an environment of its own (`make oracle` makes it), as it ships (spaCy
words) and with words between white space, both on --documents of the texts: enough for what it remembers of words it has
seen to make it as fast as it gets. Times are processor times, the best of several runs for gristmill; two threads and the
cold start are wall time.
"""

from __future__ import annotations

import argparse
import dataclasses
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

import numba
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from benchmarks.machine import processor
from benchmarks.signals import best_seconds, megabytes, texts_of
from rules.deciding import decide
from rules.engine import apply, measure_packs
from rules.pack import load_pack, shipped_packs
from rules.rule import Pack, Rule
from rules.words import Splitter

ROOT = Path(__file__).parents[1]
PACKS = ("gopher_quality", "gopher_repetition", "c4", "fineweb")
PATTERNS = 200


def main() -> None:
    arguments = parse_arguments()
    texts = texts_of(arguments.paths, "text")
    pa.set_cpu_count(1)
    print(f"{processor()}, {os.cpu_count()} processors; Python {platform.python_version()}, numpy {np.__version__}, numba {numba.__version__}, pyarrow {pa.__version__}")
    print(f"{len(texts):,} documents, {megabytes(texts):.1f} MB; {', '.join(PACKS)}: all signals, all hits")
    show_words(texts)
    show_threads(texts)
    show_parts(texts)
    show_patterns(texts)
    show_decisions(slice_of(texts, 2000))
    show_cold_start()
    show_ratios(texts, arguments)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = [ROOT.parent / "shared" / "data" / "bench"]
    parser.add_argument("paths", nargs="*", type=Path, default=default, help="Parquet files or folders of them")
    parser.add_argument("--documents", type=int, default=2000, help="how many the peer gets")
    parser.add_argument("--peer", type=Path, default=ROOT / ".venv-oracle", help="virtual environment with datatrove")
    return parser.parse_args()


def packs(words: str) -> list[Pack]:
    return [dataclasses.replace(load_pack(shipped_packs()[name]), words=words) for name in PACKS]


def slice_of(texts: pa.Array, documents: int) -> pa.Array:
    """`documents` of the texts, spread over all."""
    return texts.take(pa.array(np.linspace(0, len(texts) - 1, min(documents, len(texts))).astype(np.int64)))


REPAIRS = ("ftfy", "nfc", "nfkc")
SPLITTERS: tuple[Splitter, ...] = ("space", "unicode", "spacy")  # those of dictionaries are for single languages


def apply_seconds(texts: pa.Array, words: str, runs: int = 3) -> float:
    wanted = packs(words)
    return best_seconds(lambda: apply(wanted, texts), runs, time.process_time)


# ---- gristmill alone


def show_words(texts: pa.Array) -> None:
    for words in SPLITTERS:
        print(f"four packs, {words} words: {megabytes(texts) / apply_seconds(texts, words):.1f} MB/s")


def show_threads(texts: pa.Array) -> None:
    """Two threads, each with every other document, against one with all."""
    wanted, halves = packs("unicode"), [texts.take(pa.array(np.arange(k, len(texts), 2))) for k in range(2)]

    def both() -> None:
        threads = [threading.Thread(target=apply, args=(wanted, half)) for half in halves]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    one = best_seconds(lambda: apply(wanted, texts), 3, time.perf_counter)
    two = best_seconds(both, 3, time.perf_counter)
    print(f"two threads, unicode words: {megabytes(texts) / two:.1f} MB/s, {one / two:.2f} times one thread (wall time)")


def show_parts(texts: pa.Array) -> None:
    """Where the time goes: each pack by itself, and C4 without its line rules."""
    found = {pack.name: [pack] for pack in packs("unicode")}
    c4 = found["c4"][0]
    found["c4 without line rules"] = [dataclasses.replace(c4, rules=tuple(r for r in c4.rules if r.drop_when))]
    times = {name: best_seconds(lambda pack=pack: apply(pack, texts), 3, time.process_time) for name, pack in found.items()}
    print("ns a byte, each by itself: " + ", ".join(f"{name} {1e3 * t / megabytes(texts):.1f}" for name, t in times.items()))


def show_patterns(texts: pa.Array) -> None:
    pack = pattern_pack(PATTERNS)
    seconds = best_seconds(lambda: apply([pack], texts), 2, time.process_time)
    print(f"{len(pack.rules)} line patterns on {megabytes(texts):.1f} MB: {megabytes(texts) / seconds:.1f} MB/s")


def pattern_pack(count: int) -> Pack:
    """The patterns of all shipped packs but those that nearly every line matches; then each again with one more phrase.

    Repairs (`lines: ftfy`, `nfc`, `nfkc`) are no patterns of anybody: theirs only find the lines to look at."""
    loaded = [load_pack(path) for path in shipped_packs().values()]
    rules = [rule for pack in loaded for rule in pack.rules if rule.match and rule.lines not in REPAIRS and rule.id not in ("strip", "no-end-punctuation")]
    known = [rule.match for rule in rules]
    patterns = known + [f"(?:{known[k % len(known)]})|(?i:call office number {k})" for k in range(max(0, count - len(known)))]
    timed = [Rule(f"pattern-{k}", "Timed.", lines="drop", match=pattern) for k, pattern in enumerate(patterns)]
    return Pack("patterns", "Line patterns for timing.", tuple(timed))


def show_decisions(texts: pa.Array, documents: int = 1_000_000) -> None:
    """Time to decide again from stored signals: those of the texts, repeated."""
    wanted = packs("unicode")
    columns = {name: np.resize(values, documents) for name, values in measure_packs(wanted, texts).columns.items()}
    seconds = best_seconds(lambda: decide(wanted, columns, documents), 3, time.process_time)
    print(f"deciding {documents:,} documents from {len(columns)} stored signals, all hits: {seconds:.2f} s")


def show_cold_start() -> None:
    """`gristmill check` of a pack in a new process, the compiled kernels in their cache."""
    command = [sys.executable, str(ROOT / "gristmill.py"), "check", str(shipped_packs()["gopher_quality"])]
    check = lambda: subprocess.run(command, check=True, capture_output=True, cwd=ROOT)  # noqa: E731
    seconds, busy = best_seconds(check, 3, time.perf_counter), best_seconds(check, 3, children_seconds)
    print(f"cold start: gristmill check gopher_quality.yaml in {seconds:.2f} s wall time, {busy:.2f} s processor time")


def children_seconds() -> float:
    """Processor seconds of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# ---- beside the peer


def show_ratios(texts: pa.Array, arguments: argparse.Namespace) -> None:
    python = arguments.peer / "bin" / "python"
    if not python.exists():
        print(f"no {python}: `make oracle` makes it; the peer is not timed")
        return
    few = slice_of(texts, arguments.documents)
    ours = {name: apply_seconds(few, name, 5) for name in SPLITTERS}
    for words in ("shipped", "space"):
        answer = peer_answer(python, few, words)
        versions = ", ".join(f"{name} {version}" for name, version in answer["versions"].items())
        print(f"peer with {words} words ({versions}) on {len(few):,} documents, {megabytes(few):.2f} MB:")
        for how, seconds in answer["seconds"].items():
            ratios = ", ".join(f"{name} {seconds / ours[name]:.0f}" for name in ours)
            print(f"    {how}: {megabytes(few) / seconds:.3f} MB/s; gristmill is faster by {ratios}")
    print("gristmill on the same documents: " + ", ".join(f"{name} {megabytes(few) / seconds:.1f} MB/s" for name, seconds in ours.items()))


def peer_answer(python: Path, texts: pa.Array, words: str) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.parquet"
        parquet.write_table(pa.table({"text": texts}), path)
        command = [python, ROOT / "benchmarks" / "peer_speed.py", path, "--words", words]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
