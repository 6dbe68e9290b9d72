"""fastText model files (.bin and .ftz) as numpy arrays: settings, dictionary, input and output matrix.

The format is that of fastText 0.9 (facebookresearch/fastText, version 12 of its files): settings, dictionary with the
n-grams that pruning left, then two matrices, each plain or product-quantised. Matrices are mapped, not read: what a
model is needed for is often a few numbers a row.
"""

from __future__ import annotations

import contextlib
import mmap
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MAGIC, VERSIONS = 793712314, (11, 12)
SUPERVISED = 3
NEVER = 10**15  # times that a label was seen: fastText's tree of labels takes more for a branch that it has not made yet
MOST_NGRAM = 64  # characters, or words: of what is found in models it is ten times the most
LOSSES = {1: "hs", 2: "ns", 3: "softmax", 4: "ova"}
CENTROIDS = 256  # of a quantiser, one for each byte
SETTINGS = ("dim", "ws", "epoch", "min_count", "neg", "word_ngrams", "loss", "model", "bucket", "minn", "maxn", "lr_update_rate")
ENTRY = re.compile(rb"([^\0]*)\0(.{8})(.)", re.DOTALL)  # of the dictionary: a word or label, how often it was seen, which of the two


class ModelFileError(ValueError):
    """A file that is no fastText model, or one of another version."""


class _CutOff(Exception):
    """The file ends where more should follow."""


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
    label_counts: list[int]  # how often each label was seen in training
    pruned: np.ndarray | None  # int64 [kept, 2]: bucket of an n-gram, and its row after the words; None: all buckets, in order
    input: Matrix  # [words + n-grams, dim]
    output: Matrix  # [labels, dim]

    @property
    def loss(self) -> str:
        return LOSSES.get(self.settings["loss"], "unknown")


def read_settings(path: Path) -> dict[str, int]:
    """The SETTINGS of a model in a file, of which no more is read. Raises as `read_model`."""
    with _opened(path) as reader:
        return reader.head()


def read_model(path: Path) -> FastTextModel:
    """The model in a file. Raises ModelFileError, and OSError where the file cannot be read."""
    with _opened(path) as reader:
        return reader.model()


def check_file(path: Path) -> None:
    """See that fastText can run the model in a file: it takes any that begins like one, and what is missing for zeros. Of the
    matrices nothing is read. Raises as `read_model`."""
    with _opened(path, _Passing) as reader:
        model = reader.model()
        _check_settings(model.settings)
        if broken := [label for label in model.labels if "\ufffd" in label]:
            raise ValueError(f"its label {broken[0]!r} is no UTF-8")
        rows = len(model.words) + (model.settings["bucket"] if model.pruned is None else len(model.pruned))
        if _shape(model.input) != (rows, model.settings["dim"]) or _shape(model.output) != (len(model.labels), model.settings["dim"]):
            raise ValueError("its matrices do not fit its dictionary")
        if model.pruned is not None and not _within(model.pruned, (model.settings["bucket"], len(model.pruned))):
            raise ValueError("it names rows of n-grams that it has not")


def _within(numbers: np.ndarray, limits: tuple[int, int]) -> bool:
    return bool(((numbers >= 0) & (numbers < limits)).all())


def _check_settings(settings: dict[str, int]) -> None:
    if settings["model"] != SUPERVISED or settings["loss"] not in LOSSES:
        raise ValueError("it is not one that labels texts")
    if not 0 <= settings["minn"] <= MOST_NGRAM or not 0 <= settings["maxn"] <= MOST_NGRAM or not 0 < settings["word_ngrams"] <= MOST_NGRAM:
        raise ValueError(f"its n-grams are not of 0 to {MOST_NGRAM}")


def _shape(matrix: Matrix) -> tuple[int, ...]:
    return (len(matrix.codes), sum(part.shape[1] for part in matrix.centroids)) if isinstance(matrix, Quantised) else matrix.shape


@contextlib.contextmanager
def _opened(path: Path, reads: type[_Reader] | None = None) -> Iterator[_Reader]:
    """A reader of a file; what goes wrong with it is a ModelFileError that names the file."""
    size = path.stat().st_size
    try:
        if not size:
            raise _CutOff
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield (reads or _Reader)(data)
    except (struct.error, _CutOff):
        raise ModelFileError(f"{path} is cut off at byte {size:,}") from None
    except (ValueError, IndexError) as error:
        raise ModelFileError(f"{path} is not a fastText model: {error}") from error


