"""Kernel that finds the entries of a word list in texts: one look-up a word, in a table of the entries' last words.

A phrase is known by the hash of its words in order. A word that ends some entry says, in the bits of one number, how
many words those entries have; only then are the hashes of the last two, three, ... words put together and looked up.
Takes about 6 ns a byte, 30 with many phrases that end in common words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from rules.splitters.words import span, span_scratch, take_spans
from rules.text.hash_sets import EMPTY, SEED, absorb, bytes_hash, first_slot
from rules.text.kernels import inlined, int64, kernel, kernel_bytes, unowned

FOUND, COVERED, DISTINCT, WORDS = range(4)
LONGEST = 63  # words of an entry

ListTable: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def build_table(entries: Sequence[Sequence[str]]) -> ListTable:
    """Entries (lists of words) as hash tables: keys and numbers of entries; keys and lengths of their last words.

    Raises ValueError for an entry of more words than a table can say."""
    entries = [words for words in entries if words]
    too_long = [words for words in entries if len(words) > LONGEST]
    if too_long:
        raise ValueError(f"an entry has {len(too_long[0])} words; at most {LONGEST}: {' '.join(too_long[0][:8])} ...")
    joined = [word.encode("utf-8", "surrogatepass") for words in entries for word in words]
    offsets = np.cumsum([0, *map(len, joined)]).astype(np.int64)
    counts = np.array([len(words) for words in entries], np.int64)
    bits = 6
    while (1 << bits) < 2 * len(entries):
        bits += 1
    keys, numbers = np.zeros(1 << bits, np.uint64), np.zeros(1 << bits, np.int64)
    last_keys, last_lengths = np.zeros(1 << bits, np.uint64), np.zeros(1 << bits, np.uint64)
    fill_table(*kernel_bytes(offsets, np.frombuffer(b"".join(joined), np.uint8)), counts, keys, numbers, last_keys, last_lengths)
    return keys, numbers, last_keys, last_lengths, np.zeros(max(len(entries), 1), np.int64)


@kernel
def fill_table(
    offsets: np.ndarray, data: np.ndarray, counts: np.ndarray, keys: np.ndarray, numbers: np.ndarray,
    last_keys: np.ndarray, last_lengths: np.ndarray,
) -> None:
    word = 0
    for entry in range(counts.size):
        state, last = SEED, EMPTY
        for _ in range(counts[entry]):
            last = bytes_hash(data, offsets[word], offsets[word + 1])
            state = absorb(state, last)
            word += 1
        slot = slot_of(keys, state)
        if keys[slot] == EMPTY:  # an entry that occurs twice keeps its first number
            keys[slot], numbers[slot] = state, entry
        slot = slot_of(last_keys, last)
        last_keys[slot] = last
        last_lengths[slot] |= np.uint64(1) << np.uint64(counts[entry])


@inlined
def slot_of(keys: np.ndarray, key: np.uint64) -> np.uint64:
    """The slot of `key`, or the empty one where it would be; the size of the table is a power of two."""
    last = np.uint64(keys.size - 1)
    bits = 0
    while (1 << bits) < keys.size:
        bits += 1
    slot = first_slot(key, bits)
    while keys[slot] != EMPTY and keys[slot] != key:
        slot = (slot + np.uint64(1)) & last
    return slot


@kernel
def count_listed(
    offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, unicode_words: bool, keys: np.ndarray,
    numbers: np.ndarray, last_keys: np.ndarray, last_lengths: np.ndarray, seen: np.ndarray, out: np.ndarray,
) -> None:
    """Fill `out` (int64 [docs, 4]): occurrences, words in them, different entries, words."""
    spans = span_scratch()
    recent, met = np.zeros(LONGEST + 1, np.uint64), np.zeros(seen.size, np.int64)
    for d in range(offsets.size - 1):
        count_document(
            data, offsets[d], offsets[d + 1], classes, unicode_words, keys, numbers, last_keys, last_lengths, spans, recent, met,
            d + 1, out[d],
        )  # fmt: skip


@kernel
def count_document(
    data: np.ndarray, i: int, end: int, classes: np.ndarray, unicode_words: bool, keys: np.ndarray,
    numbers: np.ndarray, last_keys: np.ndarray, last_lengths: np.ndarray, spans: np.ndarray, recent: np.ndarray,
    met: np.ndarray, mark: int, out: np.ndarray,
) -> None:
    """Fill `out` for the text data[i:end]; met[entry] == mark says that the entry was seen in it."""
    data, classes, spans, recent = unowned(data), unowned(classes), unowned(spans), unowned(recent)
    keys, numbers, last_keys, last_lengths = unowned(keys), unowned(numbers), unowned(last_keys), unowned(last_lengths)
    met, out = unowned(met), unowned(out)
    words, covered = 0, np.uint64(0)  # bit k: the word before the last k is part of an occurrence
    while i < end:
        filled, i = take_spans(data, i, end, classes, unicode_words, spans)
        for k in range(filled):
            first, last = span(spans, k)
            word = bytes_hash(data, first, last)
            recent[np.uint64(words & LONGEST)] = word
            words += 1
            covered = covered << np.uint64(1)
            lengths = last_lengths[slot_of(last_keys, word)]
            if lengths != EMPTY:
                covered = count_endings(lengths, recent, words, covered, keys, numbers, met, mark, out)
    out[WORDS] = words


@inlined
def count_endings(
    lengths: np.uint64, recent: np.ndarray, words: int, covered: np.uint64, keys: np.ndarray, numbers: np.ndarray,
    met: np.ndarray, mark: int, out: np.ndarray,
) -> np.uint64:
    """Count the entries that end with word number `words`; which of the last words are covered afterwards."""
    for length in range(1, min(words, LONGEST) + 1):
        if lengths >> np.uint64(length) & np.uint64(1):
            state = SEED
            for k in range(words - length, words):
                state = absorb(state, recent[np.uint64(k & LONGEST)])
            slot = slot_of(keys, state)
            if keys[slot] == state:
                entry = numbers[slot]
                out[FOUND] += 1
                out[DISTINCT] += int64(met[entry] != mark)
                met[entry] = mark
                fresh = ((np.uint64(1) << np.uint64(length)) - np.uint64(1)) & ~covered
                covered |= fresh
                out[COVERED] += ones_in(fresh)
    return covered


@inlined
def ones_in(bits: np.uint64) -> int:
    found = 0
    while bits:
        bits &= bits - np.uint64(1)
        found += 1
    return found
