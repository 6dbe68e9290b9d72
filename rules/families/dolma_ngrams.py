"""Which word n-grams of a text occur more than once, for all n from 2 up: what dolma's and datamap's counts share.

Words are kept as a hash and as the sum of all sizes up to them (in characters or bytes, as the caller likes). An n-gram
can only repeat where both its (n-1)-grams do, so the places to look at get fewer with each n; the search itself is that
of top_ngrams.py. Unlike there, n-grams are the same only if they are the same word for word.
"""

from __future__ import annotations

import numpy as np

from rules.text.kernels import inlined, int64, kernel

TOP_SIZES = (2, 3, 4)
DUPLICATE_SIZES = (5, 6, 7, 8, 9, 10)


@kernel
def hash_scratch(size: int, unicode_words: bool) -> tuple[np.ndarray, np.ndarray]:
    """Room for the words of a text of `size` bytes: hashes (uint64) and ends (uint32)."""
    most = size if unicode_words else (size + 1) // 2
    return np.empty(most, np.uint64), np.empty(most + 1, np.uint32)


@inlined
def size_of(ends: np.ndarray, j: int, n: int) -> int:
    """The size of the n words from word j."""
    return int64(ends[np.uint64(j + n)]) - int64(ends[np.uint64(j)])


@inlined
def repeated_size(ends: np.ndarray, n: int, places: np.ndarray, possible: int, marks: np.ndarray) -> int:
    """The sizes of all n-grams that occur more than once, each as often as it occurs."""
    total = 0
    for k in range(possible):
        j = int64(places[np.uint64(k)])
        total += int64(marks[np.uint64(j)]) * size_of(ends, j, n)
    return total


@inlined
def covered_size(ends: np.ndarray, n: int, places: np.ndarray, possible: int, marks: np.ndarray) -> int:
    """The size of the words that lie in an n-gram that occurs more than once, each word once."""
    total, free = 0, 0
    for k in range(possible):
        j = int64(places[np.uint64(k)])
        if marks[np.uint64(j)]:
            first = max(j, free)
            free = j + n
            total += size_of(ends, first, free - first)
    return total


@inlined
def total_size(ends: np.ndarray, n: int, found: int) -> int:
    """The sizes of all n-grams of `found` words, at least n of them."""
    total = 0
    for j in range(found - n + 1):
        total += size_of(ends, j, n)
    return total
