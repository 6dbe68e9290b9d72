"""Counts over the lines, paragraphs and characters of a text as datamap-rs defines them.

Four definitions of a piece are in use there: rows, the pieces of a split at line feeds, or those of them that are not
empty; lines, which end at a line feed or at a carriage return and line feed, with no empty one at the end; and blocks,
the pieces of a split at two line feeds that are not empty. Pieces that occur more than once count with all their copies.
"""

from __future__ import annotations

import numpy as np

from rules.families.row_copies import LINE_FEED, copy_scratch, forget_copies, full_rows_in, new_copies
from rules.measures.line_counts import first_visible
from rules.text.characters import CJK, LETTER
from rules.text.decode import character_at, eight_at, equal_bytes, every_byte
from rules.text.hash_sets import bytes_hash, slot_bits
from rules.text.kernels import inlined, int64, kernel, unowned
from rules.text.line_breaks import next_line_feed

DATAMAP_TEXT_COUNTS = {
    "datamap_bullet_rows": "rows that start with ●, •, * or -",
    "datamap_lines": "lines, empty ones too",
    "datamap_full_lines": "lines that are not empty",
    "datamap_ellipsis_lines": "lines that end in ..., . . . or …",
    "datamap_full_rows": "rows that are not empty",
    "datamap_repeated_rows": "rows, not empty, that occur more than once, all copies",
    "datamap_repeated_row_bytes": "bytes of rows that occur more than once, all copies",
    "datamap_blocks": "blocks",
    "datamap_block_bytes": "bytes of blocks",
    "datamap_repeated_blocks": "blocks that occur more than once, all copies",
    "datamap_repeated_block_bytes": "bytes of blocks that occur more than once, all copies",
    "datamap_paragraphs": "blocks with a visible character; at least one, but none in an empty text",
    "datamap_sentences": "the characters . ! and ?; at least one, but none in an empty text",
    "datamap_spaced_ellipses": "three full stops with single spaces between, without overlap",
    "datamap_alnum_chars": "letters, digits and other numbers (str.isalnum)",
}
(
    BULLET_ROWS, LINES, FULL_LINES, ELLIPSIS_LINES, FULL_ROWS, REPEATED_ROWS, REPEATED_ROW_BYTES, BLOCKS, BLOCK_BYTES,
    REPEATED_BLOCKS, REPEATED_BLOCK_BYTES, PARAGRAPHS, SENTENCES, SPACED_ELLIPSES, ALNUM_CHARS,
) = range(len(DATAMAP_TEXT_COUNTS))  # fmt: skip

RETURN, SPACE, FULL_STOP, EXCLAMATION_MARK, QUESTION_MARK = (ord(mark) for mark in "\r .!?")
ASTERISK, HYPHEN, BULLET, BLACK_CIRCLE = ord("*"), ord("-"), ord("•"), ord("●")
DOTS, SPACED_DOTS, ELLIPSIS = (np.frombuffer(mark.encode(), np.uint8) for mark in ("...", ". . .", "…"))
FULL_STOPS = every_byte(FULL_STOP)


