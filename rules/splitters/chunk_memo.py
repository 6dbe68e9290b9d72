"""A memo of the chunks of text between white space: what a slow word splitter made of each, found by a kernel.

A chunk is split once; after that its words are looked up by its bytes in a hash table (open addressing; the bytes are
compared, never the hash alone). A Memo is a snapshot that nobody changes: `extended` gives the next one, whose arrays it
may share, because it writes only past what older snapshots read. So threads look chunks up without a lock, and only who
meets unknown chunks waits for the one that splits them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rules.text.decode import load_eight, store_eight, text_at
from rules.text.hash_sets import bytes_hash, first_slot, slot_bits
from rules.text.kernels import inlined, int64, kernel, unowned

NOTHING = 0  # the entry of the empty chunk: no words
# Columns of `rows`. KEY_BEGIN is where the key begins | the first of the entry's facts << MARK_BITS, so that finding
# a chunk gives that fact without another load; SIZES is bytes of the key | bytes of the words << 32.
FIRST_EIGHT, KEY_BEGIN, WORDS_BEGIN, SIZES = range(4)
MARK_BITS = np.uint64(56)
PLACE_BITS = np.uint64((1 << 56) - 1)
PADDING = 8  # bytes after what is written: kernels copy eight at a time
LOW_HALF = np.uint64((1 << 32) - 1)


class Memo(NamedTuple):
    """Entries 0 to `entries` - 1. The arrays may be longer."""

    slots: np.ndarray  # uint64 [2**bits]: upper half of the hash | entry; zero where free
    rows: np.ndarray  # uint64 [room, 4]
    hashes: np.ndarray  # uint64 [room]
    facts: np.ndarray  # uint32 [room, facts]: what the splitter says of the chunk; the first one, below 256, is its mark
    keys: np.ndarray  # uint8
    words: np.ndarray  # uint8: the words of a chunk with single spaces between them
    entries: int
    key_bytes: int
    word_bytes: int
    lineage: object  # the same in all snapshots that share arrays

    @property
    def bytes(self) -> int:
        """Memory that its entries take."""
        per_entry: int = 8 * 4 + 8 + 4 * self.facts.shape[1] + 16
        return self.entries * per_entry + self.key_bytes + self.word_bytes


class Entries(NamedTuple):
    """What a splitter made of some chunks: words[offsets[k]:offsets[k + 1]] and facts[k] of chunk k."""

    words: np.ndarray  # uint8
    offsets: np.ndarray  # int64 [chunks + 1]
    facts: np.ndarray  # uint32 [chunks, facts]


def joined(parts: list[Entries]) -> Entries:
    """The chunks of all `parts` as one."""
    sizes = np.concatenate([np.diff(part.offsets) for part in parts])
    words = np.concatenate([part.words[: part.offsets[-1]] for part in parts])
    return Entries(words, np.concatenate([[0], np.cumsum(sizes)]), np.concatenate([part.facts for part in parts]))


def empty_memo(facts: int) -> Memo:
    """A memo that knows the empty chunk only, with `facts` numbers for each entry."""
    room = 1024
    rows, known = np.zeros((room, 4), np.uint64), np.zeros((room, facts), np.uint32)
    keys, words = np.zeros(16 * room, np.uint8), np.zeros(16 * room, np.uint8)
    return Memo(np.zeros(2048, np.uint64), rows, np.zeros(room, np.uint64), known, keys, words, 1, 0, 0, object())


def extended(memo: Memo, data: np.ndarray, begins: np.ndarray, ends: np.ndarray, made: Entries, *, copy: bool = False) -> Memo:
    """`memo` and the distinct, unknown chunks data[begins[k]:ends[k]]; shares no array with it if `copy`.

    Only one snapshot may grow out of another without `copy`."""
    entries = memo.entries + len(begins)
    key_bytes, word_bytes = memo.key_bytes + int((ends - begins).sum()), memo.word_bytes + int(made.offsets[-1])
    rows, hashes, facts = (_with_room(array, memo.entries, entries, copy) for array in (memo.rows, memo.hashes, memo.facts))
    keys = _with_room(memo.keys, memo.key_bytes, key_bytes + PADDING, copy)
    words = _with_room(memo.words, memo.word_bytes, word_bytes + PADDING, copy)
    words[memo.word_bytes : word_bytes] = made.words[: made.offsets[-1]]
    facts[memo.entries : entries] = made.facts
    append_rows(data, begins, ends, made.offsets, facts, memo.entries, memo.key_bytes, memo.word_bytes, rows, hashes, keys)
    size = max(1 << slot_bits_of(entries), memo.slots.size)
    if size == memo.slots.size:
        slots, first = memo.slots.copy(), memo.entries
    else:
        slots, first = np.zeros(size, np.uint64), 1
    fill_slots(slots, hashes, first, entries)
    lineage = object() if copy else memo.lineage
    return Memo(slots, rows, hashes, facts, keys, words, entries, key_bytes, word_bytes, lineage)


def slot_bits_of(entries: int) -> int:
    """log2 of the slots that `entries` need."""
    bits = 6
    while 2 << bits < 3 * entries:
        bits += 1
    return bits


def _with_room(array: np.ndarray, used: int, needed: int, copy: bool) -> np.ndarray:
    """`array`, or a larger one with the first `used` of it if `needed` do not fit."""
    if needed <= len(array) and not copy:
        return array
    larger = np.empty((max(2 * needed, 1024), *array.shape[1:]), array.dtype)
    larger[:used] = array[:used]
    return larger


@kernel
def append_rows(
    data: np.ndarray, begins: np.ndarray, ends: np.ndarray, offsets: np.ndarray, facts: np.ndarray, first: int,
    key_bytes: int, word_bytes: int, rows: np.ndarray, hashes: np.ndarray, keys: np.ndarray,
) -> None:
    """Write the keys and rows of new entries, from entry `first` on."""
    for k in range(begins.size):
        i, end = begins[k], ends[k]
        entry, size = first + k, end - i
        hashes[entry] = bytes_hash(data, i, end)
        rows[entry, FIRST_EIGHT] = text_at(data, i, end)
        rows[entry, KEY_BEGIN] = np.uint64(key_bytes) | np.uint64(facts[entry, 0]) << MARK_BITS
        rows[entry, WORDS_BEGIN] = word_bytes + offsets[k]
        rows[entry, SIZES] = np.uint64(size) | np.uint64(offsets[k + 1] - offsets[k]) << np.uint64(32)
        for j in range(size):
            keys[key_bytes + j] = data[i + j]
        key_bytes += size


@kernel
def fill_slots(slots: np.ndarray, hashes: np.ndarray, first: int, entries: int) -> None:
    """Give entries `first` to `entries` - 1 slots."""
    bits = bits_of(slots)
    last = np.uint64(slots.size - 1)
    for entry in range(first, entries):
        slot = first_slot(hashes[entry], bits)
        while slots[slot]:
            slot = (slot + np.uint64(1)) & last
        slots[slot] = (hashes[entry] & ~LOW_HALF) | np.uint64(entry)


@inlined
def bits_of(slots: np.ndarray) -> int:
    """log2 of the number of slots."""
    bits = 0
    while 1 << bits < slots.size:
        bits += 1
    return bits


# ---- finding


@kernel
def find_entries(
    data: np.ndarray, begins: np.ndarray, ends: np.ndarray, slots: np.ndarray, rows: np.ndarray, keys: np.ndarray,
    found: np.ndarray, marks: np.ndarray,
) -> int:
    """found[k] (uint32) = the entry of chunk data[begins[k]:ends[k]], NOTHING if unknown; how many are unknown.

    marks[k] (uint8) = the mark of the entry."""
    data, slots, rows, keys = unowned(data), unowned(slots), unowned(rows), unowned(keys)
    bits, unknown = bits_of(slots), 0
    for k in range(begins.size):
        entry = find_entry(data, begins[k], ends[k], slots, bits, rows, keys)
        found[k], marks[k] = entry, rows[entry, KEY_BEGIN] >> MARK_BITS
        unknown += int64(entry == 0)
    return unknown


@inlined
def find_entry(data: np.ndarray, i: int, end: int, slots: np.ndarray, bits: int, rows: np.ndarray, keys: np.ndarray) -> np.uint64:
    """The entry of the chunk data[i:end], or NOTHING."""
    hashed, last = bytes_hash(data, i, end), np.uint64((1 << bits) - 1)
    slot = first_slot(hashed, bits)
    while True:
        held = slots[slot]
        if held == np.uint64(0):
            return np.uint64(NOTHING)
        entry = held & LOW_HALF
        if (held ^ hashed) & ~LOW_HALF == np.uint64(0) and is_key(data, i, end, rows, keys, entry):
            return entry
        slot = (slot + np.uint64(1)) & last


@inlined
def is_key(data: np.ndarray, i: int, end: int, rows: np.ndarray, keys: np.ndarray, entry: np.uint64) -> bool:
    """Is data[i:end] the key of `entry`?"""
    size = end - i
    if rows[entry, FIRST_EIGHT] != text_at(data, i, end) or rows[entry, SIZES] & LOW_HALF != np.uint64(size):
        return False
    return size <= 8 or same_bytes(data, i, keys, int64(rows[entry, KEY_BEGIN] & PLACE_BITS), size)


@inlined
def same_bytes(data: np.ndarray, i: int, other: np.ndarray, j: int, size: int) -> bool:
    """data[i:i + size] == other[j:j + size], for more than eight bytes."""
    last = size - 8
    for k in range(0, last, 8):
        if load_eight(data, i + k) != load_eight(other, j + k):
            return False
    return load_eight(data, i + last) == load_eight(other, j + last)


@kernel
def distinct_unknown(
    data: np.ndarray, begins: np.ndarray, ends: np.ndarray, found: np.ndarray, unknown: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Of the `unknown` chunks whose `found` is NOTHING: the first of each kind, and for each which kind it is."""
    firsts, kinds = np.empty(unknown, np.int64), np.empty(unknown, np.int64)
    bits = slot_bits(unknown)
    slots, last = np.zeros(1 << bits, np.int64), np.uint64((1 << bits) - 1)
    distinct = seen = 0
    for k in range(begins.size):
        if found[k] == NOTHING:
            slot = first_slot(bytes_hash(data, begins[k], ends[k]), bits)
            while slots[slot] and not same_chunk(data, begins, ends, firsts[slots[slot] - 1], k):
                slot = (slot + np.uint64(1)) & last
            if slots[slot] == 0:
                firsts[distinct] = k
                distinct += 1
                slots[slot] = distinct
            kinds[seen] = slots[slot] - 1
            seen += 1
    return firsts[:distinct], kinds


