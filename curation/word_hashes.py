"""64-bit hashes of the normalised words of a text, streamed straight from Arrow's UTF-8 bytes.

`take_words` reads one chunk of a text and appends the hash of every word of `normalise.normalised` that ends in it; a
word cut by the end of the chunk is carried over, so memory is fixed by the chunk whatever the text, and a text of
50 MB without a space costs no more than any other. Two passes over each chunk:
    mark_runs   finds runs of ASCII letters, digits and non-ASCII bytes, 64 bytes at a time, without branches
    hash_runs   a short ASCII run is one word, hashed from one load; other runs go character by character
Hash of a word: a fold over its pieces. A piece is up to eight ASCII characters in a row, as a little-endian number, or
one other code point with bit 63 set; `absorb` is a bijection of the running state, and the word's length in code
points is absorbed last. Malformed UTF-8 reads as U+FFFD, as in Python's errors="replace".

Some 340 MB/s a core on text in 29 languages (benchmarks/minhash.py, exact duplicates by words). Arrays are passed once per
chunk, never per word: numba counts references at each call, which costs more than hashing a word does.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curation.normalise import IGNORED, LETTER, LONE, MARK, SEPARATOR
from rules.text.buffers import string_buffers
from rules.text.kernels import kernel
from rules.text.masks import BLOCK, LAST, bits_up_to, block_at, digit_mask, high_mask, letter_mask, push_ones

CHUNK_BYTES = 4096
CARRIED = 5  # state, pending, held, size, lone: what a word that is not finished needs

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio
SEED = np.uint64(0x243F6A8885A308D3)  # first digits of pi
CODE_POINT_PIECE = np.uint64(1 << 63)

ZERO, ONE, TWO, THREE, EIGHT = (np.uint64(number) for number in (0, 1, 2, 3, 8))
EVERY_BYTE = np.uint64(0x0101010101010101)
ALL_BITS = np.uint64(0xFFFFFFFFFFFFFFFF)
HIGH_BITS = np.uint64(0x8080808080808080)
CASE_BITS = np.uint64(0x2020202020202020)
CONTINUATION_BITS = np.uint64(0xC0C0C0C0C0C0C0C0)


def read_only(array: np.ndarray) -> np.ndarray:
    """A view that cannot be written: numba compiles a kernel once more for writable arrays, so give it one kind."""
    view = array.view()
    view.flags.writeable = False
    return view


def kernel_texts(texts: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (int64 [n + 1]) and bytes (uint8, at least the eight that kernels load at once) of a string column."""
    offsets, data = string_buffers(texts)
    if data.size < 8:
        data = np.concatenate([data, np.zeros(8 - data.size, np.uint8)])
    return read_only(offsets), read_only(data)


# ---- bytes


@kernel
def load_eight(data, i):
    """data[i:i + 8] as one little-endian uint64 (the compiler makes this a single load)."""
    low = np.uint64(data[i]) | np.uint64(data[i + ONE]) << np.uint64(8) | np.uint64(data[i + TWO]) << np.uint64(16)
    middle = np.uint64(data[i + THREE]) << np.uint64(24) | np.uint64(data[i + np.uint64(4)]) << np.uint64(32)
    high = np.uint64(data[i + np.uint64(5)]) << np.uint64(40) | np.uint64(data[i + np.uint64(6)]) << np.uint64(48)
    return low | middle | high | np.uint64(data[i + np.uint64(7)]) << np.uint64(56)


@kernel
def first_bytes(count):
    """A mask of the `count` lowest bytes, 1 to 8."""
    return ALL_BITS >> (np.uint64(64) - EIGHT * count)


@kernel
def text_at(data, i, end):
    """data[i:end], at most eight bytes, as a little-endian uint64 padded with zero bytes; data holds at least eight."""
    start = min(i, max(end, EIGHT) - EIGHT)
    return load_eight(data, start) >> (EIGHT * (i - start)) & first_bytes(min(end - i, EIGHT))