@kernel
def count_datamap_text(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` (int64 [docs, DATAMAP_TEXT_COUNTS])."""
    keys, copies = copy_scratch(1024)
    for d in range(offsets.size - 1):
        begin, end = offsets[d], offsets[d + 1]
        rows = full_rows_in(data, begin, end) + 1  # there may be one block more than such rows, a line feed at the end
        if 1 << slot_bits(rows) > keys.size:
            keys, copies = copy_scratch(2 * rows)
        count_document(data, begin, end, classes, rows, keys, copies, out[d])


@kernel
def count_document(
    data: np.ndarray, begin: int, end: int, classes: np.ndarray, rows: int, keys: np.ndarray, copies: np.ndarray,
    out: np.ndarray,
) -> None:
    """Fill `out` (int64 [DATAMAP_TEXT_COUNTS]) for the text data[begin:end], with room for `rows` pieces."""
    data, classes, keys, copies, out = unowned(data), unowned(classes), unowned(keys), unowned(copies), unowned(out)
    out[:] = 0
    if begin < end:
        bits = slot_bits(rows)
        count_rows(data, begin, end, bits, keys, copies, out)
        count_blocks(data, begin, end, classes, bits, keys, copies, out)
        count_characters(data, begin, end, classes, out)
        out[SPACED_ELLIPSES] = spaced_ellipses(data, begin, end)


# ---- rows and lines


@inlined
def count_rows(data: np.ndarray, begin: int, end: int, bits: int, keys: np.ndarray, copies: np.ndarray, out: np.ndarray) -> None:
    """Count the rows and lines of a text, not empty."""
    forget_copies(keys, copies, bits)
    row, feed = begin, 1
    while feed:
        stop, feed = next_line_feed(data, row, end)
        if row < stop:
            measure_row(data, row, stop, bits, keys, copies, out)
        if feed or row < stop:
            is_cut = feed and row < stop and data[np.uint64(stop - 1)] == RETURN
            measure_line(data, row, stop - int64(is_cut), out)
        row = stop + 1


@inlined
def measure_row(data: np.ndarray, i: int, end: int, bits: int, keys: np.ndarray, copies: np.ndarray, out: np.ndarray) -> None:
    """Count a row, not empty."""
    first, _ = character_at(data, i, end)
    out[FULL_ROWS] += 1
    out[BULLET_ROWS] += int64(first == ASTERISK or first == HYPHEN or first == BULLET or first == BLACK_CIRCLE)
    added = new_copies(keys, copies, bits, bytes_hash(data, i, end))
    out[REPEATED_ROWS] += added
    out[REPEATED_ROW_BYTES] += added * (end - i)


@inlined
def measure_line(data: np.ndarray, i: int, end: int, out: np.ndarray) -> None:
    """Count a line, which may be empty."""
    out[LINES] += 1
    out[FULL_LINES] += int64(i < end)
    is_cut_off = ends_with(data, i, end, DOTS) or ends_with(data, i, end, SPACED_DOTS) or ends_with(data, i, end, ELLIPSIS)
    out[ELLIPSIS_LINES] += int64(is_cut_off)


@inlined
def ends_with(data: np.ndarray, i: int, end: int, ending: np.ndarray) -> bool:
    """Does data[i:end] end with the bytes `ending`?"""
    same = end - i >= ending.size
    k = 1
    while same and k <= ending.size:
        same = data[np.uint64(end - k)] == ending[ending.size - k]
        k += 1
    return same


# ---- blocks


@inlined
def count_blocks(
    data: np.ndarray, begin: int, end: int, classes: np.ndarray, bits: int, keys: np.ndarray, copies: np.ndarray,
    out: np.ndarray,
) -> None:
    """Count the pieces of a split at two line feeds, from left to right."""
    forget_copies(keys, copies, bits)
    block = i = begin
    while i < end:
        i, _ = next_line_feed(data, i, end)
        if i + 1 < end and data[np.uint64(i + 1)] == LINE_FEED:
            measure_block(data, block, i, classes, bits, keys, copies, out)
            block = i + 2
            i += 1
        i += 1
    measure_block(data, block, end, classes, bits, keys, copies, out)
    out[PARAGRAPHS] = max(out[PARAGRAPHS], 1)


@inlined
def measure_block(
    data: np.ndarray, i: int, end: int, classes: np.ndarray, bits: int, keys: np.ndarray, copies: np.ndarray,
    out: np.ndarray,
) -> None:
    """Count a block unless it is empty."""
    if i < end:
        out[BLOCKS] += 1
        out[BLOCK_BYTES] += end - i
        out[PARAGRAPHS] += int64(first_visible(data, i, end, classes) < end)
        added = new_copies(keys, copies, bits, bytes_hash(data, i, end))
        out[REPEATED_BLOCKS] += added
        out[REPEATED_BLOCK_BYTES] += added * (end - i)


# ---- characters


@inlined
def count_characters(data: np.ndarray, i: int, end: int, classes: np.ndarray, out: np.ndarray) -> None:
    """Count sentence marks, and letters and digits."""
    marks = alnum = 0
    while i < end:
        code, size = character_at(data, i, end)
        alnum += int64(classes[np.uint64(code)] & (LETTER | CJK) != 0)
        marks += int64(code == FULL_STOP or code == EXCLAMATION_MARK or code == QUESTION_MARK)
        i += size
    out[ALNUM_CHARS] = alnum
    out[SENTENCES] = max(marks, 1)


@inlined
def spaced_ellipses(data: np.ndarray, i: int, end: int) -> int:
    """How often `. . .` occurs in data[i:end], from left to right without overlap."""
    found = 0
    while i < end:
        if not equal_bytes(eight_at(data, i, end), FULL_STOPS):
            i += 8
        elif ends_with(data, i, min(i + SPACED_DOTS.size, end), SPACED_DOTS):
            found += 1
            i += SPACED_DOTS.size
        else:
            i += 1
    return found
