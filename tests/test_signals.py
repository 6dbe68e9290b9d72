"""Signals equal the filters they are taken from, and are NaN where they mean nothing."""

from __future__ import annotations

import math

import definitions
import numpy as np
import pyarrow as pa
import pytest
from hostile_texts import any_texts
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.measures.counts import CORE_MEANINGS, MEANINGS, count
from rules.measures.signals import CORE_SIGNALS, SIGNALS, measure

CORE = {signal.name: signal for signal in CORE_SIGNALS}

NUMBERS = {
    "bytes", "chars", "words", "lines", "paragraphs", "sentences", "curly_brackets", "non_symbol_words", "stop_words", "longest_word_chars",
}  # fmt: skip


def one(text: str, words: str = "space") -> dict[str, float]:
    return {name: float(values[0]) for name, values in measure(pa.array([text]), list(CORE), words).items()}


@pytest.mark.parametrize("words", ["space", "unicode"])
@settings(max_examples=300, deadline=None)
@given(texts=st.lists(any_texts, min_size=1, max_size=3))
def test_equal_the_definitions(texts, words):
    found = measure(pa.array(texts, pa.large_string()), list(CORE), words)
    for row, text in enumerate(texts):
        wanted = definitions.signals(text, words)
        assert wanted.keys() == CORE.keys()
        assert {name: float(values[row]) for name, values in found.items()} == pytest.approx(wanted, rel=1e-15, abs=0, nan_ok=True), text


def test_every_signal_describes_itself():
    for name, signal in SIGNALS.items():
        assert signal.name == name and signal.meaning and signal.unit and signal.source
        assert set(signal.counts) <= MEANINGS.keys()
        assert name.endswith(("_frac", "_ratio")) == (signal.unit in ("fraction", "ratio"))


@pytest.mark.parametrize("name", sorted(SIGNALS))
def test_its_example_shows_it(name):
    assert measure(pa.array([SIGNALS[name].example]), [name])[name][0] > 0


def test_a_value_is_float64_of_the_counts():
    counts = count(pa.array(["a b", ""]), CORE_MEANINGS)
    for signal in CORE.values():
        value = signal.value(counts)
        assert value.dtype == np.float64 and value.shape == (2,)


@pytest.mark.parametrize("words", ["space", "unicode"])
def test_an_empty_text_has_zeros_and_nothing_else(words):
    assert {name for name, value in one("", words).items() if value == 0} == NUMBERS
    assert {name for name, value in one("", words).items() if math.isnan(value)} == CORE.keys() - NUMBERS


def test_blank_text():
    blank = one(" \n\t ")
    assert blank["words"] == blank["sentences"] == 0 and blank["lines"] == 2 and blank["whitespace_char_frac"] == 1
    assert math.isnan(blank["mean_word_chars"]) and math.isnan(blank["line_end_punct_frac"])


def test_known_values():
    """Each is the value datatrove's filter computes with whitespace words."""
    assert one("hello world foo bar")["top_2_gram_char_frac"] == 11 / 19  # one occurrence is enough
    assert one("\n\n")["dup_line_frac"] == 1 / 2  # an empty piece at either end
    assert one("......")["ellipsis_word_ratio"] == 2
    assert one("# a ## b")["hash_word_ratio"] == 3 / 4
    assert one("* a\n- b\n  • c\n1. d")["bullet_line_frac"] == 2 / 4
    assert one("the the The of")["stop_words"] == 2
    assert one("ab c d e f a bc d e f")["dup_5_gram_char_frac"] == 6 / 21  # joined without spaces
    assert one("a\r\nb\r\n")["lines"] == 2
    assert one("p\n\np\n\nq")["dup_paragraph_frac"] == 1 / 3


def test_sentences():
    examples = {
        "One. Two! Three?": 3, "One": 1, "No end here\nNor here": 2, 'He said "Stop." And left.': 2, "Version 3.14 is out.": 1,
        "(Really?) Yes.": 2, "他来了。她走了！真的吗？": 3, "「走。」他说。": 2, "Wait... what?!": 2, "  \n ": 0, "- \n": 1, "क्या? हाँ। ठीक": 3,
    }  # fmt: skip
    assert {text: one(text)["sentences"] for text in examples} == examples


def test_only_the_named_signals_and_mistakes():
    texts = pa.array(["a b"])
    assert list(measure(texts, ["words", "chars"])) == ["words", "chars"]
    assert measure(texts, []) == {}
    with pytest.raises(ValueError, match="unknown signals: wrods"):
        measure(texts, ["wrods"])
    with pytest.raises(ValueError, match="must be one of space, unicode, spacy"):
        measure(texts, ["words"], words="spaces")
