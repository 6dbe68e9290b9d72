"""Short cuts for conditions on line signals say what measuring says."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hostile_texts import any_texts as texts
from hostile_texts import raw_texts
from hypothesis import given, settings
from hypothesis import strategies as st
from test_counts import raw_array

from rules.line_rules.line_bounds import IN_WORDS, first_words_in, least_bytes, least_run, most_words, not_shorter
from rules.line_rules.line_edits import characters_of, taken
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
    assert set(np.flatnonzero(holds)) <= set(long_enough(offsets, data, least_bytes(wanted), least_run(wanted)))
    most = most_words(wanted)
    if most:
        assert (conditions_hold(wanted, {"line_words": np.minimum(values["line_words"], most)}) == holds).all()


def long_enough(offsets: np.ndarray, data: np.ndarray, least: int, run: int, rewritten: tuple[int, ...] = ()) -> list[int]:
    lines = len(offsets) - 1
    version = np.full(lines, -1)
    version[list(rewritten)] = 0
    return not_shorter(data, offsets[:-1], offsets[1:], version, np.arange(lines), IN_WORDS, least, run).tolist()


@settings(deadline=None)
@given(st.lists(st.one_of(texts.map(str.encode), raw_texts), min_size=1, max_size=5), st.integers(0, 6), st.data())
def test_lines_with_a_word_of_so_many_characters_are_not_left_out(raws, size, drawn):
    offsets, data = kernel_bytes(*string_buffers(raw_array(raws)))
    rewritten = drawn.draw(st.sets(st.integers(0, len(raws) - 1)))
    found = long_enough(offsets, data, size, size, tuple(rewritten))
    longest = measure_lines(offsets, data, ["line_longest_word_chars"])["line_longest_word_chars"]
    assert set(found) >= {*rewritten, *np.flatnonzero(longest >= size).tolist()}
    assert set(found) <= {*rewritten, *(i for i, raw in enumerate(raws) if may_have_word(raw, size))}


def may_have_word(raw: bytes, size: int) -> bool:
    runs = re.split(rb"[\x09-\x0d\x1c-\x20]", raw)
    return len(raw) >= size and (size < 2 or max(map(len, runs)) >= size and len(raw.decode(errors="replace")) >= size)


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


@settings(deadline=None)
@given(st.lists(st.text(max_size=5) | st.just("a-pack/" + "a" * 70), min_size=1, max_size=4), st.data())
def test_taken(names, drawn):
    numbers = drawn.draw(st.lists(st.integers(0, len(names) - 1), max_size=20))
    found = taken(names, np.array(numbers, np.int64))
    found.validate(full=True)
    assert found.type == pa.string() and found.to_pylist() == [names[number] for number in numbers]
