"""Counts over words as dolma's taggers define them: the gopher taggers' words and n-grams, the c4 taggers' short lines.

Words are the pack's; dolma's own are those of `words: space`. A word has its characters, not its bytes, as its size.
Sizes up to LENGTHS - 1 are counted in a histogram, which gives the median; a median beyond is searched by bisection.
"""

from __future__ import annotations

import numpy as np

from rules.families.word_ngrams import count_documents, count_sizes, hash_scratch, repeated_size, size_of, total_size
from rules.measures.ngrams import DUPLICATE_SIZES
from rules.measures.top_ngrams import TOP_SIZES
from rules.measures.word_counts import stop_word_bit
from rules.splitters.words import span, take_spans
from rules.text.decode import CASE_BITS, HIGH_BITS, characters_in, eight_at, equal_bytes, every_byte, text_at
from rules.text.hash_sets import bytes_hash
from rules.text.kernels import Scratch, inlined, int64, kernel, unowned

DOLMA_WORD_COUNTS = {
    "dolma_words": "words",
    "dolma_word_chars": "characters of all words",
    "dolma_two_median_word_chars": "the lower and the upper median of the characters of a word, added",
    "dolma_symbol_words": "words that hold # or …",
    "dolma_stop_words": "words that are one of the eight stop words, in lower case",
    "dolma_javascript_words": "words that are javascript, in any case",
    "dolma_few_word_rows": 'pieces of str.split("\\n") with fewer than three words; none in an empty text',
    **{f"dolma_top_{n}_gram_chars": f"characters of the words of the most frequent {n}-gram, times its occurrences" for n in TOP_SIZES},
    **{f"dolma_dup_{n}_gram_chars": f"characters of all {n}-grams of words that occur more than once" for n in DUPLICATE_SIZES},
    **{f"dolma_{n}_gram_chars": f"characters of all {n}-grams of words" for n in DUPLICATE_SIZES},
}
WORDS, WORD_CHARS, TWO_MEDIANS, SYMBOL_WORDS, STOP_WORDS, JAVASCRIPT_WORDS, FEW_WORD_ROWS, FIRST_TOP = range(8)
FIRST_DUPLICATE, FIRST_ALL = FIRST_TOP + len(TOP_SIZES), FIRST_TOP + len(TOP_SIZES) + len(DUPLICATE_SIZES)

ENOUGH_WORDS = 3  # of a line, for C4
LENGTHS = 64  # sizes of words, in characters, that have a place in the histogram; all longer ones share the last
NUMBER_SIGNS, ELLIPSIS_LEADS = every_byte(ord("#")), every_byte(0xE2)
LINE_FEED = ord("\n")
JAVASCRIPT = b"javascript"
JAVASCRIPT_START = np.uint64(int.from_bytes(JAVASCRIPT[:8], "little"))
JAVASCRIPT_END = np.uint64(int.from_bytes(JAVASCRIPT[-8:], "little"))


@kernel
def count_dolma_words(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, unicode_words: bool, out: np.ndarray) -> None:
    """Fill `out` (int64 [docs, DOLMA_WORD_COUNTS])."""
    count_documents(offsets, data, classes, unicode_words, word_scratch, read_words, count_dolma_ngrams, out)


@kernel
def word_scratch(size: int, unicode_words: bool) -> Scratch:
    """Room for the words of a text of `size` bytes: `hash_scratch`, and how many there are of each length (int64)."""
    hashes, ends = hash_scratch(size, unicode_words)
    return hashes, ends, np.empty(LENGTHS + 1, np.int64)


