"""Counts over the lines and the phrases of a text as dolma's taggers define them.

A line of dolma's is a row, a piece of str.split("\\n"), or, to its second gopher tagger, a line run, a piece of
re.split("\\n+", text). A line that occurs more than once counts with all its copies, where others leave out the first.
"""

from __future__ import annotations

import numpy as np

from rules.families.row_copies import LINE_FEED, copy_scratch, forget_copies, full_rows_in, new_copies
from rules.measures.line_counts import first_visible, visible_end
from rules.text.decode import (
    CASE_BITS,
    bytes_before,
    character_before,
    characters_in,
    eight_at,
    equal_bytes,
    every_byte,
)
from rules.text.hash_sets import bytes_hash, slot_bits
from rules.text.kernels import inlined, int64, kernel, unowned
from rules.text.line_breaks import next_line_feed

DOLMA_TEXT_COUNTS = {
    "dolma_bullet_rows": "rows that start with * or -",
    "dolma_ellipsis_rows": "rows that end with …",
    "dolma_open_rows": 'rows whose last visible character, if any, is none of . ? ! "',
    "dolma_repeated_rows": "rows that occur more than once, all copies, empty ones too",
    "dolma_repeated_line_runs": "line runs that occur more than once, all copies",
    "dolma_repeated_row_chars": "characters of rows that occur more than once, all copies",
    "dolma_javascripts": "occurrences of javascript, in any case",
    "dolma_lorem_ipsums": "occurrences of lorem ipsum, in any case",
    "dolma_stripped_chars": "characters without white space at either end",
}
(
    BULLET_ROWS, ELLIPSIS_ROWS, OPEN_ROWS, REPEATED_ROWS, REPEATED_LINE_RUNS, REPEATED_ROW_CHARS, JAVASCRIPTS,
    LOREM_IPSUMS, STRIPPED_CHARS,
) = range(len(DOLMA_TEXT_COUNTS))  # fmt: skip

ASTERISK, HYPHEN, ELLIPSIS = ord("*"), ord("-"), ord("…")
FULL_STOP, QUESTION_MARK, EXCLAMATION_MARK, QUOTE = ord("."), ord("?"), ord("!"), ord('"')
LETTERS_P = every_byte(ord("p"))
JAVASCRIPT = np.frombuffer(b"javascript", np.uint8)
LOREM_IPSUM = np.frombuffer(b"lorem ipsum", np.uint8)
JAVASCRIPT_P, LOREM_IPSUM_P = b"javascript".index(b"p"), b"lorem ipsum".index(b"p")  # the rarest letter of either


@kernel
def count_dolma_text(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` (int64 [docs, DOLMA_TEXT_COUNTS])."""
    keys, copies = copy_scratch(1024)
    for d in range(offsets.size - 1):
        begin, end = offsets[d], offsets[d + 1]
        rows = full_rows_in(data, begin, end)
        if 1 << slot_bits(rows) > keys.size:
            keys, copies = copy_scratch(2 * rows)
        count_document(data, begin, end, classes, rows, keys, copies, out[d])


@kernel
def count_document(
    data: np.ndarray, begin: int, end: int, classes: np.ndarray, rows: int, keys: np.ndarray, copies: np.ndarray,
    out: np.ndarray,
) -> None:
    """Fill `out` (int64 [DOLMA_TEXT_COUNTS]) for the text data[begin:end], in which `rows` rows are not empty."""
    data, classes, keys, copies, out = unowned(data), unowned(classes), unowned(keys), unowned(copies), unowned(out)
    out[:] = 0
    if begin < end:
        count_rows(data, begin, end, classes, slot_bits(rows), keys, copies, out)
        count_phrases(data, begin, end, out)
        first = first_visible(data, begin, end, classes)
        out[STRIPPED_CHARS] = characters_in(data, first, visible_end(data, first, end, classes))


# ---- rows


@inlined
def count_rows(
    data: np.ndarray, begin: int, end: int, classes: np.ndarray, bits: int, keys: np.ndarray, copies: np.ndarray,
    out: np.ndarray,
) -> None:
    """Count the rows of a text, not empty."""
    forget_copies(keys, copies, bits)
    row, empty, feed = begin, 0, 1
    while feed:
        stop, feed = next_line_feed(data, row, end)
        empty += int64(row == stop)
        out[OPEN_ROWS] += int64(row == stop or not is_closed(data, row, stop, classes))
        if row < stop:
            measure_row(data, row, stop, bits, keys, copies, out)
        row = stop + 1
    edges = data[np.uint64(begin)] == LINE_FEED and data[np.uint64(end - 1)] == LINE_FEED
    out[REPEATED_LINE_RUNS] = out[REPEATED_ROWS] + 2 * int64(edges)  # an empty piece at either end
    out[REPEATED_ROWS] += empty if empty > 1 else 0


@inlined
def measure_row(data: np.ndarray, i: int, end: int, bits: int, keys: np.ndarray, copies: np.ndarray, out: np.ndarray) -> None:
    """Count a row, not empty."""
    first, (last, _) = data[np.uint64(i)], character_before(data, i, end)
    out[BULLET_ROWS] += int64(first == ASTERISK or first == HYPHEN)
    out[ELLIPSIS_ROWS] += int64(last == ELLIPSIS)
    added = new_copies(keys, copies, bits, bytes_hash(data, i, end))
    if added:
        out[REPEATED_ROWS] += added
        out[REPEATED_ROW_CHARS] += added * characters_in(data, i, end)


@inlined
def is_closed(data: np.ndarray, i: int, end: int, classes: np.ndarray) -> bool:
    """Does data[i:end], not empty, end in . ? ! or a straight double quote, white space aside?"""
    stop = visible_end(data, i, end, classes)
    last = data[np.uint64(max(stop - 1, i))]
    return i < stop and (last == FULL_STOP or last == QUESTION_MARK or last == EXCLAMATION_MARK or last == QUOTE)


# ---- phrases


@inlined
def count_phrases(data: np.ndarray, begin: int, end: int, out: np.ndarray) -> None:
    """Count javascript and lorem ipsum, in any case: look at every p, which both have once, with an i before it."""
    i = begin
    while i < end:
        marks = equal_bytes(eight_at(data, i, end) | CASE_BITS, LETTERS_P)
        i += bytes_before(marks) if marks else 8
        if marks and i < end:
            out[JAVASCRIPTS] += int64(stands_at(data, begin, i - JAVASCRIPT_P, end, JAVASCRIPT))
            out[LOREM_IPSUMS] += int64(stands_at(data, begin, i - LOREM_IPSUM_P, end, LOREM_IPSUM))
            i += 1


@inlined
def stands_at(data: np.ndarray, begin: int, i: int, end: int, phrase: np.ndarray) -> bool:
    """Is data[i:] in data[begin:end] the ASCII `phrase` of small letters and spaces, in any case?"""
    same = begin <= i and i + phrase.size <= end
    k = 0
    while same and k < phrase.size:
        byte = data[np.uint64(i + k)]
        same = byte == phrase[k] or (phrase[k] >= 97 and byte | 32 == phrase[k])
        k += 1
    return same
