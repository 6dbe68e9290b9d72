"""Everything that signals are made of: counts per document, int64, measured by kernels over Arrow string buffers.

Kernels each read a text once, 64 bytes at a time (masks.py): marks (mark_counts.py), characters by what they are
(character_counts.py), lines (line_counts.py), and words with or without their n-grams (word_counts.py, ngrams.py), or
their number alone (word_numbers.py). Only the kernels that the wanted counts need are run. They release the GIL, so
threads that count different texts run side by side. All together take 7 ns a byte with words between white space and
11 ns with `unicode` words, on 29 languages (AMD EPYC with AVX-512, shared with other work: benchmarks/signals.py). A
splitter that rewrites the text (rewriting.py) does so once, for all kernels that read words. Compiling them takes 20 s
or so, once for each installation: the code is kept beside the source, or where NUMBA_CACHE_DIR says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
import pyarrow as pa

from rules.families.datajuicer_character_counts import (
    DATAJUICER_CHARACTER_COUNTS,
    DATAJUICER_REPETITION_COUNTS,
    count_datajuicer_characters,
    count_datajuicer_repetition,
)
from rules.families.datajuicer_word_counts import DATAJUICER_WORD_COUNTS, count_datajuicer_words
from rules.families.datamap_text import DATAMAP_TEXT_COUNTS, count_datamap_text
from rules.families.datamap_words import DATAMAP_WORD_COUNTS, count_datamap_words
from rules.families.dolma_characters import DOLMA_CHARACTER_COUNTS, count_dolma_characters
from rules.families.dolma_text import DOLMA_TEXT_COUNTS, count_dolma_text
from rules.families.dolma_words import DOLMA_WORD_COUNTS, count_dolma_words
from rules.families.nemo_character_counts import NEMO_CHARACTER_COUNTS, count_nemo_characters
from rules.families.nemo_code_counts import NEMO_CODE_COUNTS, count_nemo_code
from rules.families.nemo_line_counts import NEMO_LINE_COUNTS, count_nemo_lines
from rules.families.nemo_ngrams import NEMO_NGRAM_COUNTS, count_nemo_ngrams
from rules.families.nemo_word_counts import NEMO_WORD_COUNTS, count_nemo_words
from rules.measures.character_counts import CHARACTER_COUNTS, CLASS_COUNTS, count_classes
from rules.measures.line_counts import LINE_COUNTS, count_lines
from rules.measures.longest_lines import LONGEST_LINE_COUNTS, count_longest_lines
from rules.measures.mark_counts import MARK_COUNTS, count_marks
from rules.measures.markup_counts import MARKUP_COUNTS, count_markup
from rules.measures.ngram_coverage import COVERAGE_COUNTS, count_coverage
from rules.measures.ngrams import NGRAM_COUNTS
from rules.measures.word_counts import WORD_COUNTS, count_words
from rules.models.profiles import ENGLISH_COUNTS, count_english
from rules.splitters.rewriting import OWN_COUNTS, own_count, rewritten
from rules.splitters.word_numbers import count_word_numbers
from rules.splitters.words import Splitter, splits_unicode
from rules.text.characters import character_classes
from rules.text.kernels import kernel_texts

# Kernels that read the text, (offsets, data, classes, out), and kernels that read its words, (offsets, data, classes,
# unicode_words, out), each with the names of the columns that it fills. Gopher's words and n-grams are counted apart,
# because counting both at once is cheaper.
TEXT_KERNELS = (
    (count_marks, MARK_COUNTS),
    (count_classes, CLASS_COUNTS),
    (count_lines, LINE_COUNTS),
    (count_dolma_text, DOLMA_TEXT_COUNTS),
    (count_dolma_characters, DOLMA_CHARACTER_COUNTS),
    (count_datamap_text, DATAMAP_TEXT_COUNTS),
    (count_nemo_characters, NEMO_CHARACTER_COUNTS),
    (count_nemo_lines, NEMO_LINE_COUNTS),
    (count_nemo_code, NEMO_CODE_COUNTS),
    (count_datajuicer_characters, DATAJUICER_CHARACTER_COUNTS),
    (count_datajuicer_repetition, DATAJUICER_REPETITION_COUNTS),
    (count_datajuicer_words, DATAJUICER_WORD_COUNTS),
    (count_markup, MARKUP_COUNTS),
    (count_longest_lines, LONGEST_LINE_COUNTS),
    (count_english, ENGLISH_COUNTS),
)
WORD_KERNELS = (
    (count_dolma_words, DOLMA_WORD_COUNTS),
    (count_datamap_words, DATAMAP_WORD_COUNTS),
    (count_nemo_words, NEMO_WORD_COUNTS),
    (count_nemo_ngrams, NEMO_NGRAM_COUNTS),
    (count_coverage, COVERAGE_COUNTS),
)

CORE_MEANINGS: dict[str, str] = {**CHARACTER_COUNTS, **LINE_COUNTS, **WORD_COUNTS, **NGRAM_COUNTS}
MEANINGS: dict[str, str] = {
    **CORE_MEANINGS,
    **{name: text for _, group in (*TEXT_KERNELS, *WORD_KERNELS) for name, text in group.items()},
    **{name: own.meaning for name, own in OWN_COUNTS.items()},
}
MOST_BYTES = 2**32 - 1  # of one text: kernels keep positions within a text in 32 bits

Counts = dict[str, np.ndarray]  # name -> int64 [docs]


def count(texts: pa.Array | pa.ChunkedArray, names: Iterable[str], words: Splitter = "unicode") -> Counts:
    """Counts `names` (keys of MEANINGS) of each text, and those that come with them; an empty text has zeros.

    Raises ValueError for an unknown splitter, one that is not installed, an unknown count, and a text of 4 GiB or more.
    """
    wanted = set(names)
    if not wanted <= MEANINGS.keys():
        raise ValueError(f"unknown counts: {', '.join(sorted(wanted - MEANINGS.keys()))}")
    unicode_words, (offsets, data), classes = splits_unicode(words), kernel_texts(texts), character_classes()
    _check_sizes(offsets)
    found: Counts = {}
    for kernel, group in TEXT_KERNELS:
        if not wanted.isdisjoint(group):
            table = _table(offsets, group)
            kernel(offsets, data, classes, table)
            found |= dict(zip(group, table.T))
    found |= {name: own_count(texts, name) for name in OWN_COUNTS if name in wanted}
    ngrams = not wanted.isdisjoint(NGRAM_COUNTS)
    words_wanted = ngrams or not wanted.isdisjoint(WORD_COUNTS.keys() - {"words"})
    if words_wanted or "words" in wanted or not wanted.isdisjoint(name for _, group in WORD_KERNELS for name in group):
        offsets, data = kernel_texts(rewritten(texts, words))
        _check_sizes(offsets)
    for word_kernel, group in WORD_KERNELS:
        if not wanted.isdisjoint(group):
            table = _table(offsets, group)
            word_kernel(offsets, data, classes, unicode_words, table)
            found |= dict(zip(group, table.T))
    if words_wanted:
        table = _table(offsets, WORD_COUNTS | NGRAM_COUNTS)
        count_words(offsets, data, classes, unicode_words, ngrams, table)
        found |= dict(zip(WORD_COUNTS | NGRAM_COUNTS if ngrams else WORD_COUNTS, table.T))
    elif "words" in wanted:
        table = _table(offsets, ["words"])
        count_word_numbers(offsets, data, classes, unicode_words, table)
        found["words"] = table[:, 0]
    return found


def _check_sizes(offsets: np.ndarray) -> None:
    sizes = np.diff(offsets)
    if sizes.size and sizes.max() > MOST_BYTES:
        raise ValueError(f"text {sizes.argmax()} has {sizes.max():,} bytes; at most {MOST_BYTES:,} can be measured: split it")


def _table(offsets: np.ndarray, names: Collection[str]) -> np.ndarray:
    return np.zeros((len(offsets) - 1, len(names)), np.int64)
