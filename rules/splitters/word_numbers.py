"""How many words a text has, where nothing else about them is wanted: their first bytes, counted (word_edges.py).

On texts in 29 languages 0.3 ns a byte, and 0.6 for `unicode`.
"""

from __future__ import annotations

import numpy as np

from rules.splitters.word_edges import no_word, space_edges, unicode_masks
from rules.text.kernels import kernel, unowned
from rules.text.masks import BLOCK, NONE, block_at, ones_in


@kernel
def count_word_numbers(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, unicode_words: bool, out: np.ndarray) -> None:
    """Fill `out` (int64 [docs, 1]) with the numbers of words."""
    for d in range(offsets.size - 1):
        if unicode_words:
            out[d, 0] = unicode_word_number(data, offsets[d], offsets[d + 1], classes)
        else:
            out[d, 0] = space_word_number(data, offsets[d], offsets[d + 1])


@kernel
def space_word_number(data: np.ndarray, i: int, end: int) -> int:
    """How many words between white space data[i:end] holds."""
    data, words, state = unowned(data), 0, (NONE, NONE)
    while i < end:
        starts, _, _, state = space_edges(data, i, end, block_at(data, i, end), *state)
        words += ones_in(starts)
        i += BLOCK
    return words


@kernel
def unicode_word_number(data: np.ndarray, i: int, end: int, classes: np.ndarray) -> int:
    """How many `unicode` words data[i:end] holds."""
    data, classes, words, state = unowned(data), unowned(classes), 0, no_word()
    while i < end:
        starts, _, _, _, _, state = unicode_masks(data, i, end, block_at(data, i, end), classes, state)
        words += ones_in(starts)
        i += BLOCK
    return words
