"""The signals of NeMo Curator's heuristic filters (nemo_curator/stages/text/filters/heuristic), by their own definitions.

Filters whose number another signal already is have none here: LongWordFilter is `longest_word_chars`, WordCountFilter
`words`, both with `words: space`. What a pattern says, a pack's `match` says (SubstringFilter); characters of a
histogram are a list of the pack's, `listed_char_frac` (HistogramFilter). Comments and HTML are read by lexers where NeMo
asks a parser (rules/families/nemo_code_counts.py). PerExtensionFilter compares `longest_line_chars`, `nemo_mean_line_chars` and
fractions of characters with a table by file extension, which its user brings: those are rules. What needs a
tokenizer is in rules/measures/token_signals.py; left out is what needs a model (the fastText filters).

Where a filter divides by zero, or calls an empty text the worst there is, a signal is NaN.
"""

from __future__ import annotations

import numpy as np

from rules.families.nemo_ngrams import DUPLICATE_SIZES
from rules.measures.signal import Signal, number, ratio
from rules.measures.top_ngrams import TOP_SIZES

FEWEST_HTML_CHARS = 100
NEMO = "NeMo Curator, heuristic filters"


def _lacking(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """(whole - part) / whole; NaN where there is no whole."""
    return ratio(whole - part, whole)


def _mean_word_chars(chars: np.ndarray, white: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Whatever the splitter, the characters of all words are the visible ones."""
    return ratio(chars - white, words)


def _mean_line(chars: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """All characters but the line feeds, of which there is one less than lines, over the lines."""
    return ratio(chars - (rows - 1), rows)


def _html_text(text: np.ndarray, chars: np.ndarray) -> np.ndarray:
    """text / chars; 0 where there is less than FEWEST_HTML_CHARS of text."""
    return ratio(np.where(text < FEWEST_HTML_CHARS, 0, text), chars)


def _top(n: int) -> Signal:
    meaning = (
        f"characters that go if the most frequent {n}-gram of words, joined by single spaces, is deleted wherever the text has"
        f" that string / all characters; 1 if there are fewer than {n} words"
    )
    return Signal(f"nemo_top_{n}_gram_char_frac", meaning, "fraction", NEMO, (f"nemo_top_{n}_gram_chars", "chars"), ratio, "they go on and on, and they go on and rest")


def _dup(n: int) -> Signal:
    meaning = (
        f"characters, with single spaces, in {n}-grams of words seen before (none counts twice) / all characters;"
        f" 1 if there are fewer than {n} words"
    )
    return Signal(f"nemo_dup_{n}_gram_char_frac", meaning, "fraction", NEMO, (f"nemo_dup_{n}_gram_chars", "chars"), ratio)


NEMO_SIGNALS = (
    # characters
    Signal("nemo_non_plain_char_frac", "characters other than ASCII letters and digits, line feeds and ? ! , . (so spaces, too) / characters", "fraction", NEMO, ("nemo_plain_chars", "chars"), _lacking),
    Signal("nemo_digit_char_frac", "ASCII digits / characters", "fraction", NEMO, ("nemo_digit_chars", "chars"), ratio),
    Signal("nemo_whitespace_char_frac", "spaces, tabs, line feeds, carriage returns and backspaces / characters", "fraction", NEMO, ("nemo_white_chars", "chars"), ratio),
    Signal("nemo_bracket_char_frac", "round, square, curly and ⟨⟩ brackets, opening and closing / characters", "fraction", NEMO, ("nemo_bracket_chars", "chars"), ratio),
    Signal("nemo_alpha_char_frac", "characters with Unicode's property Alphabetic / characters", "fraction", NEMO, ("nemo_alpha_chars", "chars"), ratio),
    Signal("nemo_url_char_frac", "characters of web addresses (http or https) / characters", "fraction", NEMO, ("nemo_url_chars", "chars"), ratio, "Look at https://example.org/a?b=%20c."),
    Signal("nemo_porn_urls", "web addresses that contain porn, in lower case", "addresses", NEMO, ("nemo_porn_urls",), number, "See http://pornographic-content.example."),
    Signal("nemo_xml_headers", "1 if the first 100 characters hold <?xml version=, else 0", "headers", NEMO, ("nemo_xml_headers",), number, '<?xml version="1.0"?><a/>'),
    # words
    Signal("nemo_mean_word_chars", "characters of all words / words", "characters", NEMO, ("chars", "white_chars", "words"), _mean_word_chars),
    Signal("nemo_symbol_word_frac", "words that are an ellipsis, or have more runs of # than half their characters / words", "fraction", NEMO, ("nemo_symbol_words", "words"), ratio),
    Signal("nemo_alpha_word_frac", "words that have a character with Unicode's property Alphabetic / words", "fraction", NEMO, ("nemo_alpha_words", "words"), ratio),
    Signal("nemo_common_words", "occurrences of the, be, to, of, and, that, have, with, in lower case", "words", NEMO, ("nemo_common_words",), number),
    # lines and paragraphs
    Signal("nemo_code_lines", "line feeds and one; none in an empty text", "lines", NEMO, ("rows",), number),
    Signal("nemo_bullet_line_frac", "visible lines that start with one of ‣ • ⁃ ⁌ ⁍ ∙ ○ ● ◘ ◦ ⦾ ⦿ / visible lines", "fraction", NEMO, ("nemo_bullet_lines", "nemo_lines"), ratio, "• flour\n• water"),
    Signal("nemo_open_line_frac", "visible lines that do not end in . ? ! \" or ' / visible lines", "fraction", NEMO, ("nemo_open_lines", "nemo_lines"), ratio),
    Signal("nemo_ellipsis_line_frac", "visible lines that end in an ellipsis, also in brackets, -» or read more / visible lines", "fraction", NEMO, ("nemo_ellipsis_lines", "nemo_lines"), ratio),
    Signal("nemo_unique_line_frac", "different visible lines / visible lines", "fraction", NEMO, ("nemo_unique_lines", "nemo_lines"), ratio),
    Signal("nemo_unique_line_char_frac", "characters of different visible lines / characters of visible lines", "fraction", NEMO, ("nemo_unique_line_chars", "nemo_line_chars"), ratio),
    Signal("nemo_unique_paragraph_frac", "different paragraphs (between two line feeds) / paragraphs", "fraction", NEMO, ("nemo_unique_paragraphs", "nemo_paragraphs"), ratio),
    Signal("nemo_unique_paragraph_char_frac", "characters of different paragraphs / characters of paragraphs", "fraction", NEMO, ("nemo_unique_paragraph_chars", "nemo_paragraph_chars"), ratio),
    Signal("nemo_boilerplate_paragraph_frac", "paragraphs with a phrase of cookie or policy notices / paragraphs; 1 if lorem ipsum occurs", "fraction", NEMO, ("nemo_boilerplate_paragraphs", "nemo_paragraphs"), ratio, "This site uses cookies.\n\nWelcome."),
    # code
    Signal("nemo_mean_line_chars", "characters of a line, its line feed aside, on average", "characters", NEMO, ("chars", "rows"), _mean_line),
    Signal("nemo_python_comment_char_frac", "characters of Python's comments and docstrings / characters", "fraction", NEMO, ("nemo_python_comment_chars", "chars"), ratio, 'def bake():\n    """Bake bread."""\n    return 1  # loaf\n'),
    Signal("nemo_c_comment_char_frac", "characters between /* and */, and after // on a line, outside of strings / characters", "fraction", NEMO, ("nemo_c_comment_chars", "chars"), ratio, "int loaf = 1; // one\n/* all of it */\n"),
    Signal("nemo_hash_comment_char_frac", "characters after a # that starts a word, on its line, outside of strings / characters", "fraction", NEMO, ("nemo_hash_comment_chars", "chars"), ratio, "bake --hot  # with steam\n"),
    Signal("nemo_markup_comment_char_frac", "characters between <!-- and --> / characters", "fraction", NEMO, ("nemo_markup_comment_chars", "chars"), ratio, "<p>bread</p><!-- still warm -->"),
    Signal("nemo_html_text_char_frac", "characters outside of HTML's tags, comments, scripts and styles, 0 if fewer than 100 / characters", "fraction", NEMO, ("nemo_html_text_chars", "chars"), _html_text, "<style>p {color: red}</style><p>" + "Bread and butter, and salt. " * 5 + "</p>"),
    # repetition
    *map(_top, TOP_SIZES),
    *map(_dup, DUPLICATE_SIZES),
)  # fmt: skip
