"""Counts over the words of a text, with or without those over its word n-grams: one kernel, one scan.

Words come from words.py as spans of bytes. An ASCII word of up to eight bytes, as most are, is measured from one load.
For n-grams each word leaves a hash, the sum (ngrams.py) and length of all words up to it, and its bytes, so a word costs
60 bytes or so of memory while its document is read: a document of 50 MB takes 0.1 to 1.6 GB. Without n-grams about
4 ns a byte, a third less for words between white space.
"""

from __future__ import annotations

import numpy as np

from rules.characters import STOP_WORDS
from rules.decode import HIGH_BITS, store_eight, text_at
from rules.hash_sets import start_hash
from rules.kernels import inlined, kernel, unowned
from rules.ngrams import PADDING, bytes_sum, count_ngrams, joined_sum, ngram_scratch
from rules.words import CHUNK_BYTES, HAS_ALPHA, ONE_CHARACTER, ascii_facts, span, span_scratch, take_spans, word_facts

WORD_COUNTS = {
    "words": "words",
    "non_symbol_words": "words with a character that is not in the punctuation set (characters.SYMBOLS)",
    "non_symbol_word_chars": "characters of the non-symbol words",
    "alpha_words": "words with a letter (str.isalpha)",
    "stop_words": "how many of the eight stop words occur, in lower case",
    "longest_word_chars": "characters of the longest word",
}
WORDS, NON_SYMBOL_WORDS, NON_SYMBOL_WORD_CHARS, ALPHA_WORDS, FOUND_STOP_WORDS, LONGEST_WORD_CHARS = range(len(WORD_COUNTS))
FIRST_NGRAM_COUNT = len(WORD_COUNTS)

STOP_WORD_FACTOR = np.uint64(0xB85544CAEF0756B9)  # found by trial: the eight stop words fall into eight places


def _stop_word_table() -> np.ndarray:
    """Each stop word (at most four letters) and its size as one number, at the place its hash says (uint64 [8])."""
    table = np.zeros(8, np.uint64)
    for word in STOP_WORDS:
        packed = int.from_bytes(word.encode(), "little") | len(word) << 56
        table[(packed * int(STOP_WORD_FACTOR) & (1 << 64) - 1) >> 61] = packed
    return table


STOP_WORD_TABLE = _stop_word_table()


@kernel
def count_words(offsets, data, classes, unicode_words, ngrams, out):
    """Fill `out` (int64 [docs, word counts + n-gram counts]); the n-gram counts are zero unless `ngrams`."""
    edges, spans = span_scratch()
    room, ngram_room = 4 * CHUNK_BYTES, CHUNK_BYTES
    words, scratch = word_scratch(room, unicode_words), ngram_scratch(ngram_room)
    for d in range(offsets.size - 1):
        begin, end = offsets[d], offsets[d + 1]
        if ngrams and end - begin > room:
            room = 2 * (end - begin)
            words = word_scratch(room, unicode_words)
        found = read_words(data, begin, end, classes, unicode_words, ngrams, edges, spans, words, out[d])
        if ngrams:
            if found > ngram_room:
                ngram_room = 2 * found
                scratch = ngram_scratch(ngram_room)
            count_ngrams(words, found, scratch, out[d, FIRST_NGRAM_COUNT:])


@kernel
def word_scratch(size, unicode_words):
    """Room for the words of a text of `size` bytes: hashes, sums, ends in bytes and in characters, the bytes of words.

    Of all this the operating system gives only what is written to."""
    most = size if unicode_words else (size + 1) // 2
    byte_ends, char_ends = np.empty(most + 1, np.uint32), np.empty(most + 1, np.uint32)
    joined = np.empty(size + 2 * PADDING, np.uint8)
    joined[:PADDING] = 0
    return np.empty(most, np.uint64), np.empty(most + 1, np.uint64), byte_ends, char_ends, joined