@inlined
def same_chunk(data: np.ndarray, begins: np.ndarray, ends: np.ndarray, j: int, k: int) -> bool:
    """Are chunks j and k the same bytes?"""
    size = ends[k] - begins[k]
    if ends[j] - begins[j] != size or text_at(data, begins[j], ends[j]) != text_at(data, begins[k], ends[k]):
        return False
    return size <= 8 or same_bytes(data, begins[j], data, begins[k], size)


# ---- writing


@kernel
def joined_offsets(counts: np.ndarray, found: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Where the words of each text begin when written one after the other, int64 [texts + 1].

    Text d has counts[d] of the entries `found`; single spaces divide words."""
    offsets, k = np.zeros(counts.size + 1, np.int64), 0
    for d in range(counts.size):
        total = 0
        for _ in range(counts[d]):
            size = int64(rows[found[k], SIZES] >> np.uint64(32))
            total += size + int64(size > 0)
            k += 1
        offsets[d + 1] = offsets[d] + max(total - 1, 0)
    return offsets


@kernel
def write_words(counts: np.ndarray, found: np.ndarray, rows: np.ndarray, words: np.ndarray, offsets: np.ndarray, out: np.ndarray) -> None:
    """Write the words of each text to `out`, which has PADDING bytes more."""
    rows, words, out, k = unowned(rows), unowned(words), unowned(out), 0
    for d in range(counts.size):
        position = offsets[d]
        for _ in range(counts[d]):
            entry = np.uint64(found[k])
            i, size = int64(rows[entry, WORDS_BEGIN]), int64(rows[entry, SIZES] >> np.uint64(32))
            if size > 0:
                if position > offsets[d]:
                    out[np.uint64(position)] = 32
                    position += 1
                copy_bytes(words, i, size, out, position)
                position += size
            k += 1


@inlined
def copy_bytes(source: np.ndarray, i: int, size: int, out: np.ndarray, position: int) -> None:
    """Copy source[i:i + size] to out[position:], where up to seven bytes after it are spoilt."""
    done = 0
    while done < size:
        store_eight(out, position + done, load_eight(source, i + done))
        done += 8
