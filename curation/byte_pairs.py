"""Byte-pair encoding of one pre-token: the merges of a tokenizer as a hash table, and the kernel that applies them.

A pre-token starts as the tokens of its bytes; the neighbours whose pair has the lowest rank are merged, the leftmost of
equal ones first, until no pair has a rank (Sennrich 2016). Short pre-tokens look for the lowest rank by a walk over all
pairs; longer ones keep the pairs in a heap, so that a run of a million letters takes n log n steps, not n squared.
Memory: 16 bytes a merge and half a megabyte; a long pre-token takes 28 bytes for each of its own while it is encoded.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from rules.text.hash_sets import absorb, first_slot
from rules.text.kernels import inlined, kernel

BYTE_VALUES = 256
LOW_HALF = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
NO_PAIR = np.uint64(0xFFFFFFFFFFFFFFFF)  # above every rank
SHORT = 64  # bytes: up to here walking over the pairs beats a heap
GONE = -1


class Merges(NamedTuple):
    """What merging needs. A pair is rank << 32 | merged token, NO_PAIR where it is not merged."""

    byte_tokens: np.ndarray  # uint32 [256]: the token of each byte
    byte_pairs: np.ndarray  # uint64 [65536]: the pair of bytes first << 8 | second
    slots: np.ndarray  # uint64 [2 * slots]: (first token + 1) << 32 | second token, zero where free; the pair


@functools.cache
def byte_characters() -> tuple[str, ...]:
    """The character that byte-level BPE writes for each byte (Radford 2019): printable ones as they are, others moved up."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    characters = [chr(byte) if byte in printable else "" for byte in range(BYTE_VALUES)]
    moved = iter(range(BYTE_VALUES, 2 * BYTE_VALUES))
    return tuple(char or chr(next(moved)) for char in characters)


def byte_values() -> dict[str, int]:
    """The byte behind each of those characters."""
    return {char: byte for byte, char in enumerate(byte_characters())}


def spelling(token: bytes) -> str:
    """A token as a byte-level vocabulary writes it."""
    return "".join(map(byte_characters().__getitem__, token))


def merges_of(model: dict[str, Any]) -> Merges:
    """The merges of the `model` of a tokenizer.json. Raises KeyError where a byte or a merged token has no id."""
    vocabulary = model["vocab"]
    byte_tokens = np.array([vocabulary[char] for char in byte_characters()], np.uint32)
    pairs: dict[tuple[int, int], int] = {}
    for rank, merge in enumerate(model["merges"]):
        first, second = merge.split(" ") if isinstance(merge, str) else merge
        pairs[vocabulary[first], vocabulary[second]] = rank << 32 | vocabulary[first + second]
    numbers = np.array(list(pairs), np.uint64).reshape(-1, 2)
    keys = (numbers[:, 0] + np.uint64(1)) << HALF | numbers[:, 1]
    slots = np.zeros(2 << _bits_for(len(keys)), np.uint64)
    fill_pairs(slots, keys, np.array(list(pairs.values()), np.uint64))
    return Merges(byte_tokens, pairs_of_bytes(byte_tokens, slots), slots)


def _bits_for(keys: int) -> int:
    """log2 of the slots: at most half of them are taken."""
    return max(6, (2 * keys - 1).bit_length())


# ---- the table of pairs


