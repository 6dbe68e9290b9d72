"""Texts as datatrove's `simplify_text` leaves them before it cuts shingles: for signatures equal to its own.

In order: lower case; a number, with one group after a mark (1,234 but not 1,234,567), becomes 0; its 129 punctuation
characters become spaces; runs of white space become one space; letters are decomposed (NFD) and marks (Mn) dropped, not
composed again: Hangul becomes jamo, Thai loses vowels. `simplified` is that in plain Python. The kernel does the same
from a table, character by character; texts in which one character depends on others (a capital sigma, whose lower case
is another at the end of a word, and marks that NFD moves) are given to Python. About 180 MB/s a core.
"""

from __future__ import annotations

import functools
import unicodedata
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from curation.word_hashes import code_point, kernel_texts, text_at
from rules.text.buffers import strings_from
from rules.text.characters import PUNCTUATION
from rules.text.kernels import kernel

GROUP_MARKS = frozenset(".,،٫⎖⎗⎘")
COPY, SPACE, DIGIT, REPLACED, IN_CONTEXT = range(5)
FIRST_HIGH, CODE_POINTS = 0x32400, 0x110000  # nothing above has a case or a decomposition; but marks there are dropped
GROWTH = 6  # bytes that a byte can become: a small letter with two Greek marks, a Hangul syllable


def simplified(text: str) -> str:
    """The definition, in plain Python."""
    text = "".join(" " if c in PUNCTUATION else c for c in _without_numbers(text.lower()))
    decomposed = unicodedata.normalize("NFD", " ".join(text.split()))
    return "".join(c for c in decomposed if unicodedata.category(c) != "Mn").strip()


def _without_numbers(text: str) -> str:
    found, i = [], 0
    while i < len(text):
        end = _digits_end(text, i)
        if end == i:
            found.append(text[i])
            i += 1
            continue
        if end < len(text) and text[end] in GROUP_MARKS and _digits_end(text, end + 1) > end + 1:
            end = _digits_end(text, end + 1)
        found.append("0")
        i = end
    return "".join(found)


def _digits_end(text: str, i: int) -> int:
    while i < len(text) and unicodedata.category(text[i]) == "Nd":
        i += 1
    return i


class CharacterActions(NamedTuple):
    """What the kernel does with each code point."""

    action: np.ndarray  # uint8 [0x110000]: one of COPY ... IN_CONTEXT
    is_group_mark: np.ndarray  # bool [0x110000]
    begins: np.ndarray  # int64 [0x110000]: where its replacement begins
    sizes: np.ndarray  # uint8 [0x110000]: bytes of its replacement
    replacements: np.ndarray  # uint8: UTF-8


@functools.cache
def character_actions() -> CharacterActions:
    """The table, made once in about a second."""
    action, marks = np.zeros(CODE_POINTS, np.uint8), np.zeros(CODE_POINTS, bool)
    begins, sizes, replacements = np.zeros(CODE_POINTS, np.int64), np.zeros(CODE_POINTS, np.uint8), bytearray()
    for code in [*range(0xD800), *range(0xE000, FIRST_HIGH), *range(0xE0000, 0xE0200)]:
        character = chr(code)
        action[code], replacement = _action(character)
        if action[code] == REPLACED:
            begins[code], sizes[code] = len(replacements), len(replacement)
            replacements += replacement
    marks[[ord(mark) for mark in GROUP_MARKS]] = True
    return CharacterActions(action, marks, begins, sizes, np.frombuffer(bytes(replacements), np.uint8))


def _action(character: str) -> tuple[int, bytes]:
    category = unicodedata.category(character)
    if category == "Nd":  # before punctuation, which the published set counts a wide 1 among
        return DIGIT, b""
    if character in PUNCTUATION or character.isspace():
        return SPACE, b""
    if character == "Σ" or (category != "Mn" and unicodedata.combining(character)):
        return IN_CONTEXT, b""
    decomposed = unicodedata.normalize("NFD", character.lower())
    replacement = "".join(c for c in decomposed if unicodedata.category(c) != "Mn")
    return (COPY, b"") if replacement == character else (REPLACED, replacement.encode())


