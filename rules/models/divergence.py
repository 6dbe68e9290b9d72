"""How the words of texts stand to a profile (profiles.py): divergence, likelihood, strangers; one kernel, 10 ns a byte.

Every word is put in lower case and hashed; a hash table counts those of one text; each different one is then looked up
in the profile's table, which takes 400 kB for 20,000 words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from rules.splitters.words import CHUNK_BYTES, span, span_scratch, take_spans
from rules.text.hash_sets import EMPTY, bytes_hash, find_slot, known_slot, slot_bits
from rules.text.kernels import Scratch, int64, kernel, kernel_texts, unowned
from rules.text.lower_case import ROOM, lower_cases, lower_word

WORDS, MICRONATS, SURPRISE, STRANGERS = range(4)


class WordTable(NamedTuple):
    """Logarithms of the probabilities of words by their hashes, and that of any other word."""

    keys: np.ndarray  # uint64 [1 << bits]
    logs: np.ndarray  # float64 [1 << bits]
    other: float


def word_table(words: Sequence[str], logs: np.ndarray, other: float) -> WordTable:
    """A table of `words`, no two the same."""
    offsets, data = kernel_texts(pa.array(words, pa.large_string()))
    bits = slot_bits.py_func(len(words))
    keys, values = np.zeros(1 << bits, np.uint64), np.zeros(1 << bits)
    fill_table(offsets, data, logs, keys, values)
    return WordTable(keys, values, float(other))


@kernel
def fill_table(offsets: np.ndarray, data: np.ndarray, logs: np.ndarray, keys: np.ndarray, values: np.ndarray) -> None:
    """Put each word's logarithm in the slot of its hash."""
    bits = slot_bits(offsets.size - 1)
    for k in range(offsets.size - 1):
        slot, _ = find_slot(keys, bits, bytes_hash(data, offsets[k], offsets[k + 1]))
        values[slot] = logs[k]


def count_divergence(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, table: WordTable, out: np.ndarray) -> None:
    """Fill `out` (int64 [docs, 4]): words; divergence times words, and what the profile gives the words as their negative
    log-likelihood, both in millionths of a nat; words that the profile does not have."""
    count_documents(offsets, data, classes, lower_cases(), table.keys, table.logs, table.other, out)


@kernel
def count_documents(
    offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, lower: np.ndarray, profile_keys: np.ndarray,
    profile_logs: np.ndarray, other: float, out: np.ndarray,
) -> None:
    """`count_divergence`, with the table in parts."""
    spans = span_scratch()
    room = 4 * CHUNK_BYTES
    hashes, buffer, keys, numbers = document_scratch(room)
    for d in range(offsets.size - 1):
        begin, end = offsets[d], offsets[d + 1]
        if end - begin > room:
            room = 2 * (end - begin)
            hashes, buffer, keys, numbers = document_scratch(room)
        found = hash_lower_words(data, begin, end, classes, lower, spans, buffer, hashes)
        out[d, WORDS] = found
        out[d, MICRONATS] = out[d, SURPRISE] = out[d, STRANGERS] = 0
        if found > 0:
            entropy, surprise, strangers = compare(hashes, found, keys, numbers, profile_keys, profile_logs, other)
            out[d, MICRONATS] = int64(np.rint((surprise - entropy) * 1e6))
            out[d, SURPRISE] = int64(np.rint(surprise * 1e6))
            out[d, STRANGERS] = strangers


@kernel
def document_scratch(size: int) -> Scratch:
    """Room for a text of `size` bytes: hashes of words, one word in lower case, a hash table and its numbers."""
    bits = slot_bits(size)
    return np.empty(size, np.uint64), np.zeros(3 * size + ROOM, np.uint8), np.empty(1 << bits, np.uint64), np.empty(1 << bits, np.uint32)


@kernel
def hash_lower_words(
    data: np.ndarray, i: int, end: int, classes: np.ndarray, lower: np.ndarray, spans: np.ndarray, buffer: np.ndarray,
    hashes: np.ndarray,
) -> int:
    """Fill `hashes` with those of the words of data[i:end] in lower case: how many there are."""
    data, classes, lower, spans = unowned(data), unowned(classes), unowned(lower), unowned(spans)
    buffer, hashes, found = unowned(buffer), unowned(hashes), 0
    while i < end:
        filled, i = take_spans(data, i, end, classes, True, spans)
        for k in range(filled):
            start, stop = span(spans, k)
            hashes[np.uint64(found + k)] = bytes_hash(buffer, 0, lower_word(data, start, stop, lower, buffer))
        found += filled
    return found


@kernel
def compare(
    hashes: np.ndarray, found: int, keys: np.ndarray, numbers: np.ndarray, profile_keys: np.ndarray,
    profile_logs: np.ndarray, other: float,
) -> tuple[float, float, int]:
    """Of the `found` words of a text: the sum of -log p, the sum of -log q, and how many are strangers."""
    hashes, keys, numbers = unowned(hashes), unowned(keys), unowned(numbers)
    profile_keys, profile_logs = unowned(profile_keys), unowned(profile_logs)
    bits, profile_bits, entropy, surprise, strangers = slot_bits(found), 6, 0.0, 0.0, 0
    while 1 << profile_bits < profile_keys.size:
        profile_bits += 1
    keys[: 1 << bits] = EMPTY
    numbers[: 1 << bits] = 0
    for k in range(found):
        numbers[find_slot(keys, bits, hashes[np.uint64(k)])[0]] += 1
    for slot in range(1 << bits):
        number = np.float64(numbers[slot])
        if number > 0:
            place, known = known_slot(profile_keys, profile_bits, keys[slot])
            entropy -= number * math.log(number / found)
            surprise -= number * (profile_logs[place] if known else other)
            strangers += 0 if known else numbers[slot]
    return entropy, surprise, strangers
