"""Duplicate clusters from band keys: locality-sensitive hashing, a hash join per band and an array union-find.

The entries of a signature are cut in `bands` of `rows`; two documents are candidates when one whole band is equal
(Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.4), and clusters are the connected components. A band is
kept as a 64-bit key: two different bands of n documents share one by chance in n**2 / 2**65 of cases.

Entries (a key and the row of its document) are scattered by the top bits of the key into buckets small enough for the
cache, where a hash table joins every document to the first holder of its key: the edges are stars, never chains. The
smaller row number is always the root, so the clusters and their roots do not depend on the order of anything.

A million documents of 14 bands: 0.5 s for the keys and 0.6 s for the join on one core. Where the entries of a corpus do
not fit in memory, band_files.py cuts them in partitions on disk, and each partition goes through `star_edges` alone.
"""

from __future__ import annotations

import numpy as np

from curation.word_hashes import SEED, absorb, finished, read_only
from rules.text.kernels import kernel

BUCKET_BITS = 11  # 2,048 buckets: as many as can be scattered to in one pass without missing the address cache
NOBODY = -1
MOST_ROWS = (1 << 32) - 1


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
    rows = np.flatnonzero(eligible)
    join_edges(parents, star_edges(keys[rows], row_numbers(rows)))


def row_numbers(rows: np.ndarray) -> np.ndarray:
    """`rows` as uint32, which kernels and files hold them in. ValueError where they are too many."""
    if len(rows) and int(rows.max()) > MOST_ROWS:
        raise ValueError(f"duplicates are decided among at most {MOST_ROWS + 1:,} documents; divide the corpus into several jobs")
    return rows.astype(np.uint32)


def star_edges(keys: np.ndarray, rows: np.ndarray, skip_bits: int = 0, chains: bool = False) -> np.ndarray:
    """Edges between documents that share a key: (first holder, other), uint32 [edges, 2].

    `keys`: uint64 [entries]; `rows`: uint32 [entries], the first holder is the first in this order; `skip_bits`: top bits
    that all keys share. `chains`: also (last holder before, other) where that is not the first, for edges that are
    verified: then one false first holder does not part all the others.
    """
    keys, rows = read_only(np.ascontiguousarray(keys)), read_only(np.ascontiguousarray(rows))
    shift = np.uint64(64 - BUCKET_BITS - skip_bits)
    starts = bucket_starts(keys, shift)
    bucketed_rows, bucketed = np.empty(len(keys), np.uint32), np.empty(len(keys), np.uint64)
    scatter_to_buckets(keys, rows, shift, starts[:-1].copy(), bucketed_rows, bucketed)
    edges = np.empty((2 * len(keys) if chains else len(keys), 2), np.uint32)
    count = join_buckets(starts, bucketed_rows, bucketed, chains, edges)
    return edges[:count]


@kernel
def fill_band_keys(signatures, rows, keys):
    """keys[band, doc]: a hash of the entries of that band, and of the band's number."""
    for doc in range(signatures.shape[0]):
        for band in range(keys.shape[0]):
            state = SEED
            for k in range(band * rows, (band + 1) * rows):
                state = absorb(state, np.uint64(signatures[doc, k]))
            keys[band, doc] = finished(state, np.uint64(band))


@kernel
def bucket_of(key, shift):
    return np.int64(key >> shift & np.uint64((1 << BUCKET_BITS) - 1))


@kernel
def bucket_starts(keys, shift):
    """Where each bucket of keys starts, and the end of the last (int64 [buckets + 1])."""
    starts = np.zeros((1 << BUCKET_BITS) + 1, np.int64)
    for place in range(keys.size):
        starts[bucket_of(keys[place], shift) + 1] += 1
    return np.cumsum(starts)


@kernel
def scatter_to_buckets(keys, rows, shift, places, bucketed_rows, bucketed):
    """Write the row and key of every entry to its bucket, in order; `places`: where each bucket starts."""
    for entry in range(keys.size):
        bucket = bucket_of(keys[entry], shift)
        bucketed_rows[places[bucket]], bucketed[places[bucket]] = rows[entry], keys[entry]
        places[bucket] += 1


@kernel
def join_buckets(starts, rows, keys, chains, edges):
    """Join every entry to the first holder of its key, bucket by bucket: how many edges."""
    size = 4
    while size < 3 * rows.size // (starts.size - 1):
        size *= 2
    holders, count = np.empty((size, 2), np.int64), 0
    for bucket in range(starts.size - 1):
        start, stop = starts[bucket], starts[bucket + 1]
        if stop - start < 2:
            continue
        found = join_bucket(start, stop, rows, keys, holders, chains, edges, count)
        while found < 0:  # more distinct keys than the table takes: start again
            holders = np.empty((2 * holders.shape[0], 2), np.int64)
            found = join_bucket(start, stop, rows, keys, holders, chains, edges, count)
        count = found
    return count


@kernel
def join_bucket(start, stop, rows, keys, holders, chains, edges, count):
    """Write the edges of places start to stop from edges[count] on: their end; or -1 where `holders` is half full.

    `holders` (int64 [slots, 2]) is a hash table of the first and last place of each key."""
    holders[:, 0] = NOBODY
    mask, held = holders.shape[0] - 1, 0
    for place in range(start, stop):
        slot = np.int64(keys[place] & np.uint64(mask))
        while holders[slot, 0] != NOBODY and keys[holders[slot, 0]] != keys[place]:
            slot = (slot + 1) & mask
        first = holders[slot, 0]
        if first == NOBODY:
            if 2 * held >= holders.shape[0]:
                return -1
            holders[slot, 0], holders[slot, 1] = place, place
            held += 1
            continue
        edges[count, 0], edges[count, 1] = rows[first], rows[place]
        count += 1
        if chains and holders[slot, 1] != first:
            edges[count, 0], edges[count, 1] = rows[holders[slot, 1]], rows[place]
            count += 1
        holders[slot, 1] = place
    return count


@kernel
def root_of(parents, row):
    """The root of a row's tree; the path to it is halved on the way."""
    while parents[row] != row:
        parents[row] = parents[parents[row]]
        row = parents[row]
    return row


@kernel
def join(parents, first, second):
    """Make two rows one tree, whose root is the smaller of their roots."""
    first, second = root_of(parents, first), root_of(parents, second)
    parents[max(first, second)] = min(first, second)


@kernel
def join_edges(parents, edges):
    """Join both ends of every edge (uint32 [edges, 2])."""
    for edge in range(edges.shape[0]):
        join(parents, np.int64(edges[edge, 0]), np.int64(edges[edge, 1]))


@kernel
def point_at_roots(parents):
    """Make every row point at its root; a parent is never larger than its child, so one pass in order is enough."""
    for row in range(parents.size):
        parents[row] = parents[parents[row]]