def simplified_texts(texts: pa.Array | pa.ChunkedArray, one_space: bool) -> pa.LargeStringArray:
    """`simplified` of every text; with `one_space` its words (between spaces) with single spaces between them."""
    offsets, data = kernel_texts(texts)
    table = character_actions()
    ends = np.zeros(len(offsets), np.int64)
    out = np.empty(len(data) * 2 + 64, np.uint8)
    in_context = np.zeros(len(offsets) - 1, bool)
    done = 0
    while done < len(offsets) - 1:
        done = simplify_documents(offsets, data, *table, one_space, done, out, ends, in_context)
        if done < len(offsets) - 1:
            out = np.concatenate([out, np.empty(max(len(out), GROWTH * int(offsets[done + 1] - offsets[done])), np.uint8)])
    whole = strings_from(ends, out[: ends[-1]])
    return _with_python(whole, offsets, data, in_context, one_space) if in_context.any() else whole


def _with_python(found: pa.LargeStringArray, offsets: np.ndarray, data: np.ndarray, rows: np.ndarray, one_space: bool) -> pa.LargeStringArray:
    """`found` with the texts of `rows` (bool) done by the definition."""
    import pyarrow.compute as pc

    texts = []
    for row in np.flatnonzero(rows):
        text = simplified(data[offsets[row] : offsets[row + 1]].tobytes().decode("utf-8", "replace"))
        texts.append(" ".join(text.split()) if one_space else text)
    return pc.replace_with_mask(found, pa.array(rows), pa.array(texts, pa.large_string()))


@kernel
def digits_end(data, i, end, action):
    """Where the run of digits that starts at i ends."""
    while i < end:
        code, taken = code_point(text_at(data, i, end))
        if action[code] != DIGIT:
            break
        i += taken
    return i


@kernel
def number_end(data, i, end, action, is_group_mark):
    """Where the number that starts at i ends: digits, and one group of digits after a mark."""
    stop = digits_end(data, i, end, action)
    if stop < end:
        code, taken = code_point(text_at(data, stop, end))
        if is_group_mark[code]:
            group = digits_end(data, stop + taken, end, action)
            return group if group > stop + taken else stop
    return stop


@kernel
def simplify_text(data, i, end, action, is_group_mark, begins, sizes, replacements, one_space, out, place):
    """Write data[i:end] simplified to out[place:]: where it ends, and whether a character depends on others."""
    start, gap, in_context = place, False, False
    while i < end:
        eight = text_at(data, i, end)
        code, taken = code_point(eight)
        kind, size = action[code], np.int64(taken)
        if kind == SPACE:
            gap, i = True, i + taken
            continue
        if kind == REPLACED:
            size = np.int64(sizes[code])
        if gap and place > start and (size > 0 or not one_space):
            out[place] = np.uint8(32)
            place += 1
        gap = gap and one_space and size == 0
        if kind == DIGIT:
            out[place] = np.uint8(48)
            place, i = place + 1, number_end(data, i, end, action, is_group_mark)
            continue
        if kind == REPLACED:
            for k in range(size):
                out[place + k] = replacements[begins[code] + k]
        elif code == np.uint64(0xFFFD):  # it may stand for a byte that is no UTF-8
            out[place], out[place + 1], out[place + 2], size = np.uint8(0xEF), np.uint8(0xBF), np.uint8(0xBD), 3
        else:
            for k in range(size):
                out[place + k] = np.uint8(eight >> np.uint64(8 * k) & np.uint64(0xFF))
        in_context = in_context or kind == IN_CONTEXT
        place, i = place + size, i + taken
    while place > start and out[place - 1] == np.uint8(32):
        place -= 1
    return place, in_context


@kernel
def simplify_documents(offsets, data, action, is_group_mark, begins, sizes, replacements, one_space, first, out, ends, in_context):
    """Simplify texts from number `first` on into `out`, as many as it surely holds: the number of the next."""
    for document in range(first, offsets.size - 1):
        i, end = np.uint64(offsets[document]), np.uint64(offsets[document + 1])
        if ends[document] + GROWTH * np.int64(end - i) > out.size:
            return document
        place, depends = simplify_text(data, i, end, action, is_group_mark, begins, sizes, replacements, one_space, out, ends[document])
        ends[document + 1], in_context[document] = place, depends
    return offsets.size - 1
