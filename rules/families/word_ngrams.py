"""Which word n-grams of a text occur more than once, for all n from 2 up: what dolma's, datamap's and NeMo's counts share.

Words are kept as a hash and as the sum of all sizes up to them (in characters or bytes, as the caller likes). An n-gram
can only repeat where both its (n-1)-grams do, so the places to look at get fewer with each n; the search itself is that
of top_ngrams.py. Unlike in ngrams.py, n-grams are the same only if they are the same word for word.

What differs is functions that a kernel of each family names: they are compiled into it, as if they stood there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from rules.measures.ngrams import DUPLICATE_SIZES, ngram_scratch
from rules.measures.top_ngrams import TOP_SIZES, count_top_ngrams, next_places, possible_places
from rules.splitters.words import CHUNK_BYTES, span_scratch
from rules.text.kernels import Scratch, inlined, int64, kernel, unowned

SMALLEST, LARGEST = TOP_SIZES[0], DUPLICATE_SIZES[-1]

MakeRoom: TypeAlias = Callable[[int, bool], Scratch]  # for the words of a text of so many bytes, `unicode` ones or not
ReadWords: TypeAlias = Callable[[np.ndarray, int, int, np.ndarray, bool, np.ndarray, Scratch, np.ndarray], int]
CountWords: TypeAlias = Callable[[np.ndarray, int, int, Scratch, int, Scratch, np.ndarray], None]
CountSize: TypeAlias = Callable[[np.ndarray, int, int, Scratch, int, int, tuple[int, int], Scratch, int, np.ndarray], None]


# ---- documents


@inlined
def count_documents(
    offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, unicode_words: bool, make_room: MakeRoom, read_words: ReadWords,
    count_words: CountWords, out: np.ndarray,
) -> None:
    """Fill `out` (int64 [docs, counts]): of each text data[begin:end], `read_words(data, begin, end, classes, unicode_words,
    spans, words, out)` keeps the words in what `make_room` made, and says how many there are;
    `count_words(data, begin, end, words, found, scratch, out)` then counts their n-grams."""
    spans = span_scratch()
    room, ngram_room = 4 * CHUNK_BYTES, CHUNK_BYTES
    words, scratch = make_room(room, unicode_words), ngram_scratch(ngram_room)
    for d in range(offsets.size - 1):
        begin, end = offsets[d], offsets[d + 1]
        if end - begin > room:
            room = 2 * (end - begin)
            words = make_room(room, unicode_words)
        found = read_words(data, begin, end, classes, unicode_words, spans, words, out[d])
        if found > ngram_room:
            ngram_room = 2 * found
            scratch = ngram_scratch(ngram_room)
        count_words(data, begin, end, words, found, scratch, out[d])


@inlined
def count_sizes(
    data: np.ndarray, begin: int, end: int, words: Scratch, found: int, scratch: Scratch, count_size: CountSize, out: np.ndarray,
) -> None:
    """Fill `out` for the `found` words of a text, of which words[0] are the hashes: for each n, as long as there are n words,
    by `count_size(data, begin, end, words, found, n, top, repeats, possible, out)`.

    `top` is how often the top n-gram occurs and its first word; `repeats` are places, table, slots and marks as
    `count_top_ngrams` leaves them for the `possible` places."""
    hashes, table, seen, slots = unowned(words[0]), unowned(scratch[0]), unowned(scratch[1]), unowned(scratch[2])
    marks, places, bits = unowned(scratch[3]), unowned(scratch[4]), unowned(scratch[5])
    possible = possible_places(hashes, found, seen, slots, marks, bits[0], places) if found >= SMALLEST else 0
    for n in range(SMALLEST, min(LARGEST, found) + 1):
        top = count_top_ngrams(hashes, n, places, possible, table, slots, marks, found)
        count_size(data, begin, end, words, found, n, top, (places, table, slots, marks), possible, out)
        possible = next_places(places, possible, marks, found - n)


# ---- sizes


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
