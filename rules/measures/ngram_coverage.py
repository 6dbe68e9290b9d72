"""How many words of a text lie in word n-grams that occur more than once: the coverage by duplicated n-grams.

Unlike Gopher's counts of duplicated characters every occurrence covers its words, the first one, too, and no word counts
twice. So a text that says one thing over and over is covered whole, however long its lines. Five words find log lines
that differ in a number, ten find copied sentences. 8 to 12 ns a byte, more in
texts of many megabytes, whose tables fit no cache; 30 bytes of memory a word.
"""

from __future__ import annotations

import numpy as np

from rules.splitters.words import CHUNK_BYTES, span, span_scratch, take_spans
from rules.text.hash_sets import SIZE_STEP, bytes_hash
from rules.text.kernels import Scratch, kernel, unowned
from rules.text.repeated_keys import count_keys, key_scratch, occurrences_of

COVERAGE_SIZES = (5, 10)
COVERAGE_COUNTS = {f"covered_{n}_gram_words": f"words in {n}-grams of words that occur more than once" for n in COVERAGE_SIZES}


@kernel
def count_coverage(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, unicode_words: bool, out: np.ndarray) -> None:
    """Fill `out` (int64 [docs, COVERAGE_COUNTS])."""
    spans = span_scratch()
    room, key_room = 4 * CHUNK_BYTES, CHUNK_BYTES
    words, keys, scratch = np.empty(room, np.uint64), np.empty(key_room, np.uint64), key_scratch(key_room)
    for d in range(offsets.size - 1):
        begin, end = offsets[d], offsets[d + 1]
        if end - begin > room:
            room = 2 * (end - begin)
            words = np.empty(room, np.uint64)
        found = hash_words(data, begin, end, classes, unicode_words, spans, words)
        if found > key_room:
            key_room = 2 * found
            keys, scratch = np.empty(key_room, np.uint64), key_scratch(key_room)
        for k in range(len(COVERAGE_SIZES)):
            if found > COVERAGE_SIZES[k]:
                out[d, k] = covered_words(words, found, COVERAGE_SIZES[k], keys, scratch)


@kernel
def hash_words(data: np.ndarray, i: int, end: int, classes: np.ndarray, unicode_words: bool, spans: np.ndarray, words: np.ndarray) -> int:
    """Fill `words` with the hashes of the words of data[i:end]: how many there are."""
    data, classes, spans = unowned(data), unowned(classes), unowned(spans)
    words, found = unowned(words), 0
    while i < end:
        filled, i = take_spans(data, i, end, classes, unicode_words, spans)
        for k in range(filled):
            start, stop = span(spans, k)
            words[np.uint64(found + k)] = bytes_hash(data, start, stop)
        found += filled
    return found


@kernel
def covered_words(words: np.ndarray, found: int, n: int, keys: np.ndarray, scratch: Scratch) -> int:
    """How many of words[:found] lie in an n-gram that occurs more than once."""
    count = found - n + 1
    hash_ngrams(words, count, n, keys)
    bits, table, numbers, once = count_keys(keys, count, scratch)
    return covered_by(keys, count, n, bits, table, numbers) if once < count else 0


@kernel
def covered_by(keys: np.ndarray, count: int, n: int, bits: int, table: np.ndarray, numbers: np.ndarray) -> int:
    """How many words lie in those of the n-grams `keys`, one from each word on, that occur more than once."""
    keys, table, numbers, covered, free = unowned(keys), unowned(table), unowned(numbers), 0, 0
    for j in range(count):
        if occurrences_of(keys[np.uint64(j)], bits, table, numbers) > 1:
            covered += j + n - max(j, free)
            free = j + n
    return covered


@kernel
def hash_ngrams(words: np.ndarray, count: int, n: int, keys: np.ndarray) -> None:
    """keys[j] = the hash of the n words from word j on."""
    words, keys = unowned(words), unowned(keys)
    for j in range(count):
        state = words[np.uint64(j)]
        for k in range(1, n):
            state = state * SIZE_STEP + words[np.uint64(j + k)]
        keys[np.uint64(j)] = state ^ (state >> np.uint64(32))
