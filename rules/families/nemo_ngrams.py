"""Characters in repeated word n-grams as NeMo Curator counts them: the top 2- to 4-grams, the duplicated 2- to 10-grams.

The top n-gram is the one that occurs most often; of several, here, the first (there, it depends on the hash seed of the
process). Its words, joined by single spaces, are then looked for in the text as a string of characters, within words
too, and all places that do not overlap count. A duplicated n-gram is one whose words occurred before; its characters
and the spaces between its words count, but none that the one before it counted. A text of fewer than n words counts whole.
Spaces count whether the text has them or not, so `unicode` words may add up to more than the text.

An n-gram can repeat only if both the (n - 1)-grams in it do, so each size looks only at what the size before left over;
which 2-grams repeat a pass without branches finds (top_ngrams.py). 9 to 13 ns a byte, 60 bytes of memory a word while its
document is read.
"""

from __future__ import annotations

import numpy as np

from rules.families.word_ngrams import LARGEST, count_documents, count_sizes
from rules.measures.top_ngrams import TOP_SIZES, occurrences
from rules.splitters.words import span, take_spans
from rules.text.decode import ALL_BITS, characters_in, eight_at, load_eight
from rules.text.hash_sets import bytes_hash
from rules.text.kernels import Scratch, inlined, int64, kernel, unowned

DUPLICATE_SIZES = (2, 5, 6, 7, 8, 9, 10)
NEMO_NGRAM_COUNTS = {
    **{f"nemo_top_{n}_gram_chars": f"characters of the top {n}-gram wherever it stands; all if there are fewer words" for n in TOP_SIZES},
    **{f"nemo_dup_{n}_gram_chars": f"characters in {n}-grams that occurred before; all if there are fewer words" for n in DUPLICATE_SIZES},
}
SHORT_BYTES = 64  # up to here comparing at every place is faster than never going back


def _columns(sizes: tuple[int, ...], first: int) -> np.ndarray:
    """The column of each n-gram size, -1 for those that have none (int64 [LARGEST + 1])."""
    columns = np.full(LARGEST + 1, -1)
    columns[list(sizes)] = range(first, first + len(sizes))
    return columns


TOP_COLUMNS, DUPLICATE_COLUMNS = _columns(TOP_SIZES, 0), _columns(DUPLICATE_SIZES, len(TOP_SIZES))


@kernel
def count_nemo_ngrams(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, unicode_words: bool, out: np.ndarray) -> None:
    """Fill `out` (int64 [docs, NEMO_NGRAM_COUNTS])."""
    count_documents(offsets, data, classes, unicode_words, word_scratch, keep_words, count_document, out)


@kernel
def word_scratch(size: int, unicode_words: bool) -> Scratch:
    """Room for the words of a text of `size` bytes: hashes, starts, ends, and characters up to each."""
    most = size if unicode_words else (size + 1) // 2
    return np.empty(most, np.uint64), np.empty(most, np.uint32), np.empty(most, np.uint32), np.empty(most + 1, np.uint32)


@kernel
def keep_words(
    data: np.ndarray, begin: int, end: int, classes: np.ndarray, unicode_words: bool, spans: np.ndarray, words: Scratch,
    out: np.ndarray,
) -> int:
    """Fill `words` from the text data[begin:end]: how many there are. They leave nothing in `out`."""
    data, classes, spans = unowned(data), unowned(classes), unowned(spans)
    hashes, starts, ends, chars = unowned(words[0]), unowned(words[1]), unowned(words[2]), unowned(words[3])
    i, found, total = begin, 0, 0
    chars[0] = 0
    while i < end:
        filled, i = take_spans(data, i, end, classes, unicode_words, spans)
        for k in range(filled):
            start, stop = span(spans, k)
            total += characters_in(data, start, stop)
            place = np.uint64(found + k)
            hashes[place], starts[place], ends[place] = bytes_hash(data, start, stop), start - begin, stop - begin
            chars[place + np.uint64(1)] = total
        found += filled
    return found


@kernel
def count_document(data: np.ndarray, begin: int, end: int, words: Scratch, found: int, scratch: Scratch, out: np.ndarray) -> None:
    """Fill `out` (int64 [NEMO_NGRAM_COUNTS]) for the `found` words of data[begin:end]."""
    data, out = unowned(data), unowned(out)
    if found < LARGEST:  # what has no n-gram counts whole
        out[:] = characters_in(data, begin, end)
    count_sizes(data, begin, end, words, found, scratch, count_size, out)


