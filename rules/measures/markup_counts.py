"""Counts of markup that extraction left in a text: HTML tags, HTML entities, Markdown. One kernel, 1 ns a byte.

    tag       < or </, the name of an HTML element, and up to the next > no other < ; in either case
    entity    & and a name of HTML 4 (or apos), or # and a number, decimal or hexadecimal, and ;
    Markdown  ** (two of a run of four), ]( as in links, and at the start of a line one to six # and a space, or ```
"""

from __future__ import annotations

import html.entities

import numpy as np

from rules.text.decode import bytes_before, eight_at, equal_bytes, every_byte, text_at
from rules.text.kernels import inlined, int64, kernel, unowned

MARKUP_COUNTS = {"html_tags": "HTML tags", "html_entities": "HTML entities", "markdown_marks": "marks of Markdown"}
TAGS, ENTITIES, MARKS = range(len(MARKUP_COUNTS))

ELEMENTS = (
    "a abbr address article aside b big body br button caption center code dd div dl dt em embed fieldset figure font footer"
    " form h1 h2 h3 h4 h5 h6 head header hr html i iframe img input ins label legend li link main meta nav noscript object"
    " ol option p param pre q s samp script section select small span strike strong style sub sup table tbody td textarea"
    " tfoot th thead title tr tt u ul video"
).split()
ENTITY_NAMES = sorted({*html.entities.name2codepoint, "apos"})
MOST_DIGITS = 7

LESS, GREATER, SLASH, AMPERSAND, SEMICOLON, STAR, BRACKET, PARENTHESIS, LINE_FEED, NUMBER_SIGN, SPACE, BACKTICK = b"<>/&;*](\n# `"
EVERY_LESS, EVERY_AMPERSAND, EVERY_STAR, EVERY_BRACKET, EVERY_LINE_FEED = map(every_byte, b"<&*]\n")


def _packed(names: list[str]) -> np.ndarray:
    """Names of at most eight bytes as sorted little-endian numbers, uint64."""
    return np.sort(np.array([int.from_bytes(name.encode(), "little") for name in names], np.uint64))


ELEMENT_NUMBERS, ENTITY_NUMBERS = _packed(ELEMENTS), _packed(ENTITY_NAMES)


@kernel
def count_markup(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` (int64 [docs, MARKUP_COUNTS])."""
    for d in range(offsets.size - 1):
        count_document(data, offsets[d], offsets[d + 1], out[d])


@kernel
def count_document(data: np.ndarray, i: int, end: int, out: np.ndarray) -> None:
    """Fill `out` (int64 [MARKUP_COUNTS]) for the text data[i:end]."""
    data, out = unowned(data), unowned(out)
    tags = entities = 0
    marks = int64(starts_marked_line(data, i, end))
    while i < end:
        eight = eight_at(data, i, end)
        found = equal_bytes(eight, EVERY_LESS) | equal_bytes(eight, EVERY_AMPERSAND) | equal_bytes(eight, EVERY_STAR)
        found |= equal_bytes(eight, EVERY_BRACKET) | equal_bytes(eight, EVERY_LINE_FEED)
        i += bytes_before(found) if found else 8
        if found and i < end:
            byte = data[np.uint64(i)]
            following = int64(data[np.uint64(i + 1)]) if i + 1 < end else 0
            i += 1
            if byte == LESS:
                tags += int64(is_tag(data, i, end))
            elif byte == AMPERSAND:
                entities += int64(is_entity(data, i, end))
            elif byte == LINE_FEED:
                marks += int64(starts_marked_line(data, i, end))
            elif (byte == STAR and following == STAR) or (byte == BRACKET and following == PARENTHESIS):
                marks += 1
                i += 1
    out[TAGS], out[ENTITIES], out[MARKS] = tags, entities, marks


@inlined
def is_tag(data: np.ndarray, i: int, end: int) -> bool:
    """Does data[i:end] go on as a tag does after its <?"""
    if i < end and data[np.uint64(i)] == SLASH:
        i += 1
    size = name_size(data, i, end)
    if size == 0 or not is_among(lower_letters(data, i, i + size), ELEMENT_NUMBERS):
        return False
    i += size
    if i < end and not ends_name(data[np.uint64(i)]):
        return False
    while i < end and data[np.uint64(i)] != GREATER and data[np.uint64(i)] != LESS:
        i += 1
    return i < end and data[np.uint64(i)] == GREATER


@inlined
def ends_name(byte: int) -> bool:
    """May this byte follow the name of an element: >, / or white space?"""
    return byte == GREATER or byte == SLASH or byte == SPACE or 9 <= byte <= 13


@inlined
def is_entity(data: np.ndarray, i: int, end: int) -> bool:
    """Does data[i:end] go on as an entity does after its &?"""
    if i < end and data[np.uint64(i)] == NUMBER_SIGN:
        i += 1
        hexadecimal = i < end and (data[np.uint64(i)] | 32) == 120  # x
        i += int64(hexadecimal)
        start = i
        while i < end and i - start <= MOST_DIGITS and is_digit(data[np.uint64(i)], hexadecimal):
            i += 1
        return start < i <= start + MOST_DIGITS and i < end and data[np.uint64(i)] == SEMICOLON
    size = name_size(data, i, end)
    known = size > 0 and is_among(text_at(data, i, i + size), ENTITY_NUMBERS)
    return known and i + size < end and data[np.uint64(i + size)] == SEMICOLON


@inlined
def is_digit(byte: int, hexadecimal: bool) -> bool:
    return 48 <= byte <= 57 or (hexadecimal and 97 <= (byte | 32) <= 102)


@inlined
def name_size(data: np.ndarray, i: int, end: int) -> int:
    """How many ASCII letters and digits data[i:end] starts with; 0 if they are more than eight."""
    start = i
    while i < end and i - start <= 8 and is_alphanumeric(data[np.uint64(i)]):
        i += 1
    return i - start if i - start <= 8 else 0


@inlined
def is_alphanumeric(byte: int) -> bool:
    return 48 <= byte <= 57 or 97 <= (byte | 32) <= 122


@inlined
def lower_letters(data: np.ndarray, i: int, end: int) -> np.uint64:
    """data[i:end], at most eight ASCII letters and digits, in lower case as one number."""
    number = np.uint64(0)
    for k in range(end - i):
        byte = np.uint64(data[np.uint64(i + k)])
        number |= (byte | np.uint64(32) if byte >= 65 else byte) << np.uint64(8 * k)
    return number


@inlined
def is_among(number: np.uint64, numbers: np.ndarray) -> bool:
    """Is `number` among the sorted `numbers`?"""
    low, high = 0, numbers.size
    while low < high:
        middle = (low + high) // 2
        if numbers[middle] < number:
            low = middle + 1
        else:
            high = middle
    return low < numbers.size and numbers[low] == number


@inlined
def starts_marked_line(data: np.ndarray, i: int, end: int) -> bool:
    """Does the line at data[i] start as a heading or a fence does?"""
    start = i
    while i < end and i - start < 7 and data[np.uint64(i)] == NUMBER_SIGN:
        i += 1
    if 1 <= i - start <= 6:
        return i < end and data[np.uint64(i)] == SPACE
    fence = start + 2 < end and data[np.uint64(start)] == BACKTICK
    return fence and data[np.uint64(start + 1)] == BACKTICK and data[np.uint64(start + 2)] == BACKTICK
