"""Words are what the plain definitions say, for both splitters."""

from __future__ import annotations

import definitions
import numpy as np
import pyarrow as pa
import pytest
from hostile_texts import PIECES, any_texts, raw_texts
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.measures.counts import count
from rules.measures.word_counts import STOP_WORD_TABLE
from rules.splitters.words import split_words
from rules.text.buffers import strings_from
from rules.text.characters import STOP_WORDS

EXAMPLES = {
    "": [],
    "don't stop": ["don", "'", "t", "stop"],
    "e-mail... now!!": ["e", "-", "mail", "...", "now", "!!"],
    "漢字kana かな": ["漢", "字", "kana", "か", "な"],
    "か\u3099く": ["か\u3099", "く"],
    "e\u0301te\u0301 -\u0301-": ["e\u0301te\u0301", "-\u0301-"],
    "\u0301x": ["\u0301x"],
    "❤\ufe0flove": ["❤\ufe0f", "love"],
    "3.14 ١٢ ½": ["3", ".", "14", "١٢", "½"],
    "می\u200cخواهم": ["می\u200cخواهم"],
    "한국어를 배운다": ["한국어를", "배운다"],
    "a\u00a0b\u2003c": ["a", "b", "c"],
    "(a)_b": ["(", "a", ")", "_", "b"],
}


@pytest.mark.parametrize("text", EXAMPLES)
def test_unicode_words(text):
    assert split_words(text, "unicode") == EXAMPLES[text]


@pytest.mark.parametrize("words", ["space", "unicode"])
@settings(max_examples=600, deadline=None)
@given(text=any_texts)
def test_equal_the_definition(text, words):
    assert split_words(text, words) == definitions.split_words(text, words)


@settings(deadline=None)
@given(any_texts)
def test_words_hold_all_that_is_visible_in_order(text):
    assert "".join(split_words(text, "unicode")) == "".join(split_words(text, "space")) == "".join(text.split())


def test_an_unknown_splitter_is_refused():
    with pytest.raises(ValueError, match="must be one of space, unicode, spacy"):
        split_words("x", "spaces")


def test_each_stop_word_has_a_place_of_its_own():
    assert sorted(int(packed).to_bytes(8, "little").rstrip(b"\x02\x03\x04").rstrip(b"\x00").decode() for packed in STOP_WORD_TABLE) == sorted(STOP_WORDS)


@pytest.mark.parametrize("words", ["space", "unicode"])
@settings(max_examples=1000, deadline=None)
@given(raws=st.lists(raw_texts | any_texts.map(str.encode), min_size=1, max_size=5))
def test_the_number_of_words_alone_is_that_of_the_words(raws, words):
    """Of malformed bytes, too, and whatever stands before and after a text."""
    texts = strings_from(np.cumsum([0, *map(len, raws)]), np.frombuffer(b"".join(raws), np.uint8))
    wanted = [len(definitions.split_words(definitions.read(raw), words)) for raw in raws]
    assert count(texts, ["words"], words)["words"].tolist() == wanted
    assert count(texts, ["words", "alpha_words"], words)["words"].tolist() == wanted


@pytest.mark.parametrize("words", ["space", "unicode"])
def test_the_number_of_words_beside_every_character_that_may_be_white(words):
    texts = [before + chr(code) + after for code in [*range(0xD800), *range(0xE000, 0x10000)] for before, after in (("a", "b"), ("", ""), ("......", "-"), ("1234567", " "))]
    wanted = [len(definitions.split_words(text, words)) for text in texts]
    assert count(pa.array(texts), ["words"], words)["words"].tolist() == wanted


@pytest.mark.parametrize("words", ["space", "unicode"])
def test_the_number_of_words_of_all_pairs_of_pieces(words):
    texts = ["." * shift + first + second + "a" for first in PIECES for second in PIECES for shift in (0, 5)]
    assert count(pa.array(texts), ["words"], words)["words"].tolist() == [len(definitions.split_words(text, words)) for text in texts]
