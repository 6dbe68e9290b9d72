"""The signals of dolma's taggers that no other signal equals. With `words: space` each is the tagger's own number.

Those that others equal (with `words: space`): word_count is `words`, character_count and char_length_v1 `chars`,
fraction_of_words_with_alpha_character `alpha_word_frac`, has_curly_brace `curly_brackets` above zero, bytes_length_v1
`bytes`. Of the lines of a text, the first gopher tagger (v1) takes all, the second (v2) leaves out empty ones. Where a
signal here is NaN, a tagger gives zero or nothing at all, and zero meets thresholds from below. Not signals are word
lists (has_naughty_word), tokens of a tokenizer, words of Unicode's annex 29 (`words` with `words: unicode` comes near),
and repetitions_v1, a pattern with back-references whose time grows with the square of a line.
"""

from __future__ import annotations

import numpy as np

from rules.measures.ngrams import DUPLICATE_SIZES
from rules.measures.signal import Signal, number, ratio
from rules.measures.top_ngrams import TOP_SIZES

GOPHER_TAGGER = "dolma, taggers gopher_v1 and gopher_v2"
C4_TAGGER = "dolma, taggers c4_v1 and c4_v2"
LENGTH_TAGGER = "dolma, length taggers"
PUNCTUATION_TAGGER = "dolma, tagger not_alphanum_paragraph_v1"

MARKS = """\
# Things to do
* bake bread…
* mow the lawn
* bake bread…
"""
SCRIPTS = "Please enable JavaScript to see this page, which says lorem ipsum dolor."
RULER = "Chapter one\n* * *\nChapter two\n"


def _half(found: np.ndarray) -> np.ndarray:
    """Half of the count."""
    return found / 2


def _ratio_to_visible(part: np.ndarray, chars: np.ndarray, white: np.ndarray) -> np.ndarray:
    """part / (chars - white), or / 1 in a text of white space alone, as the tagger has it."""
    return ratio(part, np.where(chars > 0, np.maximum(chars - white, 1), 0))


def _top(n: int) -> Signal:
    meaning = f"characters of the words of the most frequent {n}-gram, times its occurrences / characters of all words"
    return Signal(f"dolma_top_{n}_gram_char_frac", meaning, "fraction", GOPHER_TAGGER, (f"dolma_top_{n}_gram_chars", "dolma_word_chars"), ratio)


def _dup(n: int) -> Signal:
    meaning = f"characters of all {n}-grams of words that occur more than once / characters of all {n}-grams, overlapping ones too"
    return Signal(f"dolma_dup_{n}_gram_char_frac", meaning, "fraction", GOPHER_TAGGER, (f"dolma_dup_{n}_gram_chars", f"dolma_{n}_gram_chars"), ratio)


DOLMA_SIGNALS = (
    # gopher
    Signal("dolma_median_word_chars", "the median of the characters of a word; zero without words", "characters", GOPHER_TAGGER, ("dolma_two_median_word_chars",), _half),
    Signal("dolma_symbol_word_frac", "words that hold # or … / words", "fraction", GOPHER_TAGGER, ("dolma_symbol_words", "dolma_words"), ratio, MARKS),
    Signal("dolma_stop_words", "words that are the, be, to, of, and, that, have or with, in lower case, each time they occur", "words", GOPHER_TAGGER, ("dolma_stop_words",), number),
    Signal("dolma_v1_bullet_line_frac", "lines (between line feeds, empty ones too) that start with * or -, no space before it / such lines", "fraction", GOPHER_TAGGER, ("dolma_bullet_rows", "rows"), ratio),
    Signal("dolma_v2_bullet_line_frac", "lines (between runs of line feeds) that start with * or -, no space before it / such lines", "fraction", GOPHER_TAGGER, ("dolma_bullet_rows", "line_runs"), ratio),
    Signal("dolma_v1_ellipsis_line_frac", "lines (between line feeds, empty ones too) that end with … / such lines", "fraction", GOPHER_TAGGER, ("dolma_ellipsis_rows", "rows"), ratio, MARKS),
    Signal("dolma_v2_ellipsis_line_frac", "lines (between runs of line feeds) that end with … / such lines", "fraction", GOPHER_TAGGER, ("dolma_ellipsis_rows", "line_runs"), ratio, MARKS),
    Signal("dolma_v1_dup_line_frac", "lines (between line feeds, empty ones too) that occur more than once, the first copy too / such lines", "fraction", GOPHER_TAGGER, ("dolma_repeated_rows", "rows"), ratio),
    Signal("dolma_v2_dup_line_frac", "lines (between runs of line feeds) that occur more than once, the first copy too / such lines", "fraction", GOPHER_TAGGER, ("dolma_repeated_line_runs", "line_runs"), ratio),
    Signal(
        "dolma_dup_line_char_frac", "characters of lines (between line feeds) that occur more than once, the first copy too, white"
        " space counted / characters but white space; can be above 1", "fraction", GOPHER_TAGGER,
        ("dolma_repeated_row_chars", "chars", "white_chars"), _ratio_to_visible,
    ),
    *map(_top, TOP_SIZES),
    *map(_dup, DUPLICATE_SIZES),
    # c4
    Signal("dolma_lines", "lines (between line feeds, empty ones too)", "lines", C4_TAGGER, ("rows",), number),
    Signal("dolma_no_end_punct_line_frac", 'lines (between line feeds, empty ones too) that do not end in . ? ! or ", white space aside / such lines', "fraction", C4_TAGGER, ("dolma_open_rows", "rows"), ratio),
    Signal("dolma_few_word_line_frac", "lines (between line feeds, empty ones too) with fewer than three words / such lines", "fraction", C4_TAGGER, ("dolma_few_word_rows", "rows"), ratio),
    Signal("dolma_v1_javascripts", "words that are javascript, in any case", "words", C4_TAGGER, ("dolma_javascript_words",), number, SCRIPTS),
    Signal("dolma_v2_javascripts", "occurrences of javascript, in any case, within words too", "occurrences", C4_TAGGER, ("dolma_javascripts",), number, SCRIPTS),
    Signal("dolma_lorem_ipsums", "occurrences of lorem ipsum, in any case", "occurrences", C4_TAGGER, ("dolma_lorem_ipsums",), number, SCRIPTS),
    # lengths
    Signal("dolma_stripped_chars", "characters without white space at either end", "characters", LENGTH_TAGGER, ("dolma_stripped_chars",), number),
    Signal("dolma_whitespace_tokens", "pieces between runs of word characters and of marks: one more than such runs; none in an empty text", "pieces", LENGTH_TAGGER, ("dolma_whitespace_tokens",), number),
    # punctuation
    Signal("dolma_punct_lines", "lines (between line feeds) that are punctuation, symbols and white space alone, and not blank", "lines", PUNCTUATION_TAGGER, ("dolma_punct_rows",), number, RULER),
)  # fmt: skip
