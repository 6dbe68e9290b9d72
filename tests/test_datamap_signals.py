"""The signals named `datamap_` are what datamap-rs's filters measure."""

from __future__ import annotations

import math

import datamap_definitions
import numpy as np
import pyarrow as pa
import pytest
from definitions import read
from hostile_texts import PIECES, any_texts, raw_texts
from hypothesis import given, settings
from hypothesis import strategies as st
from test_counts import raw_array

from rules.families.datamap_signals import DATAMAP_SIGNALS
from rules.measures.signals import measure

NAMES = [signal.name for signal in DATAMAP_SIGNALS]
DATAMAPS_PIECES = [". . .", ". .", " .", "●", "* ", "THE", "wItH", "Of ", "\n\n", "\r\n", "...\r", "…\r\n", "don't"]
datamap_texts = st.lists(st.sampled_from(PIECES) | st.sampled_from(DATAMAPS_PIECES) | st.just(" "), max_size=40).map("".join)
repeating_texts = st.lists(st.sampled_from(["a", "bb", "ж", "-", "a", "bb"]), min_size=5, max_size=60).map(" ".join)
texts_of_lines = st.lists(st.sampled_from(["", "", " ", "a", "- a...", "• b", "b. . .", "…", "\r", "a\r", "● of the"]), max_size=20).map("\n".join)


def one(text: str, words: str = "space") -> dict[str, float]:
    return {name: float(values[0]) for name, values in measure(pa.array([text]), NAMES, words).items()}


@pytest.mark.parametrize("words", ["space", "unicode"])
@settings(max_examples=300, deadline=None)
@given(texts=st.lists(any_texts | datamap_texts | repeating_texts | texts_of_lines, min_size=1, max_size=3))
def test_equal_the_definitions(texts, words):
    found = measure(pa.array(texts, pa.large_string()), NAMES, words)
    for row, text in enumerate(texts):
        wanted = datamap_definitions.signals(text, words)
        assert list(wanted) == NAMES
        assert {name: float(values[row]) for name, values in found.items()} == pytest.approx(wanted, rel=1e-15, abs=0, nan_ok=True), text


@pytest.mark.parametrize("words", ["space", "unicode"])
@settings(max_examples=200, deadline=None)
@given(raw=raw_texts)
def test_malformed_text_reads_as_replacement_characters(raw, words):
    """But for sizes, which are of the bytes that are there, and copies, which are copies byte for byte."""
    wanted = {name: value for name, value in datamap_definitions.signals(read(raw), words).items() if "byte" not in name and "dup" not in name}
    found = measure(raw_array([raw]), list(wanted), words)
    assert {name: float(values[0]) for name, values in found.items()} == pytest.approx(wanted, rel=1e-15, abs=0, nan_ok=True)


@pytest.mark.parametrize("words", ["space", "unicode"])
def test_long_texts(words):
    """Beyond every buffer's first size."""
    random = np.random.default_rng(7)
    texts = [" ".join(random.choice(["a", "bb", "The", "…", "ж\n", "漢字", ". . ."], 9_000)), "\n".join(["x" * 100, "", "y" * 3_000] * 1_500), "", "p" * 20_000, "\n" * 5_001]
    found = measure(pa.array(texts), NAMES, words)
    for row, text in enumerate(texts):
        assert {name: float(values[row]) for name, values in found.items()} == pytest.approx(datamap_definitions.signals(text, words), rel=1e-15, abs=0, nan_ok=True)


# n, the words, and what massive_web_repetition_filter finds in them: worked by hand from its rules.
REPETITION = [
    (2, "a b c a b d", 4 / 6),
    (3, "a b c d a b c e", 6 / 8),
    (3, "a b c a b c", 1),
    (4, "short a b c short a b d", 0),
    (4, "a a a a a a b c d f", 6 / 10),
    (2, "to be or not to be that is the question to be or not to be i know", 16 / 48),
    (2, "a b x long er y a b z long er", 12 / 19),  # twice each: the larger
    (8, "the quick brown fox jumps over the lazy dog the quick brown fox jumps over the lazy cat", 64 / 70),
    (6, "a b c d e f g h", 0),
    (10, "word", 0),
]


@pytest.mark.parametrize(("n", "text", "fraction"), REPETITION)
def test_known_ngrams(n, text, fraction):
    for words in ("space", "unicode"):
        assert one(text, words)[f"datamap_{'top' if n < 5 else 'dup'}_{n}_gram_byte_frac"] == pytest.approx(fraction, rel=1e-15)


