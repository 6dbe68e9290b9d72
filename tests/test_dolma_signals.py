"""The signals named `dolma_` are what dolma's taggers measure."""

from __future__ import annotations

import math

import dolma_definitions
import numpy as np
import pyarrow as pa
import pytest
from definitions import read
from hostile_texts import PIECES, any_texts, raw_texts
from hypothesis import given, settings
from hypothesis import strategies as st
from test_counts import raw_array

from rules.families.dolma_characters import dolma_classes
from rules.families.dolma_signals import DOLMA_SIGNALS
from rules.measures.signals import measure

NAMES = [signal.name for signal in DOLMA_SIGNALS]
DOLMAS_PIECES = ["javascript", "JavaScript", "JAVASCRIPT.", "Lorem Ipsum", "lorem  ipsum", "the ", "…\n", "* ", "Ⓐ", "✂", "\u200c", "w" * 64, "ж" * 100, "w" * 300]
dolma_texts = st.lists(st.sampled_from(PIECES) | st.sampled_from(DOLMAS_PIECES) | st.just(" "), max_size=40).map("".join)
repeating_texts = st.lists(st.sampled_from(["a", "b", "ж", "a", "b"]), min_size=5, max_size=60).map(" ".join)
texts_of_lines = st.lists(st.sampled_from(["", "", " ", "a b c", "- a…", "* b", 'c"', "…", "# of the", "end. ", "\r", "漢字 漢", "***"]), max_size=20).map("\n".join)


def one(text: str, words: str = "space") -> dict[str, float]:
    return {name: float(values[0]) for name, values in measure(pa.array([text]), NAMES, words).items()}


@pytest.mark.parametrize("words", ["space", "unicode"])
@settings(max_examples=300, deadline=None)
@given(texts=st.lists(any_texts | dolma_texts | repeating_texts | texts_of_lines, min_size=1, max_size=3))
def test_equal_the_definitions(texts, words):
    found = measure(pa.array(texts, pa.large_string()), NAMES, words)
    for row, text in enumerate(texts):
        wanted = dolma_definitions.signals(text, words)
        assert list(wanted) == NAMES
        assert {name: float(values[row]) for name, values in found.items()} == pytest.approx(wanted, rel=1e-15, abs=0, nan_ok=True), text


@pytest.mark.parametrize("words", ["space", "unicode"])
@settings(max_examples=200, deadline=None)
@given(raw=raw_texts)
def test_malformed_text_reads_as_replacement_characters(raw, words):
    wanted = {name: value for name, value in dolma_definitions.signals(read(raw), words).items() if "dup" not in name and "top" not in name}
    found = measure(raw_array([raw]), list(wanted), words)  # but what looks for copies, which are copies byte for byte
    assert {name: float(values[0]) for name, values in found.items()} == pytest.approx(wanted, rel=1e-15, abs=0, nan_ok=True)


@pytest.mark.parametrize("words", ["space", "unicode"])
def test_long_texts(words):
    """Beyond every buffer's first size, and with a median beyond the histogram."""
    random = np.random.default_rng(7)
    texts = [" ".join(random.choice(["a", "bb", "the", "…", "ж\n", "漢字"], 9_000)), "\n".join(["x" * 100, "y" * 3_000] * 1_500), "", "p" * 20_000, "\n" * 5_000]
    found = measure(pa.array(texts), NAMES, words)
    for row, text in enumerate(texts):
        assert {name: float(values[row]) for name, values in found.items()} == pytest.approx(dolma_definitions.signals(text, words), rel=1e-15, abs=0, nan_ok=True)


def test_every_character_has_its_class():
    classes = dolma_classes()
    for code in (*range(0x3100), *range(0x1F000, 0x20000), 0x10FFFF):
        character, flags = chr(code), int(classes[code])
        kind = 2 if dolma_definitions.is_space(character) else 1 if dolma_definitions.is_word(character) else 0
        assert flags & 3 == kind, hex(code)
        assert bool(flags & 4) == dolma_definitions.is_all_punctuation(character), hex(code)
        assert bool(flags & 8) == (not character.isspace()), hex(code)


