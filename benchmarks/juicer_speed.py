"""data-juicer's side of benchmarks/juicer.py: processor seconds of eight of its filters as they ship, and which documents they keep.

    python benchmarks/juicer_speed.py TEXTS.parquet --runs 2

This runs where data-juicer is installed. Its operators get all texts as one batch, which is how they are fastest: each
measures every document, whatever the operator before said. Seconds of all runs, what is kept, and its version, as JSON.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import time
from pathlib import Path

import pyarrow.parquet as parquet

FILTERS = (
    "alphanumeric", "average_line_length", "maximum_line_length", "character_repetition", "word_repetition", "special_characters", "text_length",
    "words_num",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--runs", type=int, default=2)
    arguments = parser.parse_args()
    texts = parquet.read_table(arguments.texts, columns=["text"])["text"].to_pylist()
    operators = [opened(name) for name in FILTERS]
    judged(operators, texts[:10])  # what is loaded at the first call
    seconds, kept = [], []
    for _ in range(arguments.runs):
        start = time.process_time()
        kept = judged(operators, texts)
        seconds.append(time.process_time() - start)
    print(json.dumps({"version": importlib.metadata.version("py-data-juicer"), "seconds": seconds, "kept": kept}))


def opened(name: str):
    module = importlib.import_module(f"data_juicer.ops.filter.{name}_filter")
    return getattr(module, "".join(part.capitalize() for part in name.split("_")) + "Filter")()


def judged(operators: list, texts: list[str]) -> list[bool]:
    """Whether all operators keep each text."""
    kept = [True] * len(texts)
    for operator in operators:
        samples = {"text": texts, "__dj__stats__": [{} for _ in texts]}
        verdicts = operator.process_batched(operator.compute_stats_batched(samples))
        kept = [before and bool(verdict) for before, verdict in zip(kept, verdicts)]
    return kept


if __name__ == "__main__":
    main()
