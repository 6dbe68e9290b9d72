"""How fast packs decide, beside datatrove's filters on the same documents: one run, one processor, ratios.

    python -m benchmarks.rules [PARQUET FILES OR FOLDERS] [--documents 2000] [--peer .venv-oracle]

gristmill applies gopher_quality, gopher_repetition, c4 (with its line rules) and fineweb: every signal measured, every
hit recorded. The peer runs its four filters in an environment of its own (`make oracle` makes it), as it ships (spaCy
words) and with words between white space, both on --documents of the texts: enough for what it remembers of words it has
seen to make it as fast as it gets. Times are processor times, the median of five runs for gristmill, the peer's of one; two
threads and the cold start are wall time.
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

from benchmarks.documents import ROOT, megabytes, options, slice_of, texts_of
from benchmarks.figures import median, rates, record, timed
from benchmarks.machine import processor
from rules.deciding import decide
from rules.engine import apply, measure_packs
from rules.format.pack import load_pack, shipped_packs
from rules.rule import Pack, Rule
from rules.splitters.words import Splitter

PACKS = ("gopher_quality", "gopher_repetition", "c4", "fineweb")
PATTERNS = 200


def main() -> None:
    arguments = options(__doc__, peer_documents=2000).parse_args()
    texts = texts_of(arguments.paths)
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


def packs(words: str) -> list[Pack]:
    return [dataclasses.replace(load_pack(shipped_packs()[name]), words=words) for name in PACKS]


REPAIRS = ("ftfy", "nfc", "nfkc")
SPLITTERS: tuple[Splitter, ...] = ("space", "unicode", "spacy")  # those of dictionaries are for single languages
MEANING = {"space": "words between white space", "unicode": "punctuation and ideographs as words", "spacy": "spaCy's words"}


def apply_times(texts: pa.Array, words: str) -> list[float]:
    wanted = packs(words)
    return timed(lambda: apply(wanted, texts))


# ---- gristmill alone


def show_words(texts: pa.Array) -> None:
    for words in SPLITTERS:
        speeds = rates(megabytes(texts), apply_times(texts, words))
        print(f"four packs, {words} words: {median(speeds):.1f} MB/s")
        record(f"rules-{words}", f"packs of Gopher, C4 and FineWeb, C4's line edits and all hits included, {MEANING[words]}", speeds, "MB/s", on=told(texts))


def show_threads(texts: pa.Array) -> None:
    """Two threads, each with every other document, against one with all."""
    wanted, halves = packs("unicode"), [texts.take(pa.array(np.arange(k, len(texts), 2))) for k in range(2)]

    def both() -> None:
        threads = [threading.Thread(target=apply, args=(wanted, half)) for half in halves]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    one, two = (rates(megabytes(texts), timed(work, clock=time.perf_counter)) for work in (lambda: apply(wanted, texts), both))
    print(f"two threads, unicode words: {median(two):.1f} MB/s, {median(two) / median(one):.2f} times one thread (wall time)")
    record("rules-threads", "the packs on two threads, by the clock", two, "MB/s", peer="one thread", theirs=one, on=told(texts))


def show_parts(texts: pa.Array) -> None:
    """Where the time goes: each pack by itself, and C4 without its line rules."""
    found = {pack.name: [pack] for pack in packs("unicode")}
    c4 = found["c4"][0]
    found["c4 without line rules"] = [dataclasses.replace(c4, rules=tuple(r for r in c4.rules if r.drop_when))]
    times = {name: median(timed(lambda pack=pack: apply(pack, texts))) for name, pack in found.items()}
    print("ns a byte, each by itself: " + ", ".join(f"{name} {1e3 * t / megabytes(texts):.1f}" for name, t in times.items()))


def show_patterns(texts: pa.Array) -> None:
    pack = pattern_pack(PATTERNS)
    speeds = rates(megabytes(texts), timed(lambda: apply([pack], texts)))
    print(f"{len(pack.rules)} line patterns on {megabytes(texts):.1f} MB: {median(speeds):.1f} MB/s")
    record("rules-patterns", f"{len(pack.rules)} line patterns: those of the shipped packs, and variants", speeds, "MB/s", on=told(texts))


def pattern_pack(count: int) -> Pack:
    """The patterns of all shipped packs but those that nearly every line matches; then each again with one more phrase.

    Repairs (`lines: ftfy`, `nfc`, `nfkc`) are no patterns of anybody: theirs only find the lines to look at."""
    loaded = [load_pack(path) for path in shipped_packs().values()]
    rules = [rule for pack in loaded for rule in pack.rules if rule.match and rule.lines not in REPAIRS and rule.id not in ("strip", "no-end-punctuation")]
    known = [rule.match for rule in rules]
    patterns = known + [f"(?:{known[k % len(known)]})|(?i:call office number {k})" for k in range(max(0, count - len(known)))]
    made = [Rule(f"pattern-{k}", "Timed.", lines="drop", match=pattern) for k, pattern in enumerate(patterns)]
    return Pack("patterns", "Line patterns for timing.", tuple(made))


def show_decisions(texts: pa.Array, documents: int = 1_000_000) -> None:
    """Time to decide again from stored signals: those of the texts, repeated."""
    wanted = packs("unicode")
    columns = {name: np.resize(values, documents) for name, values in measure_packs(wanted, texts).columns.items()}
    seconds = timed(lambda: decide(wanted, columns, documents))
    print(f"deciding {documents:,} documents from {len(columns)} stored signals, all hits: {median(seconds):.2f} s")
    record("rules-decide", "deciding a million documents again, nothing measured", seconds, "s", on=f"{len(columns)} stored signals of each")


def show_cold_start() -> None:
    """`gristmill check` of a pack in a new process, the compiled kernels in their cache."""
    command = [sys.executable, str(ROOT / "gristmill.py"), "check", str(shipped_packs()["gopher_quality"])]
    check = lambda: subprocess.run(command, check=True, capture_output=True, cwd=ROOT)  # noqa: E731
    seconds, busy = timed(check, clock=time.perf_counter), timed(check, clock=children_seconds)
    print(f"cold start: gristmill check gopher_quality.yaml in {median(seconds):.2f} s wall time, {median(busy):.2f} s processor time")
    record("rules-start", "`gristmill check` of a pack, from start to exit, by the clock", seconds, "s")


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
    size = megabytes(few)
    ours = {words: rates(size, apply_times(few, words)) for words in SPLITTERS}
    print(f"gristmill on {len(few):,} documents, {size:.2f} MB: " + ", ".join(f"{words} {median(speeds):.1f} MB/s" for words, speeds in ours.items()))
    for words in ("shipped", "space"):
        answer = peer_answer(python, few, words)
        versions = ", ".join(f"{name} {version}" for name, version in answer["versions"].items())
        print(f"peer with {words} words ({versions}) on the same:")
        for how, seconds in answer["seconds"].items():
            ratios = ", ".join(f"{name} {median(speeds) * seconds / size:.0f}" for name, speeds in ours.items())
            print(f"    {how}: {size / seconds:.3f} MB/s; gristmill is faster by {ratios}")
        record_ratios(words, ours, f"datatrove {answer['versions']['datatrove']}", size / answer["seconds"]["as shipped"], told(few))


def record_ratios(peer_words: str, ours: dict[str, list[float]], peer: str, speed: float, on: str) -> None:
    """Beside datatrove's four filters with spaCy's words, as they ship, and with the words that `space` stands for."""
    how = "four filters as they ship, spaCy's words" if peer_words == "shipped" else "four filters, words between white space"
    for words in SPLITTERS if peer_words == "shipped" else ("space", "unicode"):
        record(
            f"rules-{words}-{peer_words}", f"packs of Gopher, C4 and FineWeb, all signals and hits, {MEANING[words]}", ours[words], "MB/s",
            peer=f"{peer}, {how}", theirs=[speed], on=on,
        )  # fmt: skip


def told(texts: pa.Array) -> str:
    return f"{len(texts):,} documents, {megabytes(texts):.1f} MB"


def peer_answer(python: Path, texts: pa.Array, words: str) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.parquet"
        parquet.write_table(pa.table({"text": texts}), path)
        command = [python, ROOT / "benchmarks" / "peer_speed.py", path, "--words", words]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
