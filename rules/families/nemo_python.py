"""Comments and docstrings of Python source by a lexer of one pass.

A docstring is a string literal without b or f before it that stands alone as a statement, first in the text or first
after the colon of a `class` or `def`. Strings are read as before Python 3.12: one in an f-string's braces ends at the
quote that began the f-string.
"""

from __future__ import annotations

import numpy as np

from rules.text.code_lexing import BACKSLASH, DOUBLE_QUOTE, LINE_FEED, SINGLE_QUOTE, byte_at, line_end, quoted_end
from rules.text.decode import characters_in
from rules.text.kernels import inlined, int64

NUMBER_SIGN, COLON, SEMICOLON, UNDERSCORE, SPACE = b"#:;_ "
FRESH, MAY, OPENS = 1, 2, 4  # a statement starts here; a string here is a docstring; the statement is a class or def


@inlined
def python_comment_chars(data: np.ndarray, i: int, end: int) -> int:
    """Characters of comments (with #) and of docstrings (without quotes) in data[i:end]."""
    found, depth, state = 0, 0, FRESH | MAY
    while i < end:
        byte = int64(data[np.uint64(i)])
        if byte == NUMBER_SIGN:
            start, i = i, line_end(data, i, end)
            found += characters_in(data, start, i)
        elif byte == DOUBLE_QUOTE or byte == SINGLE_QUOTE or is_name_byte(byte):
            start, i = i, name_end(data, i, end)
            quote = byte_at(data, i, end)
            if (quote == DOUBLE_QUOTE or quote == SINGLE_QUOTE) and is_prefix(data, start, i):
                size = 3 if byte_at(data, i + 1, end) == quote and byte_at(data, i + 2, end) == quote else 1
                plain, content = is_text_prefix(data, start, i), min(i + size, end)
                stop, i = quoted_end(data, content, end, quote, size, size == 3)
                if plain and depth == 0 and state == FRESH | MAY and stands_alone(data, i, end):
                    found += characters_in(data, content, stop)
                state &= ~FRESH
            else:
                state = after_name(data, start, i, state)
        elif byte == LINE_FEED or byte == SEMICOLON:
            state = after_statement(state, depth, byte)
            i += 1
        elif byte == COLON and depth == 0 and state & OPENS != 0:
            state = FRESH | MAY
            i += 1
        else:
            depth = max(0, depth + nesting(byte))
            if byte > SPACE and byte != BACKSLASH:
                state &= ~FRESH
            i += 1 + int64(byte == BACKSLASH and byte_at(data, i + 1, end) == LINE_FEED)
    return found


@inlined
def after_statement(state: int, depth: int, byte: int) -> int:
    """The state after a line feed or semicolon; a line without a statement changes nothing, nor does one in brackets."""
    if depth > 0 or (state & FRESH != 0 and byte == LINE_FEED):
        return state
    return FRESH


@inlined
def after_name(data: np.ndarray, start: int, stop: int, state: int) -> int:
    """The state after the name data[start:stop]; `async` is as if it were not there."""
    if state & FRESH == 0:
        return state
    size = stop - start
    if size == 5 and is_word(data, start, b"async"):
        return state
    opens = (size == 3 and is_word(data, start, b"def")) or (size == 5 and is_word(data, start, b"class"))
    return OPENS if opens else 0


@inlined
def is_word(data: np.ndarray, start: int, word: bytes) -> bool:
    for k in range(len(word)):
        if data[np.uint64(start + k)] != word[k]:
            return False
    return True


@inlined
def is_name_byte(byte: int) -> bool:
    return 97 <= (byte | 32) <= 122 or 48 <= byte <= 57 or byte == UNDERSCORE or byte >= 128


@inlined
def name_end(data: np.ndarray, i: int, end: int) -> int:
    while i < end and is_name_byte(data[np.uint64(i)]):
        i += 1
    return i


@inlined
def is_prefix(data: np.ndarray, start: int, stop: int) -> bool:
    """May the letters data[start:stop] stand before a string?"""
    if stop - start > 2:
        return False
    for k in range(start, stop):
        letter = data[np.uint64(k)] | 32
        if letter != 114 and letter != 98 and letter != 102 and letter != 117:  # r b f u
            return False
    return True


@inlined
def is_text_prefix(data: np.ndarray, start: int, stop: int) -> bool:
    """Is the string with the prefix data[start:stop] of characters as they stand: no b, no f?"""
    for k in range(start, stop):
        letter = data[np.uint64(k)] | 32
        if letter == 98 or letter == 102:
            return False
    return True


@inlined
def stands_alone(data: np.ndarray, i: int, end: int) -> bool:
    """Does the statement end at i, white space and a comment aside?"""
    while i < end and (data[np.uint64(i)] == SPACE or data[np.uint64(i)] == 9 or data[np.uint64(i)] == 12):
        i += 1
    byte = byte_at(data, i, end)
    return i >= end or byte == LINE_FEED or byte == 13 or byte == SEMICOLON or byte == NUMBER_SIGN


@inlined
def nesting(byte: int) -> int:
    """1 for an opening bracket, -1 for a closing one."""
    if byte == 40 or byte == 91 or byte == 123:
        return 1
    return -1 if byte == 41 or byte == 93 or byte == 125 else 0
