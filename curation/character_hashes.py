"""Hashes of the normalised characters of a text, for shingles of characters; and normalised texts as bytes.

`take_characters` streams like word_hashes.take_words: one chunk at a time, whatever the text. `normalised_texts` writes
the words of normalise.normalised with single spaces between them, or normalise.normalised_characters, as UTF-8: for tools
that hash a shingle's bytes. Both go character by character, at some 100 MB/s a core.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curation.normalise import IGNORED, LETTER, LONE, MARK, SEPARATOR, character_table
from curation.word_hashes import SEED, absorb, chunk_stop, code_point, kernel_texts, text_at
from rules.text.buffers import strings_from
from rules.text.kernels import kernel

SPACE_CODE = np.uint64(32)
GROWTH = 2  # bytes that a byte can become: a letter of two that folds to three, a lone letter of three and two spaces
GAP, STARTED = np.uint64(1), np.uint64(2)  # flags of carry[1]


@kernel
def take_characters(data, i, end, table, carry, hashes, filled):
    """Append a hash of every normalised character of the chunk that starts at i: how many are filled, where it ends.

    `hashes` must have room for CHUNK_BYTES + 1 more. carry[1] is zero at the start of a text."""
    stop, flags = chunk_stop(data, i, end), carry[1]
    while i < stop:
        code, taken = code_point(text_at(data, i, stop))
        i += taken
        kind = table[code] >> np.uint32(24)
        if kind == SEPARATOR:
            flags |= GAP
        elif kind != IGNORED:
            if flags == GAP | STARTED:
                hashes[filled] = absorb(SEED, SPACE_CODE)
                filled += 1
            hashes[filled] = absorb(SEED, np.uint64(table[code] & np.uint32(0xFFFFFF)))
            filled, flags = filled + 1, STARTED
    carry[1] = flags
    return filled, stop


def normalised_texts(texts: pa.Array | pa.ChunkedArray, characters: bool) -> pa.LargeStringArray:
    """The normalised words of every text with single spaces between them, or its normalised characters."""
    offsets, data = kernel_texts(texts)
    ends, out = np.zeros(len(offsets), np.int64), np.empty(GROWTH * int(offsets[-1] - offsets[0]) + 8, np.uint8)
    normalise_documents(offsets, data, character_table(), characters, ends, out)
    return strings_from(ends, out[: ends[-1]])


@kernel
def write_code_point(out, place, code):
    """Write `code` as UTF-8: where it ends."""
    if code < np.uint64(0x80):
        out[place] = np.uint8(code)
        return place + 1
    size = 2 if code < np.uint64(0x800) else 3 if code < np.uint64(0x10000) else 4
    for k in range(size - 1, 0, -1):
        out[place + k] = np.uint8(np.uint64(0x80) | code & np.uint64(0x3F))
        code >>= np.uint64(6)
    out[place] = np.uint8(np.uint64(0xF00 >> size & 0xFF) | code)
    return place + size


@kernel
def normalise_text(data, i, end, table, characters, out, place):
    """Write data[i:end] normalised to out[place:]: where it ends."""
    start, gap, lone = place, False, False
    while i < end:
        code, taken = code_point(text_at(data, i, end))
        i += taken
        kind = table[code] >> np.uint32(24)
        if kind == IGNORED:
            continue
        if not characters and (kind == LONE or (lone and kind == LETTER)):
            gap = True
        if kind == SEPARATOR:
            gap = True
        else:
            if gap and place > start:
                out[place] = np.uint8(32)
                place += 1
            lone = kind == LONE or (kind == MARK and lone and not gap)
            place, gap = write_code_point(out, place, np.uint64(table[code] & np.uint32(0xFFFFFF))), False
    return place


@kernel
def normalise_documents(offsets, data, table, characters, ends, out):
    """Normalise every text into `out`; ends[doc + 1] is where it ends."""
    for document in range(offsets.size - 1):
        i, end = np.uint64(offsets[document]), np.uint64(offsets[document + 1])
        ends[document + 1] = normalise_text(data, i, end, table, characters, out, ends[document])
