"""fastText model files written by hand, with random numbers in them: every kind of model, and none that must be trained."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

HS, SOFTMAX = 1, 3


def write_model(path: Path, words: list[str], labels: list[str], *, numbers=10, ngrams=(2, 3), buckets=300, kept: int | None = None,
                quantised=False, norms=False, output_quantised=False, loss=HS, word_ngrams=1, seed=1) -> None:  # fmt: skip
    """A supervised model of `words` and `labels`, those seen most first; `kept`: so many buckets have rows (None: all)."""
    rng = np.random.default_rng(seed)
    header = struct.pack("<14i", 793712314, 12, numbers, 5, 1, 1, 5, word_ngrams, loss, 3, buckets, *ngrams, 100) + struct.pack("<d", 1e-4)
    counts = np.sort(rng.integers(1, 60, len(labels)))[::-1]
    entries = [(word, 100, 0) for word in words] + [(f"__label__{label}", int(seen), 1) for label, seen in zip(labels, counts)]
    dictionary = struct.pack("<iiiqq", len(entries), len(words), len(labels), 1000, -1 if kept is None else kept)
    dictionary += b"".join(text.encode() + b"\0" + struct.pack("<qb", seen, kind) for text, seen, kind in entries)
    pairs = b"" if kept is None else np.stack([rng.permutation(buckets)[:kept], rng.permutation(kept)], 1).astype("<i4").tobytes()
    rows = len(words) + (buckets if kept is None else kept)
    write = quantised_matrix if quantised else matrix
    matrices = struct.pack("<?", quantised) + write(rng, rows, numbers, norms)
    matrices += struct.pack("<?", output_quantised) + (quantised_matrix if output_quantised else matrix)(rng, len(labels), numbers, norms)
    path.write_bytes(header + dictionary + pairs + matrices)


def matrix(rng: np.random.Generator, rows: int, numbers: int, norms: bool) -> bytes:
    return struct.pack("<qq", rows, numbers) + rng.normal(size=(rows, numbers)).astype("<f4").tobytes()


def quantised_matrix(rng: np.random.Generator, rows: int, numbers: int, norms: bool, width: int = 3) -> bytes:
    parts = -(-numbers // width)
    codes = rng.integers(0, 256, rows * parts, dtype=np.uint8)
    data = struct.pack("<?qqi", norms, rows, numbers, codes.size) + codes.tobytes() + quantiser(rng, numbers, width)
    return data + (rng.integers(0, 256, rows, dtype=np.uint8).tobytes() + quantiser(rng, 1, 1) if norms else b"")


def quantiser(rng: np.random.Generator, numbers: int, width: int) -> bytes:
    parts = -(-numbers // width)
    last = numbers - (parts - 1) * width
    return struct.pack("<4i", numbers, parts, width, last) + rng.normal(size=numbers * 256).astype("<f4").tobytes()
