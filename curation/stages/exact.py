"""Exact duplicates: documents that agree in their text, their URL, or any column or combination of columns.

Every text becomes 128 bits: two 64-bit folds over its word hashes (word_hashes.py) or, with `normalise` off, over its
bytes, eight at a time. A text without a single word (punctuation only, or empty) is its bytes. URLs are compared as
url_keys.py writes them, other columns by their values; several columns are folded into one pair of numbers. A document
that has nothing in one of the columns is like no other. Documents are sorted by both numbers, and each run of equal ones
is a cluster. Two different texts share a hash by chance in n**2 / 2**129 of cases; the hash is not cryptographic, so
somebody who tries can make two that do.

Hashing runs at about 350 MB/s a core (bytes: over 2 GB/s), finding a million documents takes 0.3 s and 80 bytes each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.normalise import character_table
from curation.survivors import Survivor
from curation.url_keys import normalised_urls
from curation.word_hashes import CHUNK_BYTES, EIGHT, SEED, ZERO, absorb, kernel_texts, take_words, text_at, word_scratch
from rules.places import SettingError
from rules.text.kernels import kernel

SECOND_MULTIPLIER = np.uint64(0xC2B2AE3D27D4EB4F)
SECOND_SEED = np.uint64(0x13198A2E03707344)
BYTES_SEED = np.uint64(0xA4093822299F31D0)  # no hash of bytes is by design the hash of words


@dataclass(frozen=True)
class ExactSettings(Survivor):
    """`by`: what must be the same: text, url, any column, or a list of them. `normalise`: compare folded words and cleaned
    URLs, not bytes. `keep`, `score`, `sources`: which document of a cluster stays; `within`: among which (survivors.py)."""

    by: str | list[str] = "text"
    normalise: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.columns or len(set(self.columns)) < len(self.columns):
            raise SettingError("by", f"by names columns to compare, each once, got {self.by!r}")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of `by`."""
        return (self.by,) if isinstance(self.by, str) else tuple(self.by)


def document_hashes(documents: pa.Table, settings: ExactSettings) -> tuple[np.ndarray, np.ndarray]:
    """128 bits of every document (uint64 [docs, 2]), and which documents have all that is compared (bool [docs]).

    Raises ValueError for a column of lists or other nested values."""
    parts = [_column_hashes(documents, name, settings) for name in settings.columns]
    has_all = np.logical_and.reduce([has for _, has in parts])
    if len(parts) == 1:
        return parts[0][0], has_all
    folded = np.zeros((len(documents), 2), np.uint64)
    for hashes, _ in parts:
        fold_columns(hashes, folded)
    return folded, has_all


def _column_hashes(documents: pa.Table, name: str, settings: ExactSettings) -> tuple[np.ndarray, np.ndarray]:
    """128 bits of every value of a column, and where it has one. A column that is not there is empty."""
    if name == "text":
        return text_hashes(documents["text"], settings.normalise), np.ones(len(documents), bool)
    if name not in documents.column_names:
        return np.zeros((len(documents), 2), np.uint64), np.zeros(len(documents), bool)
    column = documents[name]
    if name == "url" and settings.normalise:
        column = normalised_urls(column)
    try:
        texts = pc.cast(column, pa.large_string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise ValueError(f"exact: by cannot compare column {name!r}, which holds {column.type}; name columns of texts or numbers") from None
    has = pc.greater(pc.fill_null(pc.binary_length(texts), 0), 0).to_numpy(zero_copy_only=False)
    return text_hashes(texts, normalise=False), has


def text_hashes(texts: pa.Array | pa.ChunkedArray, normalise: bool = True) -> np.ndarray:
    """128 bits of every text (uint64 [docs, 2]), equal where words, or bytes, are the same; a null is the empty text."""
    offsets, data = kernel_texts(texts)
    hashes = np.empty((len(offsets) - 1, 2), np.uint64)
    table = character_table() if normalise else np.zeros(0, np.uint32)  # the table takes longer to make than a shard's ids to hash
    hash_documents(offsets, data, table, normalise, hashes)
    return hashes


def find_exact(hashes: np.ndarray, eligible: np.ndarray) -> np.ndarray:
    """The cluster of each document as the smallest row number in it (int64 [docs]).

    `hashes`: uint64 [docs, 2]; `eligible`: bool [docs], who takes part; the others are each a cluster of their own.
    """
    roots = np.arange(len(hashes), dtype=np.int64)
    rows = np.flatnonzero(eligible)
    order = rows[np.lexsort((hashes[rows, 1], hashes[rows, 0]))]  # stable: the first of each run is the smallest row number
    differs = (hashes[order[1:]] != hashes[order[:-1]]).any(axis=1)
    first_of_run = np.flatnonzero(np.concatenate([np.ones(min(1, len(order)), bool), differs]))
    roots[order] = np.repeat(order[first_of_run], np.diff(np.append(first_of_run, len(order))))
    return roots


def memory_bytes(documents: int) -> int:
    """What find_exact takes at the peak, its arguments and its answer with it: 80 bytes a document."""
    return 80 * documents


@kernel
def fold_columns(hashes, folded):
    """Absorb both numbers of every row of `hashes` into `folded` (uint64 [docs, 2]), in place."""
    for row in range(hashes.shape[0]):
        folded[row, 0] = absorb(absorb(folded[row, 0], hashes[row, 0]), hashes[row, 1])
        folded[row, 1] = absorb_second(absorb_second(folded[row, 1], hashes[row, 1]), hashes[row, 0])


@kernel
def absorb_second(state, piece):
    """The step of the second fold: as `word_hashes.absorb`, with another factor and shift."""
    state = (state ^ piece) * SECOND_MULTIPLIER
    return state ^ (state >> np.uint64(29))


@kernel
def finish_both(first, second, count):
    """Absorb how many pieces there were, last."""
    return absorb(absorb(first, count), ZERO), absorb_second(absorb_second(second, count), ZERO)


@kernel
def hash_bytes(data, i, end):
    """128 bits of data[i:end]: two folds over its bytes, eight at a time, then its length."""
    first, second, size = SEED ^ BYTES_SEED, SECOND_SEED ^ BYTES_SEED, end - i
    while i < end:
        piece = text_at(data, i, end)
        first, second = absorb(first, piece), absorb_second(second, piece)
        i += EIGHT
    return finish_both(first, second, size)


@kernel
def hash_word_sequence(data, i, end, table, edges, carry, words):
    """128 bits of the words of data[i:end], two folds over their hashes, and how many words there are."""
    first, second, count = SEED, SECOND_SEED, ZERO
    while i < end:
        filled, i = take_words(data, i, end, table, edges, carry, words, 0)
        for k in range(filled):
            first, second = absorb(first, words[k]), absorb_second(second, words[k])
        count += np.uint64(filled)
    first, second = finish_both(first, second, count)
    return first, second, count


@kernel
def hash_documents(offsets, data, table, normalise, hashes):
    """hashes[doc] = 128 bits of its words, or of its bytes where it has no words or `normalise` is off."""
    edges, carry = word_scratch()
    words = np.empty(CHUNK_BYTES, np.uint64)
    for document in range(offsets.size - 1):
        start, end, count = np.uint64(offsets[document]), np.uint64(offsets[document + 1]), ZERO
        if normalise:
            first, second, count = hash_word_sequence(data, start, end, table, edges, carry, words)
        if count == ZERO:
            first, second = hash_bytes(data, start, end)
        hashes[document, 0], hashes[document, 1] = first, second