# What dolma 1.2.1's own taggers measure of each text, but for zeros. c4_v1 and c4_v2 agree on all of their lines.
DOLMAS_OWN = {
    "This is a test.": {"median_word_chars": 3, "stripped_chars": 15, "whitespace_tokens": 6, "top_2_gram_char_frac": 1 / 2, "top_3_gram_char_frac": 7 / 12, "top_4_gram_char_frac": 1},
    "word": {"median_word_chars": 4, "stripped_chars": 4, "whitespace_tokens": 2, "no_end_punct_line_frac": 1, "few_word_line_frac": 1},
    "\n\n": {"whitespace_tokens": 1, "v1_dup_line_frac": 1, "v2_dup_line_frac": 1, "no_end_punct_line_frac": 1, "few_word_line_frac": 1},
    " \n\t\n ": {"dup_line_char_frac": 2, "whitespace_tokens": 1, "v1_dup_line_frac": 2 / 3, "v2_dup_line_frac": 2 / 3, "no_end_punct_line_frac": 1, "few_word_line_frac": 1},
    "This is a sentence. \n  \n This is another sentence.\n\n  This is a third sentence.": {
        "median_word_chars": 4, "stripped_chars": 79, "whitespace_tokens": 17, "top_2_gram_char_frac": 18 / 59, "top_3_gram_char_frac": 14 / 59, "top_4_gram_char_frac": 16 / 59,
        "no_end_punct_line_frac": 2 / 5, "few_word_line_frac": 2 / 5,
    },
    "# Bread\n\n* 500 g flour…\n* 300 ml water\n- salt…\n * not a bullet\n\n* 500 g flour…\n": {
        "median_word_chars": 5 / 2, "symbol_word_frac": 1 / 5, "dup_line_char_frac": 1 / 2, "stripped_chars": 78, "whitespace_tokens": 24, "v1_bullet_line_frac": 4 / 9,
        "v1_ellipsis_line_frac": 1 / 3, "v1_dup_line_frac": 5 / 9, "top_2_gram_char_frac": 1 / 7, "top_3_gram_char_frac": 5 / 28, "top_4_gram_char_frac": 11 / 28,
        "v2_bullet_line_frac": 4 / 7, "v2_ellipsis_line_frac": 3 / 7, "v2_dup_line_frac": 2 / 7, "no_end_punct_line_frac": 1, "few_word_line_frac": 5 / 9,
    },
    "the be to the The THE of.": {
        "median_word_chars": 3, "stop_words": 4, "stripped_chars": 25, "whitespace_tokens": 9, "top_2_gram_char_frac": 5 / 19, "top_3_gram_char_frac": 7 / 19,
        "top_4_gram_char_frac": 10 / 19,
    },
    "a b c d e f a b c d e f g a b c d e": {
        "median_word_chars": 1, "stripped_chars": 35, "whitespace_tokens": 19, "top_2_gram_char_frac": 1 / 3, "top_3_gram_char_frac": 1 / 2, "top_4_gram_char_frac": 2 / 3,
        "dup_5_gram_char_frac": 5 / 14, "dup_6_gram_char_frac": 2 / 13, "no_end_punct_line_frac": 1,
    },
    "…one … two... #three four# ## five": {
        "median_word_chars": 4, "symbol_word_frac": 5 / 7, "stripped_chars": 34, "whitespace_tokens": 12, "top_2_gram_char_frac": 5 / 28, "top_3_gram_char_frac": 11 / 28,
        "top_4_gram_char_frac": 17 / 28, "no_end_punct_line_frac": 1,
    },
    "Chapter one\n* * *\nChapter two\n👍🏽\n---\n\n1.\n": {
        "median_word_chars": 5 / 2, "stripped_chars": 40, "whitespace_tokens": 12, "punct_lines": 3, "v1_bullet_line_frac": 1 / 4, "v1_dup_line_frac": 1 / 4,
        "top_2_gram_char_frac": 2 / 15, "top_3_gram_char_frac": 11 / 30, "top_4_gram_char_frac": 2 / 5, "v2_bullet_line_frac": 2 / 7, "no_end_punct_line_frac": 7 / 8,
        "few_word_line_frac": 7 / 8,
    },
    'Der Fluß fließt.\r\nЖизнь прекрасна!\u2028漢字 かな…\r\n"Quoted." \xa0\n\x1c\nx\x1fy': {
        "median_word_chars": 7 / 2, "symbol_word_frac": 1 / 10, "stripped_chars": 60, "whitespace_tokens": 18, "top_2_gram_char_frac": 7 / 45, "top_3_gram_char_frac": 14 / 45,
        "top_4_gram_char_frac": 19 / 45, "no_end_punct_line_frac": 3 / 5, "few_word_line_frac": 3 / 5,
    },
    "\nsame\nsame\nother\n\nsame\n": {
        "median_word_chars": 4, "dup_line_char_frac": 12 / 17, "stripped_chars": 21, "whitespace_tokens": 5, "v1_dup_line_frac": 6 / 7, "top_2_gram_char_frac": 8 / 17,
        "top_3_gram_char_frac": 13 / 17, "top_4_gram_char_frac": 1, "v2_dup_line_frac": 5 / 6, "no_end_punct_line_frac": 1, "few_word_line_frac": 1,
    },
    "a\u0301b c\u200cd Ⓐ_x 1½ Ⅷ": {
        "median_word_chars": 3, "stripped_chars": 16, "whitespace_tokens": 7, "top_2_gram_char_frac": 1 / 2, "top_3_gram_char_frac": 3 / 4, "top_4_gram_char_frac": 11 / 12,
        "no_end_punct_line_frac": 1,
    },
    "w" * 70 + " " + "v" * 80 + " xx": {
        "median_word_chars": 70, "stripped_chars": 154, "whitespace_tokens": 4, "top_2_gram_char_frac": 75 / 76, "top_3_gram_char_frac": 1, "no_end_punct_line_frac": 1,
    },
    "Please enable JavaScript.\nand javascript too": {
        "median_word_chars": 6, "stripped_chars": 44, "whitespace_tokens": 8, "top_2_gram_char_frac": 12 / 39, "top_3_gram_char_frac": 23 / 39, "top_4_gram_char_frac": 26 / 39,
        "no_end_punct_line_frac": 1 / 2, "stop_words": 1, "v1_javascripts": 1, "v2_javascripts": 2,
    },
}  # fmt: skip


@pytest.mark.parametrize("text", DOLMAS_OWN)
def test_equal_dolmas_own_values(text):
    found = {name.removeprefix("dolma_"): value for name, value in one(text).items() if value and not math.isnan(value)}
    assert found == pytest.approx(DOLMAS_OWN[text] | {"lines": text.count("\n") + 1}, rel=1e-14, abs=0)


@pytest.mark.parametrize("words", ["space", "unicode"])
def test_an_empty_text_has_zeros_and_nothing_else(words):
    assert all(value == 0 or math.isnan(value) for value in one("", words).values())


def test_what_words_are_is_the_packs():
    text = "Don't use javascript.\nJavaScript-free"
    assert one(text, "space")["dolma_v1_javascripts"] == 0
    assert one(text, "unicode")["dolma_v1_javascripts"] == 2
    assert one(text, "space")["dolma_few_word_line_frac"] == 1 / 2
    assert one(text, "unicode")["dolma_few_word_line_frac"] == 0
