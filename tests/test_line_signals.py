"""Lines are those of str.split and str.splitlines, and are measured as plain Python would."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from web_texts import web_texts

from rules.buffers import string_buffers
from rules.line_signals import LINE_SIGNALS, measure_lines, split_lines


@settings(max_examples=300, deadline=None)
@given(st.lists(web_texts, max_size=4))
def test_lines(texts):
    array = pa.array(texts, pa.large_string())
    _, data = string_buffers(array)
    for breaks, split in (("newline", lambda t: t.split("\n")), ("unicode", str.splitlines)):
        starts, ends, first = split_lines(array, breaks)
        found = [bytes(data[s:e]).decode() for s, e in zip(starts, ends)]
        assert [found[first[i] : first[i + 1]] for i in range(len(texts))] == [split(t) for t in texts]


@settings(max_examples=200, deadline=None)
@given(st.lists(web_texts, max_size=4))
def test_measures(lines):
    got = measure_lines(*string_buffers(pa.array(lines, pa.large_string())), list(LINE_SIGNALS))
    for i, line in enumerate(lines):
        words = line.split()
        expected = {"line_chars": len(line), "line_words": len(words), "line_longest_word_chars": max(map(len, words), default=0)}
        assert {name: int(got[name][i]) for name in LINE_SIGNALS} == expected
