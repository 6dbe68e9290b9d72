"""Counts over characters as dolma's length and punctuation taggers sort them: with the classes of Unicode regexes.

The `regex` package's \\w is letters, marks, decimal digits, letter numbers, connecting punctuation, joiners and letters
in circles and squares; its [[:punct:]] punctuation and symbols but for those letters; its \\s leaves out the information
separators (1C to 1F), which Python's str.isspace() takes. So these have a table of their own, which takes under a second and
1.1 MB, once in a process that wants these counts.
"""

from __future__ import annotations

import functools
import unicodedata

import numpy as np

from rules.text.characters import CODE_POINTS
from rules.text.decode import character_at
from rules.text.kernels import int64, kernel, unowned

DOLMA_CHARACTER_COUNTS = {
    "dolma_whitespace_tokens": "pieces that runs of word characters, and of other characters but white space, leave of a text: one more than runs; none in an empty text",
    "dolma_punct_rows": "rows with a visible character that are punctuation, symbols and white space alone",
}
WHITESPACE_TOKENS, PUNCT_ROWS = range(len(DOLMA_CHARACTER_COUNTS))

WORD, SPACE, PUNCT = 1, 2, 4  # PUNCT: what a row of no letters and digits may hold: punctuation, symbols, white space
VISIBLE = 8  # not str.isspace()

LETTERS_IN_SHAPES = (range(0x24B6, 0x24EA), range(0x1F130, 0x1F14A), range(0x1F150, 0x1F16A), range(0x1F170, 0x1F18A))
JOINERS = (0x200C, 0x200D)
PICTURES = (range(0x1F300, 0x1F650), range(0x1F680, 0x1F700), range(0x2600, 0x2700), range(0x2700, 0x27C0))
SEPARATORS = range(0x1C, 0x20)
LINE_FEED = ord("\n")


@functools.cache
def dolma_classes() -> np.ndarray:
    """The flags of every code point, uint8 [0x110000], read-only."""
    categories = list(map(unicodedata.category, map(chr, range(CODE_POINTS))))
    flags = {category: _category_flags(category) for category in set(categories)}
    classes = np.array([flags[category] for category in categories], np.uint8)
    for block in LETTERS_IN_SHAPES:
        classes[block.start : block.stop] = WORD | VISIBLE
    classes[list(JOINERS)] = WORD | VISIBLE
    for block in PICTURES:
        classes[block.start : block.stop] |= PUNCT
    white = [code for code in range(0x3001) if chr(code).isspace()]
    classes[white] = SPACE | PUNCT
    classes[list(SEPARATORS)] = 0
    classes.flags.writeable = False
    return classes


def _category_flags(category: str) -> int:
    word = category[0] in "LM" or category in ("Nd", "Nl", "Pc")
    return VISIBLE | (WORD if word else 0) | (PUNCT if category[0] in "PS" else 0)


def count_dolma_characters(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` (int64 [docs, DOLMA_CHARACTER_COUNTS]); `classes` has no part in it."""
    count_characters(offsets, data, dolma_classes(), out)


@kernel
def count_characters(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, out: np.ndarray) -> None:
    """`count_dolma_characters` with the table that it takes."""
    for d in range(offsets.size - 1):
        count_document(data, offsets[d], offsets[d + 1], classes, out[d])


@kernel
def count_document(data: np.ndarray, i: int, end: int, classes: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` (int64 [DOLMA_CHARACTER_COUNTS]) for the text data[i:end]."""
    data, classes, out = unowned(data), unowned(classes), unowned(out)
    tokens, punct_rows, before = int64(i < end), 0, SPACE
    punct, visible = PUNCT, 0  # of the row so far: in all characters, in any
    while i < end:
        code, size = character_at(data, i, end)
        flags = int64(classes[np.uint64(code)])
        kind = flags & (WORD | SPACE)
        tokens += int64(kind != before and kind != SPACE)
        before = kind
        punct &= flags
        visible |= flags & VISIBLE
        i += size
        if code == LINE_FEED or i == end:
            punct_rows += int64(punct != 0 and visible != 0)
            punct, visible = PUNCT, 0
    out[WHITESPACE_TOKENS] = tokens
    out[PUNCT_ROWS] = punct_rows