@kernel
def read_words(data, i, end, classes, unicode_words, ngrams, edges, spans, words, out):
    """Fill `out` (int64 [WORD_COUNTS]) for the text data[i:end] and, if `ngrams`, `words`: how many words there are."""
    data, classes, edges, spans, out = unowned(data), unowned(classes), unowned(edges), unowned(spans), unowned(out)
    hashes, sums, byte_ends, char_ends = unowned(words[0]), unowned(words[1]), unowned(words[2]), unowned(words[3])
    joined, found, stops = unowned(words[4]), 0, 0
    out[:] = 0
    sums[0] = byte_ends[0] = char_ends[0] = 0
    while i < end:
        filled, i = take_spans(data, i, end, classes, unicode_words, edges, spans)
        stops |= measure_words(data, spans, filled, classes, out)
        if ngrams:
            keep_words(data, spans, filled, found, hashes, sums, byte_ends, char_ends, joined)
        found += filled
    out[WORDS] = found
    for k in range(len(STOP_WORDS)):
        out[FOUND_STOP_WORDS] += stops >> k & 1
    return found


@inlined
def measure_words(data, spans, filled, classes, out):
    """Add words to the counts of their text; notes their facts in `spans`. Which stop words there are, as bits."""
    non_symbol = non_symbol_chars = alpha = longest = stops = 0
    for k in range(filled):
        i, end, facts = span(spans, k)
        size, eight = end - i, text_at(data, i, end)
        stops |= stop_word_bit(eight, size)
        if facts == 0 and size <= 8 and eight & HIGH_BITS == np.uint64(0):
            facts = size * ONE_CHARACTER | ascii_facts(eight)
        elif facts == 0:
            facts = word_facts(data, i, end, classes)
        spans[np.uint64(3 * k + 2)] = facts
        chars, is_word = facts >> 2, facts >> 1 & 1
        non_symbol += is_word
        non_symbol_chars += is_word * chars
        alpha += facts & HAS_ALPHA
        longest = max(longest, chars)
    out[NON_SYMBOL_WORDS] += non_symbol
    out[NON_SYMBOL_WORD_CHARS] += non_symbol_chars
    out[ALPHA_WORDS] += alpha
    out[LONGEST_WORD_CHARS] = max(out[LONGEST_WORD_CHARS], longest)
    return stops


@inlined
def keep_words(data, spans, filled, found, hashes, sums, byte_ends, char_ends, joined):
    """Keep what n-grams need of the words of `spans`, after the `found` words that are there."""
    total, byte_end, char_end = sums[found], np.int64(byte_ends[found]), np.int64(char_ends[found])
    for k in range(filled):
        i, end, facts = span(spans, k)
        size = end - i
        word = append_word(data, i, end, joined, PADDING + byte_end)
        total = joined_sum(total, word, size)
        byte_end += size
        char_end += facts >> 2
        place = np.uint64(found + k)
        hashes[place] = word ^ start_hash(size)
        sums[place + np.uint64(1)], byte_ends[place + np.uint64(1)], char_ends[place + np.uint64(1)] = total, byte_end, char_end


@inlined
def append_word(data, i, end, joined, position):
    """Copy data[i:end] to joined[position:], where up to seven bytes after it are spoilt; the sum of its bytes."""
    eight = text_at(data, i, end)
    store_eight(joined, position, eight)
    total = bytes_sum(eight, min(end - i, 8))
    while end - i > 8:
        i += 8
        position += 8
        eight, size = text_at(data, i, end), min(end - i, 8)
        store_eight(joined, position, eight)
        total = joined_sum(total, bytes_sum(eight, size), size)
    return total


@inlined
def stop_word_bit(eight, size):
    """Bit k is set if the ASCII word `eight` is STOP_WORD_TABLE[k], else none."""
    packed = eight | np.uint64(size) << np.uint64(56)
    place = (packed * STOP_WORD_FACTOR) >> np.uint64(61)
    return (np.int64(size <= 4) & np.int64(packed == STOP_WORD_TABLE[place])) << np.int64(place)