@inlined
def count_size(
    data: np.ndarray, begin: int, end: int, words: Scratch, found: int, n: int, top: tuple[int, int], repeats: Scratch,
    possible: int, out: np.ndarray,
) -> None:
    """Fill the counts of n-grams of one size."""
    chars, (places, table, slots, _), (_, first) = unowned(words[3]), repeats, top
    if TOP_COLUMNS[n] >= 0:
        out[TOP_COLUMNS[n]] = top_chars(data, begin, end, words, first, n)
    if DUPLICATE_COLUMNS[n] >= 0:
        out[DUPLICATE_COLUMNS[n]] = duplicated_chars(chars, n, places, possible, table, slots)


@inlined
def duplicated_chars(chars: np.ndarray, n: int, places: np.ndarray, possible: int, table: np.ndarray, slots: np.ndarray) -> int:
    """The characters of n-grams that occurred before, each once; `table` and `slots` are as `count_top_ngrams` leaves them."""
    counted, free = 0, 0
    for k in range(possible):
        j = int64(places[np.uint64(k)])
        if occurrences(j, slots[np.uint64(k)], table) == 0:  # another word begins the first of them
            start = max(j, free)
            free = j + n
            counted += int64(chars[np.uint64(free)]) - int64(chars[np.uint64(start)]) + min(free - start, n - 1)
    return counted


@kernel
def top_chars(data: np.ndarray, begin: int, end: int, words: Scratch, first: int, n: int) -> int:
    """Characters that deleting the words from `first` on, joined by spaces, takes from data[begin:end]."""
    starts, ends, chars, size = unowned(words[1]), unowned(words[2]), unowned(words[3]), n - 1
    for k in range(first, first + n):
        size += int64(ends[k]) - int64(starts[k])
    needle, at = np.full(max(size, 8), ord(" "), np.uint8), 0
    for k in range(first, first + n):
        for i in range(starts[k], ends[k]):
            needle[at] = data[begin + i]
            at += 1
        at += 1
    of_one = int64(chars[first + n]) - int64(chars[first]) + n - 1
    if size > SHORT_BYTES:
        return of_one * occurrences_of_long(data, begin, end, needle, fallbacks(needle))
    return of_one * occurrences_of_short(data, begin, end, unowned(needle), size)


@inlined
def occurrences_of_short(data: np.ndarray, i: int, end: int, needle: np.ndarray, size: int) -> int:
    """How often the first `size` bytes of `needle` occur in data[i:end], without overlap."""
    found, mask = 0, ALL_BITS >> np.uint64(64 - 8 * min(size, 8))
    head = load_eight(needle, 0) & mask
    while i + size <= end:
        if eight_at(data, i, end) & mask == head and same_bytes(data, i, needle, size):
            found += 1
            i += size
        else:
            i += 1
    return found


@inlined
def same_bytes(data: np.ndarray, i: int, needle: np.ndarray, size: int) -> bool:
    """Are the bytes of data from i on the first `size` of `needle`?"""
    for k in range(8, size):
        if data[np.uint64(i + k)] != needle[np.uint64(k)]:
            return False
    return True


@kernel
def fallbacks(needle: np.ndarray) -> np.ndarray:
    """For each prefix of `needle` the longest shorter one that it ends in (Knuth, Morris and Pratt): int64 [size + 1]."""
    needle, found, k = unowned(needle), np.zeros(needle.size + 1, np.int64), 0
    for j in range(1, needle.size):
        while k > 0 and needle[j] != needle[k]:
            k = found[k]
        k += int64(needle[j] == needle[k])
        found[j + 1] = k
    return found


@kernel
def occurrences_of_long(data: np.ndarray, i: int, end: int, needle: np.ndarray, fallback: np.ndarray) -> int:
    """How often `needle` occurs in data[i:end], without overlap, in a time that does not depend on its length."""
    data, needle, fallback, found, k = unowned(data), unowned(needle), unowned(fallback), 0, 0
    while i < end:
        while k > 0 and data[np.uint64(i)] != needle[np.uint64(k)]:
            k = fallback[np.uint64(k)]
        k += int64(data[np.uint64(i)] == needle[np.uint64(k)])
        if k == needle.size:
            found += 1
            k = 0
        i += 1
    return found
