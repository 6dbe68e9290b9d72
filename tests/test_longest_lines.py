"""The longest lines: equal to their definition, whatever the text."""

from __future__ import annotations

import heapq

import pyarrow as pa
from hostile_texts import any_texts
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rules.measures.signals import measure

NAMES = ["longest_line_chars", "third_longest_line_chars"]


@settings(max_examples=300, deadline=None)
@given(st.lists(any_texts | st.text(st.sampled_from("ab\n漢"), max_size=40), max_size=4))
@example(["", "\n", "\n\n", "a\nbb\nccc\nbb", "漢漢\na\nbb"])
def test_equal_the_definition(texts):
    found = measure(pa.array(texts, pa.large_string()), NAMES)
    for row, text in enumerate(texts):
        longest = heapq.nlargest(3, [len(line) for line in text.split("\n")])
        assert found["longest_line_chars"][row] == longest[0]
        assert found["third_longest_line_chars"][row] == (longest[2] if len(longest) == 3 else 0)
