"""Where the words of a text are, and how many visible characters lie between any two places of it.

The characters of a word, or of words that follow each other, are a difference of two numbers, found in one look each.
"""

from __future__ import annotations

import numpy as np

from rules.text.kernels import Scratch, inlined, int64, kernel
from rules.text.masks import BLOCK, LAST, bits_below, ones_in


@kernel
def place_scratch(size: int) -> Scratch:
    """Room for what is noted of a text of `size` bytes: where each word begins and ends, within the text (uint32 each);
    for each block its visible characters, as bits of their first bytes (uint64), and how many came before it (uint32).

    Of all this the operating system gives only what is written to."""
    blocks = size // BLOCK + 2
    begins, ends = np.empty(size + BLOCK, np.uint32), np.empty(size + BLOCK, np.uint32)
    return begins, ends, np.empty(blocks, np.uint64), np.empty(blocks, np.uint32)


@inlined
def chars_up_to(place: int, visible_chars: np.ndarray, chars_before: np.ndarray) -> int:
    """Visible characters of the text that begin before byte `place`."""
    k, bit = np.uint64(place) >> np.uint64(6), np.uint64(place) & LAST
    return int64(chars_before[k]) + ones_in(visible_chars[k] & bits_below(bit))


@inlined
def chars_between(begin: int, end: int, visible_chars: np.ndarray, chars_before: np.ndarray) -> int:
    """Visible characters of the text from byte `begin` to byte `end`, both where one begins or white space is."""
    return chars_up_to(end, visible_chars, chars_before) - chars_up_to(begin, visible_chars, chars_before)