def test_known_lines_and_paragraphs():
    assert one("short\nlooooong\nshort\nmedium")["datamap_dup_line_frac"] == 2 / 4
    assert one("short\nlooooong\nshort\nmedium")["datamap_dup_line_byte_frac"] == 10 / 24
    assert one("a\nb\n\na\nc\nb\nd")["datamap_dup_line_frac"] == 4 / 6
    assert one("a\n\n\na\n\na")["datamap_dup_paragraph_frac"] == 2 / 3  # "a", "\na" and "a"
    assert one("a\n\n\n\n\n\na\n\nbb")["datamap_dup_paragraph_byte_frac"] == 2 / 4
    assert one("• a\n ● b\n\n* c")["datamap_bullet_line_frac"] == 2 / 4
    assert one("Wait...\r\n\nWhat. . .\nno... \n\r\nEnd…")["datamap_ellipsis_line_frac"] == 3 / 4
    assert one("a\r\nb\n\n")["datamap_lines"] == 3
    assert one("One. Two! Three?\n\n \n\nFour")["datamap_sentences"] == 3
    assert one("One. Two! Three?\n\n \n\nFour")["datamap_paragraphs"] == 2


def test_known_words():
    assert one("Wait . . . what #no … and...")["datamap_symbol_word_ratio"] == 4 / 6
    assert one("naïve 10 € !")["datamap_mean_word_bytes"] == (6 + 2 + 3 + 1) / 4
    assert one("naïve 10 € !")["datamap_non_alpha_word_frac"] == 3 / 4
    assert one("The the OF thee of.")["datamap_stop_words"] == 3
    assert one("The the OF thee of.")["datamap_distinct_stop_words"] == 2
    assert one("don't stop - 3.14!", "unicode")["datamap_words"] == 5
    assert one("don't stop - 3.14!", "space")["datamap_words"] == 3
    assert one("naïve 10 € !")["datamap_alnum_chars"] == 7


@pytest.mark.parametrize("text", ["", "\n", "\n\n\n", " ", "\r\n", "word", "#", "…", "é"])
def test_texts_of_next_to_nothing(text):
    for words in ("space", "unicode"):
        assert one(text, words) == pytest.approx(datamap_definitions.signals(text, words), nan_ok=True)
    if not text:
        assert all(value == 0 or math.isnan(value) for value in one(text).values())


# What datamap-rs's own code measures of each text, but for zeros: its repetition function was compiled alone and given
# the words between white space that have a letter or digit, as `space` words give them here.
DATAMAPS_OWN = {
    "word": {"mean_word_bytes": 4, "words": 1, "lines": 1, "alnum_chars": 4, "sentences": 1, "paragraphs": 1},
    "# Bread\n\n* 500 g flour...\n● 300 ml water\r\n- salt…\n * not a bullet\n\n* 500 g flour...\n": {
        "dup_line_frac": 1 / 3, "dup_line_byte_frac": 2 / 5, "top_2_gram_byte_frac": 9 / 28, "top_3_gram_byte_frac": 3 / 7, "mean_word_bytes": 16 / 5, "symbol_word_ratio": 1 / 5,
        "bullet_line_frac": 4 / 9, "ellipsis_line_frac": 1 / 2, "lines": 8, "non_alpha_word_frac": 9 / 20, "words": 14, "alnum_chars": 47, "sentences": 6, "paragraphs": 3,
    },
    "The end of the road. THE END of the line! Be that as it may...": {
        "top_2_gram_byte_frac": 5 / 24, "mean_word_bytes": 16 / 5, "symbol_word_ratio": 1 / 15, "ellipsis_line_frac": 1, "words": 15, "lines": 1, "stop_words": 8,
        "distinct_stop_words": 4, "alnum_chars": 43, "sentences": 5, "paragraphs": 1,
    },
    "a b c d e f a b c d e f g a b c d e": {
        "top_2_gram_byte_frac": 1 / 3, "top_3_gram_byte_frac": 1 / 2, "top_4_gram_byte_frac": 2 / 3, "dup_5_gram_byte_frac": 17 / 18, "dup_6_gram_byte_frac": 2 / 3,
        "mean_word_bytes": 1, "words": 18, "lines": 1, "alnum_chars": 18, "sentences": 1, "paragraphs": 1,
    },
    "Wait . . . what #no … and. . .\r\n\n\nNext. . .\n\nNext. . .": {
        "dup_line_frac": 2 / 3, "dup_line_byte_frac": 6 / 17, "mean_word_bytes": 37 / 16, "symbol_word_ratio": 3 / 4, "ellipsis_line_frac": 1, "lines": 6,
        "non_alpha_word_frac": 5 / 8, "words": 6, "alnum_chars": 21, "sentences": 12, "paragraphs": 3,
    },
    "Ünïcode wörds, ünïcode wörds: ünïcode wörds": {"mean_word_bytes": 47 / 6, "words": 6, "lines": 1, "alnum_chars": 36, "sentences": 1, "paragraphs": 1},
}  # fmt: skip


@pytest.mark.parametrize("text", DATAMAPS_OWN)
def test_equal_datamaps_own_values(text):
    found = {name.removeprefix("datamap_"): value for name, value in one(text).items() if value and not math.isnan(value)}
    assert found == pytest.approx(DATAMAPS_OWN[text], rel=1e-14, abs=0)
