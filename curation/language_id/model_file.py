"""A fastText model as the kernels that identify languages want it: every row written out in 32-bit numbers.

Reads what `readable` says: models with vectors of at most 16 numbers, word n-grams of one word, and
hierarchical softmax, such as lid.176.bin and lid.176.ftz. Others go through fastText itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rules.models.fasttext_file import SUPERVISED, ModelFileError, plain, read_settings
from rules.models.fasttext_file import read_model as read_whole_model

__all__ = ["Header", "ModelFile", "ModelFileError", "read_header", "read_model"]

HIERARCHICAL_SOFTMAX = 1
MOST_NUMBERS = 16  # of a vector: one register of the widest processors
LONGEST_NGRAM = 64  # characters


@dataclass(frozen=True)
class Header:
    """The settings a model was trained with, as far as they matter here."""

    numbers: int  # of a vector
    word_ngrams: int
    loss: int
    kind: int
    buckets: int  # of n-grams of characters
    least: int  # characters of an n-gram
    most: int

    @property
    def readable(self) -> bool:
        """Whether the kernels can do what fastText does with it."""
        is_plain = self.word_ngrams == 1 and self.loss == HIERARCHICAL_SOFTMAX and self.kind == SUPERVISED
        is_small = 0 < self.numbers <= MOST_NUMBERS and 0 < self.buckets < 1 << 31 and 0 <= self.least <= LONGEST_NGRAM and 0 <= self.most <= LONGEST_NGRAM
        return is_plain and is_small


@dataclass(frozen=True)
class ModelFile:
    """All of a model."""

    header: Header
    words: list[bytes]
    labels: list[str]
    label_counts: np.ndarray  # int64 [labels]: how often each was seen in training
    kept_buckets: np.ndarray | None  # int64 [kept, 2]: bucket, and its row after those of words; None: all, in order
    input: np.ndarray  # float32 [rows, numbers]
    output: np.ndarray  # float32 [labels, numbers]


def read_header(path: Path) -> Header:
    """The settings of a model file; ModelFileError if it is none."""
    return _header(read_settings(path))


def read_model(path: Path) -> ModelFile:
    """All of a model file. Raises ModelFileError."""
    whole = read_whole_model(path)
    counts = np.array(whole.label_counts, np.int64)
    model = ModelFile(_header(whole.settings), whole.words, whole.labels, counts, whole.pruned, plain(whole.input), plain(whole.output))
    _check(model, path)
    return model


def _header(settings: dict[str, int]) -> Header:
    names = ("dim", "word_ngrams", "loss", "model", "bucket", "minn", "maxn")
    return Header(*(settings[name] for name in names))


def _check(model: ModelFile, path: Path) -> None:
    """Kernels look nothing up that is not there."""
    ngram_rows = len(model.input) - len(model.words)
    kept = model.kept_buckets
    fits = (
        model.input.shape[1] == model.output.shape[1] == model.header.numbers
        and len(model.labels) >= 2
        and len(model.output) >= len(model.labels) - 1
        and (ngram_rows == model.header.buckets if kept is None else True)
        and (kept is None or _kept_fit(kept, model.header.buckets, ngram_rows))
    )
    if not fits:
        raise ModelFileError(f"{path}: its matrices do not fit its dictionary")


def _kept_fit(kept: np.ndarray, buckets: int, rows: int) -> bool:
    """Every bucket is there once, and has a row."""
    ordered = np.sort(kept[:, 0])  # np.unique would load masked arrays first
    return not len(kept) or (_within(kept[:, 0], buckets) and _within(kept[:, 1], rows) and bool((ordered[1:] != ordered[:-1]).all()))


def _within(numbers: np.ndarray, limit: int) -> bool:
    return bool(numbers.min() >= 0 and numbers.max() < limit)
