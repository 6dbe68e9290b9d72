"""Pre-tokens: where the patterns of GPT-2 and of GPT-4/Llama 3 cut a text, found by a scan over its bytes.

A pattern is an ordered choice without look-behind whose parts are runs of one class of characters, so the end of a
pre-token follows from the class of its first characters: one walk, no backtracking. Classes (letter, number, white
space, anything else) come from the regular expression engine of `tokenizers` itself, so that both agree whatever
version of Unicode it knows. Memory: the table of classes, 1 MB.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from tokenizers import Regex, pre_tokenizers

from rules.text.characters import CODE_POINTS
from rules.text.decode import HIGH_BITS, bytes_before, character_at, eight_at, letter_bytes
from rules.text.kernels import inlined, kernel

# Radford 2019: contractions, words, numbers and signs with a leading space, white space.
GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
# GPT-4's pre-tokenisation, which is Llama 3's: contractions, words with one leading sign, up to three digits, signs
# with a leading space, line ends, other white space.
GPT4_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
ONE_DIGIT_PATTERN = GPT4_PATTERN.replace(r"\p{N}{1,3}", r"\p{N}")  # Qwen 2's: each digit a pre-token of its own

SIGN, LETTER, NUMBER, SPACE, NEWLINE = range(5)  # NEWLINE is \r or \n, which are white space, too
CLASSES = {LETTER: r"\p{L}+", NUMBER: r"\p{N}+", SPACE: r"\s+"}
PAST_ASSIGNED = 0x40000  # no letter, number or white space from here on, in any version of Unicode so far
SURROGATES = range(0xD800, 0xE000)
APOSTROPHE, BLANK, LONG_S = ord("'"), ord(" "), 0x17F  # a long s is an s where case does not matter


class PreTokenPattern(NamedTuple):
    """What a scan must know of a pattern: the family, and how many digits stay together (GPT-4's family alone)."""

    is_gpt2: bool
    most_digits: int


PATTERNS = {
    GPT2_PATTERN: PreTokenPattern(True, 0),
    GPT4_PATTERN: PreTokenPattern(False, 3),
    ONE_DIGIT_PATTERN: PreTokenPattern(False, 1),
}


@functools.cache
def pretoken_classes() -> np.ndarray:
    """The class of every code point (uint8 [0x110000], read-only), as the engine of `tokenizers` sees it. Takes 0.5 s."""
    codes = np.array([code for code in range(PAST_ASSIGNED) if code not in SURROGATES])
    text = codes.astype(np.uint32).tobytes().decode("utf-32-le")
    classes = np.full(CODE_POINTS, SIGN, np.uint8)
    for number, pattern in CLASSES.items():
        for first, stop in _runs(pattern, text):
            classes[codes[first:stop]] = number
    classes[[ord("\r"), ord("\n")]] = NEWLINE
    classes.flags.writeable = False
    return classes


def _runs(pattern: str, text: str) -> Iterator[tuple[int, int]]:
    """Where `pattern` matches in `text`, in characters."""
    matches = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    return (place for _, place in matches.pre_tokenize_str(text))


@kernel
def pretoken_ends(data, i, end, classes, is_gpt2, most_digits):
    """Where each pre-token of data[i:end] ends (int64); for tests and counts: encoding finds them as it goes."""
    ends, count = np.empty(max(end - i, 0), np.int64), 0
    while i < end:
        i = pretoken_end(data, i, end, classes, is_gpt2, most_digits)
        ends[count] = i
        count += 1
    return ends[:count]


@inlined
def pretoken_end(data, i, end, classes, is_gpt2, most_digits):
    """Where the pre-token that begins at data[i] ends (i < end)."""
    if is_gpt2:
        return gpt2_end(data, i, end, classes)
    return gpt4_end(data, i, end, classes, most_digits)


@inlined
def gpt4_end(data, i, end, classes, most_digits):
    code, size = character_at(data, i, end)
    kind = classes[code]
    after = i + size
    if kind == LETTER:
        return letters_end(data, after, end, classes)
    if code == APOSTROPHE:
        contracted = any_case_contraction(data, after, end)
        if contracted > 0:
            return after + contracted
    if kind == NUMBER:
        return digits_end(data, after, end, classes, most_digits)
    following = class_at(data, after, end, classes)
    if following == LETTER and kind != NEWLINE:
        return letters_end(data, after, end, classes)
    if kind == SIGN or (code == BLANK and following == SIGN):
        return newlines_end(data, signs_end(data, after, end, classes), end)
    return gpt4_space_end(data, i, end, classes)


@inlined
def gpt2_end(data, i, end, classes):
    code, size = character_at(data, i, end)
    kind, after = classes[code], i + size
    if code == APOSTROPHE:
        contracted = contraction(data, after, end)
        if contracted > 0:
            return after + contracted
    elif code == BLANK:
        following = class_at(data, after, end, classes)
        kind = following if following < SPACE else kind
    if kind == LETTER:
        return letters_end(data, after, end, classes)
    if kind == NUMBER:
        return digits_end(data, after, end, classes, end - i)
    if kind == SIGN:
        return signs_end(data, after, end, classes)
    return space_end(data, i, end, classes)


# ---- runs of one class


@inlined
def class_at(data, i, end, classes):
    """The class of the character at data[i]; SPACE at the end of the text."""
    if i >= end:
        return np.uint8(SPACE)
    code, _ = character_at(data, i, end)
    return classes[code]


@inlined
def letters_end(data, i, end, classes):
    """The first place from i that is no letter."""
    while i < end:
        others = ~letter_bytes(eight_at(data, i, end)) & HIGH_BITS
        if others == 0:
            i += 8
            continue
        i += bytes_before(others)
        if i >= end or data[np.uint64(i)] < 0x80:
            return min(i, end)
        code, size = character_at(data, i, end)
        if classes[code] != LETTER:
            return i
        i += size
    return i


@inlined
def digits_end(data, i, end, classes, most):
    """The first place from i that is no number, or after `most` numbers, the one before i included."""
    count = 1
    while i < end and count < most:
        code, size = character_at(data, i, end)
        if classes[code] != NUMBER:
            break
        i += size
        count += 1
    return i


@inlined
def signs_end(data, i, end, classes):
    while i < end:
        code, size = character_at(data, i, end)
        if classes[code] != SIGN:
            break
        i += size
    return i


@inlined
def newlines_end(data, i, end):
    while i < end and (data[np.uint64(i)] == 10 or data[np.uint64(i)] == 13):
        i += 1
    return i


# ---- white space


@inlined
def space_end(data, i, end, classes):
    """A run of white space; without its last character where text follows and more than one is there."""
    begin = last = i
    while i < end:
        code, size = character_at(data, i, end)
        if classes[code] < SPACE:
            break
        last = i
        i += size
    return i if i == end or last == begin else last


@inlined
def gpt4_space_end(data, i, end, classes):
    """As space_end, but a run with line ends stops after the last of them."""
    begin = last = i
    line_end = -1
    while i < end:
        code, size = character_at(data, i, end)
        if classes[code] < SPACE:
            break
        last = i
        i += size
        if classes[code] == NEWLINE:
            line_end = i
    if line_end > 0:
        return line_end
    return i if i == end or last == begin else last


# ---- contractions


@inlined
def contraction(data, i, end):
    """Bytes of s t m d re ve ll at data[i]; 0 where there is none of them."""
    if i >= end:
        return 0
    first = data[np.uint64(i)]
    if first == 115 or first == 116 or first == 109 or first == 100:
        return 1
    if i + 1 < end:
        second = data[np.uint64(i + 1)]
        if (first == 114 and second == 101) or (first == 118 and second == 101) or (first == 108 and second == 108):
            return 2
    return 0


@inlined
def any_case_contraction(data, i, end):
    """As `contraction`, in upper or lower case."""
    if i >= end:
        return 0
    first = data[np.uint64(i)] | 32
    if first == 115 or first == 116 or first == 109 or first == 100:
        return 1
    if i + 1 < end:
        if character_at(data, i, end)[0] == LONG_S:
            return 2
        second = data[np.uint64(i + 1)] | 32
        if (first == 114 and second == 101) or (first == 118 and second == 101) or (first == 108 and second == 108):
            return 2
    return 0
