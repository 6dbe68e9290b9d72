"""Documents as pieces of at most one sequence: framed by begin and end tokens, cut on whole characters.

A document that fits stays whole. A longer one is cut after every `capacity` tokens, a few earlier where that place is
inside a character or would leave the end token alone. Which characters and bytes a piece holds is summed from the
bytes of its tokens: in byte-level BPE without a normaliser they are the text. For other tokenizers, and wherever the
sums do not add up to the text, the places that `tokenizers` reports are used, and only documents that are cut need them.

Kernels only find the cuts; everything else is arithmetic on columns: 40 M tokens a second in all.
"""

from __future__ import annotations

import json
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tokenizers import Tokenizer

from curation.byte_pairs import byte_values
from curation.tokenizer import encode_with_spans
from rules.text.buffers import string_buffers
from rules.text.kernels import kernel

CONTINUATION_MASK, CONTINUATION = 0xC0, 0x80  # 10xxxxxx


class TokenBytes(NamedTuple):
    """By token id: does it begin with a whole character (bool), characters begun in it and bytes (int32)."""

    starts_character: np.ndarray
    characters: np.ndarray
    bytes: np.ndarray


class Measured(NamedTuple):
    """Of each token: does a character start there (bool [t]); characters and bytes before it (int64 [t + 1])."""

    starts_character: np.ndarray
    characters: np.ndarray
    bytes: np.ndarray


class Pieces(NamedTuple):
    """Columns of pieces, int64: tokens first .. stop of `document`, which is a row number."""

    document: np.ndarray
    first: np.ndarray
    stop: np.ndarray
    part: np.ndarray
    parts: np.ndarray
    char_start: np.ndarray
    char_end: np.ndarray
    text_bytes: np.ndarray


# ---- the bytes of tokens


def token_bytes(tokenizer: Tokenizer, vocab_size: int) -> TokenBytes | None:
    """The bytes behind every token; None for a tokenizer whose tokens are not simply the bytes of the text."""
    record = json.loads(tokenizer.to_str())
    decoder = record["decoder"] or {}
    if record["normalizer"] is not None or record["model"]["type"] != "BPE" or decoder.get("type") != "ByteLevel":
        return None
    values = byte_values()
    spelled = [np.zeros(0, np.uint8)] * vocab_size
    for token, number in record["model"]["vocab"].items():
        if set(token) <= values.keys():
            spelled[number] = np.array([values[char] for char in token], np.uint8)
    for added in record["added_tokens"]:
        text = b"" if added["special"] else added["content"].encode()
        spelled[added["id"]] = np.frombuffer(text, np.uint8)
    leads = [(token & CONTINUATION_MASK) != CONTINUATION for token in spelled]
    starts = np.array([bool(lead[0]) if len(lead) else True for lead in leads])
    characters = np.array([lead.sum() for lead in leads], np.int32)
    return TokenBytes(starts, characters, np.array([len(lead) for lead in leads], np.int32))


# ---- framing and measuring


