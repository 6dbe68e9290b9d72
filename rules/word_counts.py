"""Counts over the words of a text, with or without those over its word n-grams: one kernel, one scan.

Words come from words.py as spans of bytes. An ASCII word of up to eight bytes, as most are, is measured from one load.
For n-grams each word leaves a 64-bit hash, where it ends in the text without white space, and that text itself, so a
word costs 25 bytes of memory or so while its document is read: a document of 50 MB takes 0.2 to 1.5 GB.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from rules.characters import STOP_WORDS
from rules.decode import HIGH_BITS, store_eight, text_at
from rules.hash_sets import absorb, bytes_hash, start_hash
from rules.ngrams import PADDING, append_sum, count_ngrams, ngram_scratch
from rules.words import CHUNK_BYTES, HAS_ALPHA, ONE_CHARACTER, ascii_facts, span_scratch, take_spans, word_facts

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


@njit(nogil=True, cache=True)
def count_words(offsets, data, classes, unicode_words, ngrams, out):
    """Fill `out` (int64 [docs, word counts + n-gram counts]); the n-gram counts only if `ngrams`."""
    edges, spans = span_scratch()
    hashes, sums, byte_ends, char_ends, joined = word_scratch(2 * CHUNK_BYTES, 2 * CHUNK_BYTES)
    scratch, room = ngram_scratch(CHUNK_BYTES), CHUNK_BYTES
    out[:] = 0
    for d in range(offsets.size - 1):
        i, end, words, used = offsets[d], offsets[d + 1], 0, 0
        while i < end:
            filled, following = take_spans(data, i, end, classes, unicode_words, edges, spans)
            used += following - i
            if ngrams and (words + filled >= hashes.size or used + 2 * PADDING > joined.size):
                hashes, sums, byte_ends, char_ends, joined = with_room(hashes, sums, byte_ends, char_ends, joined, words, filled, used)
            measure_words(data, spans, filled, classes, out, d, ngrams, words, hashes, sums, byte_ends, char_ends, joined)
            words += filled
            i = following
        out[d, WORDS] = words
        out[d, FOUND_STOP_WORDS] = count_bits(out[d, FOUND_STOP_WORDS])
        if ngrams:
            if words > room:
                scratch, room = ngram_scratch(2 * words), 2 * words
            count_ngrams(hashes, sums, byte_ends, char_ends, joined, words, scratch, out, d, FIRST_NGRAM_COUNT)


@njit(nogil=True, cache=True)
def word_scratch(words, size):
    """Room for `words` words of together `size` bytes: hashes, ends in bytes and characters, the bytes themselves."""
    byte_ends, char_ends = np.zeros(words + 1, np.uint32), np.zeros(words + 1, np.uint32)
    return np.empty(words, np.uint64), np.zeros(words + 1, np.uint64), byte_ends, char_ends, np.zeros(size + 2 * PADDING, np.uint8)


@njit(nogil=True, cache=True)
def with_room(hashes, sums, byte_ends, char_ends, joined, words, more, used):
    """The same arrays, larger: for `more` words after the first `words`, of `used` bytes in all."""
    new = word_scratch(2 * (words + more), 2 * used)
    new[0][:words], new[1][: words + 1] = hashes[:words], sums[: words + 1]
    new[2][: words + 1], new[3][: words + 1] = byte_ends[: words + 1], char_ends[: words + 1]
    size = PADDING + byte_ends[words]
    new[4][:size] = joined[:size]
    return new


@njit(nogil=True, cache=True, forceinline=True)
def measure_words(data, spans, filled, classes, out, d, ngrams, words, hashes, sums, byte_ends, char_ends, joined):
    """Add `filled` words to the counts of document d; keep for n-grams what they need."""
    non_symbol = non_symbol_chars = alpha = longest = stops = 0
    total = sums[words] if ngrams else np.uint64(0)
    byte_end, char_end = np.int64(byte_ends[words]) if ngrams else 0, np.int64(char_ends[words]) if ngrams else 0
    for k in range(filled):
        i, end, facts = spans[k, 0], spans[k, 1], spans[k, 2]
        size, eight = end - i, text_at(data, i, end)
        stops |= stop_word_bit(eight, size)
        if facts == 0 and size <= 8 and eight & HIGH_BITS == np.uint64(0):
            facts = size * ONE_CHARACTER | ascii_facts(eight)
        elif facts == 0:
            facts = word_facts(data, i, end, classes)
        chars, is_word = facts >> 2, facts >> 1 & 1
        non_symbol += is_word
        non_symbol_chars += is_word * chars
        alpha += facts & HAS_ALPHA
        longest = max(longest, chars)
        if ngrams:
            hashes[np.uint64(words + k)] = word_hash(data, i, end, eight)
            total = append_word(data, i, end, eight, joined, PADDING + byte_end, total)
            byte_end += size
            char_end += chars
            sums[np.uint64(words + k + 1)] = total
            byte_ends[np.uint64(words + k + 1)] = byte_end
            char_ends[np.uint64(words + k + 1)] = char_end
    out[d, NON_SYMBOL_WORDS] += non_symbol
    out[d, NON_SYMBOL_WORD_CHARS] += non_symbol_chars
    out[d, ALPHA_WORDS] += alpha
    out[d, LONGEST_WORD_CHARS] = max(out[d, LONGEST_WORD_CHARS], longest)
    out[d, FOUND_STOP_WORDS] |= stops


@njit(nogil=True, cache=True, forceinline=True)
def word_hash(data, i, end, eight):
    """The hash of data[i:end], of which `eight` is the start."""
    if end - i > 8:
        return bytes_hash(data, i, end)
    return absorb(start_hash(end - i), eight)


@njit(nogil=True, cache=True, forceinline=True)
def stop_word_bit(eight, size):
    """Bit k is set if the ASCII word `eight` is STOP_WORD_TABLE[k], else none."""
    packed = eight | np.uint64(size) << np.uint64(56)
    place = (packed * STOP_WORD_FACTOR) >> np.uint64(61)
    return np.int64(size <= 4 and packed == STOP_WORD_TABLE[place]) << np.int64(place)


@njit(nogil=True, cache=True)
def count_bits(bits):
    found = 0
    while bits:
        found += bits & 1
        bits >>= 1
    return found


@njit(nogil=True, cache=True, forceinline=True)
def append_word(data, i, end, eight, joined, position, total):
    """Copy data[i:end], of which `eight` is the start, to joined[position:], and add it to the sum of what is there.

    Up to seven bytes after it are spoilt."""
    store_eight(joined, position, eight)
    total = append_sum(total, eight, min(end - i, 8))
    while end - i > 8:
        i += 8
        position += 8
        eight = text_at(data, i, end)
        store_eight(joined, position, eight)
        total = append_sum(total, eight, min(end - i, 8))
    return total
