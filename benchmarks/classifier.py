"""Classifiers' scores beside fastText's: the same to 1e-4, and how much faster.

    python -m benchmarks.classifier [PARQUET FILE OR FOLDER] [--megabytes 8]

Two models, of words and of words with bigrams, are trained to tell English from the other languages on a part of the
documents, quantised as `gristmill classifier train` does; then all documents are scored by the kernel, from their text on,
and by `fasttext.predict`, which is given strings of words in lower case whose making is not counted. Times are processor
times of one thread, the best of three runs each, taken in turns.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import fasttext
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as parquet

from curation.classifier_training import POSITIVE, write_lines
from curation.fasttext_training import FastTextSettings, train_model
from rules.classifier_scores import classifier_scores, score_table
from rules.fasttext_file import read_model
from rules.lower_words import spaced_words

DATA = Path(__file__).parents[2] / "shared" / "data" / "sample"
TRAINED_ON = 1_000  # documents of each kind, at most
MODELS = {"words": 1, "words and bigrams": 2}  # and the word n-grams of each


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", nargs="?", type=Path, default=DATA, help="a Parquet file or a folder of them, with columns text and lang")
    parser.add_argument("--megabytes", type=float, default=8.0, help="of text that is scored")
    arguments = parser.parse_args()
    texts, english = documents_of(arguments.path, arguments.megabytes * 1e6)
    sides = [texts.filter(mask).slice(0, TRAINED_ON) for mask in (english, pc.invert(english))]
    if not all(map(len, sides)):
        sys.exit(f"{arguments.path} has no documents in English, or no others")
    lines = spaced_words(texts).to_pylist()
    for name, word_ngrams in MODELS.items():
        with tempfile.TemporaryDirectory() as work:
            training, model, whole = (Path(work) / file for file in ("lines.txt", "model.ftz", "whole.bin"))
            write_lines(training, *sides)
            train_model(training, model, whole, FastTextSettings(epoch=3, word_ngrams=word_ngrams))
            compare(name, model, texts, lines)


def documents_of(path: Path, most_bytes: float) -> tuple[pa.LargeStringArray, pa.BooleanArray]:
    """The first texts that are `most_bytes` together, and which of them are English."""
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files:
        sys.exit(f"no Parquet files in {path}; name some with columns text and lang")
    documents = pa.concat_tables([parquet.read_table(file, columns=["text", "lang"]) for file in files]).combine_chunks()
    texts = pc.fill_null(documents["text"].cast(pa.large_string()), "").combine_chunks()
    count = int(np.searchsorted(np.cumsum(pc.binary_length(texts).to_numpy(zero_copy_only=False)), most_bytes))
    english = pc.fill_null(pc.equal(documents["lang"], "en"), False).combine_chunks()
    return texts.slice(0, count), english.slice(0, count)


def compare(name: str, path: Path, texts: pa.LargeStringArray, lines: list[str]) -> None:
    """Print how fast both score `texts`; exit where they differ."""
    table, theirs = score_table(read_model(path), POSITIVE), fasttext.load_model(str(path))
    classifier_scores(texts.slice(0, 2), table, True)  # compiled before the clock starts
    ours_best = theirs_best = np.inf
    for _ in range(3):
        seconds, scores = timed(lambda: classifier_scores(texts, table, True))
        ours_best = min(ours_best, seconds)
        seconds, found = timed(lambda: [theirs.predict(line, k=-1) for line in lines])
        theirs_best = min(theirs_best, seconds)
    expected = np.array([dict(zip(*pair)).get(POSITIVE, 0.0) if line.strip() else np.nan for pair, line in zip(found, lines)])
    largest = float(np.nanmax(np.abs(scores - np.minimum(expected, 1.0)), initial=0.0))
    megabytes = pc.sum(pc.binary_length(texts)).as_py() / 1e6
    print(
        f"{name}: {len(texts):,} documents, {megabytes:.1f} MB: {megabytes / ours_best:.0f} MB/s; fasttext.predict, its words given,"
        f" {megabytes / theirs_best:.0f} MB/s: {theirs_best / ours_best:.1f} times; scores differ by {largest:.1e} at most"
    )
    if largest > 1e-4 or (np.isnan(scores) != np.isnan(expected)).any():
        sys.exit("not the scores of fastText")


def timed(work: Callable):
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


if __name__ == "__main__":
    main()
