"""Scores of classifiers of fastText: by a kernel where the model is linear in words and word n-grams, else by fastText.

The kernel (classifier_scores.py) takes supervised models with a softmax and without character n-grams: those of
`gristmill classifier train`, and most that are published for quality. Others cost fastText's own time, with one string of
Python for each text.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rules.format.pack_files import PackFile, check_unchanged
from rules.models.classifier_scores import ScoreTable, can_score, classifier_scores, score_table
from rules.models.fasttext_file import read_model
from rules.splitters.lower_words import spaced_words
from rules.text.buffers import large_strings

BATCH_TEXTS = 1024


def classify(texts: pa.Array | pa.ChunkedArray, file: PackFile) -> np.ndarray:
    """The probability of the classifier's label for each text, float64 [docs]; NaN in a text without words."""
    table = open_classifier(file)
    if table is not None:
        return classifier_scores(texts, table, file.words == "unicode")
    return _by_fasttext(spaced_words(texts) if file.words == "unicode" else large_strings(texts), file)


@functools.lru_cache(maxsize=8)
def open_classifier(file: PackFile) -> ScoreTable | None:
    """The model as the kernel reads it; None where it cannot. ValueError for a label that the model does not have."""
    check_unchanged(file)
    model = read_model(file.path)
    if file.label not in model.labels:
        raise ValueError(f"{file.path} has no label {file.label!r}; it has {', '.join(model.labels[:20])}")
    return score_table(model, file.label) if can_score(model) else None


@functools.lru_cache(maxsize=2)
def _model(file: PackFile) -> Any:
    import fasttext  # only for a model that the kernel cannot read

    return fasttext.load_model(str(file.path))


def _by_fasttext(texts: pa.LargeStringArray, file: PackFile) -> np.ndarray:
    """fastText's own probability: line ends, NULs and the word that ends a line are spaces to it."""
    lines = pc.replace_substring_regex(texts, pattern="[\\n\\x00]|</s>", replacement=" ")
    scores, model = np.full(len(lines), np.nan), _model(file)
    blank = pc.equal(pc.ascii_trim_whitespace(lines), pa.scalar("", pa.large_string())).to_numpy(zero_copy_only=False)
    for start in range(0, len(lines), BATCH_TEXTS):
        batch = [text + "\n" for text in lines.slice(start, BATCH_TEXTS).to_pylist()]
        for row, (labels, found) in enumerate(zip(*model.f.multilinePredict(batch, -1, 0.0, "replace")), start):
            if file.label in labels and not blank[row]:
                scores[row] = min(found[labels.index(file.label)], 1.0)
    return scores
