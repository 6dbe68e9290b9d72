"""Words in lower case, as kernels hash them.

Lower case is `str.lower` of each character, so that the capital I with a dot becomes two. One thing differs: a sigma is
σ wherever it stands, at the end of a word, too, where Python writes ς.
"""

from __future__ import annotations

import functools

import numpy as np

from rules.text.decode import CASE_BITS, HIGH_BITS, character_at, letter_bytes, store_eight, text_at
from rules.text.kernels import inlined, int64

PAST_CASED = 0x1F000  # no character from here on has a case
DOTTED_I, DOT_ABOVE = 0x130, 0x307
SIGMA, FINAL_SIGMA = 0x3C3, 0x3C2
ROOM = 16  # bytes that `lower_word` needs beyond three times the size of the word


@functools.cache
def lower_cases() -> np.ndarray:
    """The lower case of every code point that may have one, int32 [PAST_CASED], read-only; of two characters the first."""
    lower = np.array([ord(chr(code).lower()[0]) for code in range(PAST_CASED)], np.int32)
    lower[FINAL_SIGMA] = SIGMA
    lower.flags.writeable = False
    return lower


@inlined
def lower_code(code: int, lower: np.ndarray) -> int:
    """The lower case of one code point."""
    return int64(lower[np.uint64(code)]) if code < PAST_CASED else code


@inlined
def lower_word(data: np.ndarray, i: int, end: int, lower: np.ndarray, buffer: np.ndarray) -> int:
    """Write data[i:end] to `buffer` in lower case: its size in bytes. Each may become three, and ROOM more may be spoilt."""
    at = 0
    while i < end:
        eight = text_at(data, i, end)
        if eight & HIGH_BITS == np.uint64(0):
            store_eight(buffer, at, eight | (letter_bytes(eight) >> np.uint64(2) & CASE_BITS))
            size = min(end - i, 8)
            at += size
        else:
            code, size = character_at(data, i, end)
            at = put_character(buffer, at, lower_code(code, lower))
            if code == DOTTED_I:
                at = put_character(buffer, at, DOT_ABOVE)
        i += size
    return at


@inlined
def put_character(buffer: np.ndarray, at: int, code: int) -> int:
    """Write a code point as UTF-8 to buffer[at:]: where it ends."""
    if code < 0x80:
        buffer[np.uint64(at)] = code
        return at + 1
    size = 2 if code < 0x800 else 3 if code < 0x10000 else 4
    for k in range(size - 1, 0, -1):
        buffer[np.uint64(at + k)] = 0x80 | code & 0x3F
        code >>= 6
    buffer[np.uint64(at)] = (0xF00 >> size & 0xFF) | code
    return at + size
