"""The signals that rules compare with thresholds: names, meanings, and arithmetic on counts.

A signal is NaN where its denominator is zero, so in an empty text every fraction is NaN and every number zero. The
definitions of Gopher's, C4's and FineWeb's signals are those of datatrove's filters, to the last detail: with `space`
words a threshold here decides as the filter does there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from rules.families.datajuicer_signals import DATAJUICER_SIGNALS
from rules.families.datamap_signals import DATAMAP_SIGNALS
from rules.families.dolma_signals import DOLMA_SIGNALS
from rules.families.llama3_signals import LLAMA3_SIGNALS
from rules.families.nemo_signals import NEMO_SIGNALS
from rules.measures.counts import count
from rules.measures.ngrams import DUPLICATE_SIZES
from rules.measures.signal import Signal, number, ratio, ratio_of_difference, total
from rules.measures.top_ngrams import TOP_SIZES
from rules.splitters.words import Splitter

GOPHER = "Gopher, arXiv:2112.11446, table A1"
C4 = "C4, arXiv:1910.10683, section 2.2"
FINEWEB = "FineWeb, arXiv:2406.17557, section 3.6"
OWN = "gristmill"


def _top(n: int) -> Signal:
    meaning = f"characters of the most frequent {n}-gram of words, with single spaces, times its occurrences / all characters"
    return Signal(f"top_{n}_gram_char_frac", meaning, "fraction", GOPHER, (f"top_{n}_gram_chars", "chars"), ratio)


def _dup(n: int) -> Signal:
    meaning = f"characters, without white space, in {n}-grams of words seen before (none counts twice) / all characters"
    return Signal(f"dup_{n}_gram_char_frac", meaning, "fraction", GOPHER, (f"dup_{n}_gram_chars", "chars"), ratio)


CORE_SIGNALS = (
    # size
    Signal("bytes", "bytes of UTF-8", "bytes", OWN, ("bytes",), number),
    Signal("chars", "characters (code points)", "characters", OWN, ("chars",), number),
    Signal("words", "words of the pack's splitter, punctuation marks that stand alone included", "words", OWN, ("words",), number),
    Signal("lines", "lines (str.splitlines)", "lines", OWN, ("lines",), number),
    Signal("paragraphs", "pieces between two or more line feeds, white space around the text set aside", "paragraphs", OWN, ("paragraphs",), number),
    Signal(
        "sentences",
        "pieces of lines that end in a sentence mark of any script before white space (quotes and brackets may close in"
        " between; 。！？ need no white space) or at the end of the line; every line with visible text has at least one",
        "sentences", C4, ("sentence_ends", "open_lines"), total,
    ),
    # characters
    Signal("digit_char_frac", "decimal digits of any script / characters", "fraction", OWN, ("digit_chars", "chars"), ratio),
    Signal("uppercase_char_frac", "upper-case letters / characters", "fraction", OWN, ("uppercase_chars", "chars"), ratio),
    Signal("whitespace_char_frac", "white space / characters", "fraction", OWN, ("white_chars", "chars"), ratio),
    Signal("curly_brackets", "opening curly brackets", "brackets", C4, ("curly_brackets",), number),
    # Gopher, quality
    Signal("non_symbol_words", "words with a character other than punctuation", "words", GOPHER, ("non_symbol_words",), number),
    Signal("mean_word_chars", "characters of the non-symbol words / non-symbol words", "characters", GOPHER, ("non_symbol_word_chars", "non_symbol_words"), ratio),
    Signal("hash_word_ratio", "number signs / words", "ratio", GOPHER, ("hashes", "words"), ratio),
    Signal("ellipsis_word_ratio", "ellipses, '...' or '…' / words", "ratio", GOPHER, ("ellipses", "words"), ratio),
    Signal("bullet_line_frac", "lines that start with • or - / lines", "fraction", GOPHER, ("bullet_lines", "lines"), ratio),
    Signal("ellipsis_line_frac", "lines that end in '...' or '…' / lines", "fraction", GOPHER, ("ellipsis_lines", "lines"), ratio),
    Signal("alpha_word_frac", "words with a letter / words", "fraction", GOPHER, ("alpha_words", "words"), ratio),
    Signal("stop_words", "how many of the, be, to, of, and, that, have, with occur, in lower case", "words", GOPHER, ("stop_words",), number),
    # Gopher, repetition
    Signal("dup_paragraph_frac", "paragraphs seen before / paragraphs", "fraction", GOPHER, ("dup_paragraphs", "paragraphs"), ratio),
    Signal("dup_paragraph_char_frac", "characters of paragraphs seen before / all characters", "fraction", GOPHER, ("dup_paragraph_chars", "chars"), ratio),
    Signal("dup_line_frac", "lines (between runs of line feeds) seen before / such lines", "fraction", GOPHER, ("dup_line_runs", "line_runs"), ratio),
    Signal("dup_line_char_frac", "characters of lines seen before / all characters", "fraction", GOPHER, ("dup_line_run_chars", "chars"), ratio),
    *map(_top, TOP_SIZES),
    *map(_dup, DUPLICATE_SIZES),
    # FineWeb
    Signal("line_end_punct_frac", "visible lines (between line feeds) that end in a sentence mark / visible lines", "fraction", FINEWEB, ("visible_row_ends", "visible_rows"), ratio),
    Signal("short_line_frac", "visible lines (between line feeds) of at most 30 characters / visible lines", "fraction", FINEWEB, ("short_visible_rows", "visible_rows"), ratio),
    Signal(
        "fineweb_dup_line_char_frac", "characters of visible lines seen before / characters but line feeds", "fraction",
        FINEWEB, ("dup_visible_row_chars", "chars", "newlines"), ratio_of_difference,
    ),
    Signal("newline_word_ratio", "line feeds / words", "ratio", FINEWEB, ("newlines", "words"), ratio),
    Signal("longest_word_chars", "characters of the longest word", "characters", C4, ("longest_word_chars",), number),
    Signal("fineweb_v1_line_end_punct_frac", "lines (between line feeds, empty ones too) that end in . ' \" ! or ? / such lines", "fraction", FINEWEB, ("row_ends", "rows"), ratio),
    Signal("fineweb_v1_short_line_frac", "lines (between line feeds, empty ones too) of at most 30 characters / such lines", "fraction", FINEWEB, ("short_rows", "rows"), ratio),
)  # fmt: skip

LINE_LENGTH_SIGNALS = (
    Signal("longest_line_chars", "characters of the longest line (between line feeds)", "characters", OWN, ("longest_row_chars",), number),
    Signal(
        "third_longest_line_chars", "characters of the third longest line (between line feeds); 0 where there are fewer than three",
        "characters", C4, ("third_longest_row_chars",), number,
    ),
)  # fmt: skip

FAMILIES = (CORE_SIGNALS, LINE_LENGTH_SIGNALS, DOLMA_SIGNALS, DATAMAP_SIGNALS, NEMO_SIGNALS, DATAJUICER_SIGNALS, LLAMA3_SIGNALS)
SIGNALS = {signal.name: signal for family in FAMILIES for signal in family}

# Signals that a splitter measures in its own way: splitter -> signals.
SPLITTER_SIGNALS = {
    "spacy": {
        "sentences": Signal("sentences", "sentences of the lines (str.splitlines), as spaCy's sentencizer divides each", "sentences", C4, ("spacy_sentences",), number),
    },
}  # fmt: skip


def measure(texts: pa.Array | pa.ChunkedArray, names: Sequence[str], words: Splitter = "unicode") -> dict[str, np.ndarray]:
    """The signals `names` of each text, float64 [docs] each; what no name needs is not counted.

    Raises ValueError for an unknown signal or splitter, or one that is not installed.
    """
    unknown = [name for name in names if name not in SIGNALS]
    if unknown:
        raise ValueError(f"unknown signals: {', '.join(unknown)}")
    signals = [SPLITTER_SIGNALS.get(words, {}).get(name, SIGNALS[name]) for name in names]
    counts = count(texts, {needed for signal in signals for needed in signal.counts}, words)
    return {signal.name: signal.value(counts) for signal in signals}
