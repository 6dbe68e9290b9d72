"""Sentences as datatrove's C4 filter counts them: those of spaCy's sentencizer in each line, white space around it cut.

A line is one of str.splitlines(); one without visible text has none. A sentence begins with the line, and at the first
token after a sentence mark that is neither such a mark nor punctuation. White space is such a token, but for a single
space. What a chunk adds is in its memo entry, for a chunk after an ended sentence and for any other.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from rules.splitters.chunks import NEW_LINE, WIDER_SPACE
from rules.splitters.spacy_facts import AFTER_OPEN
from rules.splitters.spacy_words import blocks, read_chunks
from rules.text.kernels import int64, kernel, kernel_texts


def spacy_sentences(texts: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """The sentences of each text, int64 [texts]."""
    offsets, data = kernel_texts(texts)
    counts = [np.zeros(0, np.int64)]
    for block in blocks(offsets):
        read = read_chunks(block, data)
        counts.append(count_sentences(read.chunks.counts, read.chunks.gaps, read.found, read.memo.facts))
    return np.concatenate(counts)


@kernel
def count_sentences(counts: np.ndarray, gaps: np.ndarray, found: np.ndarray, facts: np.ndarray) -> np.ndarray:
    """Sentences of each text, of whose chunks the entries are `found`, 0 for one that an earlier entry covers."""
    out, k = np.zeros(counts.size, np.int64), 0
    for d in range(counts.size):
        ended = np.uint32(0)
        for _ in range(counts[d]):
            if gaps[k] == NEW_LINE:
                out[d] += 1
                ended = np.uint32(0)
            elif gaps[k] == WIDER_SPACE:
                out[d] += int64(ended)
                ended = np.uint32(0)
            if found[k]:
                step = facts[found[k], AFTER_OPEN + ended]
                out[d] += int64(step >> 1)
                ended = step & np.uint32(1)
            k += 1
    return out