def products(matrix: Matrix, vectors: np.ndarray) -> np.ndarray:
    """`matrix` [rows, dim] times `vectors` [dim, n]: float32 [rows, n]."""
    if not isinstance(matrix, Quantised):
        whole: np.ndarray = matrix @ vectors
        return whole
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

    def numbers(self, form: str) -> tuple[Any, ...]:
        found = struct.unpack_from("<" + form, self._data, self._at)
        self._at += struct.calcsize("<" + form)
        return found

    def flag(self) -> bool:
        return bool(self.numbers("B")[0])

    def array(self, kind: type, count: int) -> np.ndarray:
        return np.frombuffer(self._data[self.over(kind, count) : self._at], kind)

    def over(self, kind: type, count: int) -> int:
        """Pass over an array; returns where it begins."""
        begin, size = self._at, count * np.dtype(kind).itemsize
        if count < 0 or begin + size > len(self._data):
            raise _CutOff
        self._at += size
        return begin

    def model(self) -> FastTextModel:
        settings, dictionary = self.head(), self.dictionary()
        quantised = self.flag()
        matrix = self.quantised() if quantised else self.plain()
        output = self.quantised() if self.flag() and quantised else self.plain()
        return FastTextModel(settings, *dictionary, matrix, output)

    def head(self) -> dict[str, int]:
        magic, version = self.numbers("2i")
        if magic != MAGIC or version not in VERSIONS:
            raise ValueError("it does not begin like one of version 11 or 12")
        settings = dict(zip(SETTINGS, self.numbers("12i")))
        self.numbers("d")  # sampling threshold
        if version == 11 and settings["model"] == SUPERVISED:
            settings["maxn"] = 0  # n-grams of characters came with version 12
        return settings

    def dictionary(self) -> tuple[list[bytes], list[str], list[int], np.ndarray | None]:
        size, word_count, label_count = self.numbers("3i")
        _, pruned = self.numbers("2q")
        words: list[bytes] = []
        labels: list[str] = []
        counts: list[int] = []
        for _ in range(size):
            found = ENTRY.match(self._data, self._at)
            if found is None:
                raise _CutOff
            entry, seen, kind = found.groups()
            self._at = found.end()
            if kind == b"\0":
                words.append(entry)
            else:
                labels.append(entry.decode("utf-8", "replace"))
                counts.append(int.from_bytes(seen, "little", signed=True))
        if (len(words), len(labels)) != (word_count, label_count):
            raise ValueError(f"it says {word_count:,} words and {label_count:,} labels, and has {len(words):,} and {len(labels):,}")
        if not all(0 <= count < NEVER for count in counts):
            raise ValueError(f"it says that a label was seen {max(counts, key=abs):,} times")
        if pruned < 0:
            return words, labels, counts, None
        pairs = _Reader.array(self, np.int32, 2 * pruned).reshape(-1, 2)
        return words, labels, counts, pairs.astype(np.int64)

    def plain(self) -> np.ndarray:
        rows, columns = self.numbers("2q")
        return self.array(np.float32, rows * columns).reshape(rows, columns)

    def quantised(self) -> Quantised:
        with_norms = self.flag()
        rows, columns, size = self.numbers("2qi")
        codes = self.array(np.uint8, size).reshape(rows, -1)
        centroids = self.quantiser()
        if codes.shape[1] != len(centroids) or sum(part.shape[1] for part in centroids) != columns:
            raise ValueError("a quantised matrix does not fit its codes")
        if not with_norms:
            return Quantised(codes, centroids, None)
        norm_codes = self.array(np.uint8, rows)
        return Quantised(codes, centroids, self.quantiser()[0][:, 0][norm_codes])

    def quantiser(self) -> tuple[np.ndarray, ...]:
        dim, parts, width, last = self.numbers("4i")
        if not 0 < parts <= dim or (parts - 1) * width + last != dim:
            raise ValueError(f"a quantiser has {parts} parts of {width} numbers for {dim}")
        flat = self.array(np.float32, dim * CENTROIDS)
        bounds = [CENTROIDS * width * part for part in range(parts)] + [flat.size]
        widths = [width] * (parts - 1) + [last]
        return tuple(flat[begin:end].reshape(CENTROIDS, wide) for begin, end, wide in zip(bounds[:-1], bounds[1:], widths))


class _Passing(_Reader):
    """Passes over what is in arrays: they are all zeros, and take no memory."""

    def array(self, kind: type, count: int) -> np.ndarray:
        self.over(kind, count)
        return np.broadcast_to(np.zeros((), kind), count)