@kernel
def read_words(
    data: np.ndarray, begin: int, end: int, classes: np.ndarray, unicode_words: bool, spans: np.ndarray,
    words: Scratch, out: np.ndarray,
) -> int:
    """Fill all of `out` (int64 [DOLMA_WORD_COUNTS]) but the n-grams, and `words`: how many words there are."""
    data, classes, spans, out = unowned(data), unowned(classes), unowned(spans), unowned(out)
    hashes, ends, lengths = unowned(words[0]), unowned(words[1]), unowned(words[2])
    out[:] = lengths[:] = 0
    ends[0] = found = row_words = 0
    i = last = begin
    while i < end:
        filled, i = take_spans(data, i, end, classes, unicode_words, spans)
        measure_words(data, spans, filled, out)
        last, row_words = count_row_words(data, spans, filled, last, row_words, out)
        keep_words(data, spans, filled, found, hashes, ends, lengths)
        found += filled
    out[WORDS], out[WORD_CHARS] = found, ends[found]
    if begin < end:
        out[FEW_WORD_ROWS] += 1 + line_feeds_in(data, last, end)
    if found:
        out[TWO_MEDIANS] = kth_length(ends, found, (found - 1) // 2, lengths) + kth_length(ends, found, found // 2, lengths)
    return found


@inlined
def measure_words(data: np.ndarray, spans: np.ndarray, filled: int, out: np.ndarray) -> None:
    """Add words to the counts of those that hold a symbol or are a word of note."""
    symbols = stops = scripts = 0
    for k in range(filled):
        i, end = span(spans, k)
        size, eight = end - i, text_at(data, i, end)
        stops += int64(stop_word_bit(eight, size) != 0)
        symbols += int64(holds_symbol(data, i, end))
        scripts += int64(size == len(JAVASCRIPT) and is_javascript(data, i, end))
    out[SYMBOL_WORDS] += symbols
    out[STOP_WORDS] += stops
    out[JAVASCRIPT_WORDS] += scripts


@inlined
def holds_symbol(data: np.ndarray, i: int, end: int) -> bool:
    """Is there a number sign or an ellipsis, …, in data[i:end]?"""
    found = False
    while i < end and not found:
        eight = eight_at(data, i, end)
        found = equal_bytes(eight, NUMBER_SIGNS) != np.uint64(0)
        if eight & HIGH_BITS and equal_bytes(eight, ELLIPSIS_LEADS):
            found |= holds_ellipsis(data, i, end)
        i += 8
    return found


@inlined
def holds_ellipsis(data: np.ndarray, i: int, end: int) -> bool:
    """Does … start at one of the first eight bytes of data[i:end]?"""
    for position in range(i, min(i + 8, end - 2)):
        if data[np.uint64(position)] == 0xE2 and data[np.uint64(position + 1)] == 0x80 and data[np.uint64(position + 2)] == 0xA6:
            return True
    return False


@inlined
def is_javascript(data: np.ndarray, i: int, end: int) -> bool:
    """Is data[i:end], ten bytes, the word javascript in any case?"""
    return text_at(data, i, end) | CASE_BITS == JAVASCRIPT_START and text_at(data, i + 2, end) | CASE_BITS == JAVASCRIPT_END


@inlined
def count_row_words(data: np.ndarray, spans: np.ndarray, filled: int, last: int, row_words: int, out: np.ndarray) -> tuple[int, int]:
    """Count rows that end before the last of these words and have too few: where it ends, and the words of its row.

    The words before ended at `last`, with `row_words` in the row that goes on."""
    few = 0
    for k in range(filled):
        i, end = span(spans, k)
        feeds = line_feeds_in(data, last, i)
        few += feeds  # the rows that end here; one with enough words was taken off before
        row_words = 1 if feeds else row_words + 1
        few -= int64(row_words == ENOUGH_WORDS)
        last = end
    out[FEW_WORD_ROWS] += few
    return last, row_words


@inlined
def line_feeds_in(data: np.ndarray, begin: int, end: int) -> int:
    found = 0
    for i in range(begin, end):
        found += int64(data[np.uint64(i)] == LINE_FEED)
    return found


@inlined
def keep_words(
    data: np.ndarray, spans: np.ndarray, filled: int, found: int, hashes: np.ndarray, ends: np.ndarray,
    lengths: np.ndarray,
) -> None:
    """Keep hashes and ends of words after the `found` words that are there, and count their lengths."""
    total = int64(ends[found])
    for k in range(filled):
        i, end = span(spans, k)
        chars = characters_in(data, i, end)
        total += chars
        lengths[np.uint64(min(chars, LENGTHS))] += 1
        place = np.uint64(found + k)
        hashes[place] = bytes_hash(data, i, end)
        ends[place + np.uint64(1)] = total


# ---- median


@inlined
def kth_length(ends: np.ndarray, found: int, k: int, lengths: np.ndarray) -> int:
    """The length of word number k in the order of their lengths."""
    seen = 0
    for chars in range(LENGTHS):
        seen += lengths[chars]
        if k < seen:
            return chars
    return kth_long(ends, found, k)


@kernel
def kth_long(ends: np.ndarray, found: int, k: int) -> int:
    """`kth_length` where that is at least LENGTHS: the least length that more than k words do not exceed."""
    low, high = LENGTHS, int64(ends[found])
    while low < high:
        middle = (low + high) // 2
        within = 0
        for j in range(found):
            within += int64(size_of(ends, j, 1) <= middle)
        if k < within:
            high = middle
        else:
            low = middle + 1
    return low


# ---- n-grams


@kernel
def count_dolma_ngrams(data: np.ndarray, begin: int, end: int, words: Scratch, found: int, scratch: Scratch, out: np.ndarray) -> None:
    """Fill the counts of n-grams of `out` for the `found` words of a text."""
    count_sizes(unowned(data), begin, end, words, found, scratch, count_size, unowned(out))


@inlined
def count_size(
    data: np.ndarray, begin: int, end: int, words: Scratch, found: int, n: int, top: tuple[int, int], repeats: Scratch,
    possible: int, out: np.ndarray,
) -> None:
    """Fill the counts of n-grams of one size."""
    ends, (places, _, _, marks), (times, first) = unowned(words[1]), repeats, top
    if n < DUPLICATE_SIZES[0]:
        out[FIRST_TOP + n - TOP_SIZES[0]] = times * size_of(ends, first, n)
    else:
        k = n - DUPLICATE_SIZES[0]
        out[FIRST_DUPLICATE + k] = repeated_size(ends, n, places, possible, marks)
        out[FIRST_ALL + k] = total_size(ends, n, found)
