"""Counts over the lines and paragraphs of a text: one kernel.

Three definitions of a line are in use, and each count says which it takes:
    lines      str.splitlines(): ends at any line break that Unicode knows
    rows       str.split("\\n"): ends at line feeds alone
    line runs  re.split("\\n+", text): rows that are not empty, and an empty one at either end of the text if it starts
               or ends with a line feed
A paragraph is a piece of re.split(r"\\n{2,}", text.strip()). Duplicates are found by 64-bit hashes; that of a paragraph
is made of those of its rows, so each byte is hashed once. Takes about 1 ns a byte where lines have 50,
and 16 bytes of memory a row.
"""

from __future__ import annotations

import numpy as np

from rules.text.byte_counts import chars_in
from rules.text.characters import CLOSING, TERMINAL, WHITE
from rules.text.decode import character_at, character_before
from rules.text.hash_sets import SEED, absorb, bytes_hash, find_slot, slot_bits
from rules.text.kernels import Scratch, inlined, int64, kernel, unowned
from rules.text.line_breaks import next_break
from rules.text.masks import (
    BLOCK,
    NONE,
    between_mask,
    block_at,
    equal_mask,
    lowest_one,
    may_be_wide_white,
    ones_in,
    without_lowest,
)

LINE_COUNTS = {
    "lines": "lines (str.splitlines)",
    "bullet_lines": "lines whose first visible character is • or -",
    "ellipsis_lines": "lines whose last visible characters are ... or …",
    "open_lines": "lines with visible characters that do not end in a sentence mark (closing marks may follow it)",
    "rows": 'pieces of str.split("\\n"); none in an empty text',
    "row_ends": "rows that end in one of . ' \" ! ?",
    "short_rows": "rows of at most 30 characters",
    "visible_rows": "rows with a visible character",
    "visible_row_ends": "visible rows whose last character is a sentence mark of any script",
    "short_visible_rows": "visible rows of at most 30 characters",
    "dup_visible_row_chars": "characters of visible rows seen before",
    "line_runs": 'pieces of re.split("\\n+", text); none in an empty text',
    "dup_line_runs": "line runs seen before",
    "dup_line_run_chars": "characters of line runs seen before",
    "paragraphs": 'pieces of re.split(r"\\n{2,}", text.strip()); none in an empty text',
    "dup_paragraphs": "paragraphs seen before",
    "dup_paragraph_chars": "characters of paragraphs seen before",
}
(
    LINES, BULLET_LINES, ELLIPSIS_LINES, OPEN_LINES, ROWS, ROW_ENDS, SHORT_ROWS, VISIBLE_ROWS, VISIBLE_ROW_ENDS,
    SHORT_VISIBLE_ROWS, DUP_VISIBLE_ROW_CHARS, LINE_RUNS, DUP_LINE_RUNS, DUP_LINE_RUN_CHARS, PARAGRAPHS, DUP_PARAGRAPHS,
    DUP_PARAGRAPH_CHARS,
) = range(len(LINE_COUNTS))  # fmt: skip

SHORT_CHARS = 30  # FineWeb's short line
LINE_FEED, FULL_STOP, HYPHEN, BULLET, ELLIPSIS = ord("\n"), ord("."), ord("-"), ord("•"), ord("…")


