"""Counts of comments in code and of text in HTML, after NeMo Curator's code filters: one kernel, lexers of one pass each.

    Python   comments with their #, to the line's end; docstrings: a string, without its quotes, that stands alone as the
             first statement of a text, class or function
    C        between /* and */, and after // to the line's end; as in C++, Go, Java and JavaScript
    hash     after a # that starts a word, to the line's end; as in shell and Ruby
    markup   between <!-- and -->; text is what is outside of tags, comments, scripts and styles

Strings in quotes hold no comments. NeMo's filters ask a parser instead and call code that it refuses 0 or 9999; a lexer
reads any text. They also drop the indentation of docstrings and decode HTML's entities before they count.
"""

from __future__ import annotations

import numpy as np

from rules.families.nemo_markup import count_markup_text
from rules.families.nemo_python import python_comment_chars
from rules.text.code_lexing import (
    BACKSLASH,
    BACKTICK,
    DOUBLE_QUOTE,
    LINE_FEED,
    SINGLE_QUOTE,
    byte_at,
    line_end,
    mark_start,
    quoted_end,
)
from rules.text.decode import characters_in
from rules.text.kernels import inlined, int64, kernel, unowned

NEMO_CODE_COUNTS = {
    "nemo_python_comment_chars": "characters of Python's comments and docstrings",
    "nemo_c_comment_chars": "characters between /* and */, and after // on a line, outside of strings",
    "nemo_hash_comment_chars": "characters after a # that starts a word, on its line, outside of strings",
    "nemo_markup_comment_chars": "characters between <!-- and -->",
    "nemo_html_text_chars": "characters outside of HTML's tags, comments, scripts and styles",
}
PYTHON, C, HASH, MARKUP, TEXT = range(len(NEMO_CODE_COUNTS))

SLASH, STAR, NUMBER_SIGN, SEMICOLON = b"/*#;"


@kernel
def count_nemo_code(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` (int64 [docs, NEMO_CODE_COUNTS])."""
    for d in range(offsets.size - 1):
        count_document(data, offsets[d], offsets[d + 1], out[d])


@kernel
def count_document(data: np.ndarray, begin: int, end: int, out: np.ndarray) -> None:
    """Fill `out` (int64 [NEMO_CODE_COUNTS]) for the text data[begin:end]."""
    data, out = unowned(data), unowned(out)
    out[PYTHON] = python_comment_chars(data, begin, end)
    out[C] = c_comment_chars(data, begin, end)
    out[HASH] = hash_comment_chars(data, begin, end)
    out[MARKUP], out[TEXT] = count_markup_text(data, begin, end)


@inlined
def c_comment_chars(data: np.ndarray, i: int, end: int) -> int:
    """Characters of C's comments without their marks. A string in backticks may go over lines, others end with theirs."""
    found = 0
    while i < end:
        byte, following = int64(data[np.uint64(i)]), byte_at(data, i + 1, end)
        if byte == SLASH and following == SLASH:
            start, i = i + 2, line_end(data, i + 2, end)
            found += characters_in(data, start, i)
        elif byte == SLASH and following == STAR:
            stop = mark_start(data, i + 2, end, STAR, SLASH, 0)
            found += characters_in(data, i + 2, stop)
            i = min(stop + 2, end)
        elif byte == DOUBLE_QUOTE or byte == SINGLE_QUOTE or byte == BACKTICK:
            i = quoted_end(data, i + 1, end, byte, 1, byte == BACKTICK)[1]
        else:
            i += 1 + int64(byte == BACKSLASH)
    return found


@inlined
def hash_comment_chars(data: np.ndarray, i: int, end: int) -> int:
    """Characters of shell's comments without their #."""
    found, fresh = 0, True
    while i < end:
        byte = int64(data[np.uint64(i)])
        if byte == NUMBER_SIGN and fresh:
            start, i = i + 1, line_end(data, i + 1, end)
            found += characters_in(data, start, i)
        elif byte == DOUBLE_QUOTE or byte == SINGLE_QUOTE:
            i = quoted_end(data, i + 1, end, byte, 1, False)[1]
            fresh = False
        else:
            fresh = byte == LINE_FEED or byte == SEMICOLON or byte == 32 or 9 <= byte <= 13
            i += 1 + int64(byte == BACKSLASH)
    return found
