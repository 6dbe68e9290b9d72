"""How fast signals are measured: MB/s of the kernels and of all signals, and the ratio to their plain definitions.

    python benchmarks/signals.py [PARQUET FILES OR FOLDERS] [--column text] [--documents 300]

All signals are measured, with no early exit, on all documents; the definitions (tests/definitions.py) on a slice spread
over them, on which every count must first equal its definition. Times are processor times of one thread, the best of
several runs; where two threads are named, wall time.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as parquet

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import definitions  # noqa: E402

from rules.buffers import large_strings  # noqa: E402
from rules.character_counts import CHARACTER_COUNTS  # noqa: E402
from rules.counts import CORE_MEANINGS, count  # noqa: E402
from rules.line_counts import LINE_COUNTS  # noqa: E402
from rules.signals import CORE_SIGNALS, measure  # noqa: E402
from rules.word_counts import WORD_COUNTS  # noqa: E402


def main() -> None:
    arguments = parse_arguments()
    texts = texts_of(arguments.paths, arguments.column)
    few = texts.take(pa.array(np.linspace(0, len(texts) - 1, arguments.documents).astype(np.int64)))
    print(f"{len(texts):,} documents, {megabytes(texts):.1f} MB; {len(CORE_SIGNALS)} signals; definitions on {len(few)} documents")
    for what, names in (("characters", CHARACTER_COUNTS), ("lines", LINE_COUNTS)):
        print(f"{what}: {megabytes(texts) / best_seconds(lambda names=names: count(texts, names)):.0f} MB/s")
    for words in ("space", "unicode"):
        check(few, words)
        show_speed(texts, few, words)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = [ROOT.parent / "shared" / "data" / "bench"]
    parser.add_argument("paths", nargs="*", type=Path, default=default, help="Parquet files or folders of them")
    parser.add_argument("--column", default="text")
    parser.add_argument("--documents", type=int, default=300, help="how many documents the definitions get")
    return parser.parse_args()


def texts_of(paths: list[Path], column: str) -> pa.LargeStringArray:
    """The text column of all files."""
    files = [file for path in paths for file in (sorted(path.glob("*.parquet")) if path.is_dir() else [path])]
    if not files:
        sys.exit(f"no Parquet files in {', '.join(map(str, paths))}; name some with a text column")
    return large_strings(pa.concat_tables([parquet.read_table(file, columns=[column]) for file in files])[column])


def megabytes(texts: pa.Array) -> float:
    return (pc.sum(pc.binary_length(texts)).as_py() or 0) / 1e6


def best_seconds(work: Callable[[], object], runs: int = 5, clock: Callable[[], float] = time.thread_time) -> float:
    """The least time of several runs; by default that of this thread on a processor, to which other programs add little."""
    work()  # compiled or loaded before the clock starts
    times = []
    for _ in range(runs):
        start = clock()
        work()
        times.append(clock() - start)
    return min(times)


def check(texts: pa.Array, words: str) -> None:
    """Stop unless every count of every text equals its definition."""
    found = count(texts, CORE_MEANINGS, words)
    for row, text in enumerate(texts.to_pylist()):
        wanted = definitions.counts(text, words)
        wrong = {name: (int(found[name][row]), wanted[name]) for name in CORE_MEANINGS if found[name][row] != wanted[name]}
        if wrong:
            sys.exit(f"document {row} of the slice, {words} words: (measured, defined) {wrong}")
    print(f"{words}: {len(texts)} documents x {len(CORE_MEANINGS)} counts equal their definitions")


def show_speed(texts: pa.Array, few: pa.Array, words: str) -> None:
    size, names = megabytes(texts), [signal.name for signal in CORE_SIGNALS]
    speed = size / best_seconds(lambda: measure(texts, names, words))
    alone = size / best_seconds(lambda: count(texts, WORD_COUNTS, words))
    both = size / two_threads(texts, names, words)
    print(f"    all signals {speed:.1f} MB/s, two threads {both:.1f} MB/s; words without n-grams, by themselves {alone:.0f} MB/s")
    ours = best_seconds(lambda: measure(few, names, words), 20)
    plain = best_seconds(lambda: [definitions.signals(text, words) for text in few.to_pylist()], 1)
    size = megabytes(few)
    print(f"    on the slice {size / ours:.1f} MB/s, definitions {size / plain:.3f} MB/s, ratio {plain / ours:.0f}")


def two_threads(texts: pa.Array, names: list[str], words: str) -> float:
    """Seconds that two threads take, each with every other document."""
    halves = [texts.take(pa.array(np.arange(k, len(texts), 2))) for k in range(2)]

    def work() -> None:
        threads = [threading.Thread(target=measure, args=(half, names, words)) for half in halves]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return best_seconds(work, clock=time.perf_counter)


if __name__ == "__main__":
    main()
