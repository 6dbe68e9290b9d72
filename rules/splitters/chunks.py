"""The chunks of texts: runs of characters between white space, and what lies between them, for splitters with a memo."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rules.splitters.words import span, span_scratch, take_spans
from rules.text.kernels import inlined, int64, kernel, unowned
from rules.text.line_breaks import next_break

# What lies before a chunk: one space; other white space; a line break (str.splitlines) or the start of the text.
ONE_SPACE, WIDER_SPACE, NEW_LINE = range(3)
SPACE = ord(" ")


class Chunks(NamedTuple):
    """The chunks of some texts, data[begins[k]:ends[k]]; text d has the next counts[d] of them."""

    begins: np.ndarray  # int64 [chunks]
    ends: np.ndarray  # int64 [chunks]
    gaps: np.ndarray  # uint8 [chunks]
    counts: np.ndarray  # int64 [texts]


def chunks_of(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray) -> Chunks:
    """The chunks of the texts data[offsets[d]:offsets[d + 1]]."""
    return Chunks(*scan_chunks(offsets, data, classes))


@kernel
def scan_chunks(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The arrays of Chunks."""
    texts = offsets.size - 1
    room = (offsets[texts] - offsets[0] + texts) // 2 + 1
    begins, ends, gaps = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.uint8)
    counts, found = np.empty(texts, np.int64), 0
    spans = span_scratch()
    for d in range(texts):
        counts[d] = scan_text(data, offsets[d], offsets[d + 1], classes, spans, begins[found:], ends[found:], gaps[found:])
        found += counts[d]
    return begins[:found], ends[:found], gaps[:found], counts


@kernel
def scan_text(
    data: np.ndarray, i: int, end: int, classes: np.ndarray, spans: np.ndarray, begins: np.ndarray, ends: np.ndarray,
    gaps: np.ndarray,
) -> int:
    """Write the chunks of the text data[i:end]: how many."""
    data, classes, spans = unowned(data), unowned(classes), unowned(spans)
    before, found = int64(-1), 0
    while i < end:
        filled, i = take_spans(data, i, end, classes, False, spans)
        for k in range(filled):
            begin, stop = span(spans, k)
            begins[found], ends[found], gaps[found] = begin, stop, gap_between(data, before, begin)
            before = stop
            found += 1
    return found


@inlined
def gap_between(data: np.ndarray, end: int, begin: int) -> int:
    """What lies between a chunk that ends at `end` (-1: there is none) and one that begins at `begin`."""
    if end < 0:
        return NEW_LINE
    if begin - end == 1 and data[np.uint64(end)] == SPACE:
        return ONE_SPACE
    _, size = next_break(data, end, begin)
    return NEW_LINE if size > 0 else WIDER_SPACE
