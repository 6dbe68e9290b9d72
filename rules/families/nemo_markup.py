"""Text and comments of HTML by a lexer of one pass: what is outside of tags, and what is between <!-- and -->.

A tag is < and a letter, /, ! or ?, up to the next > that is not in quotes (after =); all of the rest where there is
none. What is between the tags of a script or style is neither text nor comment.
"""

from __future__ import annotations

import numpy as np

from rules.text.code_lexing import DOUBLE_QUOTE, SINGLE_QUOTE, byte_at, mark_start
from rules.text.decode import characters_in
from rules.text.kernels import inlined, int64

LESS, GREATER, SLASH, EXCLAMATION, QUESTION, EQUALS, DASH = b"<>/!?=-"
SCRIPT, STYLE = np.frombuffer(b"script", np.uint8), np.frombuffer(b"style", np.uint8)


@inlined
def count_markup_text(data: np.ndarray, i: int, end: int) -> tuple[int, int]:
    """Characters of comments, and of text, in data[i:end]."""
    comments = text = 0
    while i < end:
        following = byte_at(data, i + 1, end)
        if data[np.uint64(i)] != LESS:
            start, i = i, next_less(data, i, end)
            text += characters_in(data, start, i)
        elif following == EXCLAMATION and byte_at(data, i + 2, end) == DASH and byte_at(data, i + 3, end) == DASH:
            start, stop = min(i + 4, end), mark_start(data, min(i + 4, end), end, DASH, DASH, GREATER)
            comments += characters_in(data, start, stop)
            i = min(stop + 3, end)
        elif is_letter(following) or following == SLASH or following == EXCLAMATION or following == QUESTION:
            i = after_tag(data, i, end)
        else:
            text += 1
            i += 1
    return comments, text


@inlined
def next_less(data: np.ndarray, i: int, end: int) -> int:
    while i < end and data[np.uint64(i)] != LESS:
        i += 1
    return i


@inlined
def is_letter(byte: int) -> bool:
    return 97 <= (byte | 32) <= 122


@inlined
def after_tag(data: np.ndarray, i: int, end: int) -> int:
    """Past the tag at i, and past the content of a script or style that it opens."""
    script, style = is_name(data, i + 1, end, SCRIPT), is_name(data, i + 1, end, STYLE)
    i = tag_end(data, i + 1, end)
    if script:
        return closing_tag(data, i, end, SCRIPT)
    return closing_tag(data, i, end, STYLE) if style else i


@inlined
def tag_end(data: np.ndarray, i: int, end: int) -> int:
    """Past the > that ends a tag."""
    visible = int64(0)  # the last byte that is no white space
    while i < end:
        byte = int64(data[np.uint64(i)])
        i += 1
        if byte == GREATER:
            return i
        if (byte == DOUBLE_QUOTE or byte == SINGLE_QUOTE) and visible == EQUALS:
            while i < end and data[np.uint64(i)] != byte:
                i += 1
            i = min(i + 1, end)
        if byte > 32:
            visible = byte
    return end


@inlined
def is_name(data: np.ndarray, i: int, end: int, name: np.ndarray) -> bool:
    """Does data[i:end] start with the ASCII letters of `name`, in any case, and no letter or digit after them?"""
    for k in range(name.size):
        if byte_at(data, i + k, end) | 32 != name[k]:
            return False
    following = byte_at(data, i + name.size, end)
    return not (is_letter(following) or 48 <= following <= 57)


@inlined
def closing_tag(data: np.ndarray, i: int, end: int, name: np.ndarray) -> int:
    """Where the closing tag of `name` starts; `end` if there is none."""
    while i < end:
        if data[np.uint64(i)] == LESS and byte_at(data, i + 1, end) == SLASH and is_name(data, i + 2, end, name):
            return i
        i += 1
    return end
