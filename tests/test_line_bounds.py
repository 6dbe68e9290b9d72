"""Short cuts for conditions on line signals say what measuring says."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hostile_texts import any_texts as texts
from hostile_texts import raw_texts
from hypothesis import given, settings
from hypothesis import strategies as st
from test_counts import raw_array

from rules.line_rules.line_bounds import first_words_in, least_bytes, most_words
from rules.line_rules.line_edits import characters_of
from rules.line_rules.line_signals import LINE_SIGNALS, measure_lines
from rules.rule import Comparison, Condition
from rules.text.buffers import string_buffers
from rules.text.kernels import kernel_bytes
from rules.thresholds import conditions_hold

OPERATORS = ("<", "<=", ">", ">=", "==", "!=")
comparisons = st.builds(Comparison, st.sampled_from(OPERATORS), st.one_of(st.integers(-2, 30), st.floats(-1, 30)))
conditions = st.lists(
    st.builds(Condition, st.sampled_from(list(LINE_SIGNALS)), st.lists(comparisons, min_size=1, max_size=3).map(tuple)), min_size=1, max_size=3
).map(tuple)


@settings(deadline=None)
@given(st.lists(st.one_of(texts.map(str.encode), raw_texts), max_size=5), st.integers(1, 5))
def test_first_words(raws, most):
    offsets, data = kernel_bytes(*string_buffers(raw_array(raws)))
    words = measure_lines(offsets, data, ["line_words"])["line_words"]
    found = first_words_in(data, offsets[:-1], offsets[1:], np.arange(len(raws)), most)
    assert found.tolist() == np.minimum(words, most).tolist()


@settings(deadline=None)
@given(conditions, st.lists(texts, min_size=1, max_size=5))
def test_no_line_that_meets_the_conditions_is_left_out(wanted, lines):
    offsets, data = kernel_bytes(*string_buffers(pa.array(lines, pa.large_string())))
    values = {name: column.astype(np.float64) for name, column in measure_lines(offsets, data, list(LINE_SIGNALS)).items()}
    holds = conditions_hold(wanted, values)
    assert not (holds & (np.diff(offsets) < least_bytes(wanted))).any()
    most = most_words(wanted)
    if most:
        assert (conditions_hold(wanted, {"line_words": np.minimum(values["line_words"], most)}) == holds).all()


@pytest.mark.parametrize(("wanted", "least", "most"), [
    ([("line_chars", ">", 300)], 300, 0),
    ([("line_chars", "<=", 300)], 0, 0),
    ([("line_words", "<", 3)], 0, 4),
    ([("line_words", "<", 3), ("line_chars", ">=", 9.5)], 10, 0),
])  # fmt: skip
def test_bounds(wanted, least, most):
    rule = tuple(Condition(name, (Comparison(operator, threshold),)) for name, operator, threshold in wanted)
    assert (least_bytes(rule), most_words(rule)) == (least, most)


@settings(deadline=None)
@given(st.lists(st.one_of(texts.map(str.encode), raw_texts), min_size=1, max_size=5), st.data())
def test_characters_of(raws, data):
    array = raw_array(raws)
    wanted = np.array(data.draw(st.lists(st.booleans(), min_size=len(raws), max_size=len(raws))))
    found = characters_of(*kernel_bytes(*string_buffers(array)), wanted)
    assert found.tolist() == np.where(wanted, pc.utf8_length(array).to_numpy(zero_copy_only=False), 0).tolist()
