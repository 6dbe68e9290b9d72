"""The sum of the rows of many words: each from the memo, or of the words that it does not hold, computed together.

Waiting for memory is most of the price, and how a word ends up cannot be foretold, so words go through each step together:

    all are hashed | the entries of all are asked for | those that are in the memo are told from those that are not
    of those that are not: the rows of some are found and asked for, then added up, and put into spare entries
    all entries are added up, in the order of the words | what was computed is remembered

So the order of additions, and with it the last bit of the sum, does not depend on what the memo holds.
"""

from __future__ import annotations

import numpy as np

from curation.language_id.ngram_lanes import (
    MOST_BYTES,
    MOST_CHARACTER,
    PLANES_BYTES,
    STARTS,
    spread_characters,
    write_buckets,
)
from curation.language_id.ngram_rows import (
    FREE,
    ROOM,
    add_rows,
    has_row,
    is_passed_over,
    push_marked,
    rank_of,
    word_number,
    word_sum,
)
from curation.language_id.ownerless import ownerless
from curation.language_id.vectors import NUMBERS, add_vectors, no_vector
from curation.language_id.word_memo import (
    PIECES,
    SEEN,
    SIZES,
    ask_for,
    entry_of,
    is_word,
    recall,
    remember,
    word_hash,
    write_entry,
)
from rules.text.kernels import inlined, kernel

CHUNK_BYTES = 1024  # whose words are looked up together
WORDS = CHUNK_BYTES // 2 + 2  # at the most in a chunk


@inlined
def new_scratch(longest, shape):
    """Room for `words_sum`, in texts of at most `longest` bytes; `shape` is the model's. Half of `found` is for long words."""
    hashes, entries = np.empty(WORDS, np.uint64), np.empty(WORDS, np.uint64)
    missed, ends = np.empty(WORDS, np.int64), np.empty(WORDS, np.int64)
    marked, found = np.empty(longest + 2, np.uint8), np.empty(2 * (ROOM + STARTS * shape[2]), np.uint64)
    planes, buckets = np.zeros(PLANES_BYTES, np.uint8), np.zeros(STARTS * shape[2], np.uint32)
    return hashes, entries, missed, (ends, marked, found, planes, buckets)


@kernel
def words_sum(data, edges, count, scratch, model, memo):
    """The sum (Vector) of the rows of `count` words, word k from edges[2 * k] to edges[2 * k + 1], and how many rows they are."""
    data, edges, scratch, model, memo = ownerless((data, edges, scratch, model, memo))
    hashes, entries, missed, work = scratch
    slots, pieces, numbers, state = memo
    look_up(data, edges, count, hashes, entries, slots, pieces)
    misses = told_apart(data, edges, count, entries, missed, slots, pieces)
    compute(data, edges, hashes, missed, misses, work, model, memo)
    total, rows = no_vector(), 0
    for k in range(count):
        vector, more = recall(entries[np.uint64(k)], pieces, numbers)
        total, rows = add_vectors(total, vector), rows + more
    for j in range(misses):
        k = np.uint64(missed[np.uint64(j)])
        if edges[k + k + np.uint64(1)] - edges[k + k] <= MOST_BYTES:
            remember(entries[k], hashes[k], slots, numbers, state)
    return total, rows


@inlined
def look_up(data, edges, count, hashes, entries, slots, pieces):
    """Fill `hashes` and `entries` of the words, and have the entries fetched."""
    for k in range(count):
        word = np.uint64(2 * k)
        hashes[np.uint64(k)] = word_hash(data, edges[word], edges[word + np.uint64(1)])
    for k in range(count):
        entry = entry_of(hashes[np.uint64(k)], slots)
        entries[np.uint64(k)] = entry
        ask_for(pieces, entry * np.uint64(PIECES))
        ask_for(pieces, entry * np.uint64(PIECES) + SIZES)


@inlined
def told_apart(data, edges, count, entries, missed, slots, pieces):
    """Give the words that their entries are not of spare ones, and list them in `missed`: how many they are."""
    misses, spare = 0, np.uint64(slots.size + 1)
    for k in range(count):
        word, entry = np.uint64(2 * k), entries[np.uint64(k)]
        if is_word(data, edges[word], edges[word + np.uint64(1)], pieces, entry):
            slots[entry] |= SEEN
        else:
            entries[np.uint64(k)], missed[np.uint64(misses)] = spare + np.uint64(misses), k
            misses += 1
    return misses


@kernel
def compute(data, edges, hashes, missed, misses, work, model, memo):
    """Fill the spare entries with the sums of the words that were missed."""
    data, edges, hashes, missed, work, model, memo = ownerless((data, edges, hashes, missed, work, model, memo))
    ends, filled, done = work[0], 0, 0
    for j in range(misses):
        k = np.uint64(missed[np.uint64(j)])
        i, end = edges[k + k], edges[k + k + np.uint64(1)]
        if end - i <= MOST_BYTES:
            filled = push_rows(data, i, end, hashes[k], filled, work, model)
        ends[np.uint64(j)] = filled
        if filled >= ROOM or j == misses - 1:
            add_up(data, edges, missed, done, j + 1, work, model, memo)
            filled, done = 0, j + 1


@inlined
def add_up(data, edges, missed, done, stop, work, model, memo):
    """Fill the spare entries from `done` to `stop`, whose rows stand in the scratch of `work`."""
    (ends, marked, found, _, _), (slots, pieces, numbers, _), first = work, memo, 0
    for j in range(done, stop):
        k, last = np.uint64(missed[np.uint64(j)]), ends[np.uint64(j)]
        i, end = edges[k + k], edges[k + k + np.uint64(1)]
        if end - i <= MOST_BYTES:
            total, rows = add_rows(found, first, last, model[0]), last - first
        else:
            total, rows = word_sum(data, i, end, (marked, found[found.size // 2 :]), model)
        first = last
        write_entry(data, i, end, total, rows, np.uint64(slots.size + 1 + j), pieces, numbers)


@inlined
def push_rows(data, i, end, hashed, filled, work, model):
    """Write the rows of the word data[i:end], of at most MOST_BYTES, to the scratch from place `filled` on, and have them fetched:
    how many places are filled then."""
    (_, marked, found, planes, buckets), (rows, ranks, words, begins, slots, shape) = work, model
    if is_passed_over(data, i, end):
        return filled
    count, longest = spread_characters(data, i, end, planes)
    first = filled
    if longest <= MOST_CHARACTER:
        write_buckets(planes, count, longest, shape, buckets)
        filled = keep_buckets(buckets, count, ranks, shape, found, filled)
    else:
        filled = push_marked(data, i, end, marked, ranks, shape, found, filled)
    for place in range(first, filled):
        row = np.uint64(shape[3] + rank_of(found[np.uint64(place)], ranks))
        found[np.uint64(place)] = row
        ask_for(rows, row * np.uint64(NUMBERS))
    word = word_number(data, i, end, hashed, words, begins, slots)
    if word != FREE:
        found[np.uint64(filled)] = np.uint64(word)
        filled += 1
    return filled


@inlined
def keep_buckets(buckets, count, ranks, shape, found, filled):
    """Write the buckets that have rows to `found`, in the order of their n-grams: by their first characters, the shortest first.

    Each is written, and the place kept where it has a row: a branch that cannot be foretold would cost more."""
    kinds = shape[2] - shape[1] + 1
    for c in range(count):
        for kind in range(kinds):
            bucket = np.uint64(buckets[np.uint64(kind * STARTS + c)])
            found[np.uint64(filled)] = bucket
            filled += has_row(bucket, ranks)
    return filled