@kernel
def leading_ascii_bytes(eight):
    """How many bytes of `eight` come before the first one that is not ASCII."""
    high = eight & HIGH_BITS
    below = ((high & (~high + ONE)) >> np.uint64(7)) - ONE
    return ((below & EVERY_BYTE) * EVERY_BYTE) >> np.uint64(56)


# ---- UTF-8


@kernel
def are_continuations(eight, count):
    """Are the `count` bytes after the first all UTF-8 continuation bytes (10xxxxxx)?"""
    after_first = first_bytes(count) << EIGHT
    return eight & CONTINUATION_BITS & after_first == HIGH_BITS & after_first


@kernel
def six_bits(eight, k):
    return eight >> (EIGHT * k) & np.uint64(0x3F)


@kernel
def code_point(eight):
    """The code point that `eight` starts with and how many bytes it takes.

    U+FFFD and one byte where the UTF-8 is malformed: stray or missing continuation bytes, over-long forms, surrogates,
    beyond U+10FFFF. Bytes after the end of the text must be zero, which continues nothing.
    """
    lead, code, size = eight & np.uint64(0xFF), np.uint64(0xFFFD), ONE
    if lead < np.uint64(0x80):
        code = lead
    elif np.uint64(0xC2) <= lead < np.uint64(0xE0):
        if are_continuations(eight, ONE):
            code, size = (lead & np.uint64(0x1F)) << np.uint64(6) | six_bits(eight, ONE), TWO
    elif np.uint64(0xE0) <= lead < np.uint64(0xF0):
        low = six_bits(eight, ONE) << np.uint64(6) | six_bits(eight, TWO)
        long = (lead & np.uint64(0x0F)) << np.uint64(12) | low
        if are_continuations(eight, TWO) and long >= np.uint64(0x800) and long >> np.uint64(11) != np.uint64(0x1B):
            code, size = long, THREE
    elif np.uint64(0xF0) <= lead < np.uint64(0xF5):
        low = six_bits(eight, TWO) << np.uint64(6) | six_bits(eight, THREE)
        long = (lead & np.uint64(0x07)) << np.uint64(18) | six_bits(eight, ONE) << np.uint64(12) | low
        if are_continuations(eight, THREE) and np.uint64(0x10000) <= long < np.uint64(0x110000):
            code, size = long, np.uint64(4)
    return code, size


@kernel
def chunk_stop(data, i, end):
    """Where the chunk that starts at i ends: at most CHUNK_BYTES on, and not inside a well-formed character."""
    stop = min(i + np.uint64(CHUNK_BYTES), end)
    for _ in range(3):
        if stop < end and data[stop] & np.uint8(0xC0) == np.uint8(0x80):
            stop -= ONE
    return stop


# ---- the hash of a word


@kernel
def absorb(state, piece):
    """One step of the hash: a bijection of `state` for each piece, and of the piece for each state."""
    state = (state ^ piece) * MULTIPLIER
    return state ^ (state >> np.uint64(32))


@kernel
def append_ascii(state, pending, held, characters, count):
    """Add `count` ASCII characters (1 to 8, the first lowest) to a hash; `pending` holds the `held` short of eight."""
    pending |= characters << (EIGHT * held)
    held += count
    if held >= EIGHT:
        held -= EIGHT
        state = absorb(state, pending)
        pending = characters >> (EIGHT * (count - held)) if held > ZERO else ZERO
    return state, pending, held


@kernel
def without_pending(state, pending, held):
    """The state once the ASCII characters short of eight are absorbed."""
    return absorb(state, pending) if held > ZERO else state


@kernel
def append_code_point(state, pending, held, code):
    """Add one folded code point to a hash."""
    if code < np.uint64(0x80):  # the fold of the Kelvin sign, or of the long s
        return append_ascii(state, pending, held, code, ONE)
    return absorb(without_pending(state, pending, held), code | CODE_POINT_PIECE), ZERO, ZERO


@kernel
def finished(state, size):
    """The hash of a word of `size` code points whose pieces are all absorbed."""
    return absorb(state ^ size, ZERO)


@kernel
def short_word(eight, size):
    """The hash of a word that is the first `size` bytes of `eight`, ASCII letters and digits of either case."""
    return finished(absorb(SEED, (eight | CASE_BITS) & first_bytes(size)), size)


