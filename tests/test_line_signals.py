"""Lines are where Python puts them, measure what Python measures, and join as Python joins."""

from __future__ import annotations

import definitions
import numpy as np
import pyarrow as pa
import pytest
from hostile_texts import any_texts, raw_texts
from hypothesis import given, settings
from hypothesis import strategies as st
from test_counts import raw_array

from rules.line_rules.line_signals import LINE_SIGNALS, measure_lines, split_lines
from rules.text.buffers import string_buffers

SPLIT = {"newline": lambda text: text.split("\n"), "unicode": str.splitlines}


@pytest.mark.parametrize("breaks", SPLIT)
@settings(max_examples=400, deadline=None)
@given(texts=st.lists(any_texts, max_size=4))
def test_lines_are_pythons(texts, breaks):
    array = pa.array(texts, pa.large_string())
    starts, ends, first = split_lines(array, breaks)
    data = string_buffers(array)[1].tobytes()
    lines = [data[start:end].decode() for start, end in zip(starts, ends)]
    assert [lines[first[d] : first[d + 1]] for d in range(len(texts))] == [SPLIT[breaks](text) for text in texts]
    assert first[0] == 0 and first[-1] == len(lines)


def plain_measures(line: str) -> dict[str, int]:
    words = line.split()
    return {"line_words": len(words), "line_longest_word_chars": max(map(len, words), default=0), "line_chars": len(line)}


@settings(max_examples=300, deadline=None)
@given(st.lists(any_texts, max_size=5))
def test_measures_are_pythons(lines):
    found = measure_lines(*string_buffers(pa.array(lines, pa.large_string())), list(LINE_SIGNALS))
    assert found.keys() == LINE_SIGNALS.keys()
    for row, line in enumerate(lines):
        assert {name: int(values[row]) for name, values in found.items()} == plain_measures(line)


@settings(max_examples=200, deadline=None)
@given(st.lists(raw_texts, min_size=1, max_size=4))
def test_malformed_bytes_read_as_replacement_characters(raws):
    array = raw_array(raws)
    found = measure_lines(*string_buffers(array), list(LINE_SIGNALS))
    for row, raw in enumerate(raws):
        assert {name: int(values[row]) for name, values in found.items()} == plain_measures(definitions.read(raw))
    for breaks in SPLIT:
        starts, ends, first = split_lines(array, breaks)
        assert (starts <= ends).all() and len(starts) == first[-1]


def test_only_the_named_measures():
    lines = string_buffers(pa.array(["a bcd", ""], pa.large_string()))
    assert {name: values.tolist() for name, values in measure_lines(*lines, ["line_chars"]).items()} == {"line_chars": [5, 0]}
    assert list(measure_lines(*lines, ["line_words"])) == ["line_words"]
    assert measure_lines(*lines, ["line_words"])["line_words"].dtype == np.int64


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="unknown line signals: line_wrods; there are line_words"):
        measure_lines(*string_buffers(pa.array(["a"])), ["line_wrods"])
    with pytest.raises(ValueError, match="must be one of newline, unicode"):
        split_lines(pa.array(["a"]), "crlf")
