"""Counts over the words of a text, with or without those over its word n-grams: one kernel.

A first pass reads the text 64 bytes at a time (word_edges.py) and counts with masks: of a word only where it begins and
ends is noted, and of a block which bytes begin a visible character. So the characters between two places are a difference,
and the few words that need a look, those of symbols alone and those as short as a stop word, are looked at one by one.
For n-grams each word then leaves a hash, its bytes and their sum (word_keys.py). A word costs 36 bytes or so of memory
while its document is read: a document of 50 MB takes up to 1 GB. Without n-grams 1 ns a byte.
"""

from __future__ import annotations

import numpy as np

from rules.measures.ngrams import count_ngrams, ngram_scratch
from rules.splitters.word_edges import no_word, word_masks
from rules.splitters.word_keys import keep_words, key_scratch
from rules.splitters.word_places import chars_between, place_scratch
from rules.text.byte_counts import character_starts, is_well_formed
from rules.text.characters import STOP_WORDS
from rules.text.decode import text_at
from rules.text.kernels import Scratch, inlined, int64, kernel, unowned
from rules.text.masks import (
    BLOCK,
    LAST,
    NONE,
    ONE,
    TWO,
    Block,
    bits_below,
    block_at,
    equal_mask,
    lowest_one,
    ones_in,
    push_ones,
    without_lowest,
)

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

LEAST_ROOM = 1 << 14  # bytes of text for which there is room from the start
THREE, FOUR, FIRST_FOUR = np.uint64(3), np.uint64(4), np.uint64(15)
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
def count_words(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, unicode_words: bool, ngrams: bool, out: np.ndarray) -> None:
    """Fill `out` (int64 [docs, word counts + n-gram counts]); the n-gram counts are zero unless `ngrams`."""
    room, ngram_room = LEAST_ROOM, LEAST_ROOM // 4
    places, keys, scratch = place_scratch(room), key_scratch(room), ngram_scratch(ngram_room)
    for d in range(offsets.size - 1):
        begin, end = offsets[d], offsets[d + 1]
        if end - begin > room:
            room = 2 * (end - begin)
            places, keys = place_scratch(room), key_scratch(room if ngrams else 0)
        found = read_words(data, begin, end, classes, unicode_words, places, out[d])
        if ngrams and found >= 2:
            if found > ngram_room:
                ngram_room = 2 * found
                scratch = ngram_scratch(ngram_room)
            keep_words(data, begin, places, found, keys)
            count_ngrams(places, keys, found, scratch, out[d, FIRST_NGRAM_COUNT:])