@kernel
def ends_word(kind, lone):
    """Does a character of this kind end the word before it? `lone`: that word is a lone letter with its marks."""
    return kind == SEPARATOR or kind == LONE or (lone and kind == LETTER)


# ---- chunks


@kernel
def mark_runs(data, i, stop, inside, edges):
    """Where runs of ASCII letters, digits and other than ASCII bytes start and end in data[i:stop], in turn, into `edges`: how
    many edges.

    `inside`: the byte before i belongs to a run, whose start is then edges[0]. The number is even: a run that reaches
    `stop` ends there.
    """
    filled, before, place, end = 0, ZERO, np.int64(i), np.int64(stop)
    if inside:
        edges[0], filled, before = i, 1, ONE
    while place < end:
        block = block_at(data, place, end)
        run = letter_mask(block) | digit_mask(block) | high_mask(block)
        filled += push_ones(edges, filled, (run ^ (run << ONE | before)) & bits_up_to(place, end), place)
        before = run >> LAST
        place += BLOCK
    edges[np.uint64(filled)] = stop
    return np.uint64(filled + (filled & 1))


@kernel
def hash_runs(data, edges, runs, is_open, table, words, filled, carry):
    """Append the hashes of the words of each run to `words`; an open last run leaves its last word in `carry`."""
    state, pending, held, size, lone = carry[0], carry[1], carry[2], carry[3], carry[4] != ZERO
    for run in range(runs):
        i, stop = edges[2 * run], edges[2 * run + 1]
        closes = run < runs - 1 or not is_open
        if closes and size == ZERO and stop - i <= EIGHT:
            eight = text_at(data, i, stop)
            if eight & HIGH_BITS == ZERO:
                words[filled] = short_word(eight, stop - i)
                filled += 1
                continue
        while i < stop:
            eight = text_at(data, i, stop)
            count = min(leading_ascii_bytes(eight), stop - i)
            if count > ZERO:
                kind, fold, taken = np.uint32(LETTER), ZERO, count
            else:
                code, taken = code_point(eight)
                kind, fold = table[code] >> np.uint32(24), np.uint64(table[code] & np.uint32(0xFFFFFF))
            i += taken
            if size > ZERO and ends_word(kind, lone):
                words[filled] = finished(without_pending(state, pending, held), size)
                filled += 1
                state, pending, held, size = SEED, ZERO, ZERO, ZERO
            if count > ZERO:
                letters = (eight | CASE_BITS) & first_bytes(count)
                state, pending, held = append_ascii(state, pending, held, letters, count)
                size += count
            elif kind >= LETTER:
                state, pending, held = append_code_point(state, pending, held, fold)
                size += ONE
            if kind != IGNORED:
                lone = kind == LONE or (lone and kind == MARK)
        if closes and size > ZERO:
            words[filled] = finished(without_pending(state, pending, held), size)
            filled += 1
            state, pending, held, size, lone = SEED, ZERO, ZERO, ZERO, False
    carry[0], carry[1], carry[2], carry[3], carry[4] = state, pending, held, size, np.uint64(lone)
    return filled


@kernel
def word_scratch():
    """Room for `take_words`: the edges of a chunk's runs (uint64), and the word that is not finished (uint64 [5])."""
    carry = np.zeros(CARRIED, np.uint64)
    carry[0] = SEED
    return np.empty(CHUNK_BYTES + 16, np.uint64), carry


@kernel
def take_words(data, i, end, table, edges, carry, words, filled):
    """Read the chunk of data[i:end] that starts at i: how many of `words` are then filled, and where the chunk ends.

    `words` (uint64) must have room for CHUNK_BYTES more. Call until the end is reached; `edges` and `carry` come from
    `word_scratch`, are the same in all calls for a text, and are ready for the next text at its end.
    """
    stop = chunk_stop(data, i, end)
    marked = mark_runs(data, i, stop, carry[3] > ZERO, edges)
    is_open = stop < end and marked > ZERO and edges[marked - ONE] == stop
    return hash_runs(data, edges, marked // TWO, is_open, table, words, filled, carry), stop
