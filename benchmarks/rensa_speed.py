"""rensa's side of benchmarks/duplicates.py: processor seconds for signatures of ready-made shingles.

    python benchmarks/rensa_speed.py SHINGLES.parquet --hashes 112 --runs 5

This runs where rensa is installed. Of its calls for many documents the fastest counts that computes every permutation; its
hashes have 32 bits. Seconds of all runs, and its version, as JSON.
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
    parser.add_argument("shingles", type=Path)
    parser.add_argument("--hashes", type=int, default=112)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    shingles = parquet.read_table(arguments.shingles)["shingles"].to_pylist()
    calls = (rensa.RMinHash.digest_matrix_from_token_byte_sets, rensa.RMinHash.digests_from_token_sets)
    found = [seconds(call, shingles, arguments.hashes, arguments.runs) for call in calls]
    print(json.dumps({"version": importlib.metadata.version("rensa"), "seconds": min(found, key=statistics.median)}))


def seconds(call, shingles: list[list[bytes]], hashes: int, runs: int) -> list[float]:
    times = []
    call(shingles, hashes, 1)
    for _ in range(runs):
        start = time.process_time()
        call(shingles, hashes, 1)
        times.append(time.process_time() - start)
    return times


if __name__ == "__main__":
    main()
