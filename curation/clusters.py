"""Duplicate clusters from band keys: locality-sensitive hashing, a hash join per band and an array union-find.

The entries of a signature are cut in `bands` of `rows`; two documents are candidates when one whole band is equal
(Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.4), and clusters are the connected components. A band is
kept as a 64-bit key: two different bands of n documents share one by chance in n**2 / 2**65 of cases.

Each band is scattered by the top bits of its key into buckets small enough for the cache, where a hash table joins
every document to the first holder of its key (a star, never a chain). The smaller row number is always the root, so
the clusters and their roots do not depend on the order of anything.

A million documents of 14 bands: 0.5 s for the keys and 0.5 s for the join on one core; memory is the keys, 24 bytes a
document, and 8 more where a band's keys are not contiguous.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from curation.word_hashes import SEED, absorb, finished, read_only

BUCKET_BITS = 11  # 2,048 buckets: as many as can be scattered to in one pass without missing the address cache
NOBODY = -1


def band_keys(signatures: np.ndarray, bands: int, rows: int) -> np.ndarray:
    """One key per band (uint64 [docs, bands], each band's column contiguous) of signatures [docs, hashes].

    Band b covers entries b * rows to (b + 1) * rows; entries past bands * rows are not used. ValueError where the
    signatures are too short.
    """
    if bands < 1 or rows < 1 or bands * rows > signatures.shape[1]:
        raise ValueError(
            f"{bands} bands of {rows} rows need {bands * rows} hashes, but the signatures have {signatures.shape[1]}"
        )
    keys = np.empty((bands, len(signatures)), np.uint64)
    fill_band_keys(read_only(np.ascontiguousarray(signatures)), rows, keys)
    return keys.T


def union_bands(keys: np.ndarray, eligible: np.ndarray) -> np.ndarray:
    """The cluster of each document as the smallest row number in it (int64 [docs]).

    `keys`: uint64 [docs, bands], a memory map if need be; `eligible`: bool [docs], who takes part. A document that
    does not take part, or is like no other, is its own root.
    """
    parents = np.arange(len(keys), dtype=np.int64)
    for band in range(keys.shape[1]):
        union_band(parents, keys[:, band], eligible)
    point_at_roots(parents)
    return parents


def union_band(parents: np.ndarray, keys: np.ndarray, eligible: np.ndarray) -> None:
    """Join, in `parents` (int64 [docs], from arange), the eligible documents that share a key (uint64 [docs]).

    Call it band by band where the keys of all bands do not fit in memory, then `point_at_roots(parents)`.
    """
    if not len(parents) == len(keys) == len(eligible):
        raise ValueError(f"{len(parents)} documents, {len(keys)} keys and {len(eligible)} eligible flags do not match")
    keys, eligible = read_only(np.ascontiguousarray(keys)), read_only(np.ascontiguousarray(eligible, bool))
    starts = bucket_starts(keys, eligible)
    rows, bucketed = np.empty(starts[-1], np.int64), np.empty(starts[-1], np.uint64)
    scatter_to_buckets(keys, eligible, starts[:-1].copy(), rows, bucketed)
    join_buckets(starts, rows, bucketed, parents)


@njit(nogil=True, cache=True)
def fill_band_keys(signatures, rows, keys):
    """keys[band, doc]: a hash of the entries of that band, and of the band's number."""
    for doc in range(signatures.shape[0]):
        for band in range(keys.shape[0]):
            state = SEED
            for k in range(band * rows, (band + 1) * rows):
                state = absorb(state, np.uint64(signatures[doc, k]))
            keys[band, doc] = finished(state, np.uint64(band))


@njit(nogil=True, cache=True)
def bucket_of(key):
    return np.int64(key >> np.uint64(64 - BUCKET_BITS))


@njit(nogil=True, cache=True)
def bucket_starts(keys, eligible):
    """Where each bucket of eligible keys starts, and the end of the last (int64 [buckets + 1])."""
    starts = np.zeros((1 << BUCKET_BITS) + 1, np.int64)
    for row in range(keys.size):
        if eligible[row]:
            starts[bucket_of(keys[row]) + 1] += 1
    return np.cumsum(starts)


@njit(nogil=True, cache=True)
def scatter_to_buckets(keys, eligible, places, rows, bucketed):
    """Write the row number and key of every eligible document to its bucket; `places`: where each bucket starts."""
    for row in range(keys.size):
        if eligible[row]:
            bucket = bucket_of(keys[row])
            rows[places[bucket]], bucketed[places[bucket]] = row, keys[row]
            places[bucket] += 1


@njit(nogil=True, cache=True)
def join_buckets(starts, rows, bucketed, parents):
    """Join every document to the first holder of its key, bucket by bucket."""
    size = 4
    while size < 3 * rows.size // (starts.size - 1):
        size *= 2
    holders = np.empty(size, np.int64)
    for bucket in range(starts.size - 1):
        start, stop = starts[bucket], starts[bucket + 1]
        while stop - start > 1 and not join_bucket(start, stop, rows, bucketed, holders, parents):
            holders = np.empty(2 * holders.size, np.int64)  # more distinct keys than the table takes: start again


@njit(nogil=True, cache=True)
def join_bucket(start, stop, rows, bucketed, holders, parents):
    """Join places start to stop through the hash table `holders`: False once it is half full, True at the end."""
    holders[:] = NOBODY
    mask, held = holders.size - 1, 0
    for place in range(start, stop):
        slot = np.int64(bucketed[place] & np.uint64(mask))
        while holders[slot] != NOBODY and bucketed[holders[slot]] != bucketed[place]:
            slot = (slot + 1) & mask
        if holders[slot] != NOBODY:
            join(parents, rows[holders[slot]], rows[place])
        elif 2 * held < holders.size:
            holders[slot] = place
            held += 1
        else:
            return False
    return True


@njit(nogil=True, cache=True)
def root_of(parents, row):
    """The root of a row's tree; the path to it is halved on the way."""
    while parents[row] != row:
        parents[row] = parents[parents[row]]
        row = parents[row]
    return row


@njit(nogil=True, cache=True)
def join(parents, first, second):
    """Make two rows one tree, whose root is the smaller of their roots."""
    first, second = root_of(parents, first), root_of(parents, second)
    parents[max(first, second)] = min(first, second)


@njit(nogil=True, cache=True)
def point_at_roots(parents):
    """Make every row point at its root; a parent is never larger than its child, so one pass in order is enough."""
    for row in range(parents.size):
        parents[row] = parents[parents[row]]
