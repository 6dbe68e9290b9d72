"""Lines as line rules see them: where they are and what they measure.

Splitting notes where every line is, 64 bytes at a time; nothing is copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import pyarrow as pa

from rules.text.byte_counts import chars_in
from rules.text.characters import WHITE, character_classes
from rules.text.decode import (
    EVERY_BYTE,
    HIGH_BITS,
    bytes_before,
    character_at,
    characters_in,
    equal_bytes,
    every_byte,
    load_eight,
)
from rules.text.kernels import inlined, int64, kernel, kernel_bytes, kernel_texts, unowned
from rules.text.line_breaks import break_marks, break_size
from rules.text.masks import BLOCK, block_at, equal_mask, lowest_one, without_lowest

LineBreaks = Literal["newline", "unicode"]

LINE_SIGNALS = {
    "line_words": "words between white space",
    "line_longest_word_chars": "characters of the longest word between white space",
    "line_chars": "characters (code points)",
}
LINE_WORDS, LINE_LONGEST_WORD_CHARS, LINE_CHARS = range(len(LINE_SIGNALS))
LINE_FEED = 10
SPACES, FROM_SPACE = every_byte(32), every_byte(128 - 32)
SHORT_LINE_BYTES = 16  # room is made for lines of so many bytes; where they are shorter, they are found once more


def split_lines(texts: pa.Array | pa.ChunkedArray, breaks: LineBreaks = "newline") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the lines of `texts` ([docs]) start and end in the bytes that `string_buffers(texts)` gives.

    `newline` splits as str.split("\\n"), `unicode` as str.splitlines(). Returns starts and ends (int64 [lines]), without
    the line breaks, and first lines (int64 [docs + 1]): document d has lines first[d] to first[d + 1] - 1.
    """
    if breaks not in get_args(LineBreaks):
        raise ValueError(f"breaks is {breaks!r}; it must be one of {', '.join(get_args(LineBreaks))}")
    offsets, data = kernel_texts(texts)
    first = np.zeros(len(offsets), np.int64)
    room = len(offsets) + (offsets[-1] - offsets[0]) // SHORT_LINE_BYTES
    for _ in range(2):
        starts, ends = np.empty(room, np.int64), np.empty(room, np.int64)
        find_lines(offsets, data, breaks == "unicode", first[1:], starts, ends)
        if first[-1] <= room:
            break
        room = first[-1]
    starts, ends = starts[: first[-1]], ends[: first[-1]]
    starts.flags.writeable = ends.flags.writeable = False
    return starts, ends, first


