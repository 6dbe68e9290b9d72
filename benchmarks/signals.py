"""How fast signals are measured: MB/s of the kernels and of all signals, and the ratio to their plain definitions.

    python -m benchmarks.signals [PARQUET FILES OR FOLDERS] [--column text] [--documents 300]

All signals are measured, with no early exit, on all documents; the definitions (tests/definitions.py) on a slice spread
over them, on which every count must first equal its definition. Times are processor times, the median of five runs (the
definitions' of one); where two threads are named, wall time.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.documents import ROOT, megabytes, options, slice_of, table_of, texts_of
from benchmarks.figures import median, rates, record, timed

sys.path[:0] = [str(ROOT / "tests")]

import definitions  # noqa: E402

from rules.languages import language_names  # noqa: E402
from rules.measures.character_counts import CHARACTER_COUNTS  # noqa: E402
from rules.measures.counts import CORE_MEANINGS, count  # noqa: E402
from rules.measures.line_counts import LINE_COUNTS  # noqa: E402
from rules.measures.signals import CORE_SIGNALS, measure  # noqa: E402
from rules.measures.word_counts import WORD_COUNTS  # noqa: E402
from rules.text.buffers import large_strings  # noqa: E402

DICTIONARIES = {"jieba": "zh", "fugashi": "ja", "pythainlp": "th"}  # and what texts they are for


def main() -> None:
    arguments = parse_arguments()
    texts = texts_of(arguments.paths, arguments.column)
    few = slice_of(texts, arguments.documents)
    print(f"{len(texts):,} documents, {megabytes(texts):.1f} MB; {len(CORE_SIGNALS)} signals; definitions on {len(few)} documents")
    for what, names in (("characters", CHARACTER_COUNTS), ("lines", LINE_COUNTS)):
        print(f"{what}: {median(rates(megabytes(texts), timed(lambda names=names: count(texts, names)))):.0f} MB/s")
    for words in ("space", "unicode"):
        check(few, words)
        show_speed(texts, few, words)
    show_dictionaries(arguments.paths)


def parse_arguments() -> argparse.Namespace:
    parser = options(__doc__)
    parser.add_argument("--column", default="text")
    parser.add_argument("--documents", type=int, default=300, help="how many documents the definitions get")
    return parser.parse_args()


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
    speeds = rates(size, timed(lambda: measure(texts, names, words)))
    alone = rates(size, timed(lambda: count(texts, WORD_COUNTS, words)))
    both = rates(size, two_threads(texts, names, words))
    print(f"    all signals {median(speeds):.1f} MB/s, two threads {median(both):.1f} MB/s; words without n-grams, by themselves {median(alone):.0f} MB/s")
    size = megabytes(few)
    ours = rates(size, timed(lambda: measure(few, names, words)))
    plain = rates(size, timed(lambda: [definitions.signals(text, words) for text in few.to_pylist()], 1, warm=False))
    print(f"    on the slice {median(ours):.1f} MB/s, definitions {plain[0]:.3f} MB/s, ratio {median(ours) / plain[0]:.0f}")
    record(
        f"signals-{words}", f"all {len(names)} signals, {words} words, every count equal to its definition", ours, "MB/s",
        peer="plain Python definitions", theirs=plain, on=f"{len(few):,} documents, {size:.1f} MB",
    )  # fmt: skip


def two_threads(texts: pa.Array, names: list[str], words: str) -> list[float]:
    """Seconds by the clock that two threads take, each with every other document."""
    halves = [texts.take(pa.array(np.arange(k, len(texts), 2))) for k in range(2)]

    def work() -> None:
        threads = [threading.Thread(target=measure, args=(half, names, words)) for half in halves]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return timed(work, clock=time.perf_counter)


def show_dictionaries(paths: list[Path], documents: int = 100) -> None:
    """Words by dictionaries, each on texts in its language, beside `unicode` on all of those; without a column lang, none."""
    table = table_of(paths)
    if "lang" not in table.column_names:
        return
    texts = {words: large_strings(table.filter(pc.equal(table["lang"], language))["text"].slice(0, documents)) for words, language in DICTIONARIES.items()}
    texts = {words: some for words, some in texts.items() if len(some)}
    if texts:
        texts["unicode"] = pa.concat_arrays(list(texts.values()))
    for words, some in texts.items():
        speeds = rates(megabytes(some), timed(lambda some=some, words=words: count(some, WORD_COUNTS, words)))
        print(f"words of {words}: {median(speeds):.2f} MB/s on {len(some)} documents, {megabytes(some):.2f} MB")
        of = f"texts in {language_names(DICTIONARIES[words]).name}" if words in DICTIONARIES else "texts in all these languages"
        record(f"words-{words}", f"counting words, `words: {words}`, {of}", speeds, "MB/s", on=f"{len(some)} documents, {megabytes(some):.2f} MB")


if __name__ == "__main__":
    main()
