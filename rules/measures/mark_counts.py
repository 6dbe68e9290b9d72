"""Counts over the characters of a text that need no look at most of them, and the ends of its sentences: one kernel.

It reads 64 bytes at a time (masks.py). Characters and single ASCII marks are bits to be counted (byte_counts.py). A
sentence mark of ASCII mostly stands before white space, which is bits to be counted, too; only those before a quote, a
bracket or a character outside ASCII are looked at, runs of three full stops, and characters that may be a mark outside
ASCII. 0.3 ns a byte.
"""

from __future__ import annotations

import numpy as np

from rules.text.byte_counts import malformed
from rules.text.characters import CLOSING, TERMINAL, TERMINAL_PUNCTUATION, WHITE, WIDE_TERMINAL
from rules.text.decode import character_at, characters_in
from rules.text.kernels import inlined, int64, kernel, unowned
from rules.text.masks import (
    BLOCK,
    LAST,
    NONE,
    ONE,
    Block,
    at_least_mask,
    between_mask,
    block_at,
    continuation_mask,
    equal_mask,
    high_mask,
    lowest_one,
    ones_in,
    white_mask,
    without_lowest,
)

MARK_COUNTS = {
    "bytes": "bytes of UTF-8",
    "chars": "characters (code points)",
    "newlines": "line feeds",
    "hashes": "number signs, #",
    "ellipses": "three dots in a row, without overlap, and the character …",
    "curly_brackets": "opening curly brackets, {",
    "sentence_ends": "sentence marks before white space, a closing mark and white space, or the end of the text",
}
BYTES, CHARS, NEWLINES, HASHES, ELLIPSES, CURLY_BRACKETS, SENTENCE_ENDS = range(len(MARK_COUNTS))

LINE_FEED, NUMBER_SIGN, CURLY_BRACKET = ord("\n"), ord("#"), ord("{")
FULL_STOP, EXCLAMATION_MARK, QUESTION_MARK, ELLIPSIS = ord("."), ord("!"), ord("?"), ord("…")


def _mark_beginnings() -> np.ndarray:
    """1 where a mark outside ASCII begins with these two bytes, and some others: uint8 [4096], by the lower six bits of each."""
    beginnings = np.zeros(1 << 12, np.uint8)
    for character in TERMINAL_PUNCTUATION | {"…"}:
        first, second = (*character.encode(), 0)[:2]
        if first >= 0x80:
            beginnings[(first & 0x3F) << 6 | second & 0x3F] = 1
    return beginnings


MARK_BEGINNINGS = _mark_beginnings()