def measure_lines(offsets: np.ndarray, data: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    """The line signals `names` (int64 [lines] each) of lines: line i is data[offsets[i]:offsets[i + 1]].

    Raises ValueError for an unknown name.
    """
    offsets, data = kernel_bytes(offsets, data)
    return measure_spans(data, offsets[:-1], offsets[1:], names)


def measure_spans(data: np.ndarray, starts: np.ndarray, ends: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    """As `measure_lines`, of lines data[starts[i]:ends[i]]; `data` as rules.text.kernels.kernel_bytes makes it."""
    unknown = [name for name in names if name not in LINE_SIGNALS]
    if unknown:
        raise ValueError(f"unknown line signals: {', '.join(unknown)}; there are {', '.join(LINE_SIGNALS)}")
    table = np.zeros((len(LINE_SIGNALS), len(starts)), np.int64)
    needs_words = any(name != "line_chars" for name in names)
    count_in_lines(data, starts, ends, character_classes(), needs_words, "line_chars" in names, table)
    return {name: row for name, row in zip(LINE_SIGNALS, table) if name in names}


# ---- kernels


@kernel
def find_lines(offsets: np.ndarray, data: np.ndarray, unicode_breaks: bool, last: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> None:
    """last[d] = lines in documents up to d; starts and ends of all lines if there is room for them."""
    offsets, data, last, starts, ends = unowned(offsets), unowned(data), unowned(last), unowned(starts), unowned(ends)
    found = 0
    for d in range(offsets.size - 1):
        found = lines_of(data, offsets[d], offsets[d + 1], unicode_breaks, starts, ends, found)
        last[d] = found


@inlined
def lines_of(data: np.ndarray, begin: int, end: int, unicode_breaks: bool, starts: np.ndarray, ends: np.ndarray, found: int) -> int:
    """Note the lines of data[begin:end] after the `found` ones before: how many there are then."""
    for i in range(begin, end, BLOCK):
        block = block_at(data, i, end)
        marks = break_marks(block) if unicode_breaks else equal_mask(block, LINE_FEED)
        while marks:
            at = i + lowest_one(marks)
            marks = without_lowest(marks)
            size = break_size(data, at, end) if unicode_breaks else 1
            if at >= begin and size:  # not within the break before
                found = note_line(begin, at, starts, ends, found)
                begin = at + size
    if begin < end or not unicode_breaks:  # str.splitlines() has no empty last line
        found = note_line(begin, end, starts, ends, found)
    return found


@inlined
def note_line(begin: int, end: int, starts: np.ndarray, ends: np.ndarray, found: int) -> int:
    if found < starts.size:
        starts[found], ends[found] = begin, end
    return found + 1


@kernel
def count_in_lines(
    data: np.ndarray, starts: np.ndarray, ends: np.ndarray, classes: np.ndarray, needs_words: bool, needs_chars: bool,
    table: np.ndarray,
) -> None:
    """Fill `table` (int64 [LINE_SIGNALS, lines], zeros) as far as it is needed."""
    for k in range(starts.size):
        if needs_words:
            table[LINE_WORDS, k], table[LINE_LONGEST_WORD_CHARS, k] = words_in(data, starts[k], ends[k], classes)
        if needs_chars:
            table[LINE_CHARS, k] = chars_in(data, starts[k], ends[k])


@kernel
def words_in(data: np.ndarray, begin: int, end: int, classes: np.ndarray) -> tuple[int, int]:
    """How many words between white space data[begin:end] holds, and the characters of the longest.

    `begin` moves to the start of the word that is being read, or will be once `in_word` is."""
    data, classes = unowned(data), unowned(classes)
    words, longest, in_word, i = 0, 0, False, begin
    while i < end:
        eight = load_eight(data, i) if end - i >= 8 else np.uint64(0)
        if has_only(eight):
            spaces = equal_bytes(eight, SPACES)
            words += starts_in(spaces, in_word)
            in_word = spaces >> np.uint64(63) == 0
            if spaces:
                longest = longer(data, begin, i + bytes_before(spaces), longest)
                if longest < 6:
                    longest = max(longest, longest_between(spaces))
                begin = i + bytes_through(spaces)
            i += 8
        else:
            code, size = character_at(data, i, end)
            if classes[code] & WHITE:
                longest = longer(data, begin, i, longest)
                begin, in_word = i + size, False
            elif not in_word:
                words, in_word = words + 1, True
            i += size
    return words, longer(data, begin, end, longest)


@inlined
def has_only(eight: np.uint64) -> bool:
    """Are these eight bytes ASCII, and space the only white among them?"""
    return (eight + FROM_SPACE) & ~eight & HIGH_BITS == HIGH_BITS


@inlined
def starts_in(spaces: np.uint64, in_word: bool) -> int:
    """How many words start in eight bytes of which `spaces` are spaces (high bits)."""
    before = spaces << np.uint64(8) | (np.uint64(0) if in_word else np.uint64(0x80))
    return marked(~spaces & before & HIGH_BITS)


@inlined
def marked(marks: np.uint64) -> int:
    """How many bytes are marked (high bits only)."""
    return int64((marks >> np.uint64(7)) * EVERY_BYTE >> np.uint64(56))


@inlined
def bytes_through(marks: np.uint64) -> int:
    """How many bytes there are up to the highest mark, with it."""
    marks |= marks >> np.uint64(8)
    marks |= marks >> np.uint64(16)
    return marked((marks | marks >> np.uint64(32)) & HIGH_BITS)


@inlined
def longest_between(spaces: np.uint64) -> int:
    """The longest run of other bytes between two of the marks."""
    longest = 0
    at = bytes_before(spaces)
    for i in range(at + 1, 8):
        if spaces >> np.uint64(8 * i + 7) & np.uint64(1):
            longest, at = max(longest, i - at - 1), i
    return longest


@inlined
def longer(data: np.ndarray, begin: int, end: int, longest: int) -> int:
    """The greater of `longest` and the characters of data[begin:end]."""
    if end - begin > longest:  # in bytes, so perhaps in characters
        longest = max(longest, characters_in(data, begin, end))
    return longest
