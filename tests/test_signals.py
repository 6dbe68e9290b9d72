"""Signals equal their plain definitions; each says what it means; undefined ones are NaN."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from definitions import signals as plain_signals
from hypothesis import given, settings
from hypothesis import strategies as st
from web_texts import web_texts

from rules.signals import SIGNALS, measure


def test_every_signal_has_a_definition_and_a_description():
    assert set(plain_signals("")) == set(SIGNALS)
    for name, signal in SIGNALS.items():
        assert signal.name == name and signal.meaning and signal.unit and signal.source


@settings(max_examples=200, deadline=None)
@given(st.lists(web_texts, max_size=3), st.sampled_from(["space", "unicode"]))
def test_signals_equal_their_definitions(texts, words):
    got = measure(pa.array(texts, pa.large_string()), list(SIGNALS), words)
    for row, text in enumerate(texts):
        for name, expected in plain_signals(text, words).items():
            value = got[name][row]
            assert np.isnan(value) if expected is None else value == expected, (name, text)


def test_only_what_is_asked_for():
    assert set(measure(pa.array(["a b"]), ["words", "short_line_frac"])) == {"words", "short_line_frac"}
    assert measure(pa.array(["a b"]), []) == {}


def test_a_part_of_the_signals_equals_all_of_them():
    texts = pa.array(["over the river. " * 9, "{a}\n\n{a}", "漢字かな"])
    whole = measure(texts, list(SIGNALS))
    for name in SIGNALS:
        np.testing.assert_array_equal(measure(texts, [name])[name], whole[name])


def test_an_unknown_splitter_is_an_error():
    with pytest.raises(ValueError, match="space, unicode"):
        measure(pa.array(["a"]), ["words"], words="spacy")
