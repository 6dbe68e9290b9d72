"""The peer's side of benchmarks/rules.py: processor seconds of datatrove's four filters on the same documents.

    python benchmarks/peer_speed.py TEXTS.parquet --words shipped

This runs where datatrove is installed. Every filter gets every document, whatever the filter before said; C4 hands its
edited text on. Two figures as JSON: `as shipped`, where a filter stops at its first failing check, and `every check`,
with thresholds that nothing meets, so that a filter measures all that it can.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
import time
import warnings
from pathlib import Path

import pyarrow.parquet as parquet

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]

from oracle import peer  # noqa: E402
from oracle.checks import CHECKS  # noqa: E402

ORDER = ("gopher_repetition", "gopher_quality", "c4", "fineweb")  # as FineWeb ran them


def never_met() -> dict[str, dict[str, float]]:
    """Per filter the settings with which every check is computed and none drops, but for C4's two on single lines."""
    sides = {"<": -1.0, ">": float("inf")}
    found = {name: {c.setting: sides[c.operator] for c in CHECKS[name] if c.setting} for name in ORDER if name != "c4"}
    return found | {"c4": {"min_num_sentences": 0}}


def seconds(texts: list[str], settings: dict[str, dict[str, float]]) -> float:
    """Processor seconds of this process for all filters on all texts."""
    filters = [peer.open_filter(name, settings.get(name, {})) for name in ORDER]
    for opened in filters:
        opened.filter(peer.Document(text="Warm up. All of it.", id=""))  # loads spaCy
    start = time.process_time()
    for text in texts:
        document = peer.Document(text=text, id="")
        for opened in filters:
            opened.filter(document)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--words", choices=["shipped", "space"], required=True)
    arguments = parser.parse_args()
    texts = parquet.read_table(arguments.texts, columns=["text"])["text"].to_pylist()
    warnings.simplefilter("ignore", RuntimeWarning)
    with peer.using_words(arguments.words, cached=5):
        found = {"as shipped": seconds(texts, {}), "every check": seconds(texts, never_met())}
    versions = {name: importlib.metadata.version(name) for name in ("datatrove", "spacy", "numpy")}
    print(json.dumps({"seconds": found, "versions": versions}))


if __name__ == "__main__":
    main()
