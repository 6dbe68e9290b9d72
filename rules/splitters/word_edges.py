"""Where words start and end, as masks of 64 bytes (masks.py), for both definitions of a word (words.py).

Between white space a word starts where a visible byte follows one that is not. For `unicode` words ASCII is as simple:
a letter or digit after something else, another mark than the one before; characters outside ASCII are looked up one by
one, and set the bits of their bytes as if they were ASCII. A text is read block by block; what a block must know of the
one before is a state, four numbers.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from rules.text.characters import ALPHA, CJK, LETTER, MARK, SYMBOL, VISIBLE
from rules.text.decode import character_at
from rules.text.kernels import inlined, int64
from rules.text.masks import (
    ALL,
    BLOCK,
    LAST,
    NONE,
    ONE,
    TWO,
    Block,
    bits_below,
    bits_up_to,
    block_at,
    digit_mask,
    equal_bytes_mask,
    first_bits,
    high_mask,
    letter_mask,
    lowest_one,
    may_be_wide_white,
    white_mask,
    wide_white_masks,
)

NO_CHARACTER = int64(-1)

WordState: TypeAlias = tuple[np.uint64, np.uint64, int, int]


@inlined
def no_word() -> WordState:
    """The state before a text, or between two words: is a word open; `space`: bytes of the next block that are white,
    `unicode`: is it one of letters; the character that goes on with it; where a character that began has its end."""
    return NONE, NONE, NO_CHARACTER, int64(0)


@inlined
def word_edges(
    data: np.ndarray, i: int, end: int, block: Block, classes: np.ndarray, unicode_words: bool, state: WordState,
) -> tuple[np.uint64, np.uint64, WordState]:
    """Of the block at i of a text that ends at `end`: first bytes of words, ends of words (the byte after the last one,
    which may be that at `end`); and the state after it."""
    if unicode_words:
        starts, ends, _, _, _, after = unicode_masks(data, i, end, block, classes, state)
        return starts, ends, after
    starts, ends, _, (is_open, spilt) = space_edges(data, i, end, block, state[0], state[1])
    return starts, ends, (is_open, spilt, NO_CHARACTER, int64(0))


@inlined
def word_masks(
    data: np.ndarray, i: int, end: int, block: Block, classes: np.ndarray, unicode_words: bool, state: WordState,
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64, np.uint64, WordState]:
    """The first two of `word_edges`; visible bytes; bytes of letters (str.isalpha) and of characters that are no symbols, at
    least one of each in every word that has one; and the state."""
    if unicode_words:
        return unicode_masks(data, i, end, block, classes, state)
    starts, ends, visible, (is_open, spilt) = space_edges(data, i, end, block, state[0], state[1])
    alpha, solid, taken = space_facts(data, i, end, block, visible, state[3], classes)
    return starts, ends, visible, alpha, solid, (is_open, spilt, NO_CHARACTER, taken)


# ---- between white space


@inlined
def space_edges(
    data: np.ndarray, i: int, end: int, block: Block, is_open: np.uint64, spilt: np.uint64,
) -> tuple[np.uint64, np.uint64, np.uint64, tuple[np.uint64, np.uint64]]:
    """The first two of `word_edges`, visible bytes, and the first two of the state."""
    white, spilt = white_mask(block) | spilt, NONE
    if may_be_wide_white(block):
        two, three = wide_white_masks(data, i, end, block)
        white |= two | two << ONE | three | three << ONE | three << TWO
        spilt = (two | three) >> LAST | three >> (LAST - ONE)
    visible = ~white & bits_up_to(i, end)
    before = visible << ONE | is_open
    return visible & ~before, ~visible & before, visible, (visible >> LAST, spilt)


@inlined
def space_facts(
    data: np.ndarray, i: int, end: int, block: Block, visible: np.uint64, taken: int, classes: np.ndarray,
) -> tuple[np.uint64, np.uint64, int]:
    """Letters and characters that are no symbols, at least one of each in every word that has one; where the last character
    that was looked at ends (`taken`: that of the block before)."""
    alpha = letter_mask(block)
    solid, wide = alpha | digit_mask(block), high_mask(block) & visible & ~bits_below(max(taken - i, 0))
    while wide:
        k = lowest_one(wide)
        code, size = character_at(data, i + k, end)
        flags = int64(classes[np.uint64(code)])
        alpha |= np.uint64(flags & ALPHA != 0) << np.uint64(k)
        solid |= np.uint64(flags & SYMBOL == 0) << np.uint64(k)
        taken, last = i + k + size, min(k + size, BLOCK)
        if flags & ALPHA and flags & SYMBOL == 0:  # the rest of its word has nothing to add
            last = lowest_one(~visible & ~first_bits(last))
        wide &= ~first_bits(last)
    return alpha, solid, taken


# ---- unicode


@inlined
def unicode_masks(
    data: np.ndarray, i: int, end: int, block: Block, classes: np.ndarray, state: WordState,
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64, np.uint64, WordState]:
    """`word_masks` of `unicode` words."""
    wide, alpha, text = high_mask(block), letter_mask(block), bits_up_to(i, end)
    letters = alpha | digit_mask(block)
    visible, solid = ~white_mask(block) & text, letters
    same = equal_bytes_mask(block, block_at(data, i + 1, end)) << ONE
    first = max(i, state[3])  # after what is left of a character that the block before began with
    if first < end:
        same |= np.uint64(state[2] == int64(data[np.uint64(first)])) << np.uint64(first - i)
    starts, repeated, taken = NONE, NO_CHARACTER, int64(0)
    if wide:
        starts, letters, visible, same, alpha, solid, repeated, taken = wide_edges(data, i, end, classes, wide, letters, visible, same, alpha, solid, state)
    marks = visible & ~letters & ~wide
    starts |= letters & ~(letters << ONE | state[1]) | marks & ~same
    ends = (starts | ~visible) & (visible << ONE | state[0])
    if taken < i + BLOCK and marks >> LAST:
        repeated = int64(data[np.uint64(i + BLOCK - 1)])
    return starts, ends, visible, alpha, solid, (visible >> LAST, letters >> LAST, repeated, taken)


@inlined
def wide_edges(
    data: np.ndarray, i: int, end: int, classes: np.ndarray, wide: np.uint64, letters: np.uint64, visible: np.uint64,
    same: np.uint64, alpha: np.uint64, solid: np.uint64, state: WordState,
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64, np.uint64, np.uint64, int, int]:
    """Set the bits of characters outside ASCII, `wide`, in all other masks; the words that start with one but are none of
    letters; the character that goes on with the last word, if the block ends with one outside ASCII, and its end."""
    is_open, is_letter, repeated, starts = state[0], state[1], state[2], NONE
    at = int64(max(state[3] - i, 0))
    before = bits_below(at)
    letters |= before if is_letter else NONE
    visible &= ALL if is_open else ~before
    wide &= ~before
    while wide:
        k = lowest_one(wide)
        if k > at:
            is_open, is_letter, repeated = ascii_before(data, i, k, letters, visible)
        code, size = character_at(data, i + k, end)
        flags, place = int64(classes[np.uint64(code)]), ONE << np.uint64(k)
        at = k + size
        its_bytes = first_bits(min(at, BLOCK)) & ~bits_below(k)
        wide &= ~its_bytes
        if flags & VISIBLE == 0:
            visible &= ~its_bytes
            is_open, is_letter, repeated = NONE, NONE, NO_CHARACTER
        else:
            alpha |= np.uint64(flags & ALPHA != 0) << np.uint64(k)
            solid |= np.uint64(flags & SYMBOL == 0) << np.uint64(k)
            if flags & MARK:
                is_letter |= ONE & ~is_open
                if is_letter == NONE and at < BLOCK and i + at < end:
                    same |= np.uint64(repeated == int64(data[np.uint64(i + at)])) << np.uint64(at)
            elif flags & LETTER:
                is_letter, repeated = ONE, NO_CHARACTER
            elif flags & CJK:
                starts, is_letter, repeated = starts | place, NONE, NO_CHARACTER
            else:
                starts |= NONE if code == repeated else place
                is_letter, repeated = NONE, code
            letters |= its_bytes if is_letter else NONE
            is_open = ONE
    return starts, letters, visible, same, alpha, solid, repeated if at >= BLOCK else NO_CHARACTER, i + at


@inlined
def ascii_before(data: np.ndarray, i: int, k: int, letters: np.uint64, visible: np.uint64) -> tuple[np.uint64, np.uint64, int]:
    """Of the ASCII character before byte k of the block at i: is it visible, is it a letter, and if only the former, what."""
    before = np.uint64(k - 1)
    is_open, is_letter, repeated = visible >> before & ONE, letters >> before & ONE, NO_CHARACTER
    if is_open and not is_letter:
        repeated = int64(data[np.uint64(i + k - 1)])
    return is_open, is_letter, repeated