@kernel
def count_lines(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` (int64 [docs, LINE_COUNTS])."""
    starts, ends, hashes, keys = row_scratch(1024)
    for d in range(offsets.size - 1):
        begin, end = offsets[d], offsets[d + 1]
        feeds, others = breaks_in(data, begin, end)
        if feeds >= hashes.size:
            starts, ends, hashes, keys = row_scratch(2 * feeds + 2)
        count_document(data, begin, end, others, classes, starts, ends, hashes, keys, out[d])


@kernel
def count_document(
    data: np.ndarray, begin: int, end: int, others: bool, classes: np.ndarray, starts: np.ndarray, ends: np.ndarray,
    hashes: np.ndarray, keys: np.ndarray, out: np.ndarray,
) -> None:
    """Fill `out` (int64 [LINE_COUNTS]) for the text data[begin:end]; `others`: has it line breaks other than line feeds?"""
    data, classes, out, starts, ends = unowned(data), unowned(classes), unowned(out), unowned(starts), unowned(ends)
    hashes, keys = unowned(hashes), unowned(keys)
    out[:] = 0
    if begin < end:
        if others:
            rows = measure_lines(data, begin, end, classes, starts, ends, out)
        else:
            rows = measure_rows(data, begin, end, classes, starts, ends, out)
        count_line_runs(data, begin, end, classes, starts, ends, hashes, rows, keys, out)
        first, last = first_visible(data, begin, end, classes), visible_end(data, begin, end, classes)
        if are_unique(begin, first, last, starts, ends, rows, out):
            out[PARAGRAPHS] = max(paragraphs_between(starts, ends, rows), 1)
        else:
            count_paragraphs(data, begin, first, last, starts, ends, hashes, rows, keys, out)


@kernel
def row_scratch(rows: int) -> Scratch:
    """Room for `rows` rows: starts and ends within their document (uint32), hashes, a set of hashes."""
    starts, ends = np.empty(rows, np.uint32), np.empty(rows, np.uint32)
    return starts, ends, np.empty(rows, np.uint64), np.empty(1 << slot_bits(rows), np.uint64)


@kernel
def breaks_in(data: np.ndarray, i: int, end: int) -> tuple[int, bool]:
    """How many line feeds data[i:end] holds, and whether it has other line breaks."""
    data, feeds, others = unowned(data), 0, NONE
    while i < end:
        block = block_at(data, i, end)
        feeds += ones_in(equal_mask(block, LINE_FEED))
        others |= between_mask(block, 11, 13) | between_mask(block, 28, 30)
        if may_be_wide_white(block):
            second, third = block_at(data, i + 1, end), block_at(data, i + 2, end)
            others |= equal_mask(block, 0xC2) & equal_mask(second, 0x85)
            others |= equal_mask(block, 0xE2) & equal_mask(second, 0x80) & between_mask(third, 0xA8, 0xA9)
        i += BLOCK
    return feeds, others != NONE


# ---- lines and rows


@inlined
def measure_rows(data: np.ndarray, begin: int, end: int, classes: np.ndarray, starts: np.ndarray, ends: np.ndarray, out: np.ndarray) -> int:
    """As `measure_lines` where only line feeds divide lines: they are the rows."""
    row, rows, i = begin, 0, begin
    while i < end:
        feeds = equal_mask(block_at(data, i, end), LINE_FEED)
        while feeds:
            following = i + lowest_one(feeds)
            rows += measure_whole_row(data, row, following, begin, classes, starts, ends, rows, out)
            row, feeds = following + 1, without_lowest(feeds)
        i += BLOCK
    rows += measure_whole_row(data, row, end, begin, classes, starts, ends, rows, out)
    out[LINES] = out[ROWS] - int64(row == end)  # there is no empty last line
    return rows


@inlined
def measure_whole_row(
    data: np.ndarray, i: int, end: int, begin: int, classes: np.ndarray, starts: np.ndarray, ends: np.ndarray,
    rows: int, out: np.ndarray,
) -> int:
    """Count data[i:end] as a line and as a row, which becomes number `rows` of the lists unless it is empty: 1 or 0."""
    visible = i < end and measure_line(data, i, end, classes, out)
    measure_row(data, i, end, visible, classes, out)
    starts[rows], ends[rows] = i - begin, end - begin
    return int64(i < end)


@inlined
def measure_lines(
    data: np.ndarray, begin: int, end: int, classes: np.ndarray, starts: np.ndarray, ends: np.ndarray, out: np.ndarray,
) -> int:
    """Count the lines and rows of a document by what they look like; list the rows that are not empty: how many."""
    line = row = begin
    rows, size, visible = 0, 1, False
    while size > 0:
        i, size = next_break(data, line, end)
        if line < i:
            visible |= measure_line(data, line, i, classes, out)
        out[LINES] += int64(size > 0 or line < i)  # there is no empty last line
        line = i + size
        if size == 0 or data[np.uint64(line - 1)] == LINE_FEED:
            row_end = end if size == 0 else line - 1
            measure_row(data, row, row_end, visible, classes, out)
            starts[rows], ends[rows] = row - begin, row_end - begin
            rows += int64(row < row_end)
            row, visible = line, False
    return rows


@inlined
def measure_line(data: np.ndarray, i: int, end: int, classes: np.ndarray, out: np.ndarray) -> bool:
    """Count a line, not empty, for Gopher's rules and for sentences: has it visible characters?"""
    i = first_visible(data, i, end, classes)
    if i < end:
        end = visible_end(data, i, end, classes)
        first, _ = character_at(data, i, end)
        last, _ = character_before(data, i, end)
        dots = last == FULL_STOP and end - i >= 3
        dots = dots and data[np.uint64(end - 2)] == FULL_STOP and data[np.uint64(end - 3)] == FULL_STOP
        out[BULLET_LINES] += int64(first == BULLET or first == HYPHEN)
        out[ELLIPSIS_LINES] += int64(last == ELLIPSIS or dots)
        out[OPEN_LINES] += int64(not ends_in_mark(data, i, end, classes))
    return i < end


@inlined
def measure_row(data: np.ndarray, i: int, end: int, visible: bool, classes: np.ndarray, out: np.ndarray) -> None:
    """Count a row, for FineWeb's rules."""
    is_short = end - i <= SHORT_CHARS or (end - i <= 4 * SHORT_CHARS and chars_in(data, i, end) <= SHORT_CHARS)
    out[ROWS] += 1
    out[SHORT_ROWS] += int64(is_short)
    if i < end:
        code, _ = character_before(data, i, end)
        out[ROW_ENDS] += int64(code == 46 or code == 39 or code == 34 or code == 33 or code == 63)
        out[VISIBLE_ROWS] += int64(visible)
        out[SHORT_VISIBLE_ROWS] += int64(visible and is_short)
        out[VISIBLE_ROW_ENDS] += int64(visible and classes[np.uint64(code)] & TERMINAL != 0)


@inlined
def first_visible(data: np.ndarray, i: int, end: int, classes: np.ndarray) -> int:
    """Where the first character of data[i:end] that is not white starts, or `end`."""
    size = 1
    while i < end and size > 0:
        code, size = character_at(data, i, end)
        if not classes[np.uint64(code)] & WHITE:
            size = 0
        i += size
    return i


@inlined
def visible_end(data: np.ndarray, i: int, end: int, classes: np.ndarray) -> int:
    """Where the last character of data[i:end] that is not white ends, or i."""
    size = 1
    while i < end and size > 0:
        code, size = character_before(data, i, end)
        if not classes[np.uint64(code)] & WHITE:
            size = 0
        end -= size
    return end


@inlined
def ends_in_mark(data: np.ndarray, i: int, end: int, classes: np.ndarray) -> bool:
    """Is the last character of data[i:end] but for closing marks a sentence mark?"""
    flags = CLOSING
    while i < end and flags & CLOSING:
        code, size = character_before(data, i, end)
        flags = int64(classes[np.uint64(code)])
        end -= size
    return flags & TERMINAL != 0


# ---- duplicates


@inlined
def count_line_runs(
    data: np.ndarray, begin: int, end: int, classes: np.ndarray, starts: np.ndarray, ends: np.ndarray,
    hashes: np.ndarray, rows: int, keys: np.ndarray, out: np.ndarray,
) -> None:
    """Count line runs and those seen before; leaves the hashes of the rows."""
    bits, runs, chars, visible_chars = slot_bits(rows), 0, 0, 0
    keys[: 1 << bits] = 0
    for k in range(rows):
        first, last = begin + int64(starts[k]), begin + int64(ends[k])
        hashes[k] = bytes_hash(data, first, last)
        _, found = find_slot(keys, bits, hashes[k])
        if found:
            size = chars_in(data, first, last)
            runs += 1
            chars += size
            if first_visible(data, first, last, classes) < last:
                visible_chars += size
    opening, closing = data[np.uint64(begin)] == LINE_FEED, data[np.uint64(end - 1)] == LINE_FEED
    out[LINE_RUNS] = rows + int64(opening) + int64(closing)
    out[DUP_LINE_RUNS] = runs + int64(opening and closing)  # the second empty piece repeats the first
    out[DUP_LINE_RUN_CHARS] = chars
    out[DUP_VISIBLE_ROW_CHARS] = visible_chars


@inlined
def are_unique(begin: int, first: int, last: int, starts: np.ndarray, ends: np.ndarray, rows: int, out: np.ndarray) -> bool:
    """Can no paragraph of data[first:last] repeat another, because no row does and none loses white space at the ends of the
    text?"""
    if out[DUP_LINE_RUNS] > 0 or rows == 0:
        return rows == 0
    return begin + int64(starts[0]) >= first and begin + int64(ends[np.uint64(rows - 1)]) <= last


@inlined
def paragraphs_between(starts: np.ndarray, ends: np.ndarray, rows: int) -> int:
    """How many paragraphs there are of whole rows, of which those that one line feed divides belong together."""
    paragraphs = int64(rows > 0)
    for k in range(1, rows):
        paragraphs += int64(starts[np.uint64(k)] - ends[np.uint64(k - 1)] > 1)
    return paragraphs


@inlined
def count_paragraphs(
    data: np.ndarray, begin: int, first: int, last: int, starts: np.ndarray, ends: np.ndarray,
    hashes: np.ndarray, rows: int, keys: np.ndarray, out: np.ndarray,
) -> None:
    """Count paragraphs of the text at `begin`, visible in data[first:last], and those seen before. Rows that one line feed
    divides belong to one paragraph."""
    bits, paragraphs, duplicates, chars = slot_bits(rows), 0, 0, 0
    keys[: 1 << bits] = 0
    state, start = SEED, first
    for k in range(rows):
        i, stop = max(begin + int64(starts[k]), first), min(begin + int64(ends[k]), last)
        if i < stop:  # not a white row before or after all that is visible
            whole = stop - i == int64(ends[k]) - int64(starts[k])
            state = absorb(state, hashes[k] if whole else bytes_hash(data, i, stop))
            following = begin + int64(starts[k + 1]) if k + 1 < rows else last
            if stop == last or following - stop > 1:
                paragraphs += 1
                _, found = find_slot(keys, bits, state)
                if found:
                    duplicates += 1
                    chars += chars_in(data, start, stop)
                state, start = SEED, following
    out[PARAGRAPHS] = max(paragraphs, 1)
    out[DUP_PARAGRAPHS] = duplicates
    out[DUP_PARAGRAPH_CHARS] = chars
