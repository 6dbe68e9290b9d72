"""rensa's side of benchmarks/duplicates.py: processor seconds for signatures, of ready-made shingles and from texts.

    python benchmarks/rensa_speed.py TEXTS.parquet --hashes 112 --runs 5

This runs where rensa is installed; the file has the columns text and shingles. Of its calls for many documents the fastest
counts that computes every permutation; its hashes have 32 bits. From texts: words between white space, joined by fives in
Python, as it comes without a splitter. Seconds of all runs, and its version, as JSON.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import statistics
import time
from pathlib import Path

import pyarrow.parquet as parquet
import rensa


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--hashes", type=int, default=112)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    table = parquet.read_table(arguments.texts)
    shingles, texts = table["shingles"].to_pylist(), table["text"].to_pylist()
    calls = (rensa.RMinHash.digest_matrix_from_token_byte_sets, rensa.RMinHash.digests_from_token_sets)
    ready = [seconds(lambda call=call: call(shingles, arguments.hashes, 1), arguments.runs) for call in calls]
    whole = [seconds(lambda call=call: call([shingled(text) for text in texts], arguments.hashes, 1), arguments.runs) for call in calls]
    found = {"shingles ready": min(ready, key=statistics.median), "from texts": min(whole, key=statistics.median)}
    print(json.dumps({"version": importlib.metadata.version("rensa"), "seconds": found}))


def shingled(text: str, words_each: int = 5) -> list[bytes]:
    words = text.split()
    return [" ".join(words[k : k + words_each]).encode() for k in range(len(words) - words_each + 1)]


def seconds(work, runs: int) -> list[float]:
    times = []
    work()
    for _ in range(runs):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return times


if __name__ == "__main__":
    main()
