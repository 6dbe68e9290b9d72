"""The `unicode` words of texts in lower case, as Arrow columns: what profiles are counted from and classifiers read.

One kernel finds the words, puts them in lower case and writes them one after the other. 12 ns a byte.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rules.splitters.words import span, span_scratch, take_spans
from rules.text.buffers import strings_from
from rules.text.characters import character_classes
from rules.text.kernels import held, kernel, kernel_texts, unowned
from rules.text.lower_case import ROOM, lower_cases, lower_word

BATCH_BYTES = 1 << 24  # of texts whose words are held at once


def lower_words(texts: pa.Array | pa.ChunkedArray) -> pa.LargeListArray:
    """The words of each text ([docs] lists of large_string); letters are as in `rules.text.lower_case`."""
    offsets, data = kernel_texts(texts)
    first = np.zeros(len(offsets), np.int64)
    words, size = measure_words(offsets, data, character_classes(), lower_cases(), first)
    ends, store = np.zeros(words + 1, np.int64), np.zeros(size + ROOM, np.uint8)
    write_words(offsets, data, character_classes(), lower_cases(), ends, store)
    return pa.LargeListArray.from_arrays(pa.array(first), strings_from(ends, store[:size]))


def spaced_words(texts: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    """Each text as its words in lower case with single spaces between them."""
    return pc.binary_join(lower_words(texts), pa.scalar(" ", pa.large_string()))


@kernel
def measure_words(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, lower: np.ndarray, first: np.ndarray) -> tuple[int, int]:
    """Fill `first` (int64 [docs + 1], zeros) with where the words of each text begin; all words, and their bytes."""
    own, buffer = span_scratch(), np.zeros(4096, np.uint8)
    data, classes, lower, spans = unowned(data), unowned(classes), unowned(lower), unowned(own)
    words, size = 0, 0
    for d in range(offsets.size - 1):
        i, end = offsets[d], offsets[d + 1]
        while i < end:
            filled, i = take_spans(data, i, end, classes, True, spans)
            for k in range(filled):
                start, stop = span(spans, k)
                if 3 * (stop - start) + ROOM > buffer.size:
                    buffer = np.zeros(6 * (stop - start) + ROOM, np.uint8)
                size += lower_word(data, start, stop, lower, buffer)
            words += filled
        first[d + 1] = words
    held(own)
    return words, size


@kernel
def write_words(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, lower: np.ndarray, ends: np.ndarray, store: np.ndarray) -> None:
    """Fill `ends` (int64 [words + 1]) and `store` (uint8, with ROOM) with the words of all texts."""
    own = span_scratch()
    data, classes, lower, spans, store = unowned(data), unowned(classes), unowned(lower), unowned(own), unowned(store)
    word, at = 0, 0
    for d in range(offsets.size - 1):
        i, end = offsets[d], offsets[d + 1]
        while i < end:
            filled, i = take_spans(data, i, end, classes, True, spans)
            for k in range(filled):
                start, stop = span(spans, k)
                at += lower_word(data, start, stop, lower, store[at:])
                ends[word + 1] = at
                word += 1
    held(own)
