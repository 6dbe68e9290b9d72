"""Lines as line rules see them: where they are, what they measure, and how kept ones are joined again.

Splitting finds every line twice, once to count and once to note it, at about 1 ns a byte; nothing is copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import pyarrow as pa

from rules.buffers import strings_from
from rules.characters import character_classes
from rules.decode import characters_in
from rules.kernels import kernel, kernel_bytes, kernel_texts, unowned
from rules.line_breaks import next_break, next_line_feed
from rules.words import span, span_scratch, take_spans, word_facts

LineBreaks = Literal["newline", "unicode"]

LINE_SIGNALS = {
    "line_words": "words between white space",
    "line_longest_word_chars": "characters of the longest word between white space",
    "line_chars": "characters (code points)",
}
LINE_WORDS, LINE_LONGEST_WORD_CHARS, LINE_CHARS = range(len(LINE_SIGNALS))
LINE_FEED = 10


def split_lines(texts: pa.Array | pa.ChunkedArray, breaks: LineBreaks = "newline") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the lines of `texts` ([docs]) start and end in the bytes that `string_buffers(texts)` gives.

    `newline` splits as str.split("\\n"), `unicode` as str.splitlines(). Returns starts and ends (int64 [lines]), without
    the line breaks, and first lines (int64 [docs + 1]): document d has lines first[d] to first[d + 1] - 1.
    """
    if breaks not in get_args(LineBreaks):
        raise ValueError(f"breaks is {breaks!r}; it must be one of {', '.join(get_args(LineBreaks))}")
    offsets, data = kernel_texts(texts)
    first = np.zeros(len(offsets), np.int64)
    find_lines(offsets, data, breaks == "unicode", first[1:], np.empty(0, np.int64), np.empty(0, np.int64))
    starts, ends = np.empty(first[-1], np.int64), np.empty(first[-1], np.int64)
    find_lines(offsets, data, breaks == "unicode", first[1:], starts, ends)
    return starts, ends, first


def measure_lines(offsets: np.ndarray, data: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    """The line signals `names` (int64 [lines] each) of lines: line i is data[offsets[i]:offsets[i + 1]].

    Raises ValueError for an unknown name.
    """
    offsets, data = kernel_bytes(offsets, data)
    return measure_spans(data, offsets[:-1], offsets[1:], names)


def measure_spans(data: np.ndarray, starts: np.ndarray, ends: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    """As `measure_lines`, of lines data[starts[i]:ends[i]]; `data` as rules.kernels.kernel_bytes makes it."""
    unknown = [name for name in names if name not in LINE_SIGNALS]
    if unknown:
        raise ValueError(f"unknown line signals: {', '.join(unknown)}; there are {', '.join(LINE_SIGNALS)}")
    table = np.zeros((len(LINE_SIGNALS), len(starts)), np.int64)
    needs_words = any(name != "line_chars" for name in names)
    count_in_lines(data, starts, ends, character_classes(), needs_words, "line_chars" in names, table)
    return {name: row for name, row in zip(LINE_SIGNALS, table) if name in names}


def join_lines(
    data: np.ndarray, starts: np.ndarray, ends: np.ndarray, keep: np.ndarray, first: np.ndarray
) -> pa.LargeStringArray:
    """The kept lines (`keep`, bool [lines]) of each document ([docs]) joined by line feeds; the rest as `split_lines`."""
    offsets = joined_offsets(starts, ends, keep, first)
    return strings_from(offsets, joined_bytes(data, starts, ends, keep, first, offsets))


# ---- kernels


@kernel
def find_lines(offsets, data, unicode_breaks, last, starts, ends):
    """last[d] = lines in documents up to d; starts and ends of all lines if there is room for them."""
    found = 0
    for d in range(offsets.size - 1):
        found = lines_of(data, offsets[d], offsets[d + 1], unicode_breaks, starts, ends, found)
        last[d] = found


@kernel
def lines_of(data, begin, end, unicode_breaks, starts, ends, found):
    """Note the lines of data[begin:end] after the `found` ones before: how many there are then."""
    data, starts, ends = unowned(data), unowned(starts), unowned(ends)
    size = 1
    while size > 0:
        i, size = next_break(data, begin, end) if unicode_breaks else next_line_feed(data, begin, end)
        if size > 0 or begin < i or not unicode_breaks:  # str.splitlines() has no empty last line
            if found < starts.size:
                starts[found], ends[found] = begin, i
            found += 1
        begin = i + size
    return found


@kernel
def count_in_lines(data, starts, ends, classes, needs_words, needs_chars, table):
    """Fill `table` (int64 [LINE_SIGNALS, lines], zeros) as far as it is needed."""
    edges, spans = span_scratch()
    for k in range(starts.size):
        if needs_words:
            count_in_line(data, starts[k], ends[k], classes, edges, spans, table, k)
        if needs_chars:
            table[LINE_CHARS, k] = characters_in(data, starts[k], ends[k])


@kernel
def count_in_line(data, i, end, classes, edges, spans, table, k):
    """The words of line k."""
    data, classes, edges, spans, table = unowned(data), unowned(classes), unowned(edges), unowned(spans), unowned(table)
    longest = 0
    while i < end:
        filled, i = take_spans(data, i, end, classes, False, edges, spans)
        table[LINE_WORDS, k] += filled
        for word in range(filled):
            start, stop, facts = span(spans, word)
            if facts == 0:
                facts = word_facts(data, start, stop, classes)
            longest = max(longest, facts >> 2)
    table[LINE_LONGEST_WORD_CHARS, k] = longest


@kernel
def joined_offsets(starts, ends, keep, first):
    """Offsets of the joined texts, int64 [docs + 1]."""
    offsets = np.zeros(first.size, np.int64)
    for d in range(first.size - 1):
        size = 0
        for k in range(first[d], first[d + 1]):
            if keep[k]:
                size += ends[k] - starts[k] + 1
        offsets[d + 1] = offsets[d] + max(size - 1, 0)
    return offsets


@kernel
def joined_bytes(data, starts, ends, keep, first, offsets):
    """The bytes of the joined texts."""
    out = np.empty(offsets[-1], np.uint8)
    for d in range(first.size - 1):
        at = offsets[d]
        for k in range(first[d], first[d + 1]):
            if keep[k]:
                for i in range(starts[k], ends[k]):
                    out[at] = data[i]
                    at += 1
                if at < offsets[d + 1]:
                    out[at] = LINE_FEED
                    at += 1
    return out