def frame(offsets: np.ndarray, tokens: np.ndarray, bos_id: int, eos_id: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """begin + text + end for every document that has tokens: new offsets (int64 [docs + 1]) and tokens (`dtype`)."""
    lengths = np.diff(offsets)
    framed_offsets = np.concatenate([[0], np.cumsum(lengths + 2 * (lengths > 0))])
    framed = np.empty(framed_offsets[-1], dtype)
    _frame(offsets, tokens, bos_id, eos_id, framed_offsets, framed)
    return framed_offsets, framed


def measure(
    tokenizer: Tokenizer, table: TokenBytes | None, texts: pa.LargeStringArray, offsets: np.ndarray,
    tokens: np.ndarray, capacity: int,
) -> Measured:  # fmt: skip
    """Characters and bytes before every framed token, exact at every place where a document may be cut."""
    document_bytes = pc.binary_length(texts).to_numpy(zero_copy_only=False)
    if table is None:
        starts = np.ones(len(tokens), np.bool_)
        characters, sizes = np.zeros(len(tokens), np.int32), np.zeros(len(tokens), np.int32)
        wrong = np.flatnonzero(np.diff(offsets))
    else:
        starts, characters, sizes = (column[tokens] for column in table)
        wrong = np.flatnonzero((np.diff(sums(sizes)[offsets]) != document_bytes) & (np.diff(offsets) > 0))
    document_characters = pc.utf8_length(texts).to_numpy(zero_copy_only=False)
    for document in wrong:
        place = slice(offsets[document], offsets[document + 1])
        if place.stop - place.start > capacity:
            starts[place], characters[place], sizes[place] = _measure_by_spans(tokenizer, texts[document].as_py())
        else:
            characters[place], sizes[place] = 0, 0
            characters[place.start], sizes[place.start] = document_characters[document], document_bytes[document]
    return Measured(starts, sums(characters), sums(sizes))


def _measure_by_spans(tokenizer: Tokenizer, text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """starts_character, characters and bytes of the framed tokens of one text, from where they start and end."""
    spans, _ = encode_with_spans(tokenizer, text)
    covered = np.concatenate([[0], np.maximum.accumulate(spans[:-1, 1])])
    starts = spans[:, 0] >= covered
    before = np.maximum.accumulate(np.concatenate([[0, 0], spans[1:, 0], [len(text), len(text)]]))
    _, data = string_buffers(pa.array([text], pa.large_string()))
    byte_of_character = np.append(np.flatnonzero((data & CONTINUATION_MASK) != CONTINUATION), len(data))
    return np.concatenate([[True], starts, [True]]), np.diff(before), np.diff(byte_of_character[before])


def sums(values: np.ndarray) -> np.ndarray:
    """What comes before each value, and the total (int64 [n + 1])."""
    return np.concatenate([[0], np.cumsum(values, dtype=np.int64)])


# ---- cutting


def cut_documents(offsets: np.ndarray, measured: Measured, capacity: int) -> Pieces:
    """Every document in pieces of at most `capacity` tokens; `offsets`: int64 [docs + 1] into framed tokens."""
    count = _cut_documents(offsets, measured.starts_character, capacity, np.empty((0, 3), np.int64))
    cuts = np.empty((count, 3), np.int64)
    _cut_documents(offsets, measured.starts_character, capacity, cuts)
    return pieces_at(cuts, measured)


def pieces_at(cuts: np.ndarray, measured: Measured) -> Pieces:
    """The columns of pieces from (document, first, stop) rows in order; a document's pieces are neighbours."""
    document, first, stop = (np.ascontiguousarray(column) for column in cuts.T)
    begins = np.flatnonzero(np.diff(document, prepend=-1))
    parts = np.diff(begins, append=len(document))
    begin_of_piece = np.repeat(begins, parts)
    characters_before = measured.characters[first[begin_of_piece]]
    return Pieces(
        document, first, stop,
        np.arange(len(document)) - begin_of_piece, np.repeat(parts, parts),
        measured.characters[first] - characters_before, measured.characters[stop] - characters_before,
        measured.bytes[stop] - measured.bytes[first],
    )  # fmt: skip


# ---- kernels


@kernel
def _frame(offsets, tokens, bos_id, eos_id, framed_offsets, framed):
    for document in range(len(offsets) - 1):
        place, stop = framed_offsets[document], framed_offsets[document + 1]
        if place == stop:
            continue
        framed[place] = bos_id
        for i in range(offsets[document], offsets[document + 1]):
            place += 1
            framed[place] = tokens[i]
        framed[stop - 1] = eos_id


@kernel
def _cut_documents(offsets, starts_character, capacity, cuts):
    """Fill `cuts` as far as it reaches; returns how many there are."""
    count = 0
    for document in range(len(offsets) - 1):
        first, end = offsets[document], offsets[document + 1]
        while first < end:
            stop = _piece_stop(starts_character, first, end, capacity)
            if count < len(cuts):
                cuts[count, 0], cuts[count, 1], cuts[count, 2] = document, first, stop
            count += 1
            first = stop
    return count


@kernel
def _piece_stop(starts_character, first, end, capacity):
    """Where the piece from `first` ends; inside a character only if that is longer than a piece."""
    if end - first <= capacity:
        return end
    stop = first + capacity
    if stop == end - 1:
        stop -= 1  # the end token alone would be a piece that teaches nothing
    whole = whole_character_stop(starts_character, first, stop)
    return whole if whole > first else stop


@kernel
def whole_character_stop(starts_character, first, stop):
    """The last place up to `stop` where a character starts; `first` where there is none after it."""
    while stop > first and not starts_character[stop]:
        stop -= 1
    return stop


@kernel
def cut_for_rows(offsets, split, starts_character, capacity, open_rows, cuts, row_of_cut):
    """Concatenation: cut documents where a row ends, on whole characters; returns how many cuts there are.

    `split`: int64 [docs], the stream a document belongs to; `open_rows`: int64 [streams, 2], row number and room left
    in it, carried from call to call; `cuts` and `row_of_cut` are filled as far as they reach.
    """
    count = 0
    for document in range(len(offsets) - 1):
        stream = split[document]
        first, end = offsets[document], offsets[document + 1]
        while first < end:
            stop = min(end, first + open_rows[stream, 1])
            if stop < end:
                stop = whole_character_stop(starts_character, first, stop)
            if stop == first and open_rows[stream, 1] == capacity:
                stop = first + capacity
            if stop > first:
                if count < len(cuts):
                    cuts[count, 0], cuts[count, 1], cuts[count, 2] = document, first, stop
                    row_of_cut[count] = open_rows[stream, 0]
                count += 1
            open_rows[stream, 1] -= stop - first
            if stop < end or open_rows[stream, 1] == 0:
                open_rows[stream, 0] += 1
                open_rows[stream, 1] = capacity
            first = stop
    return count
