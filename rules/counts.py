"""Every count that a signal needs, for a column of texts: numba kernels over Arrow's offsets and bytes.

Words and their n-grams are one scan (word_counts.py, ngrams.py), characters, lines, paragraphs and sentences short ones
of their own (line_counts.py, sentences.py), all while a document is in cache. Groups that no signal asks for are not counted. The
kernels release the GIL; their compiled code is cached beside the source, or where NUMBA_CACHE_DIR says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numba import njit

from rules.characters import character_classes
from rules.decode import kernel_texts
from rules.hash_sets import slot_bits
from rules.line_breaks import breaks_at_newlines_only
from rules.line_counts import (
    CHARACTER_COUNTS,
    NEWLINE_COUNTS,
    PARAGRAPH_COUNTS,
    SPLIT_LINE_COUNTS,
    character_counts,
    newline_counts,
    paragraph_counts,
    split_line_counts,
)
from rules.ngrams import NGRAM_COUNTS
from rules.sentences import SENTENCE_COUNTS, sentence_count
from rules.word_counts import WORD_COUNTS, count_words
from rules.words import splits_unicode

# Groups that are counted together, in the order of their columns.
TEXT_GROUPS = (CHARACTER_COUNTS, SPLIT_LINE_COUNTS, NEWLINE_COUNTS, PARAGRAPH_COUNTS, SENTENCE_COUNTS)
TEXT_NAMES = tuple(name for group in TEXT_GROUPS for name in group)
WORD_NAMES = (*WORD_COUNTS, *NGRAM_COUNTS)
_FIRST = np.cumsum([0, *map(len, TEXT_GROUPS)])
CHARACTERS, SPLIT_LINES, NEWLINES, PARAGRAPHS, SENTENCES = (int(first) for first in _FIRST[:-1])
NEWLINE_COLUMN = list(CHARACTER_COUNTS).index("newlines")

MEANINGS: dict[str, str] = {**WORD_COUNTS, **NGRAM_COUNTS}
for _group in TEXT_GROUPS:
    MEANINGS |= _group


@dataclass(frozen=True)
class Counts:
    """Counts by name, each int64 [docs]; only those that were asked for."""

    columns: dict[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]


def count(texts: pa.Array | pa.ChunkedArray, names: Iterable[str], words: str = "unicode") -> Counts:
    """Counts `names` (keys of MEANINGS) of every text; words are split as `words` (space or unicode) says."""
    wanted = set(names)
    offsets, data = kernel_texts(texts)
    documents = len(offsets) - 1
    columns: dict[str, np.ndarray] = {}
    if wanted & set(TEXT_NAMES):
        groups = np.array([not wanted.isdisjoint(group) for group in TEXT_GROUPS])
        table = np.zeros((documents, len(TEXT_NAMES)), np.int64)
        count_texts(offsets, data, character_classes(), groups, table)
        columns |= dict(zip(TEXT_NAMES, table.T))
    if wanted & set(WORD_NAMES):
        table = np.zeros((documents, len(WORD_NAMES)), np.int64)
        count_words(offsets, data, character_classes(), splits_unicode(words), not wanted.isdisjoint(NGRAM_COUNTS), table)
        columns |= dict(zip(WORD_NAMES, table.T))
    return Counts({name: columns[name] for name in wanted})


@njit(nogil=True, cache=True, forceinline=True)
def put(out, d, first, values):
    for k in range(len(values)):
        out[d, first + k] = values[k]


@njit(nogil=True, cache=True)
def count_texts(offsets, data, classes, groups, out):
    """Fill `out` (int64 [docs, TEXT_NAMES]); `groups` (bool [TEXT_GROUPS]) says which are wanted."""
    seen = np.empty(64, np.uint64)
    for d in range(offsets.size - 1):
        i, end = offsets[d], offsets[d + 1]
        if groups[0] or groups[2] or groups[3]:
            put(out, d, CHARACTERS, character_counts(data, i, end))
        newlines = out[d, NEWLINE_COLUMN]
        if (1 << slot_bits(newlines + 1)) > seen.size:
            seen = np.empty(1 << slot_bits(newlines + 1), np.uint64)
        together = groups[1] and groups[2] and breaks_at_newlines_only(data, i, end)
        if groups[2]:
            found = newline_counts(data, i, end, newlines, classes, seen)
            put(out, d, NEWLINES, found[:7])
            if together:
                put(out, d, SPLIT_LINES, found[7:])
        if groups[1] and not together:
            put(out, d, SPLIT_LINES, split_line_counts(data, i, end, classes))
        if groups[3]:
            put(out, d, PARAGRAPHS, paragraph_counts(data, i, end, newlines, classes, seen))
        if groups[4]:
            out[d, SENTENCES] = sentence_count(data, i, end, classes)
