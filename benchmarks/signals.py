"""How fast all signals are measured: MB/s a core, and how many times faster than their plain Python definitions.

    python benchmarks/signals.py [PARQUET FILES OR FOLDERS]

Every signal is measured, with no early exit, on all documents; the definitions (tests/definitions.py) on a slice of
them, on which equality is checked too. Times are those of one thread; best of five.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from definitions import signals as plain_signals  # noqa: E402

from rules.buffers import large_strings  # noqa: E402
from rules.signals import SIGNALS, measure  # noqa: E402

SLICE_DOCUMENTS = 300


def texts_of(paths: list[str]) -> pa.LargeStringArray:
    """The text column of all files."""
    files = [f for p in map(Path, paths) for f in (sorted(p.glob("*.parquet")) if p.is_dir() else [p])]
    if not files:
        sys.exit(f"no Parquet files in {', '.join(paths)}; name some with a text column")
    return large_strings(pa.concat_tables([pq.read_table(f, columns=["text"]) for f in files])["text"])


def megabytes(texts: pa.LargeStringArray) -> float:
    offsets = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return float(offsets[-1] - offsets[0]) / 1e6


def best_seconds(texts: pa.LargeStringArray, words: str, repeats: int = 5) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        measure(texts, list(SIGNALS), words)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def plain_seconds(texts: list[str], words: str) -> float:
    """Seconds of the definitions; their values must be those of the kernels."""
    start = time.perf_counter()
    expected = [plain_signals(text, words) for text in texts]
    seconds = time.perf_counter() - start
    got = measure(pa.array(texts, pa.large_string()), list(SIGNALS), words)
    for row, values in enumerate(expected):
        for name, value in values.items():
            same = np.isnan(got[name][row]) if value is None else got[name][row] == value
            assert same, f"{name} of document {row}: {got[name][row]}, by definition {value}"
    return seconds


def main() -> None:
    texts = texts_of(sys.argv[1:] or [str(ROOT.parent / "shared/data/bench")])
    step = max(1, len(texts) // SLICE_DOCUMENTS)
    part = texts.take(pa.array(range(0, len(texts), step)))
    print(f"{len(texts):,} documents, {megabytes(texts):.1f} MB; {len(SIGNALS)} signals; definitions on {len(part)} documents")
    for words in ("space", "unicode"):
        measure(texts.slice(0, 10), list(SIGNALS), words)
        fast = megabytes(texts) / best_seconds(texts, words)
        slow = megabytes(part) / plain_seconds(part.to_pylist(), words)
        print(f"{words:8} {fast:7.1f} MB/s  definitions {slow:6.3f} MB/s  ratio {fast / slow:6.0f}  (0 of {len(part) * len(SIGNALS):,} values differ)")


if __name__ == "__main__":
    main()
