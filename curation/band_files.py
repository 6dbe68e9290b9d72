"""Band keys on disk, cut in partitions: how clusters are found among more documents than memory holds.

A band file holds the entries (key, row) of one shard, ordered by partition: the top bits of the key. A partition is read
from the files of all shards, a slice each, and joined alone; all documents that share a key are in the same one.

    magic 8 bytes | partition bits, entries (int64) | starts int64 [2**bits + 1] | keys uint64 [entries] | rows uint32 [entries]

Rows count from 0 in the shard. 12 bytes an entry: 168 a document at 14 bands. Writing runs at about 20 M entries a second
and core, reading and joining at 25 M.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from curation.clusters import row_numbers
from curation.shards import whole_file
from curation.word_hashes import read_only
from rules.text.kernels import kernel

MAGIC = b"gmbands1"
HEADER_BYTES = 24
ENTRY_BYTES = 12
JOIN_BYTES = 40  # an entry costs at most this while its partition is joined: read, in buckets, and its edge
MOST_BITS = 16


class BandFileError(ValueError):
    """A band file is not whole: which, and what to do."""


class Entries(NamedTuple):
    """Keys (uint64 [entries]) and rows (uint32 [entries]) of documents."""

    keys: np.ndarray
    rows: np.ndarray


def partition_bits(entries: int, memory_bytes: int) -> int:
    """The top bits that cut `entries` in partitions that can be joined within `memory_bytes` each, twice the average allowed."""
    bits = 0
    while bits < MOST_BITS and 2 * JOIN_BYTES * entries >> bits > memory_bytes:
        bits += 1
    return bits


def write_band_file(path: Path, keys: np.ndarray, bits: int) -> None:
    """Write the entries of `keys` (uint64 [docs, bands]), ordered by partition and then by row."""
    bands = read_only(np.ascontiguousarray(keys.T))
    starts = partition_starts(bands, bits)
    found = Entries(np.empty(bands.size, np.uint64), np.empty(bands.size, np.uint32))
    scatter_to_partitions(bands, bits, starts[:-1].copy(), found.keys, found.rows)
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        file.write(MAGIC)
        for part in (np.array([bits, bands.size], np.int64), starts, found.keys, found.rows):
            file.write(part)


def read_partition(files: Sequence[Path], first_rows: Sequence[int], bits: int, partition: int) -> Entries:
    """The entries of one partition from all files, in order; rows count from `first_rows` of each file.

    Raises BandFileError for a file that is not whole or was cut otherwise."""
    parts = [_slice(path, int(first), bits, partition) for path, first in zip(files, first_rows)]
    if not parts:
        return Entries(np.empty(0, np.uint64), np.empty(0, np.uint32))
    return Entries(np.concatenate([part.keys for part in parts]), np.concatenate([part.rows for part in parts]))


def _slice(path: Path, first_row: int, bits: int, partition: int) -> Entries:
    with open(path, "rb") as file:
        head = file.read(HEADER_BYTES)
        numbers = np.frombuffer(head[8:], np.int64) if len(head) == HEADER_BYTES else np.zeros(2, np.int64)
        begin_keys = HEADER_BYTES + 8 * ((1 << bits) + 1)
        size = file.seek(0, 2)
        if head[:8] != MAGIC or numbers[0] != bits or size != begin_keys + ENTRY_BYTES * numbers[1]:
            raise BandFileError(f"{path} is not a whole band file of {1 << bits} partitions; remove it and run again")
        file.seek(HEADER_BYTES + 8 * partition)
        start, stop = np.frombuffer(file.read(16), np.int64).tolist()
        keys = _read(file, begin_keys + 8 * start, np.uint64, stop - start)
        rows = _read(file, begin_keys + 8 * int(numbers[1]) + 4 * start, np.uint32, stop - start)
    if first_row:
        rows = row_numbers(rows.astype(np.int64) + first_row)
    return Entries(keys, rows)


def _read(file, place: int, dtype: type, count: int) -> np.ndarray:
    file.seek(place)
    return np.fromfile(file, dtype, count)


@kernel
def partition_of(key, bits):
    return np.int64(key >> np.uint64(64 - bits)) if bits > 0 else 0


@kernel
def partition_starts(bands, bits):
    """Where each partition starts, and the end of the last (int64 [partitions + 1])."""
    starts = np.zeros((1 << bits) + 1, np.int64)
    for band in range(bands.shape[0]):
        for row in range(bands.shape[1]):
            starts[partition_of(bands[band, row], bits) + 1] += 1
    return np.cumsum(starts)


@kernel
def scatter_to_partitions(bands, bits, places, keys, rows):
    """Write every entry of `bands` (uint64 [bands, docs]) to its partition; `places`: where each partition starts."""
    for row in range(bands.shape[1]):
        for band in range(bands.shape[0]):
            key = bands[band, row]
            partition = partition_of(key, bits)
            keys[places[partition]], rows[places[partition]] = key, row
            places[partition] += 1
