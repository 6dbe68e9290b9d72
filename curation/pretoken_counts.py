"""How often each distinct pre-token occurs in texts: all that training a tokenizer needs of them.

One kernel finds pre-tokens and counts them in a hash table over their bytes; it stops where an array is full and goes on
when that has grown. Memory is 40 bytes and its own bytes for each distinct pre-token.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curation.pretokens import PreTokenPattern, pretoken_classes, pretoken_end
from rules.splitters.chunk_memo import bits_of, same_bytes
from rules.text.buffers import strings_from
from rules.text.decode import text_at
from rules.text.hash_sets import bytes_hash, first_slot
from rules.text.kernels import inlined, kernel, kernel_texts, unowned

ENTRIES, STORED_BYTES, TEXT, PLACE = range(4)  # of `state`: how much is in use, and where in the texts counting stands
PADDING = 8


class PreTokenCounts:
    """Counts over all texts that were added; the order of entries is that of their first occurrence."""

    def __init__(self, pattern: PreTokenPattern, room: int = 1 << 16):
        self._pattern = pattern
        self._slots = np.zeros(2 * room, np.uint64)  # entry + 1, zero where free
        self._begins = np.zeros(room + 1, np.int64)  # where the bytes of each entry begin
        self._counts = np.zeros(room, np.int64)
        self._store = np.zeros(16 * room, np.uint8)
        self._state = np.zeros(4, np.int64)

    def __len__(self) -> int:
        return int(self._state[ENTRIES])

    @property
    def counts(self) -> np.ndarray:
        """How often each occurs (int64)."""
        return self._counts[: len(self)]

    @property
    def texts(self) -> pa.LargeStringArray:
        """The pre-tokens."""
        return strings_from(self._begins[: len(self) + 1], self._store[: self._state[STORED_BYTES]])

    def add(self, texts: pa.Array | pa.ChunkedArray) -> None:
        offsets, data = kernel_texts(texts)
        self._state[TEXT], self._state[PLACE] = 0, offsets[0]
        while not count_pretokens(
            offsets, data, pretoken_classes(), *self._pattern, self._slots, self._begins, self._counts, self._store, self._state
        ):
            self._grow(len(data))

    def _grow(self, longest_bytes: int) -> None:
        room, used = 2 * len(self._counts), len(self)
        self._begins, self._counts = _longer(self._begins, room + 1, used + 1), _longer(self._counts, room, used)
        self._store = _longer(self._store, 2 * len(self._store) + longest_bytes, int(self._state[STORED_BYTES]))
        self._slots = np.zeros(2 * room, np.uint64)
        fill_slots(self._slots, self._begins, self._store, used)


def _longer(array: np.ndarray, length: int, used: int) -> np.ndarray:
    longer = np.empty(length, array.dtype)
    longer[:used] = array[:used]
    return longer


@kernel
def count_pretokens(offsets, data, classes, is_gpt2, most_digits, slots, begins, counts, store, state):
    """Go on counting from where `state` stands; False where an array is full."""
    for d in range(state[TEXT], offsets.size - 1):
        if not count_in_text(
            unowned(data), max(offsets[d], state[PLACE]), offsets[d + 1], unowned(classes), is_gpt2, most_digits,
            unowned(slots), unowned(begins), unowned(counts), unowned(store), unowned(state)):  # fmt: skip
            state[TEXT] = d
            return False
    return True


@kernel
def count_in_text(data, i, end, classes, is_gpt2, most_digits, slots, begins, counts, store, state):
    while i < end:
        stop = pretoken_end(data, i, end, classes, is_gpt2, most_digits)
        slot, entry = find_entry(data, i, stop, slots, begins, store)
        if entry < 0:
            entry, size = state[ENTRIES], stop - i
            if entry == counts.size or state[STORED_BYTES] + size + PADDING > store.size:
                state[PLACE] = i
                return False
            slots[slot], counts[entry] = np.uint64(entry + 1), 0
            for k in range(size):
                store[begins[entry] + k] = data[i + k]
            begins[entry + 1] = begins[entry] + size
            state[ENTRIES], state[STORED_BYTES] = entry + 1, begins[entry + 1]
        counts[np.uint64(entry)] += 1
        i = stop
    return True


@inlined
def find_entry(data, i, end, slots, begins, store):
    """The slot of data[i:end] and its entry, -1 where it has none."""
    last, size = np.uint64(slots.size - 1), end - i
    slot = first_slot(bytes_hash(data, i, end), bits_of(slots))
    while slots[slot]:
        entry = np.int64(slots[slot]) - 1
        begin = begins[np.uint64(entry)]
        if begins[np.uint64(entry + 1)] - begin == size and equal_bytes(data, i, store, begin, size):
            return slot, entry
        slot = (slot + np.uint64(1)) & last
    return slot, np.int64(-1)


@inlined
def equal_bytes(data, i, other, j, size):
    if size <= 8:
        return text_at(data, i, i + size) == text_at(other, j, j + size)
    return same_bytes(data, i, other, j, size)


@kernel
def fill_slots(slots, begins, store, entries):
    last = np.uint64(slots.size - 1)
    for entry in range(entries):
        slot = first_slot(bytes_hash(store, begins[entry], begins[entry + 1]), bits_of(slots))
        while slots[slot]:
            slot = (slot + np.uint64(1)) & last
        slots[slot] = np.uint64(entry + 1)
