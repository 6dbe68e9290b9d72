"""How fast inspection answers: opening a sample, moving a threshold, trying a line rule, mining, opening a large document.

    python -m benchmarks.inspection [FILES OR FOLDERS] [--documents 20000]

The sample is judged by gopher_quality, gopher_repetition, c4 (with its line rules) and web_chrome on two threads. Times are
wall time, the median of five runs, with the processor time beside it: on a busy machine the latter, over two threads,
says what a quiet one would take. Compiled kernels come from their cache: the first answer of each kind is not timed.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from benchmarks.documents import options
from benchmarks.figures import RUNS, median, record
from benchmarks.machine import processor
from benchmarks.screens import screen_times
from inspect_ui.draft import Draft, draft_pack
from inspect_ui.effects import lines_found
from inspect_ui.judging import judge
from inspect_ui.mine import KINDS
from inspect_ui.sample import open_sample
from inspect_ui.session import Session

PACKS = ("web_chrome", "gopher_quality", "gopher_repetition", "c4")
RULE = "gopher_quality/word-count"
PATTERN = r"(?i)^[\s\p{Z}]*(?:copyright|all[\s\p{Z}]+rights[\s\p{Z}]+reserved|posted[\s\p{Z}]+on[\s\p{Z}]+\p{Nd}+)"
LARGE_BYTES = 10_000_000


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--documents", type=int, default=20_000, help="size of the sample")
    arguments = parser.parse_args()
    print(f"{processor()}, {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory() as folder:
        show_session([str(path) for path in arguments.paths], arguments.documents, Path(folder))
        show_large_document(Path(folder))


def timed(key: str, name: str, call: Callable[[], object]) -> None:
    """Time something by the clock and on processors, after once that is not counted."""
    call()
    walls, busy = [], []
    for _ in range(RUNS):
        wall, used = time.perf_counter(), time.process_time()
        call()
        walls.append(time.perf_counter() - wall)
        busy.append(time.process_time() - used)
    show(key, name, walls, busy)


def show(key: str, name: str, walls: list[float], busy: list[float]) -> None:
    print(f"{name}: {told(median(walls))} ({told(median(busy))} of processors)")
    record(f"inspect-{key}", f"inspect: {name}, by the clock", [1e3 * wall for wall in walls], "ms", note=f"{told(median(busy))} of processors")


def told(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"


def show_session(paths: list[str], documents: int, folder: Path) -> None:
    labels, drafts = [folder / "labels.jsonl"], folder / "draft.yaml"
    opened = open_sample(paths, PACKS, documents, seed=7)
    session = Session(opened, labels, "ann", drafts)
    print(f"{session.title}; {session.texts.nbytes / 1e6:.1f} MB; {', '.join(PACKS)}")
    timed("draw", "drawing the sample", lambda: open_sample(paths, PACKS, documents, seed=7))
    timed("judge", "judging it with four packs", lambda: judge(session.documents, session.packs))
    timed("ready", "ready: both, and the table of rules", lambda: Session.open(paths, PACKS, documents, 7, None, labels, "ann", drafts).rules())
    tuning = session.tunings(RULE)[0]
    values = iter(range(20, 1000))
    timed("threshold", "a threshold moved: documents, words, languages, histogram, nearest", lambda: moved(tuning, float(next(values))))
    timed("tunings", "a rule made ready for that", lambda: session.tunings(RULE))
    draft = draft_pack(Draft("timed", PATTERN, PATTERN, (), ()))
    timed("line-rule", "a new line rule tried: its effect on all", lambda: session.effect(draft, "timed"))
    timed("lines", "of that, finding its lines", lambda: lines_found(session.documents, draft, "timed"))
    timed("document", "a document opened", lambda: session.document(session.count // 2))
    for kind in KINDS:
        timed(f"mine-{kind}", f"mined: {kind}", lambda kind=kind: session.patterns.mine(kind))
    timed("suggest", "suggested: lines", session.patterns.suggest_lines)
    for number, (name, (walls, busy)) in enumerate(screen_times(session, RULE, large_text(), RUNS).items()):
        show(f"screen-{number}", name, walls, busy)


def moved(tuning, threshold: float) -> None:
    tuning.move(threshold)
    tuning.histogram(60)
    tuning.nearest(threshold)


def large_text() -> str:
    line = "The river ran past the old mill and the people of the town walked along it every evening.\nShare this\n"
    return (line * (LARGE_BYTES // len(line) + 1))[:LARGE_BYTES]


def show_large_document(folder: Path) -> None:
    """A document of 10 MB, with hits in it."""
    text = large_text()
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"id": ["large"], "text": [text]}), folder / "large.parquet")
    session = Session.open([str(folder / "large.parquet")], PACKS, labels=[folder / "labels.jsonl"], drafts=folder / "none.yaml")
    view = session.document(0)
    timed("large", f"a document of {len(text) / 1e6:.0f} MB and {len(view.spans):,} hits opened", lambda: session.document(0))


if __name__ == "__main__":
    main()