@kernel
def fill_pairs(slots, keys, pairs):
    bits, last = pair_bits(slots), np.uint64(slots.size // 2 - 1)
    for k in range(keys.size):
        slot = first_slot(absorb(np.uint64(0), keys[k]), bits)
        while slots[np.uint64(2) * slot] and slots[np.uint64(2) * slot] != keys[k]:
            slot = (slot + np.uint64(1)) & last
        slots[np.uint64(2) * slot], slots[np.uint64(2) * slot + np.uint64(1)] = keys[k], pairs[k]


@kernel
def pairs_of_bytes(byte_tokens, slots):
    pairs = np.empty(BYTE_VALUES * BYTE_VALUES, np.uint64)
    bits = pair_bits(slots)
    for first in range(BYTE_VALUES):
        for second in range(BYTE_VALUES):
            pairs[first * BYTE_VALUES + second] = find_pair(slots, bits, byte_tokens[first], byte_tokens[second])
    return pairs


@inlined
def pair_bits(slots):
    bits = 0
    while 2 << bits < slots.size:
        bits += 1
    return bits


@inlined
def find_pair(slots, bits, first, second):
    """The pair of two tokens, NO_PAIR where it is not merged."""
    key = (np.uint64(first) + np.uint64(1)) << HALF | np.uint64(second)
    last = np.uint64((1 << bits) - 1)
    slot = first_slot(absorb(np.uint64(0), key), bits)
    while True:
        held = slots[np.uint64(2) * slot]
        if held == key:
            return slots[np.uint64(2) * slot + np.uint64(1)]
        if held == 0:
            return NO_PAIR
        slot = (slot + np.uint64(1)) & last


# ---- merging


@inlined
def merge_short(data, i, end, byte_tokens, byte_pairs, slots, bits, tokens, pairs):
    """The tokens of data[i:end] (at most SHORT bytes), in tokens[:count]; returns count. `pairs` is scratch."""
    count = end - i
    first_tokens(data, i, count, byte_tokens, byte_pairs, tokens, pairs)
    while count > 1:
        at = lowest(pairs, count - 1)
        if pairs[np.uint64(at)] == NO_PAIR:
            break
        tokens[np.uint64(at)] = np.uint32(pairs[np.uint64(at)] & LOW_HALF)
        count -= 1
        for k in range(at + 1, count):
            tokens[np.uint64(k)] = tokens[np.uint64(k + 1)]
        for k in range(at + 1, count - 1):
            pairs[np.uint64(k)] = pairs[np.uint64(k + 1)]
        if at + 1 < count:
            pairs[np.uint64(at)] = find_pair(slots, bits, tokens[np.uint64(at)], tokens[np.uint64(at + 1)])
        if at > 0:
            pairs[np.uint64(at - 1)] = find_pair(slots, bits, tokens[np.uint64(at - 1)], tokens[np.uint64(at)])
    return count


@inlined
def first_tokens(data, i, count, byte_tokens, byte_pairs, tokens, pairs):
    """Every byte as its token, and the pairs of neighbours."""
    before = np.uint64(data[np.uint64(i)])
    tokens[0] = byte_tokens[before]
    for k in range(1, count):
        byte = np.uint64(data[np.uint64(i + k)])
        tokens[np.uint64(k)] = byte_tokens[byte]
        pairs[np.uint64(k - 1)] = byte_pairs[before << np.uint64(8) | byte]
        before = byte


@inlined
def lowest(pairs, count):
    """The first place of the lowest of `count` pairs."""
    at, least = 0, pairs[0]
    for k in range(1, count):
        if pairs[np.uint64(k)] < least:
            at, least = k, pairs[np.uint64(k)]
    return at


@kernel
def merge_long(data, i, end, byte_tokens, byte_pairs, slots, tokens):
    """As merge_short for any length; `tokens` holds one for each byte."""
    count = end - i
    bits = pair_bits(slots)
    after, before = np.arange(1, count + 1), np.arange(-1, count - 1)  # neighbours of each place
    heap, size = np.empty(2 * count, np.uint64), 0  # rank << 32 | place
    for k in range(count):
        tokens[k] = byte_tokens[data[i + k]]
        if k > 0:
            pair = byte_pairs[np.int64(data[i + k - 1]) << 8 | np.int64(data[i + k])]
            size = push_pair(heap, size, pair, k - 1)
    while size > 0:
        rank, place = heap[0] >> HALF, np.int64(heap[0] & LOW_HALF)
        size = pop(heap, size)
        if after[place] == GONE or after[place] >= count:
            continue
        pair = find_pair(slots, bits, tokens[place], tokens[after[place]])
        if pair == NO_PAIR or pair >> HALF != rank:  # a neighbour has been merged since
            continue
        tokens[place] = np.uint32(pair & LOW_HALF)
        size = unlink(tokens, after, before, place, count, slots, bits, heap, size)
    return gather_linked(tokens, after, count)


@inlined
def unlink(tokens, after, before, place, count, slots, bits, heap, size):
    """Take out the place after `place`, which has its token now, and push the new pairs on both sides."""
    gone = after[place]
    following = after[gone]
    after[place], after[gone] = following, GONE
    if following < count:
        before[following] = place
        size = push_pair(heap, size, find_pair(slots, bits, tokens[place], tokens[following]), place)
    if before[place] >= 0:
        pair = find_pair(slots, bits, tokens[before[place]], tokens[place])
        size = push_pair(heap, size, pair, before[place])
    return size


@inlined
def gather_linked(tokens, after, count):
    """Move the tokens that are left to the front; returns how many there are."""
    place, left = 0, 0
    while place < count:
        tokens[left] = tokens[place]
        left += 1
        place = after[place]
    return left


# ---- the heap


@inlined
def push_pair(heap, size, pair, place):
    """Push the rank of `pair` with its place, if there is one; returns the new size."""
    if pair == NO_PAIR:
        return size
    item = (pair >> HALF) << HALF | np.uint64(place)
    at = size
    while at > 0 and heap[(at - 1) // 2] > item:
        heap[at] = heap[(at - 1) // 2]
        at = (at - 1) // 2
    heap[at] = item
    return size + 1


@inlined
def pop(heap, size):
    """Take the least item out; returns the new size."""
    size -= 1
    item, at = heap[size], 0
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= item:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = item
    return size
