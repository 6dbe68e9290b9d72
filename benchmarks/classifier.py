"""Classifiers' scores beside fastText's: the same to 1e-4, and how much faster.

    python -m benchmarks.classifier [PARQUET FILES OR FOLDERS] [--megabytes 8]

Two models, of words and of words with bigrams, are trained to tell English from the other languages on a part of the
documents, quantised as `gristmill classifier train` does; then all documents are scored by the kernel, from their text on,
and by `fasttext.predict`, which is given strings of words in lower case whose making is not counted. Times are processor
times of one thread, the median of five runs each, taken in turns.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import fasttext
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.documents import DATA, DOCUMENTS, megabytes, options, table_of
from benchmarks.figures import in_turns, median, named, rates, record
from curation.classifier_training import POSITIVE, write_lines
from curation.fasttext_training import FastTextSettings, train_model
from rules.models.classifier_scores import classifier_scores, score_table
from rules.models.fasttext_file import read_model
from rules.splitters.lower_words import spaced_words

TRAINED_ON = 1_000  # documents of each kind, at most
MODELS = {"words": 1, "words and bigrams": 2}  # and the word n-grams of each


def main() -> None:
    parser = options(__doc__, [DATA / "sample"] if DOCUMENTS.is_relative_to(DATA) else [DOCUMENTS])
    parser.add_argument("--megabytes", type=float, default=8.0, help="of text that is scored")
    arguments = parser.parse_args()
    texts, english = documents_of(arguments.paths, arguments.megabytes * 1e6)
    sides = [texts.filter(mask).slice(0, TRAINED_ON) for mask in (english, pc.invert(english))]
    if not all(map(len, sides)):
        sys.exit(f"{', '.join(map(str, arguments.paths))} has no documents in English, or no others")
    lines = spaced_words(texts).to_pylist()
    for name, word_ngrams in MODELS.items():
        with tempfile.TemporaryDirectory() as work:
            training, model, whole = (Path(work) / file for file in ("lines.txt", "model.ftz", "whole.bin"))
            write_lines(training, *sides)
            train_model(training, model, whole, FastTextSettings(epoch=3, word_ngrams=word_ngrams))
            compare(name, model, texts, lines)


def documents_of(paths: list[Path], most_bytes: float) -> tuple[pa.LargeStringArray, pa.BooleanArray]:
    """The first texts that are `most_bytes` together, and which of them are English."""
    documents = table_of(paths, ["text", "lang"]).combine_chunks()
    texts = pc.fill_null(documents["text"].cast(pa.large_string()), "").combine_chunks()
    count = int(np.searchsorted(np.cumsum(pc.binary_length(texts).to_numpy(zero_copy_only=False)), most_bytes))
    english = pc.fill_null(pc.equal(documents["lang"], "en"), False).combine_chunks()
    return texts.slice(0, count), english.slice(0, count)


def compare(name: str, path: Path, texts: pa.LargeStringArray, lines: list[str]) -> None:
    """Print how fast both score `texts`; exit where they differ."""
    table, theirs = score_table(read_model(path), POSITIVE), fasttext.load_model(str(path))
    classifier_scores(texts.slice(0, 2), table, True)  # compiled before the clock starts
    found: dict[str, Any] = {}
    times = in_turns({
        "ours": lambda: found.update(ours=classifier_scores(texts, table, True)),
        "fasttext": lambda: found.update(fasttext=[theirs.predict(line, k=-1) for line in lines]),
    })  # fmt: skip
    scores = found["ours"]
    expected = np.array([dict(zip(*pair)).get(POSITIVE, 0.0) if line.strip() else np.nan for pair, line in zip(found["fasttext"], lines)])
    largest = float(np.nanmax(np.abs(scores - np.minimum(expected, 1.0)), initial=0.0))
    size = megabytes(texts)
    speeds = {side: rates(size, seconds) for side, seconds in times.items()}
    print(
        f"{name}: {len(texts):,} documents, {size:.1f} MB: {median(speeds['ours']):.0f} MB/s; fasttext.predict, its words given,"
        f" {median(speeds['fasttext']):.0f} MB/s: {median(speeds['ours']) / median(speeds['fasttext']):.1f} times; scores differ by {largest:.1e} at most"
    )
    record(
        f"classifier-{name.replace(' ', '-')}", f"scores of a quality classifier of {name}, fastText's to 1e-4", speeds["ours"], "MB/s",
        peer=f"{named('fasttext-numpy2')}, predict, its words given", theirs=speeds["fasttext"], on=f"{len(texts):,} documents, {size:.1f} MB",
    )  # fmt: skip
    if largest > 1e-4 or (np.isnan(scores) != np.isnan(expected)).any():
        sys.exit("not the scores of fastText")


if __name__ == "__main__":
    main()