@kernel
def read_words(data: np.ndarray, begin: int, end: int, classes: np.ndarray, unicode_words: bool, places: Scratch, out: np.ndarray) -> int:
    """Fill `out` (int64 [WORD_COUNTS]) and `places` for the text data[begin:end]: how many words there are."""
    data, classes, out = unowned(data), unowned(classes), unowned(out)
    begins, ends, visible_chars, chars_before = unowned(places[0]), unowned(places[1]), unowned(places[2]), unowned(places[3])
    begun = found = chars = symbol_words = symbol_chars = alpha_words = stops = 0
    has_alpha = has_solid = NONE
    well_formed, state, i = is_well_formed(data, begin, end), no_word(), begin
    while i < end or state[0]:
        block, k = block_at(data, i, end), np.uint64((i - begin) // BLOCK)
        starting, ending, visible, alpha, solid, state = word_masks(data, i, end, block, classes, unicode_words, state)
        visible_chars[k], chars_before[k] = visible & character_starts(data, begin, i, end, block, well_formed), chars
        begun += push_ones(begins, begun, starting, i - begin)
        push_ones(ends, found, ending, i - begin)
        alphas, has_alpha = words_with(alpha, starting, visible, has_alpha)
        solids, has_solid = words_with(solid, starting, visible, has_solid)
        alpha_words += ones_in(alphas & ending)
        symbols = ending & ~solids
        symbol_words += ones_in(symbols)
        symbol_chars += chars_of_words(symbols, ending, found, begins, ends, visible_chars, chars_before)
        if stops != ALL_STOP_WORDS:
            stops |= stop_words_in(data, begin, stop_word_ends(block, starting, ending), ending, found, begins, ends)
        found += ones_in(ending)
        chars += ones_in(visible_chars[k])
        i += BLOCK
    visible_chars[np.uint64((i - begin) // BLOCK)], chars_before[np.uint64((i - begin) // BLOCK)] = 0, chars
    out[WORDS], out[NON_SYMBOL_WORDS], out[NON_SYMBOL_WORD_CHARS] = found, found - symbol_words, chars - symbol_chars
    out[ALPHA_WORDS], out[FOUND_STOP_WORDS] = alpha_words, ones_in(np.uint64(stops))
    out[LONGEST_WORD_CHARS] = longest_word(begins, ends, found, visible_chars, chars_before)
    return found


@inlined
def words_with(kind: np.uint64, starting: np.uint64, visible: np.uint64, carried: np.uint64) -> tuple[np.uint64, np.uint64]:
    """At which ends of words (their other bits mean nothing) a word ends that has a byte of `kind`; what the next block
    must know: does the open word have one?

    Visible bytes but for the first of each word, plus those of the kind: a sum that carries over to the end of the word.
    The first byte of a word counts as if it were the second."""
    inside, first = visible & ~starting, kind & starting
    marked = (kind & inside) | first << ONE
    total = inside + marked
    carry = total < inside
    total += carried
    return total, np.uint64(carry or total < carried) | first >> LAST


@inlined
def chars_of_words(
    wanted: np.uint64, ending: np.uint64, found: int, begins: np.ndarray, ends: np.ndarray, visible_chars: np.ndarray,
    chars_before: np.ndarray,
) -> int:
    """Characters of the words that end at the bits `wanted` of `ending`; the first of `ending` is word `found`."""
    chars = 0
    while wanted:
        word = np.uint64(found + ones_in(ending & bits_below(lowest_one(wanted))))
        if ends[word] - begins[word] == 1:
            chars += 1
        else:
            chars += chars_between(begins[word], ends[word], visible_chars, chars_before)
        wanted = without_lowest(wanted)
    return chars


@inlined
def longest_word(begins: np.ndarray, ends: np.ndarray, found: int, visible_chars: np.ndarray, chars_before: np.ndarray) -> int:
    """Characters of the longest word."""
    longest = 0
    for k in range(found):
        if int64(ends[k]) - int64(begins[k]) > longest:  # in bytes, so perhaps in characters
            longest = max(longest, chars_between(begins[k], ends[k], visible_chars, chars_before))
    return longest


# ---- stop words

ALL_STOP_WORDS = (1 << len(STOP_WORDS)) - 1


@inlined
def stop_word_ends(block: Block, starting: np.uint64, ending: np.uint64) -> np.uint64:
    """Those ends of words where a stop word may end: of two to four bytes, with a first letter that one has; and all so
    close to the start of the block that the word may have begun before it."""
    first = equal_mask(block, 97) | equal_mask(block, 98) | equal_mask(block, 104)  # a, b, h
    first |= equal_mask(block, 111) | equal_mask(block, 116) | equal_mask(block, 119)  # o, t, w
    first &= starting
    return ending & (first << TWO | first << THREE | first << FOUR | FIRST_FOUR)


@inlined
def stop_words_in(
    data: np.ndarray, begin: int, wanted: np.uint64, ending: np.uint64, found: int, begins: np.ndarray,
    ends: np.ndarray,
) -> int:
    """As bits, the stop words among the words that end at the bits `wanted` of `ending`; the first of `ending` is word `found`."""
    stops = 0
    while wanted:
        word = np.uint64(found + ones_in(ending & bits_below(lowest_one(wanted))))
        i, end = begin + int64(begins[word]), begin + int64(ends[word])
        stops |= stop_word_bit(text_at(data, i, end), end - i)
        wanted = without_lowest(wanted)
    return stops


@inlined
def stop_word_bit(eight: np.uint64, size: int) -> int:
    """Bit k is set if the ASCII word `eight` is STOP_WORD_TABLE[k], else none."""
    packed = eight | np.uint64(size) << np.uint64(56)
    place = (packed * STOP_WORD_FACTOR) >> np.uint64(61)
    return (int64(size <= 4) & int64(packed == STOP_WORD_TABLE[place])) << int64(place)