@kernel
def count_marks(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` (int64 [docs, MARK_COUNTS])."""
    for d in range(offsets.size - 1):
        begin, end = offsets[d], offsets[d + 1]
        out[d, BYTES] = end - begin
        out[d, CHARS], out[d, NEWLINES], out[d, HASHES], out[d, CURLY_BRACKETS], out[d, ELLIPSES], out[d, SENTENCE_ENDS] = read_marks(data, begin, end, classes)


@kernel
def read_marks(data: np.ndarray, begin: int, end: int, classes: np.ndarray) -> tuple[int, int, int, int, int, int]:
    """Of data[begin:end]: characters (code points), line feeds, number signs, opening curly brackets, ellipses, and ends of
    sentences."""
    data, classes, i, continuing, broken, owed, dot_before = unowned(data), unowned(classes), begin, 0, NONE, NONE, NONE
    feeds = signs = brackets = ellipses = ends = 0
    while i < end:
        block = block_at(data, i, end)
        feeds += ones_in(equal_mask(block, LINE_FEED))
        signs += ones_in(equal_mask(block, NUMBER_SIGN))
        brackets += ones_in(equal_mask(block, CURLY_BRACKET))
        dots = equal_mask(block, FULL_STOP)
        marks = dots | equal_mask(block, EXCLAMATION_MARK) | equal_mask(block, QUESTION_MARK)
        if marks:
            ends += ends_after(data, i, end, marks, classes)
            if dots & dots >> ONE or dots >> LAST:
                ellipses += ellipses_from(data, i, end, dots & ~(dots << ONE | dot_before))
        dot_before = dots >> LAST
        if high_mask(block) | owed:
            continuing += ones_in(continuation_mask(block))
            wrong, owed = malformed(data, i, end, block, owed)
            broken |= wrong
            more, ended = read_wide_marks(data, i, end, wide_mark_mask(block), classes)
            ellipses, ends = ellipses + more, ends + ended
        i += BLOCK
    chars = characters_in(data, begin, end) if broken | owed else end - begin - continuing
    return chars, feeds, signs, brackets, ellipses, ends


@inlined
def ends_after(data: np.ndarray, i: int, end: int, marks: np.uint64, classes: np.ndarray) -> int:
    """How many of the ASCII marks in the block at i end a sentence: mostly one look at all bytes after them tells."""
    following = block_at(data, i + 1, end)
    before_white = white_mask(following)
    if end - i <= BLOCK:
        before_white |= ONE << np.uint64(end - i - 1)  # as good as white space
    others = marks & (closing_mask(following) | high_mask(following))
    return ones_in(marks & before_white) + ends_before_others(data, i, end, others, classes)


@inlined
def read_wide_marks(data: np.ndarray, i: int, end: int, wide: np.uint64, classes: np.ndarray) -> tuple[int, int]:
    """How many ellipses, and how many ends of sentences, the characters are that begin at the bits `wide` of the block at i."""
    ellipses = ends = 0
    while wide:
        more, ended = read_mark(data, i + lowest_one(wide), end, classes)
        ellipses, ends = ellipses + more, ends + ended
        wide = without_lowest(wide)
    return ellipses, ends


@inlined
def closing_mask(block: Block) -> np.uint64:
    """ASCII marks that close: quotes and brackets."""
    return equal_mask(block, 34) | equal_mask(block, 39) | equal_mask(block, 41) | equal_mask(block, 93) | equal_mask(block, 125)


@inlined
def ends_before_others(data: np.ndarray, i: int, end: int, marks: np.uint64, classes: np.ndarray) -> int:
    """How many of the ASCII marks in the block at i end a sentence."""
    ends = 0
    while marks:
        ends += int64(ends_sentence(data, i + lowest_one(marks) + 1, end, TERMINAL, classes))
        marks = without_lowest(marks)
    return ends


@inlined
def ellipses_from(data: np.ndarray, i: int, end: int, firsts: np.uint64) -> int:
    """Three full stops in a row, without overlap, in the runs of full stops that begin with the bits `firsts`."""
    found = 0
    while firsts:
        first = place = i + lowest_one(firsts)
        while place < end and data[np.uint64(place)] == FULL_STOP:
            place += 1
        found += (place - first) // 3
        firsts = without_lowest(firsts)
    return found


@inlined
def wide_mark_mask(block: Block) -> np.uint64:
    """Bytes that may begin a sentence mark outside ASCII or an ellipsis: D6 to E3, EA, EF and what follows; not what
    Latin, Greek, Cyrillic, Han and Hangul begin with."""
    return between_mask(block, 0xD6, 0xE3) | equal_mask(block, 0xEA) | at_least_mask(block, 0xEF)


@inlined
def read_mark(data: np.ndarray, i: int, end: int, classes: np.ndarray) -> tuple[int, int]:
    """Of the character at data[i], one of `wide_mark_mask`: how many ellipses it is, how many sentences it ends."""
    first, second, low = np.uint64(data[np.uint64(i)]), np.uint64(data[np.uint64(min(i + 1, end - 1))]), np.uint64(0x3F)
    if MARK_BEGINNINGS[(first & low) << np.uint64(6) | second & low] == 0:
        return 0, 0
    code, size = character_at(data, i, end)
    flags = int64(classes[np.uint64(code)])
    ended = flags & TERMINAL != 0 and ends_sentence(data, i + size, end, flags, classes)
    return int64(code == ELLIPSIS), int64(ended)


@inlined
def ends_sentence(data: np.ndarray, i: int, end: int, mark: int, classes: np.ndarray) -> bool:
    """Does a sentence mark of class `mark`, which ends at i, end a sentence?

    It does before white space or the end of the text, with closing quotes and brackets between; a wide mark (。！？)
    before anything but another mark.
    """
    flags = CLOSING
    while i < end and flags & CLOSING:
        code, size = character_at(data, i, end)
        flags = int64(classes[np.uint64(code)])
        i += size
    return flags & CLOSING != 0 or flags & WHITE != 0 or (mark & WIDE_TERMINAL != 0 and flags & TERMINAL == 0)
