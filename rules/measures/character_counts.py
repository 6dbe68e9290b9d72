"""Counts over the characters of a text by what they are: one kernel; and the names of all counts over characters.

Masks (masks.py) give all that concerns ASCII (0.1 ns a byte). Characters outside ASCII are decoded and looked up
(3 ns a character).
"""

from __future__ import annotations

import numpy as np

from rules.measures.mark_counts import MARK_COUNTS
from rules.text.characters import DECIMAL, UPPER, WHITE
from rules.text.decode import character_at
from rules.text.kernels import int64, kernel, unowned
from rules.text.masks import (
    BLOCK,
    between_mask,
    bits_below,
    block_at,
    digit_mask,
    first_bits,
    high_mask,
    lowest_one,
    ones_in,
    white_mask,
)

CLASS_COUNTS = {
    "digit_chars": "decimal digits of any script (str.isdecimal)",
    "uppercase_chars": "upper-case letters (str.isupper)",
    "white_chars": "white space (str.isspace)",
}
DIGIT_CHARS, UPPERCASE_CHARS, WHITE_CHARS = range(len(CLASS_COUNTS))
CHARACTER_COUNTS = MARK_COUNTS | CLASS_COUNTS


@kernel
def count_classes(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` (int64 [docs, CLASS_COUNTS])."""
    for d in range(offsets.size - 1):
        out[d, DIGIT_CHARS], out[d, UPPERCASE_CHARS], out[d, WHITE_CHARS] = classes_in(data, offsets[d], offsets[d + 1], classes)


@kernel
def classes_in(data: np.ndarray, i: int, end: int, classes: np.ndarray) -> tuple[int, int, int]:
    """Of data[i:end]: decimal digits, upper-case letters, white space."""
    data, classes, digits, upper, white, taken = unowned(data), unowned(classes), 0, 0, 0, i
    while i < end:
        block = block_at(data, i, end)
        digits += ones_in(digit_mask(block))
        upper += ones_in(between_mask(block, 65, 90))
        white += ones_in(white_mask(block))
        wide = high_mask(block) & ~bits_below(max(taken - i, 0))  # not those of a character that the block before began with
        while wide:
            k = lowest_one(wide)
            code, size = character_at(data, i + k, end)
            flags = int64(classes[np.uint64(code)])
            digits += int64(flags & DECIMAL != 0)
            upper += int64(flags & UPPER != 0)
            white += int64(flags & WHITE != 0)
            taken = i + k + size
            wide &= ~first_bits(min(k + size, BLOCK))
        i += BLOCK
    return digits, upper, white
