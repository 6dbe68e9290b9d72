"""The signals of data-juicer's text filters (data_juicer/ops/filter), by their own definitions, without a tokenizer.

The length of a text (text_length_filter) is `chars`. Ratios that need a list of words (stopwords_filter,
flagged_words_filter) and models (language, perplexity) have no signal here. Where a filter says 0 because there is
nothing to divide by, a signal is NaN.
"""

from __future__ import annotations

from rules.measures.signal import Signal, number, ratio

DATAJUICER = "data-juicer, arXiv:2309.02033, text filters"

DATAJUICER_SIGNALS = (
    Signal("datajuicer_alnum_char_frac", "letters and numbers (str.isalnum) / characters", "fraction", DATAJUICER, ("datajuicer_alnum_chars", "chars"), ratio),
    Signal("datajuicer_special_char_frac", "special characters (ASCII marks, digits, white space; listed marks; emoji) / characters", "fraction", DATAJUICER, ("datajuicer_special_chars", "chars"), ratio),
    Signal("datajuicer_mean_line_chars", "characters, line breaks included / lines (str.splitlines)", "characters", DATAJUICER, ("chars", "lines"), ratio),
    Signal("datajuicer_longest_line_chars", "characters of the longest line (str.splitlines)", "characters", DATAJUICER, ("datajuicer_longest_line_chars",), number),
    Signal("datajuicer_words", "words between spaces, tabs and line feeds with a character that is not special", "words", DATAJUICER, ("datajuicer_words",), number),
    Signal(
        "datajuicer_char_10_gram_frac", "occurrences of the most frequent runs of 10 characters / all such runs; of the runs that"
        " repeat, as many as the square root of the number of different runs", "fraction", DATAJUICER,
        ("datajuicer_top_char_10_grams", "datajuicer_char_10_grams"), ratio,
    ),
    Signal(
        "datajuicer_word_10_gram_frac", "occurrences of the runs of 10 words that occur more than once / all such runs; words in"
        " lower case, special characters taken off both ends", "fraction", DATAJUICER,
        ("datajuicer_repeated_word_10_grams", "datajuicer_word_10_grams"), ratio,
    ),
)  # fmt: skip
