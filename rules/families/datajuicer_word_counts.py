"""Counts over words as data-juicer's filters take them, whatever the pack's words: one kernel, 6 ns a byte.

Words are divided by spaces, tabs and line feeds, by no other white space. Special characters are taken off both ends,
and a word of nothing else is none. For repetition words are put in lower case first.
"""

from __future__ import annotations

import numpy as np

from rules.families.datajuicer_characters import special_characters
from rules.measures.ngram_coverage import hash_ngrams
from rules.text.decode import character_at, character_before
from rules.text.hash_sets import bytes_hash
from rules.text.kernels import Scratch, inlined, int64, kernel, unowned
from rules.text.lower_case import ROOM, lower_cases, lower_word
from rules.text.repeated_keys import count_keys, key_scratch, repeated_keys

DATAJUICER_WORD_COUNTS = {
    "datajuicer_words": "words with a character that is not special",
    "datajuicer_word_10_grams": "runs of ten such words in lower case, overlapping ones too",
    "datajuicer_repeated_word_10_grams": "occurrences of those runs that occur more than once",
}
WORDS, NGRAMS, REPEATED_NGRAMS = range(len(DATAJUICER_WORD_COUNTS))

RUN = 10


def count_datajuicer_words(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` (int64 [docs, DATAJUICER_WORD_COUNTS])."""
    count_documents(offsets, data, special_characters(), lower_cases(), out)


@kernel
def count_documents(offsets: np.ndarray, data: np.ndarray, special: np.ndarray, lower: np.ndarray, out: np.ndarray) -> None:
    """`count_datajuicer_words`, with the tables of special characters and of lower case."""
    room = 1 << 14
    buffer, hashes, scratch = np.zeros(3 * room + ROOM, np.uint8), np.empty(room, np.uint64), key_scratch(room)
    for d in range(offsets.size - 1):
        size = offsets[d + 1] - offsets[d]
        if size > room:
            room = 2 * size
            buffer, hashes = np.zeros(3 * room + ROOM, np.uint8), np.empty(room, np.uint64)
            scratch = key_scratch(room // 2 + 1)
        count_document(data, offsets[d], offsets[d + 1], special, lower, buffer, hashes, scratch, out[d])


@kernel
def count_document(
    data: np.ndarray, i: int, end: int, special: np.ndarray, lower: np.ndarray, buffer: np.ndarray, hashes: np.ndarray,
    scratch: Scratch, out: np.ndarray,
) -> None:
    """Fill `out` (int64 [DATAJUICER_WORD_COUNTS]) for the text data[i:end]."""
    data, special, lower, buffer = unowned(data), unowned(special), unowned(lower), unowned(buffer)
    hashes, out, found, words = unowned(hashes), unowned(out), 0, 0
    while i < end:
        stop = word_end(data, i, end)
        if i < stop:
            words += int64(first_plain(data, i, stop, special) < stop)
            size = lower_word(data, i, stop, lower, buffer)
            first = first_plain(buffer, 0, size, special)
            if first < size:
                hashes[np.uint64(found)] = bytes_hash(buffer, first, plain_end(buffer, first, size, special))
                found += 1
        i = stop + 1
    out[WORDS] = words
    out[NGRAMS] = max(found - RUN + 1, 0)
    if found > RUN:
        out[REPEATED_NGRAMS] = repeated_runs(hashes, found, scratch)


@inlined
def word_end(data: np.ndarray, i: int, end: int) -> int:
    """Where the next space, tab or line feed of data[i:end] is, or `end`."""
    while i < end:
        byte = data[np.uint64(i)]
        if byte == 32 or byte == 10 or byte == 9:
            break
        i += 1
    return i


@inlined
def first_plain(data: np.ndarray, i: int, end: int, special: np.ndarray) -> int:
    """Where the first character of data[i:end] that is not special starts, or `end`."""
    while i < end:
        code, size = character_at(data, i, end)
        if not special[np.uint64(code)]:
            break
        i += size
    return i


@inlined
def plain_end(data: np.ndarray, i: int, end: int, special: np.ndarray) -> int:
    """Where the last character of data[i:end] that is not special ends, or i."""
    while i < end:
        code, size = character_before(data, i, end)
        if not special[np.uint64(code)]:
            break
        end -= size
    return end


@kernel
def repeated_runs(hashes: np.ndarray, found: int, scratch: Scratch) -> int:
    """Occurrences of the runs of RUN words that occur more than once; their hashes take the place of the words'."""
    count = found - RUN + 1
    hash_ngrams(hashes, count, RUN, hashes)
    bits, _, numbers, _ = count_keys(hashes, count, scratch)
    return repeated_keys(bits, numbers)[1]
