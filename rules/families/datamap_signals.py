"""The signals of datamap-rs's filters that no other signal equals.

With `words: space`, datamap_symbol_word_ratio, datamap_non_alpha_word_frac, datamap_mean_word_bytes and both counts of
stop words are those of its filters. Its other words are Unicode's (annex 29), which take "don't" and "3.14" as one word
each; with `words: unicode` the pack's splitter stands in for them, which takes more words. Letters, digits and white
space are Python's, which differ from Rust's in vowel signs, letters in circles, and the separators 1C to 1F.

Signals that others equal: text_len_filter's is `bytes`, page_len_filter's `chars` with punctuation, and the annotation of
word_count_adder is `datamap_words`. A filter drops a page without lines, words or paragraphs, for which signals here
are NaN, and alphabetic_word_ratio_filter also drops one of a single word. Filters over more than one text (the ratio of
words removed), over tokens of a tokenizer, and over gzip are not signals; those that change lines are line rules.
"""

from __future__ import annotations

import numpy as np

from rules.measures.ngrams import DUPLICATE_SIZES
from rules.measures.signal import Signal, number, ratio, ratio_of_difference
from rules.measures.top_ngrams import TOP_SIZES

SYMBOLS = "datamap-rs, symbol_ratio_filter"
LINES = "datamap-rs, bullet_filter and ellipsis_line_ratio_filter"
WORDS = "datamap-rs, word_len_filter, alphabetic_word_ratio_filter and stop_word_filter"
LENGTHS = "datamap-rs, page_len_filter"
REPETITION = "datamap-rs, massive_web_repetition_filter"

BLOCKS = "Bake the bread.\n\nLet it cool.\n\nBake the bread."


def _symbol_ratio(hashes: np.ndarray, ellipses: np.ndarray, spaced: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Symbols / words; a spaced ellipsis is three words to any splitter, and one here."""
    return ratio(hashes + ellipses + spaced, words - 2 * spaced)


def _ratio_of_others(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """(whole - part) / whole."""
    return ratio(whole - part, whole)


def _top(n: int) -> Signal:
    meaning = (
        f"bytes of the words that lie in the most frequent {n}-gram that occurs twice or more, of several the largest, each word"
        " once / bytes of all words with a letter or digit"
    )
    return Signal(f"datamap_top_{n}_gram_byte_frac", meaning, "fraction", REPETITION, (f"datamap_top_{n}_gram_bytes", "datamap_word_bytes"), ratio)


def _dup(n: int) -> Signal:
    meaning = f"bytes of the words that lie in {n}-grams that occur more than once, each word once / bytes of all words with a letter or digit"
    return Signal(f"datamap_dup_{n}_gram_byte_frac", meaning, "fraction", REPETITION, (f"datamap_dup_{n}_gram_bytes", "datamap_word_bytes"), ratio)


DATAMAP_SIGNALS = (
    # Gopher, quality
    Signal("datamap_mean_word_bytes", "bytes of the words / words", "bytes", WORDS, ("datamap_split_word_bytes", "datamap_split_words"), ratio),
    Signal(
        "datamap_symbol_word_ratio", "number signs and ellipses, '...', '. . .' or '…' / words, where '. . .' is one", "ratio", SYMBOLS,
        ("hashes", "ellipses", "datamap_spaced_ellipses", "datamap_split_words"), _symbol_ratio,
    ),
    Signal("datamap_bullet_line_frac", "lines (between line feeds, empty ones too) that start with ●, •, * or -, no space before it / such lines", "fraction", LINES, ("datamap_bullet_rows", "rows"), ratio),
    Signal("datamap_ellipsis_line_frac", "lines that end in '...', '. . .' or '…' / lines, not empty, without a carriage return at their end", "fraction", LINES, ("datamap_ellipsis_lines", "datamap_full_lines"), ratio),
    Signal("datamap_non_alpha_word_frac", "words without a letter / words", "fraction", WORDS, ("alpha_words", "words"), _ratio_of_others),
    Signal("datamap_stop_words", "words that are the, be, to, of, and, that, have or with, in any case, each time they occur", "words", WORDS, ("datamap_stop_words",), number),
    Signal("datamap_distinct_stop_words", "how many of the, be, to, of, and, that, have, with occur, in any case", "words", WORDS, ("datamap_distinct_stop_words",), number),
    # lengths
    Signal("datamap_words", "words with a letter, digit or other number", "words", LENGTHS, ("datamap_words",), number),
    Signal("datamap_alnum_chars", "letters, digits and other numbers", "characters", LENGTHS, ("datamap_alnum_chars",), number),
    Signal("datamap_lines", "lines (a carriage return may come before the line feed), without an empty one at the end", "lines", LENGTHS, ("datamap_lines",), number),
    Signal("datamap_sentences", "characters . ! and ?; at least one, but none in an empty text", "sentences", LENGTHS, ("datamap_sentences",), number),
    Signal("datamap_paragraphs", "pieces between two line feeds that are not blank; at least one, but none in an empty text", "paragraphs", LENGTHS, ("datamap_paragraphs",), number),
    # repetition
    Signal("datamap_dup_line_frac", "lines (between line feeds, not empty) that occur more than once, the first copy too / such lines", "fraction", REPETITION, ("datamap_repeated_rows", "datamap_full_rows"), ratio),
    Signal("datamap_dup_line_byte_frac", "bytes of lines that occur more than once, the first copy too / bytes but line feeds", "fraction", REPETITION, ("datamap_repeated_row_bytes", "bytes", "newlines"), ratio_of_difference),
    Signal("datamap_dup_paragraph_frac", "pieces between two line feeds, not empty, that occur more than once, the first copy too / such pieces", "fraction", REPETITION, ("datamap_repeated_blocks", "datamap_blocks"), ratio, BLOCKS),
    Signal("datamap_dup_paragraph_byte_frac", "bytes of pieces between two line feeds that occur more than once, the first copy too / bytes of all such pieces", "fraction", REPETITION, ("datamap_repeated_block_bytes", "datamap_block_bytes"), ratio, BLOCKS),
    *map(_top, TOP_SIZES),
    *map(_dup, DUPLICATE_SIZES),
)  # fmt: skip
