"""Where the normalised words of texts begin and end, in bytes: for spans that are cut out of texts by words.

The words are those of normalise.normalised; a place never falls inside a character. About 100 MB/s a core.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from curation.normalise import IGNORED, LETTER, LONE, MARK, SEPARATOR, character_table
from curation.word_hashes import code_point, kernel_texts, text_at
from rules.text.kernels import kernel


class WordPlaces(NamedTuple):
    """Words first[d]:first[d + 1] are those of text d; word w is bytes starts[w]:ends[w] of the texts' buffer."""

    first: np.ndarray  # int64 [texts + 1]
    starts: np.ndarray  # int64 [words]
    ends: np.ndarray  # int64 [words]


def word_places(texts: pa.Array | pa.ChunkedArray) -> WordPlaces:
    """The places of all words of `texts`, in the buffer that word_hashes.kernel_texts gives."""
    offsets, data = kernel_texts(texts)
    first, nothing = np.zeros(len(offsets), np.int64), np.zeros(0, np.int64)
    place_words(offsets, data, character_table(), first, nothing, nothing)
    first = np.cumsum(first)
    found = WordPlaces(first, np.empty(int(first[-1]), np.int64), np.empty(int(first[-1]), np.int64))
    if len(found.starts):
        place_words(offsets, data, character_table(), *found)
    return found


@kernel
def place_words(offsets, data, table, first, starts, ends):
    """Fill `starts` and `ends` of every text from first[text] on; where they are empty, first[text + 1] = how many words."""
    fill = starts.size > 0
    for document in range(offsets.size - 1):
        i, end = np.uint64(offsets[document]), np.uint64(offsets[document + 1])
        word, inside, lone, size = first[document] - 1 if fill else -1, False, False, 0
        while i < end:
            code, taken = code_point(text_at(data, i, end))
            kind = table[code] >> np.uint32(24)
            i += taken
            if kind == IGNORED:
                continue
            inside = inside and not (kind == SEPARATOR or kind == LONE or (lone and kind == LETTER))
            if kind != SEPARATOR:
                if not inside:
                    word, size = word + 1, 0
                    if fill:
                        starts[word] = np.int64(i - taken)
                inside, size = True, size + 1
                if fill:
                    ends[word] = np.int64(i)
            lone = kind == LONE or (kind == MARK and lone and size > 1)
        if not fill:
            first[document + 1] = word + 1
