"""Counts over characters, lines and paragraphs, each by its published definition, from the bytes.

Three notions of a line are in use: str.splitlines (bullets, ellipses: Gopher quality), split at newlines without blank
lines (FineWeb), and split at runs of newlines (Gopher repetition). Lines and paragraphs are compared by 64-bit hashes.
About 4 ns a byte in all.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from rules.characters import TERMINAL
from rules.decode import bytes_before, character_before, count_characters, equal_bytes, every_byte, load_eight
from rules.hash_sets import EMPTY, bytes_hash, find_slot, slot_bits
from rules.line_breaks import (
    EIGHT_E2,
    NOTHING,
    is_visible_ascii,
    next_break,
    next_newline,
    skip_white,
    skip_white_back,
)

SHORT_LINE_CHARS = 30
BLOCK_BYTES = 128  # counts of a block fit a byte, so that the compiler counts 32 bytes at a time
EIGHT_STOPS = every_byte(46)

CHARACTER_COUNTS = {
    "chars": "characters (code points)",
    "bytes": "UTF-8 bytes",
    "newlines": "newline characters",
    "hash_signs": "number signs (#)",
    "curly_brackets": "opening curly brackets",
    "ellipses": "ellipses: three full stops in a row, without overlap, or U+2026",
}
SPLIT_LINE_COUNTS = {
    "lines": "lines of str.splitlines",
    "bullet_lines": "of these, lines that begin with - or U+2022 after white space",
    "ellipsis_lines": "of these, lines that end with ... or U+2026 before white space",
}
NEWLINE_COUNTS = {
    "filled_lines": "lines between newlines that are not blank",
    "ended_lines": "of these, lines whose last character is terminal punctuation",
    "short_lines": "of these, lines of at most 30 characters",
    "filled_dup_chars": "characters of these that occurred before",
    "line_pieces": 'pieces of re.split("\\n+")',
    "dup_lines": "of these, pieces that occurred before",
    "dup_line_chars": "characters of pieces that occurred before",
}
PARAGRAPH_COUNTS = {
    "paragraphs": 'pieces of re.split("\\n{2,}") of the stripped text',
    "dup_paragraphs": "of these, pieces that occurred before",
    "dup_paragraph_chars": "characters of pieces that occurred before",
}


@njit(nogil=True, cache=True)
def character_counts(data, i, end):
    """CHARACTER_COUNTS in order."""
    chars, newlines, hashes, curlies, dots, start = 0, 0, 0, 0, 0, i
    while i < end:
        stop = min(i + BLOCK_BYTES, end)
        chars += stop - i - count_in_block(data, i, stop, 0xC0, 0x80)
        newlines += count_in_block(data, i, stop, 0xFF, 10)
        hashes += count_in_block(data, i, stop, 0xFF, 35)
        curlies += count_in_block(data, i, stop, 0xFF, 123)
        dots += count_in_block(data, i, stop, 0xFF, 46) + count_in_block(data, i, stop, 0xFF, 0xA6)
        i = stop
    ellipses = count_ellipses(data, start, end) if dots else 0
    return chars, end - start, newlines, hashes, curlies, ellipses


@njit(nogil=True, cache=True, forceinline=True)
def count_in_block(data, i, stop, mask, byte):
    """How many bytes of a block are `byte` under `mask`."""
    found = np.uint8(0)
    for k in range(np.uint64(i), np.uint64(stop)):
        found = np.uint8(found + np.uint8((data[k] & np.uint8(mask)) == np.uint8(byte)))
    return np.int64(found)


@njit(nogil=True, cache=True)
def count_ellipses(data, i, end):
    """Three full stops without overlap, and U+2026 (E2 80 A6)."""
    found = 0
    while i + 2 < end:
        if end - i >= 8:
            eight = load_eight(data, i)
            marks = equal_bytes(eight, EIGHT_STOPS) | equal_bytes(eight, EIGHT_E2)
            if marks == NOTHING:
                i += 8
                continue
            i += bytes_before(marks)
            if i + 2 >= end:
                break
        first, second, third = data[i], data[i + 1], data[i + 2]
        ellipsis = (first == 46 and second == 46 and third == 46) or (first == 0xE2 and second == 0x80 and third == 0xA6)
        found += 1 if ellipsis else 0
        i += 3 if ellipsis else 1
    return found


@njit(nogil=True, cache=True, forceinline=True)
def begins_with_bullet(data, i, end, classes):
    """1 where the line, without white space before it, begins with - or U+2022."""
    if i < end and is_visible_ascii(data[np.uint64(i)]):
        return 1 if data[np.uint64(i)] == 45 else 0
    i = skip_white(data, i, end, classes)
    if i >= end:
        return 0
    bullet = i + 2 < end and data[i] == 0xE2 and data[i + 1] == 0x80 and data[i + 2] == 0xA2
    return 1 if data[i] == 45 or bullet else 0


@njit(nogil=True, cache=True, forceinline=True)
def ends_with_ellipsis(data, i, end, classes):
    """1 where the line, without white space after it, ends with ... or U+2026."""
    if i < end and data[np.uint64(end - 1)] != 46 and is_visible_ascii(data[np.uint64(end - 1)]):
        return 0
    end = skip_white_back(data, i, end, classes)
    if end - i < 3:
        return 0
    dots = data[end - 1] == 46 and data[end - 2] == 46 and data[end - 3] == 46
    return 1 if dots or (data[end - 1] == 0xA6 and data[end - 2] == 0x80 and data[end - 3] == 0xE2) else 0


@njit(nogil=True, cache=True)
def split_line_counts(data, i, end, classes):
    """SPLIT_LINE_COUNTS in order."""
    lines, bullets, ellipses = 0, 0, 0
    while i < end:
        stop, size = next_break(data, i, end)
        lines += 1
        bullets += begins_with_bullet(data, i, stop, classes)
        ellipses += ends_with_ellipsis(data, i, stop, classes)
        i = stop + size
    return lines, bullets, ellipses


@njit(nogil=True, cache=True)
def newline_counts(data, i, end, newlines, classes, seen):
    """NEWLINE_COUNTS in order, then SPLIT_LINE_COUNTS as they are where newlines are the only line breaks.

    `seen` (uint64) has room for a set of newlines + 1 hashes."""
    bits = slot_bits(newlines + 1)
    seen[: 1 << bits] = EMPTY
    filled, ended, short, filled_again_chars, pieces, again, again_chars = 0, 0, 0, 0, 0, 0, 0
    blank_ends, bullets, ellipses = 0, 0, 0
    lines = newlines + (1 if end > i and data[end - 1] != 10 else 0)
    if i == end or data[i] == 10:
        blank_ends += 1
    if end > i and data[end - 1] == 10:
        blank_ends += 1
    while i < end:
        stop = next_newline(data, i, end)
        if stop > i:
            pieces += 1
            _, repeated = find_slot(seen, bits, bytes_hash(data, i, stop))
            maybe_short = stop - i <= 4 * SHORT_LINE_CHARS
            chars = count_characters(data, i, stop) if repeated or maybe_short else SHORT_LINE_CHARS + 1
            bullets += begins_with_bullet(data, i, stop, classes)
            ellipses += ends_with_ellipsis(data, i, stop, classes)
            not_blank = is_visible_ascii(data[np.uint64(i)]) or skip_white(data, i, stop, classes) < stop
            if not_blank:
                filled += 1
                last = np.int64(data[np.uint64(stop - 1)])
                if last >= 128:
                    last, _ = character_before(data, i, stop)
                ended += 1 if classes[last] & TERMINAL else 0
                short += 1 if chars <= SHORT_LINE_CHARS else 0
            if repeated:
                again += 1
                again_chars += chars
                filled_again_chars += chars if not_blank else 0
        i = stop + 1
    if blank_ends == 2:  # the empty piece at the end repeats the one at the start
        again += 1
    return filled, ended, short, filled_again_chars, pieces + blank_ends, again, again_chars, lines, bullets, ellipses


@njit(nogil=True, cache=True, forceinline=True)
def paragraph_end(data, i, end):
    """The first position from i on where two newlines begin, or end."""
    while i < end:
        i = next_newline(data, i, end)
        if i + 1 < end and data[i + 1] == 10:
            return i
        i += 1
    return end


@njit(nogil=True, cache=True)
def paragraph_counts(data, i, end, newlines, classes, seen):
    """PARAGRAPH_COUNTS in order; `seen` as in newline_counts."""
    i = skip_white(data, i, end, classes)
    end = skip_white_back(data, i, end, classes)
    if i >= end:
        return 1, 0, 0
    bits = slot_bits(newlines + 1)
    seen[: 1 << bits] = EMPTY
    paragraphs, again, again_chars = 0, 0, 0
    while i < end:
        stop = paragraph_end(data, i, end)
        paragraphs += 1
        _, repeated = find_slot(seen, bits, bytes_hash(data, i, stop))
        if repeated:
            again += 1
            again_chars += count_characters(data, i, stop)
        i = stop
        while i < end and data[i] == 10:
            i += 1
    return paragraphs, again, again_chars
