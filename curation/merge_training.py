"""Learning merges: byte-pair encoding (Sennrich 2016) over distinct words and their counts, from bytes or from known tokens.

Again and again the pair of neighbours that occurs most often becomes a token, the pair of lower ids first among equals,
as the trainer of `tokenizers` does it. Words lie one after the other as linked lists of tokens; every pair knows the
places where it begins (a chain of nodes, some out of date), so a merge touches only those. A heap holds the pairs; a count
that has fallen since is put back. Memory is 40 bytes for each byte of the distinct words; a merge takes some microseconds
and 50 ns for each place.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curation.pair_places import (
    EVENT,
    HALF,
    HEAP,
    LOW_HALF,
    NONE,
    PAIRS,
    TOUCHED,
    Chains,
    Words,
    add_place,
    find_pair,
    link_words,
    list_pairs,
    longer,
    made_pairs,
    pair_key,
)
from rules.text.kernels import inlined, kernel


class Heap(NamedTuple):
    """Pairs by count, the highest first, then by key; and what a merge made more frequent."""

    counts: np.ndarray  # int64
    entries: np.ndarray  # int32
    touched: np.ndarray  # int32


def learn_merges(
    spelled: list[bytes], offsets: np.ndarray, tokens: np.ndarray, counts: np.ndarray, limit: int, least_count: int
) -> list[tuple[int, int]]:
    """Merges, as pairs of tokens, until `spelled` has `limit` tokens or no pair occurs `least_count` times.

    Word w is tokens[offsets[w]:offsets[w + 1]] and occurs counts[w] times. `spelled` holds the bytes of the tokens so far;
    every new token is appended. A pair whose bytes are a token already becomes that token.
    """
    numbers = {token: number for number, token in reversed(list(enumerate(spelled))) if token}
    trainer, merges = MergeTrainer(offsets, tokens, counts), []
    while len(spelled) < limit:
        first, second, count = trainer.best()
        if count < least_count:
            break
        joined = spelled[first] + spelled[second]
        if joined not in numbers:
            numbers[joined] = len(spelled)
            spelled.append(joined)
        merges.append((first, second))
        trainer.merge(first, second, numbers[joined], count)
    return merges


class MergeTrainer:
    """Words whose pairs are merged step by step; the arguments are those of `learn_merges`."""

    def __init__(self, offsets: np.ndarray, tokens: np.ndarray, counts: np.ndarray):
        size = len(tokens)
        self._words = Words(tokens.astype(np.int32), *(np.empty(size, np.int32) for _ in range(3)), np.ascontiguousarray(counts, np.int64))
        self._chains = Chains(np.empty(3 * size, np.int32), np.empty(3 * size, np.int32))
        self._state = np.zeros(5, np.int64)
        self._pairs = made_pairs(1 << 12, None, 0)
        self._heap = Heap(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int32))
        link_words(offsets, self._words)
        first = 0
        while (first := list_pairs(first, self._words, self._chains, self._pairs, self._state)) < size:
            self._pairs = made_pairs(2 * len(self._pairs.keys), self._pairs, int(self._state[PAIRS]))
        self._reserve(int(self._state[PAIRS]))
        push_all(self._pairs, self._heap, self._state)

    def best(self) -> tuple[int, int, int]:
        """The first and second token of the most frequent pair, and its count: 0 where no pair is left."""
        key, count = pop_best(self._pairs, self._heap, self._state)
        return int(key >> HALF), int(key & LOW_HALF), int(count)

    def merge(self, first: int, second: int, merged: int, count: int) -> None:
        """Make every pair of `first` and `second` the token `merged`; `count` as `best` gave it."""
        self._reserve(2 * min(count, max(merged, first, second) + 2))
        merge_pair(first, second, merged, self._words, self._chains, self._pairs, self._heap, self._state)

    def _reserve(self, more: int) -> None:
        """Room for `more` new pairs, and for pushing as many."""
        pairs, held = int(self._state[PAIRS]) + more, int(self._state[HEAP])
        if pairs > len(self._pairs.keys):
            self._pairs = made_pairs(2 * pairs, self._pairs, int(self._state[PAIRS]))
        if held + more > len(self._heap.counts):
            counts, entries, _ = self._heap
            room = 2 * (held + more)
            self._heap = Heap(longer(counts, room, held), longer(entries, room, held), np.empty(room, np.int32))


# ---- merging


@kernel
def merge_pair(first, second, merged, words, chains, pairs, heap, state):
    state[EVENT] += 1
    state[TOUCHED] = 0
    _, entry = find_pair(pairs, pair_key(first, second))
    places = places_from(pairs.heads[entry], chains)
    pairs.heads[entry] = NONE
    if first == second:
        places.sort()  # in a run of one token, the pair that comes first in the word is merged first
    for place in places:
        following = words.after[place]
        if words.tokens[place] == first and following != NONE and words.tokens[following] == second:
            merge_at(place, following, merged, words, chains, pairs, heap, state)
    pairs.counts[entry] = 0
    for k in range(state[TOUCHED]):
        push(heap.touched[k], pairs, heap, state)


@inlined
def places_from(node, chains):
    """The places that are chained from `node` on, in the order of the chain."""
    length, k = 0, node
    while k != NONE:
        length, k = length + 1, chains.after[k]
    places = np.empty(length, chains.place.dtype)
    for k in range(length):
        places[k], node = chains.place[node], chains.after[node]
    return places


@inlined
def merge_at(place, gone, merged, words, chains, pairs, heap, state):
    """Make the tokens at `place` and `gone` one, and count the pairs on both sides anew."""
    count, before, after = words.counts[words.word[place]], words.before[place], words.after[gone]
    if before != NONE:
        lose(pair_key(words.tokens[before], words.tokens[place]), count, pairs)
        gain(pair_key(words.tokens[before], merged), before, count, chains, pairs, heap, state)
    if after != NONE:
        lose(pair_key(words.tokens[gone], words.tokens[after]), count, pairs)
        gain(pair_key(merged, words.tokens[after]), place, count, chains, pairs, heap, state)
        words.before[after] = place
    words.tokens[place], words.tokens[gone], words.after[place] = merged, NONE, after


@inlined
def lose(key, count, pairs):
    _, entry = find_pair(pairs, key)
    pairs.counts[entry] -= count


@inlined
def gain(key, place, count, chains, pairs, heap, state):
    entry = add_place(key, place, count, chains, pairs, state)
    if pairs.touched[entry] != state[EVENT]:
        pairs.touched[entry] = state[EVENT]
        heap.touched[state[TOUCHED]] = entry
        state[TOUCHED] += 1


# ---- the heap


@kernel
def push_all(pairs, heap, state):
    for entry in range(state[PAIRS]):
        push(entry, pairs, heap, state)


@inlined
def push(entry, pairs, heap, state):
    """Push a pair with its count, if there is any of it."""
    count, at = pairs.counts[entry], state[HEAP]
    if count > 0:
        while at > 0 and comes_first(count, entry, (at - 1) // 2, pairs, heap):
            heap.counts[at], heap.entries[at] = heap.counts[(at - 1) // 2], heap.entries[(at - 1) // 2]
            at = (at - 1) // 2
        heap.counts[at], heap.entries[at] = count, entry
        state[HEAP] += 1


@inlined
def comes_first(count, entry, place, pairs, heap):
    """Does a pair with `count` come before the one at `place` of the heap?"""
    if count != heap.counts[place]:
        return count > heap.counts[place]
    return pairs.keys[entry] < pairs.keys[heap.entries[place]]


@kernel
def pop_best(pairs, heap, state):
    """The key of the most frequent pair and its count; 0 and 0 where there is none."""
    while state[HEAP] > 0:
        entry, count = heap.entries[0], heap.counts[0]
        current = pairs.counts[entry]
        if current == count:
            drop_first(heap.counts[state[HEAP] - 1], heap.entries[state[HEAP] - 1], -1, pairs, heap, state)
            return pairs.keys[entry], count
        if current > 0:
            drop_first(current, entry, 0, pairs, heap, state)
        else:
            drop_first(heap.counts[state[HEAP] - 1], heap.entries[state[HEAP] - 1], -1, pairs, heap, state)
    return np.uint64(0), np.int64(0)


@inlined
def drop_first(count, entry, change, pairs, heap, state):
    """Put a pair in the place of the first, after the heap has become `change` longer, and let it sink."""
    state[HEAP] += change
    size, at = state[HEAP], 0
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and comes_first(heap.counts[child + 1], heap.entries[child + 1], child, pairs, heap):
            child += 1
        if comes_first(count, entry, child, pairs, heap):
            break
        heap.counts[at], heap.entries[at] = heap.counts[child], heap.entries[child]
        at = child
    heap.counts[at], heap.entries[at] = count, entry
