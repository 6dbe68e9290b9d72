"""Pairs of neighbouring tokens in words: how often each occurs, and where, for training merges.

Words lie one after the other as linked lists of tokens. A pair has a chain of nodes, the places where it begins or once
began; who follows a chain looks whether the pair is still there. Kernels write only where there is room, which their
callers see to.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rules.text.hash_sets import absorb, first_slot
from rules.text.kernels import inlined, kernel

NONE = -1
HALF, ONE = np.uint64(32), np.uint64(1)
LOW_HALF = np.uint64(0xFFFFFFFF)
PAIRS, NODES, HEAP, TOUCHED, EVENT = range(5)  # of `state`: how many are in use, and the number of the merge


class Words(NamedTuple):
    """The tokens of all words; a merge leaves the second place empty (NONE). Neighbours are places in the same word."""

    tokens: np.ndarray  # int32 [places]
    after: np.ndarray  # int32 [places]: the next place, NONE at the end of a word
    before: np.ndarray  # int32 [places]
    word: np.ndarray  # int32 [places]
    counts: np.ndarray  # int64 [words]


class Pairs(NamedTuple):
    """Pairs of neighbours in order of their first occurrence, and a hash table of them."""

    slots: np.ndarray  # int32: entry + 1, zero where free
    keys: np.ndarray  # uint64 [pairs]: first token << 32 | second
    counts: np.ndarray  # int64 [pairs]
    heads: np.ndarray  # int32 [pairs]: the first node of the chain of its places
    tails: np.ndarray  # int32 [pairs]
    touched: np.ndarray  # int64 [pairs]: the last merge that made it more frequent


class Chains(NamedTuple):
    """Nodes: a place where a pair begins or began, and the next node of that pair."""

    place: np.ndarray  # int32
    after: np.ndarray  # int32


def made_pairs(room: int, old: Pairs | None, used: int) -> Pairs:
    """Arrays for `room` pairs with the `used` ones of `old`."""
    kinds = (np.uint64, np.int64, np.int32, np.int32, np.int64)
    columns = old[1:] if old is not None else [np.empty(0, kind) for kind in kinds]
    slots = np.zeros(1 << max(6, (2 * room - 1).bit_length()), np.int32)
    pairs = Pairs(slots, *(longer(column, room, used) for column in columns))
    fill_slots(pairs, used)
    return pairs


def longer(array: np.ndarray, length: int, used: int) -> np.ndarray:
    longer = np.empty(length, array.dtype)
    longer[:used] = array[:used]
    return longer


# ---- kernels


@kernel
def link_words(offsets, words):
    for w in range(offsets.size - 1):
        for place in range(offsets[w], offsets[w + 1]):
            words.word[place] = w
            words.before[place] = place - 1 if place > offsets[w] else NONE
            words.after[place] = place + 1 if place + 1 < offsets[w + 1] else NONE


@kernel
def list_pairs(first, words, chains, pairs, state):
    """Note the pairs that begin at places from `first` on; returns the place where there is no more room for pairs."""
    for place in range(first, words.tokens.size):
        following = words.after[place]
        if following != NONE:
            if state[PAIRS] == pairs.keys.size:
                return place
            key = pair_key(words.tokens[place], words.tokens[following])
            add_place(key, place, words.counts[words.word[place]], chains, pairs, state)
    return words.tokens.size


@inlined
def pair_key(first, second):
    return np.uint64(first) << HALF | np.uint64(second)


@inlined
def find_pair(pairs, key):
    """The slot of a pair (uint64), and its entry or NONE."""
    last, bits = np.uint64(pairs.slots.size - 1), 0
    while 1 << bits < pairs.slots.size:
        bits += 1
    slot = first_slot(absorb(np.uint64(0), key), bits)
    while pairs.slots[slot] and pairs.keys[pairs.slots[slot] - 1] != key:
        slot = (slot + ONE) & last
    return slot, np.int64(pairs.slots[slot]) - 1


@kernel
def fill_slots(pairs, used):
    for entry in range(used):
        slot, _ = find_pair(pairs, pairs.keys[entry])
        pairs.slots[slot] = entry + 1


@inlined
def add_place(key, place, count, chains, pairs, state):
    """`count` more of a pair, which begins at `place`; returns its entry."""
    slot, entry = find_pair(pairs, key)
    if entry == NONE:
        entry = state[PAIRS]
        pairs.slots[slot], pairs.keys[entry], pairs.counts[entry] = entry + 1, key, 0
        pairs.heads[entry], pairs.touched[entry] = NONE, 0
        state[PAIRS] += 1
    node = state[NODES]
    chains.place[node], chains.after[node] = place, NONE
    if pairs.heads[entry] == NONE:
        pairs.heads[entry] = node
    else:
        chains.after[pairs.tails[entry]] = node
    pairs.tails[entry] = node
    pairs.counts[entry] += count
    state[NODES] += 1
    return entry
