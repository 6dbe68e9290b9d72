"""Counts over characters that data-juicer's filters need: kinds of characters, the longest line, repeated 10-grams.

Two kernels, because the second hashes every run of ten characters: 9 ns a byte, more in texts of many megabytes, and 30
bytes of memory a character, where the first takes 3 ns. A hash is a sum that rolls on by one character: code points,
each mixed first, times powers of an odd number.
"""

from __future__ import annotations

import math

import numpy as np

from rules.families.datajuicer_characters import special_characters
from rules.text.characters import CJK, LETTER
from rules.text.decode import HIGH_BITS, bytes_before, character_at, characters_in, eight_at
from rules.text.hash_sets import SEED, SIZE_STEP, absorb
from rules.text.histogram import fill_histogram, occurrences
from rules.text.kernels import Scratch, inlined, int64, kernel, unowned
from rules.text.line_breaks import next_break
from rules.text.repeated_keys import count_keys, key_scratch, repeated_keys

DATAJUICER_CHARACTER_COUNTS = {
    "datajuicer_alnum_chars": "letters and numbers (str.isalnum)",
    "datajuicer_special_chars": "special characters (datajuicer_characters.py)",
    "datajuicer_longest_line_chars": "characters of the longest line (str.splitlines)",
}
ALNUM_CHARS, SPECIAL_CHARS, LONGEST_LINE_CHARS = range(len(DATAJUICER_CHARACTER_COUNTS))
DATAJUICER_REPETITION_COUNTS = {
    "datajuicer_char_10_grams": "runs of ten characters, overlapping ones too",
    "datajuicer_top_char_10_grams": "occurrences of the most frequent of those that repeat, as many as the square root of all different ones",
}
NGRAMS, TOP_NGRAMS = range(len(DATAJUICER_REPETITION_COUNTS))

RUN = 10
RUN_FACTOR = np.uint64(pow(int(SIZE_STEP), RUN, 1 << 64))


# ---- kinds of characters, lines


def count_datajuicer_characters(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` (int64 [docs, DATAJUICER_CHARACTER_COUNTS])."""
    count_documents(offsets, data, classes, special_characters(), out)


@kernel
def count_documents(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, special: np.ndarray, out: np.ndarray) -> None:
    """`count_datajuicer_characters`, with the table of special characters."""
    histogram = np.empty((4, 256), np.int64)
    for d in range(offsets.size - 1):
        count_document(data, offsets[d], offsets[d + 1], classes, special, histogram, out[d])


@kernel
def count_document(
    data: np.ndarray, begin: int, end: int, classes: np.ndarray, special: np.ndarray, histogram: np.ndarray,
    out: np.ndarray,
) -> None:
    """Fill `out` (int64 [DATAJUICER_CHARACTER_COUNTS]) for the text data[begin:end]."""
    data, classes, special = unowned(data), unowned(classes), unowned(special)
    histogram, out = unowned(histogram), unowned(out)
    fill_histogram(data, begin, end, histogram)
    digits, letters = occurrences(histogram, 48, 57), occurrences(histogram, 65, 90) + occurrences(histogram, 97, 122)
    white = occurrences(histogram, 9, 13) + occurrences(histogram, 32, 32)
    alnum, specials = scan_characters(data, begin, end, classes, special)
    out[ALNUM_CHARS] = letters + digits + alnum
    out[SPECIAL_CHARS] = occurrences(histogram, 33, 126) - letters + white + specials
    out[LONGEST_LINE_CHARS] = longest_line(data, begin, end)


@inlined
def scan_characters(data: np.ndarray, i: int, end: int, classes: np.ndarray, special: np.ndarray) -> tuple[int, int]:
    """Letters and numbers, and special characters, outside ASCII."""
    alnum = specials = 0
    while i < end:
        marks = eight_at(data, i, end) & HIGH_BITS
        i += bytes_before(marks) if marks else 8
        while marks and i < end and data[np.uint64(i)] >= 0x80:
            code, size = character_at(data, i, end)
            alnum += int64(classes[np.uint64(code)] & (LETTER | CJK) != 0)
            specials += int64(special[np.uint64(code)])
            i += size
    return alnum, specials


@inlined
def longest_line(data: np.ndarray, i: int, end: int) -> int:
    """Characters of the longest line of data[i:end]."""
    longest, size = 0, 1
    while size > 0:
        stop, size = next_break(data, i, end)
        if stop - i > longest:  # a line has no more characters than bytes
            longest = max(longest, characters_in(data, i, stop))
        i = stop + size
    return longest


# ---- repeated runs


@kernel
def count_datajuicer_repetition(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` (int64 [docs, DATAJUICER_REPETITION_COUNTS])."""
    room, window = 1 << 14, np.empty(RUN, np.uint64)
    keys, frequencies, scratch = np.empty(room, np.uint64), np.empty(room, np.uint32), key_scratch(room)
    for d in range(offsets.size - 1):
        size = offsets[d + 1] - offsets[d]
        if size > room:
            room = 2 * size
            keys, frequencies, scratch = np.empty(room, np.uint64), np.empty(room, np.uint32), key_scratch(room)
        count_runs(data, offsets[d], offsets[d + 1], window, keys, frequencies, scratch, out[d])


@kernel
def count_runs(
    data: np.ndarray, begin: int, end: int, window: np.ndarray, keys: np.ndarray, frequencies: np.ndarray,
    scratch: Scratch, out: np.ndarray,
) -> None:
    """Fill `out` (int64 [DATAJUICER_REPETITION_COUNTS]) for the text data[begin:end]."""
    count = hash_runs(data, begin, end, window, keys)
    out[NGRAMS] = count
    if count > 0:
        bits, _, numbers, once = count_keys(keys, count, scratch)
        out[TOP_NGRAMS] = top_occurrences(bits, numbers, frequencies, once)


@kernel
def hash_runs(data: np.ndarray, i: int, end: int, window: np.ndarray, keys: np.ndarray) -> int:
    """keys[j] = the hash of the ten characters of data[i:end] from character j on: how many there are."""
    data, window, keys = unowned(data), unowned(window), unowned(keys)
    window[:] = 0
    state, at, found = np.uint64(0), 0, 0
    while i < end:
        code, size = character_at(data, i, end)
        mixed = absorb(SEED, np.uint64(code))
        state = state * SIZE_STEP + mixed - window[np.uint64(at)] * RUN_FACTOR
        window[np.uint64(at)] = mixed
        at = at + 1 if at + 1 < RUN else 0
        if found >= RUN - 1:
            keys[np.uint64(found - RUN + 1)] = state
        found += 1
        i += size
    return max(found - RUN + 1, 0)


@kernel
def top_occurrences(bits: int, numbers: np.ndarray, frequencies: np.ndarray, once: int) -> int:
    """Occurrences of the most frequent of the keys that occur more than once, at most as many keys as the square root
    of all different ones, `once` of which are not among `numbers`."""
    repeated, total, most, different = repeated_keys(bits, numbers)
    numbers, frequencies, wanted = unowned(numbers), unowned(frequencies), int64(math.sqrt(once + different))
    if repeated > wanted:
        frequencies[: most + 1] = 0
        for slot in range(1 << bits):
            frequencies[np.uint64(numbers[np.uint64(slot)])] += 1
        total, number = 0, most
        while wanted > 0:
            taken = min(wanted, int64(frequencies[np.uint64(number)]))
            total += taken * number
            wanted -= taken
            number -= 1
    return total
