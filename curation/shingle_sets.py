"""The shingle sets of documents, as sorted hashes, and the true Jaccard similarity of pairs of them.

A set is the distinct 64-bit hashes of a document's shingles: word n-grams or n-grams of characters, as minhash.py takes
them (also where signatures are made as another tool makes them). A set file holds some documents of one shard:

    count int64 | starts int64 [count + 1] | hashes uint64

Two documents without a shingle that were found to be candidates have the same words: similarity 1.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from curation.character_hashes import take_characters
from curation.minhash import keep_last_words, mixed_64, raw_shingles
from curation.normalise import character_table
from curation.shards import whole_file
from curation.stages.near import NearSettings
from curation.word_hashes import CHUNK_BYTES, ZERO, kernel_texts, take_words, word_scratch
from rules.text.kernels import kernel


class ShingleSets(NamedTuple):
    """Set d is hashes[starts[d]:starts[d + 1]], ascending."""

    starts: np.ndarray  # int64 [documents + 1]
    hashes: np.ndarray  # uint64


def shingle_sets(texts: pa.Array | pa.ChunkedArray, settings: NearSettings) -> ShingleSets:
    """The set of every text."""
    offsets, data = kernel_texts(texts)
    characters, ngram = settings.unit == "characters", settings.ngram
    starts, nothing = np.zeros(len(offsets), np.int64), np.zeros(0, np.uint64)
    fill_shingles(offsets, data, character_table(), characters, ngram, starts, nothing)  # counts only
    hashes = np.empty(int(starts.sum()), np.uint64)
    starts = np.cumsum(starts)
    fill_shingles(offsets, data, character_table(), characters, ngram, starts, hashes)
    ends = distinct_sorted(starts, hashes)
    return ShingleSets(ends, hashes[: ends[-1]])


def joined_sets(parts: list[ShingleSets]) -> ShingleSets:
    """The sets of all parts, one after another."""
    sizes = np.concatenate([np.zeros(1, np.int64), *[np.diff(part.starts) for part in parts]])
    return ShingleSets(np.cumsum(sizes), np.concatenate([np.zeros(0, np.uint64), *[part.hashes for part in parts]]))


def write_sets(path: Path, sets: ShingleSets) -> None:
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        for part in (np.array([len(sets.starts) - 1], np.int64), sets.starts, sets.hashes):
            file.write(part)


def open_sets(path: Path) -> ShingleSets:
    """The sets of a file, memory-mapped."""
    numbers = np.memmap(path, np.int64, "r")
    begin = 2 + int(numbers[0])
    return ShingleSets(numbers[1:begin], numbers[begin:].view(np.uint64))


@kernel
def fill_shingles(offsets, data, table, characters, ngram, starts, hashes):
    """Write the hashes of each document's shingles from hashes[starts[doc]] on; with no `hashes`, starts[doc + 1] = how many."""
    edges, carry = word_scratch()
    words, raw = np.empty(CHUNK_BYTES + ngram + 8, np.uint64), np.empty(CHUNK_BYTES + 8, np.uint64)
    for document in range(offsets.size - 1):
        i, end, filled, place = np.uint64(offsets[document]), np.uint64(offsets[document + 1]), 0, starts[document]
        while i < end:
            if characters:
                filled, i = take_characters(data, i, end, table, carry, words, filled)
            else:
                filled, i = take_words(data, i, end, table, edges, carry, words, filled)
            count = filled - ngram + 1
            if count <= 0:
                continue
            if hashes.size > 0:
                raw_shingles(words, count, ngram, raw)
                for k in range(count):
                    hashes[place + k] = mixed_64(raw[k])
                place += count
            else:
                starts[document + 1] += count
            filled = keep_last_words(words, filled, ngram)
        if characters:
            carry[1] = ZERO


@kernel
def distinct_sorted(starts, hashes):
    """Sort each set and drop what is there twice, in place: where the sets now start (int64 [documents + 1])."""
    ends, place = np.zeros(starts.size, np.int64), 0
    for document in range(starts.size - 1):
        ordered = np.sort(hashes[starts[document] : starts[document + 1]])
        for k in range(ordered.size):
            if k == 0 or ordered[k] != ordered[k - 1]:
                hashes[place] = ordered[k]
                place += 1
        ends[document + 1] = place
    return ends


@kernel
def pair_jaccard(starts_a, hashes_a, rows_a, starts_b, hashes_b, rows_b, found):
    """found[k] (float32) = the Jaccard similarity of set rows_a[k] and set rows_b[k]."""
    for k in range(rows_a.size):
        i, i_end = starts_a[rows_a[k]], starts_a[rows_a[k] + 1]
        j, j_end = starts_b[rows_b[k]], starts_b[rows_b[k] + 1]
        union, common = i_end - i + j_end - j, 0
        while i < i_end and j < j_end:
            first, second = hashes_a[i], hashes_b[j]
            common += np.int64(first == second)
            i += np.int64(first <= second)
            j += np.int64(second <= first)
        found[k] = common / (union - common) if union > 0 else 1.0
