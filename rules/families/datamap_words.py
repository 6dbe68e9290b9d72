"""Counts over words as datamap-rs defines them: mean size, stop words in any case, and repeated n-grams.

datamap-rs has two kinds of words: pieces between white space for its Gopher rules, and the words of Unicode's annex 29
that hold a letter or digit for lengths and n-grams. Both are the pack's words here, the latter those with a letter or
digit (`datamap_words`). Sizes are in bytes. Of equally frequent n-grams of one size, which it takes is up to the order of
a hash map; here it is the first.
"""

from __future__ import annotations

import numpy as np

from rules.families.word_ngrams import count_documents, count_sizes, covered_size, hash_scratch, size_of
from rules.measures.ngrams import DUPLICATE_SIZES
from rules.measures.top_ngrams import TOP_SIZES, occurrences
from rules.measures.word_counts import stop_word_bit
from rules.splitters.words import span, take_spans
from rules.text.characters import CJK, LETTER, STOP_WORDS
from rules.text.decode import HIGH_BITS, character_at, digit_bytes, letter_bytes, text_at
from rules.text.hash_sets import bytes_hash
from rules.text.kernels import Scratch, inlined, int64, kernel, unowned

DATAMAP_WORD_COUNTS = {
    "datamap_split_words": "words",
    "datamap_split_word_bytes": "bytes of all words",
    "datamap_words": "words with a letter, digit or other number",
    "datamap_word_bytes": "bytes of the words with a letter, digit or other number",
    "datamap_stop_words": "words that are one of the eight stop words, in any case",
    "datamap_distinct_stop_words": "how many of the eight stop words occur, in any case",
    **{f"datamap_top_{n}_gram_bytes": f"bytes of the words that lie in the most frequent {n}-gram, of several the largest, if it occurs twice" for n in TOP_SIZES},
    **{f"datamap_dup_{n}_gram_bytes": f"bytes of the words that lie in an {n}-gram that occurs more than once" for n in DUPLICATE_SIZES},
}  # fmt: skip
SPLIT_WORDS, SPLIT_WORD_BYTES, WORDS, WORD_BYTES, FOUND_STOP_WORDS, DISTINCT_STOP_WORDS, FIRST_TOP = range(7)


@kernel
def count_datamap_words(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, unicode_words: bool, out: np.ndarray) -> None:
    """Fill `out` (int64 [docs, DATAMAP_WORD_COUNTS])."""
    count_documents(offsets, data, classes, unicode_words, hash_scratch, read_words, count_datamap_ngrams, out)


@kernel
def read_words(
    data: np.ndarray, i: int, end: int, classes: np.ndarray, unicode_words: bool, spans: np.ndarray,
    words: Scratch, out: np.ndarray,
) -> int:
    """Fill all of `out` (int64 [DATAMAP_WORD_COUNTS]) but the n-grams, and `words`: how many have a letter or digit."""
    data, classes, spans, out = unowned(data), unowned(classes), unowned(spans), unowned(out)
    hashes, ends = unowned(words[0]), unowned(words[1])
    out[:] = ends[0] = found = stops = 0
    while i < end:
        filled, i = take_spans(data, i, end, classes, unicode_words, spans)
        out[SPLIT_WORDS] += filled
        stops |= measure_words(data, spans, filled, out)
        found = keep_words(data, spans, filled, classes, found, hashes, ends)
    out[WORDS], out[WORD_BYTES] = found, ends[found]
    for k in range(len(STOP_WORDS)):
        out[DISTINCT_STOP_WORDS] += stops >> k & 1
    return found


@inlined
def measure_words(data: np.ndarray, spans: np.ndarray, filled: int, out: np.ndarray) -> int:
    """Add words to the counts of bytes and stop words; which stop words there are, as bits."""
    stops = found = total = 0
    for k in range(filled):
        i, end = span(spans, k)
        eight = text_at(data, i, end)
        bit = stop_word_bit(eight | letter_bytes(eight) >> np.uint64(2), end - i)  # 80 >> 2 is the bit of small letters
        stops |= bit
        found += int64(bit != 0)
        total += end - i
    out[FOUND_STOP_WORDS] += found
    out[SPLIT_WORD_BYTES] += total
    return stops


@inlined
def keep_words(
    data: np.ndarray, spans: np.ndarray, filled: int, classes: np.ndarray, found: int, hashes: np.ndarray,
    ends: np.ndarray,
) -> int:
    """Keep hashes and ends of the words with a letter or digit after the `found` words there are: how many there are."""
    total = int64(ends[found])
    for k in range(filled):
        i, end = span(spans, k)
        if holds_alnum(data, i, end, classes):
            total += end - i
            hashes[np.uint64(found)] = bytes_hash(data, i, end)
            ends[np.uint64(found + 1)] = total
            found += 1
    return found


@inlined
def holds_alnum(data: np.ndarray, i: int, end: int, classes: np.ndarray) -> bool:
    """Is a character of data[i:end] a letter, digit or other number?"""
    found = False
    while i < end and not found:
        eight = text_at(data, i, end)
        if eight & HIGH_BITS:
            code, size = character_at(data, i, end)
            found = classes[np.uint64(code)] & (LETTER | CJK) != 0
        else:
            found, size = letter_bytes(eight) | digit_bytes(eight) != np.uint64(0), 8
        i += size
    return found


# ---- n-grams


@kernel
def count_datamap_ngrams(data: np.ndarray, begin: int, end: int, words: Scratch, found: int, scratch: Scratch, out: np.ndarray) -> None:
    """Fill the counts of n-grams of `out` for the `found` words of a text."""
    count_sizes(unowned(data), begin, end, words, found, scratch, count_size, unowned(out))


@inlined
def count_size(
    data: np.ndarray, begin: int, end: int, words: Scratch, found: int, n: int, top: tuple[int, int], repeats: Scratch,
    possible: int, out: np.ndarray,
) -> None:
    """Fill the count of n-grams of one size."""
    ends, (places, table, slots, marks) = unowned(words[1]), repeats
    if n < DUPLICATE_SIZES[0]:
        out[FIRST_TOP + n - TOP_SIZES[0]] = top_size(ends, n, places, possible, table, slots)
    else:
        out[FIRST_TOP + n - TOP_SIZES[0]] = covered_size(ends, n, places, possible, marks)


@inlined
def top_size(ends: np.ndarray, n: int, places: np.ndarray, possible: int, table: np.ndarray, slots: np.ndarray) -> int:
    """The size of the words that lie in the top n-gram, each word once; 0 if no n-gram occurs twice.

    `table` and `slots` are as `count_top_ngrams` leaves them."""
    top, most, largest = int64(-1), 1, 0
    for k in range(possible):
        j = int64(places[np.uint64(k)])
        times, size = occurrences(j, slots[np.uint64(k)], table), size_of(ends, j, n)
        if times > most or (times == most and times > 1 and size > largest):
            top, most, largest = int64(slots[np.uint64(k)]), times, size
    total, free = 0, 0
    for k in range(possible):
        j = int64(places[np.uint64(k)])
        if top == int64(slots[np.uint64(k)]):
            first = max(j, free)
            free = j + n
            total += size_of(ends, first, free - first)
    return total
