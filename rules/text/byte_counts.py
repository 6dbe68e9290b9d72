"""How many characters bytes of UTF-8 hold, counted without decoding.

Masks of 64 bytes (masks.py): a byte that continues no character begins one, where the bytes are well formed, which other
masks tell. Where they are not, characters are read one by one. 0.1 ns a byte in any script.
"""

from __future__ import annotations

import numpy as np

from rules.text.decode import character_at, characters_in
from rules.text.kernels import inlined, kernel, unowned
from rules.text.masks import (
    BLOCK,
    NONE,
    ONE,
    TWO,
    Block,
    at_least_mask,
    bits_up_to,
    block_at,
    continuation_mask,
    equal_mask,
    high_mask,
    ones_in,
)


@inlined
def chars_in(data: np.ndarray, i: int, end: int) -> int:
    """How many code points data[i:end] holds."""
    begin, continuing, broken, owed = i, 0, NONE, NONE
    while i < end:
        block = block_at(data, i, end)
        if high_mask(block) | owed:
            continuing += ones_in(continuation_mask(block))
            wrong, owed = malformed(data, i, end, block, owed)
            broken |= wrong
        i += BLOCK
    return read_chars(data, begin, end) if broken | owed else end - begin - continuing


@kernel
def read_chars(data: np.ndarray, i: int, end: int) -> int:
    """`chars_in` of bytes that are malformed."""
    return characters_in(unowned(data), i, end)


@kernel
def is_well_formed(data: np.ndarray, i: int, end: int) -> bool:
    """Is data[i:end] UTF-8?"""
    data, broken, owed = unowned(data), NONE, NONE
    while i < end:
        block = block_at(data, i, end)
        if high_mask(block) | owed:
            wrong, owed = malformed(data, i, end, block, owed)
            broken |= wrong
        i += BLOCK
    return broken | owed == NONE


@inlined
def malformed(data: np.ndarray, i: int, end: int, block: Block, owed: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Bytes of the block at i that are malformed where they stand, given the continuation bytes, `owed`, that characters of
    the block before need; and those that characters of this one need of the next, the text ending or not.

    A byte continues a character if and only if one needs it, and not to an over-long form, a surrogate, or beyond
    U+10FFFF."""
    following = block_at(data, i + 1, end)
    two, three, four = at_least_mask(block, 0xC0), at_least_mask(block, 0xE0), at_least_mask(block, 0xF0)
    needed = owed | two << ONE | three << TWO | four << np.uint64(3)
    wrong = needed ^ continuation_mask(block)
    low, high = at_least_mask(following, 0xA0), at_least_mask(following, 0x90)
    wrong |= equal_mask(block, 0xE0) & ~low | equal_mask(block, 0xED) & low
    wrong |= equal_mask(block, 0xF0) & ~high | equal_mask(block, 0xF4) & high
    wrong |= equal_mask(block, 0xC0) | equal_mask(block, 0xC1) | at_least_mask(block, 0xF5)
    return wrong, two >> np.uint64(63) | three >> np.uint64(62) | four >> np.uint64(61)


@inlined
def character_starts(data: np.ndarray, begin: int, i: int, end: int, block: Block, well_formed: bool) -> np.uint64:
    """First bytes of characters in the block at i of the text data[begin:end]."""
    if well_formed:
        return ~continuation_mask(block) & bits_up_to(i, end)
    return read_starts(data, begin, i, end)


@kernel
def read_starts(data: np.ndarray, begin: int, i: int, end: int) -> np.uint64:
    """`character_starts` of malformed bytes, which begin a character each."""
    starts, place = NONE, max(begin, i - 3)
    while place < i and place + character_at(data, place, end)[1] <= i:
        place += 1
    if place < i:
        place += character_at(data, place, end)[1]
    while place < min(i + BLOCK, end):
        starts |= ONE << np.uint64(place - i)
        place += character_at(data, place, end)[1]
    return starts
