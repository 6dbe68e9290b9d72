"""fastText model files (.bin and .ftz) as numpy arrays: settings, dictionary, input and output matrix.

The format is that of fastText 0.9 (facebookresearch/fastText, version 12 of its files): settings, dictionary with the
n-grams that pruning left, then two matrices, each plain or product-quantised. Matrices are mapped, not read: what a
model is needed for is often a few numbers a row.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MAGIC, VERSIONS = 793712314, (11, 12)
SUPERVISED = 3
LOSSES = {1: "hs", 2: "ns", 3: "softmax", 4: "ova"}
CENTROIDS = 256  # of a quantiser, one for each byte
SETTINGS = ("dim", "ws", "epoch", "min_count", "neg", "word_ngrams", "loss", "model", "bucket", "minn", "maxn", "lr_update_rate")


class ModelFileError(ValueError):
    """A file that is no fastText model, or one of another version."""


@dataclass(frozen=True)
class Quantised:
    """A matrix whose rows are codes: part m of row i is the centroid codes[i, m] of m; `norms` scale whole rows."""

    codes: np.ndarray  # uint8 [rows, parts]
    centroids: tuple[np.ndarray, ...]  # of each part, float32 [256, its width]
    norms: np.ndarray | None  # float32 [rows]


Matrix = np.ndarray | Quantised


@dataclass(frozen=True)
class FastTextModel:
    """A model as its file has it."""

    settings: dict[str, int]  # SETTINGS
    words: list[bytes]  # row i of the input is word i
    labels: list[str]
    pruned: dict[int, int] | None  # bucket of an n-gram -> its row after the words; None: all buckets, in order
    input: Matrix  # [words + n-grams, dim]
    output: Matrix  # [labels, dim]

    @property
    def loss(self) -> str:
        return LOSSES.get(self.settings["loss"], "unknown")


def read_model(path: Path) -> FastTextModel:
    """The model in a file. Raises ModelFileError, and OSError where the file cannot be read."""
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            reader = _Reader(data)
            reader.head(path)
            settings = dict(zip(SETTINGS, reader.numbers("12i")))
            reader.numbers("d")  # sampling threshold
            words, labels, pruned = reader.dictionary()
            quantised = reader.flag()
            matrix = reader.quantised() if quantised else reader.plain()
            output = reader.quantised() if reader.flag() and quantised else reader.plain()
            return FastTextModel(settings, words, labels, pruned, matrix, output)
    except (struct.error, ValueError, IndexError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"{path} is no whole fastText model: {error}") from error


def products(matrix: Matrix, vectors: np.ndarray) -> np.ndarray:
    """`matrix` [rows, dim] times `vectors` [dim, n]: float32 [rows, n]."""
    if not isinstance(matrix, Quantised):
        return matrix @ vectors
    total, begin = np.zeros((len(matrix.codes), vectors.shape[1]), np.float32), 0
    for part, centroids in enumerate(matrix.centroids):
        width = centroids.shape[1]
        total += (centroids @ vectors[begin : begin + width])[matrix.codes[:, part]]
        begin += width
    return total if matrix.norms is None else total * matrix.norms[:, None]


def plain(matrix: Matrix) -> np.ndarray:
    """All rows, float32 [rows, dim]."""
    if not isinstance(matrix, Quantised):
        return matrix
    dim = sum(centroids.shape[1] for centroids in matrix.centroids)
    return products(matrix, np.eye(dim, dtype=np.float32))


class _Reader:
    """Reads a file from its beginning. What it returns is its own, so that the file can be closed."""

    def __init__(self, data: mmap.mmap):
        self._data = data
        self._at = 0

    def numbers(self, form: str) -> tuple:
        found = struct.unpack_from("<" + form, self._data, self._at)
        self._at += struct.calcsize("<" + form)
        return found

    def flag(self) -> bool:
        return bool(self.numbers("B")[0])

    def array(self, kind: type, count: int) -> np.ndarray:
        size = count * np.dtype(kind).itemsize
        if count < 0 or self._at + size > len(self._data):
            raise ModelFileError("the file ends too early")
        found = np.frombuffer(self._data[self._at : self._at + size], kind)
        self._at += size
        return found

    def head(self, path: Path) -> None:
        magic, version = self.numbers("2i")
        if magic != MAGIC or version not in VERSIONS:
            raise ModelFileError(f"{path} is no fastText model of version 11 or 12")

    def dictionary(self) -> tuple[list[bytes], list[str], dict[int, int] | None]:
        size, _, _ = self.numbers("3i")
        _, pruned = self.numbers("2q")
        words: list[bytes] = []
        labels: list[str] = []
        for _ in range(size):
            end = self._data.find(b"\0", self._at)
            if end < 0:
                raise ModelFileError("the file ends in its dictionary")
            entry, self._at = self._data[self._at : end], end + 1
            _, kind = self.numbers("qb")
            if kind:
                labels.append(entry.decode("utf-8", "replace"))
            else:
                words.append(entry)
        if pruned < 0:
            return words, labels, None
        pairs = self.array(np.int32, 2 * pruned).reshape(-1, 2)
        return words, labels, dict(pairs.tolist())

    def plain(self) -> np.ndarray:
        rows, columns = self.numbers("2q")
        return self.array(np.float32, rows * columns).reshape(rows, columns)

    def quantised(self) -> Quantised:
        with_norms = self.flag()
        rows, _, size = self.numbers("2qi")
        codes = self.array(np.uint8, size).reshape(rows, -1)
        centroids = self.quantiser()
        if not with_norms:
            return Quantised(codes, centroids, None)
        norm_codes = self.array(np.uint8, rows)
        return Quantised(codes, centroids, self.quantiser()[0][:, 0][norm_codes])

    def quantiser(self) -> tuple[np.ndarray, ...]:
        dim, parts, width, last = self.numbers("4i")
        flat = self.array(np.float32, dim * CENTROIDS)
        bounds = [CENTROIDS * width * part for part in range(parts)] + [flat.size]
        widths = [width] * (parts - 1) + [last]
        return tuple(flat[begin:end].reshape(CENTROIDS, wide) for begin, end, wide in zip(bounds[:-1], bounds[1:], widths))
