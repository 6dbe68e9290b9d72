"""Fuzz every reader, and the loaders of packed data, rule packs, jobs and language models, guided by coverage: `python scripts/fuzz.py --minutes 10`.

A crash, a hang (an input that takes more than a minute) or a broken promise ends it with status 1; the input is kept and
named. The same --seed tries the same inputs in the same order.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from corpus import write_corpus, write_job  # noqa: E402
from fuzzing import (  # noqa: E402
    check_language_model,
    check_packed,
    check_reader,
    check_rules,
    guided,
    model_seeds,
    rule_seeds,
    seeds,
)

from curation.job import load_job  # noqa: E402
from curation.run import run_job  # noqa: E402

HANG_SECONDS = 60


def fuzz(name: str, check, corpus, seconds: float, seed: int, kept: Path) -> int:
    """Try inputs for `seconds`; returns how many. The one that is tried lies in `kept`."""
    end, count, slowest, lines = time.monotonic() + seconds, 0, 0.0, 0
    before = time.monotonic()
    for file, data, reached in guided(check, corpus, random.Random(seed)):
        lines = reached
        slowest = max(slowest, time.monotonic() - before)
        if time.monotonic() > end:
            break
        (kept / f"last-{name}-{Path(file).name}").write_bytes(data)
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        count, before = count + 1, time.monotonic()
    faulthandler.cancel_dump_traceback_later()
    print(f"{name}: {count:,} inputs, {sum(map(len, corpus.values())):,} in the corpus, {lines:,} lines reached, slowest {slowest:.1f} s", flush=True)
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path(tempfile.mkdtemp(prefix="gristmill-fuzz-")), help="where the input that is tried is kept")
    chosen = parser.parse_args()
    chosen.keep.mkdir(parents=True, exist_ok=True)
    print(f"the input that is tried is kept in {chosen.keep}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder, minutes, common = Path(temporary), chosen.minutes, (chosen.seed, chosen.keep)
        fuzz("readers", lambda name, data: check_reader(name, data, folder), {name: [data] for name, data in seeds().items()}, minutes * 36, *common)
        fuzz("rules", lambda name, data: check_rules(name, data, folder), {name: [data] for name, data in rule_seeds().items()}, minutes * 9, *common)
        fuzz("models", lambda name, data: check_language_model(name, data, folder), {name: [data] for name, data in model_seeds(folder).items()}, minutes * 6, *common)
        job = load_job(write_job(folder / "run.yaml", write_corpus(folder / "corpus")))
        run_job(job, "inline")
        packed = job.output / "packed"
        files = {path.name: [path.read_bytes()] for path in sorted(packed.iterdir())}
        fuzz("packed", lambda name, data: check_packed(name, data, packed, folder), files, minutes * 9, *common)


if __name__ == "__main__":
    main()
