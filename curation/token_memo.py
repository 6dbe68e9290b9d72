"""A memo of pre-tokens and their tokens: every distinct pre-token is encoded once, from batch to batch and shard to shard.

Words repeat (Zipf), so nearly all of a text is looked up: a hash table with open addressing, a row of four uint64 for
each pre-token, so that finding one is mostly one cache line. The bytes are compared, never the hash alone:

    up to 15 bytes      word 0 and 1: the bytes, and their number in the highest byte
    longer              word 0: a hash; word 1: 255 in the highest byte, and the size; the bytes are in `keys`
    short, 1-3 tokens   word 2 and 3: the tokens and, in the upper half of word 3, how many
    others              word 2: where the tokens begin in `tokens` | where the bytes begin in `keys` << 32; word 3: the same

A full memo takes no more; its owner starts a new one (`cleared`) between batches. What hardly repeats, pre-tokens above
MOST_BYTES, need not be put in.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rules.text.decode import load_eight, text_at
from rules.text.hash_sets import SEED, absorb, bytes_hash, first_slot
from rules.text.kernels import inlined, kernel

WORDS = np.uint64(4)
INLINE_BYTES = 15
INLINE_TOKENS = 3
LONG_MARK = np.uint64(255 << 56)
LOW_HALF = np.uint64(0xFFFFFFFF)
HALF, TOP_BYTE, ONE = np.uint64(32), np.uint64(56), np.uint64(1)
MOST_BYTES = 256  # of a pre-token that is kept
SLOT_BITS = 21  # 2 million slots, 64 MB; at most five eighths are taken
KEY_BYTES, TOKENS = 48 << 20, 16 << 20
ENTRIES, USED_KEY_BYTES, USED_TOKENS, IS_FULL = range(4)  # of `state`


class TokenMemo(NamedTuple):
    """The arrays of a memo. Untouched pages of them take no memory."""

    slots: np.ndarray  # uint64 [4 << SLOT_BITS]
    keys: np.ndarray  # uint8: the bytes of long pre-tokens, and eight more
    tokens: np.ndarray  # uint32: tokens that do not fit into a slot
    state: np.ndarray  # int64 [4]: entries, bytes and tokens in use, and whether it is full


def empty_memo(slot_bits: int = SLOT_BITS) -> TokenMemo:
    return TokenMemo(
        np.zeros(4 << slot_bits, np.uint64), np.empty(KEY_BYTES + 8, np.uint8), np.empty(TOKENS, np.uint32), np.zeros(4, np.int64)
    )


def cleared(memo: TokenMemo) -> TokenMemo:
    """An empty memo of the same size."""
    return TokenMemo(np.zeros_like(memo.slots), memo.keys, memo.tokens, np.zeros_like(memo.state))


@kernel
def remember_all(offsets, data, tokens, slots, keys, long_tokens, state):
    """Put texts that are one token each into a memo: data[offsets[k]:offsets[k + 1]] is tokens[k]."""
    bits = slot_bits_of(slots)
    for k in range(tokens.size):
        i, end = offsets[k], offsets[k + 1]
        low, high = memo_key(data, i, end)
        slot, found = find_pretoken(data, i, end, low, high, slots, bits, keys)
        if not found:
            remember(data, i, end, low, high, slot, tokens[k : k + 1], 1, end - i, slots, keys, long_tokens, state)


@inlined
def slot_bits_of(slots):
    bits = 0
    while 4 << bits < slots.size:
        bits += 1
    return bits


@inlined
def memo_key(data, i, end):
    """Words 0 and 1 of the slot of data[i:end] (not empty)."""
    size = end - i
    if size > INLINE_BYTES:
        return bytes_hash(data, i, end), LONG_MARK | np.uint64(size)
    low, high = text_at(data, i, end), np.uint64(size) << TOP_BYTE
    if size > 8:
        high |= text_at(data, i + 8, end)
    return low, high


@inlined
def find_pretoken(data, i, end, low, high, slots, bits, keys):
    """The place of the slot (uint64) of data[i:end], and whether it is there; else where it belongs."""
    last = np.uint64((1 << bits) - 1)
    slot = first_slot(absorb(absorb(SEED, low), high), bits)
    while True:
        place = slot * WORDS
        if slots[place] == low and slots[place + ONE] == high:
            if high < LONG_MARK or same_key(data, i, end, keys, slots[place + np.uint64(2)] >> HALF):
                return place, True
        elif slots[place + ONE] == 0:
            return place, False
        slot = (slot + ONE) & last


@inlined
def same_key(data, i, end, keys, begin):
    """Is data[i:end] (more than 15 bytes) what stands at keys[begin]?"""
    last = end - 8
    while i < last:
        if load_eight(data, i) != load_eight(keys, begin):
            return False
        i, begin = i + 8, begin + np.uint64(8)
    return load_eight(data, last) == load_eight(keys, begin - np.uint64(i - last))


@inlined
def remember(data, i, end, low, high, place, tokens, count, most_bytes, slots, keys, long_tokens, state):
    """Give data[i:end] the free slot at `place` with tokens[:count], if it has at most `most_bytes` and the memo room."""
    size, is_long = end - i, end - i > INLINE_BYTES
    outside = is_long or count > INLINE_TOKENS
    if size > most_bytes or state[IS_FULL] or not room_for(size, count, slots, keys, long_tokens, state):
        return
    slots[place], slots[place + ONE] = low, high
    if outside:
        slots[place + np.uint64(2)] = np.uint64(state[USED_TOKENS]) | np.uint64(state[USED_KEY_BYTES]) << HALF
        slots[place + np.uint64(3)] = np.uint64(count) << HALF
        for k in range(count):
            long_tokens[state[USED_TOKENS] + k] = tokens[k]
        state[USED_TOKENS] += count
    else:
        first = np.uint64(tokens[0]) | (np.uint64(tokens[1]) << HALF if count > 1 else np.uint64(0))
        third = np.uint64(tokens[2]) if count > 2 else np.uint64(0)
        slots[place + np.uint64(2)], slots[place + np.uint64(3)] = first, third | np.uint64(count) << HALF
    if is_long:
        for k in range(size):
            keys[state[USED_KEY_BYTES] + k] = data[i + k]
        state[USED_KEY_BYTES] += size
    state[ENTRIES] += 1


@inlined
def room_for(size, count, slots, keys, long_tokens, state):
    """Is there room for one more? Where there is none, the memo is full from now on."""
    enough = (
        32 * state[ENTRIES] < 5 * slots.size
        and state[USED_KEY_BYTES] + size + 8 <= keys.size
        and state[USED_TOKENS] + count <= long_tokens.size
    )
    if not enough:
        state[IS_FULL] = 1
    return enough


@inlined
def recall(place, high, slots, long_tokens, out, at):
    """Write the tokens of the slot at `place` to out[at:], which has room for three; returns where they end."""
    third = slots[place + np.uint64(3)]
    second = slots[place + np.uint64(2)]
    count = np.int64(third >> HALF)
    if count <= INLINE_TOKENS and high < LONG_MARK:
        at = np.uint64(at)
        out[at] = np.uint32(second & LOW_HALF)
        out[at + ONE] = np.uint32(second >> HALF)
        out[at + np.uint64(2)] = np.uint32(third & LOW_HALF)
        return np.int64(at) + count
    begin = second & LOW_HALF
    for k in range(count):
        out[np.uint64(at + k)] = long_tokens[begin + np.uint64(k)]
    return at + count
