"""A fastText model file (.bin or .ftz, version 12) as arrays, for the kernels that identify languages.

The format is fastText's own: a header of settings, the dictionary of words and labels, which n-gram buckets survived
pruning, then the input and the output matrix. A quantised matrix is a product quantiser's: row = norm * the centroids
that its codes name (Jégou et al. 2011); here it is written out, 64 bytes a row of 16 numbers.

Reads what `readable` says: models with one vector of at most 16 numbers a word, word n-grams of one word, and
hierarchical softmax, such as lid.176.bin and lid.176.ftz. Others go through fastText itself.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MAGIC, VERSION = 793712314, 12
HIERARCHICAL_SOFTMAX, SUPERVISED = 1, 3
MOST_NUMBERS = 16  # of a vector: one register of the widest processors
LONGEST_NGRAM = 64  # characters
CENTROIDS = 256  # of each part of a quantised vector


class ModelFileError(ValueError):
    """The file is no fastText model, or it is cut off."""


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
        is_small = 0 < self.numbers <= MOST_NUMBERS and 0 < self.buckets < 1 << 31 and self.most <= LONGEST_NGRAM
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
    with path.open("rb") as file:
        return _header(_Reader(file.read(64), path))


def read_model(path: Path) -> ModelFile:
    """All of a model file. Raises ModelFileError."""
    reader = _Reader(path.read_bytes(), path)
    header = _header(reader)
    _, word_count, label_count, _, kept = reader.take("iiiqq")
    entries = [reader.entry() for _ in range(word_count + label_count)]
    labels = [(text.decode(errors="replace"), seen) for text, seen, kind in entries if kind == 1]
    buckets = None if kept < 0 else reader.array("<i4", 2 * kept).reshape(-1, 2).astype(np.int64)
    is_quantised = reader.one("?")
    rows = reader.quantised_matrix() if is_quantised else reader.matrix()
    output = reader.quantised_matrix() if reader.one("?") and is_quantised else reader.matrix()
    counts = np.array([seen for _, seen in labels], np.int64)
    model = ModelFile(header, [text for text, _, kind in entries if kind == 0], [text for text, _ in labels], counts, buckets, rows, output)
    _check(model, path)
    return model


def _header(reader: _Reader) -> Header:
    magic, version = reader.take("ii")
    if magic != MAGIC or version != VERSION:
        raise ModelFileError(f"{reader.path} is not a fastText model of version {VERSION}")
    numbers, _, _, _, _, word_ngrams, loss, kind, buckets, least, most, _ = reader.take("12i")
    reader.take("d")
    return Header(numbers, word_ngrams, loss, kind, buckets, least, most)


def _check(model: ModelFile, path: Path) -> None:
    """Kernels look nothing up that is not there."""
    ngram_rows = len(model.input) - len(model.words)
    kept = model.kept_buckets
    fits = (
        model.input.shape[1] == model.output.shape[1] == model.header.numbers
        and len(model.labels) >= 2
        and len(model.output) >= len(model.labels) - 1
        and (ngram_rows >= model.header.buckets if kept is None else True)
        and (kept is None or _kept_fit(kept, model.header.buckets, ngram_rows))
    )
    if not fits:
        raise ModelFileError(f"{path}: its matrices do not fit its dictionary")


def _kept_fit(kept: np.ndarray, buckets: int, rows: int) -> bool:
    """Every bucket is there once, and has a row."""
    return not len(kept) or (_within(kept[:, 0], buckets) and _within(kept[:, 1], rows) and len(np.unique(kept[:, 0])) == len(kept))


def _within(numbers: np.ndarray, limit: int) -> bool:
    return bool(numbers.min() >= 0 and numbers.max() < limit)


class _Reader:
    """Little-endian values one after the other."""

    def __init__(self, data: bytes, path: Path):
        self.data, self.path, self.position = data, path, 0

    def take(self, form: str) -> tuple:
        try:
            values = struct.unpack_from("<" + form, self.data, self.position)
        except struct.error:
            raise self._short() from None
        self.position += struct.calcsize("<" + form)
        return values

    def one(self, form: str):
        return self.take(form)[0]

    def entry(self) -> tuple[bytes, int, int]:
        """A word or label, how often it was seen, and which it is (0 word, 1 label)."""
        end = self.data.find(b"\0", self.position)
        if end < 0:
            raise self._short()
        text = self.data[self.position : end]
        self.position = end + 1
        return text, *self.take("qb")

    def array(self, kind: str, count: int) -> np.ndarray:
        size = np.dtype(kind).itemsize * count
        if count < 0 or self.position + size > len(self.data):
            raise self._short()
        values = np.frombuffer(self.data, kind, count, self.position)
        self.position += size
        return values

    def matrix(self) -> np.ndarray:
        rows, numbers = self.take("qq")
        return self.array("<f4", rows * numbers).reshape(rows, numbers)

    def quantised_matrix(self) -> np.ndarray:
        has_norms = self.one("?")
        rows, numbers, size = self.take("qqi")
        codes = self.array("u1", size)
        values = self.quantised(codes, rows)
        if values.shape[1] != numbers:
            raise ModelFileError(f"{self.path}: a matrix of {numbers} columns has {values.shape[1]}")
        return values * self.quantised(self.array("u1", rows), rows) if has_norms else values

    def quantised(self, codes: np.ndarray, rows: int) -> np.ndarray:
        """The rows that a product quantiser's codes stand for, float32 [rows, numbers]."""
        numbers, parts, width, last_width = self.take("4i")
        centroids = self.array("<f4", numbers * CENTROIDS)
        if rows * parts != codes.size or (parts - 1) * width + last_width != numbers:
            raise ModelFileError(f"{self.path}: a quantised matrix does not fit its codes")
        codes, values = codes.reshape(rows, parts), np.empty((rows, numbers), np.float32)
        for part in range(parts):
            begin, size = part * width, last_width if part == parts - 1 else width
            table = centroids[begin * CENTROIDS :][: CENTROIDS * size].reshape(CENTROIDS, size)
            values[:, begin : begin + size] = table[codes[:, part]]
        return values

    def _short(self) -> ModelFileError:
        return ModelFileError(f"{self.path} is cut off at byte {len(self.data):,}")
