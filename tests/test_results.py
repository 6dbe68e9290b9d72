"""The page of results: medians of what several runs of a benchmark printed."""

from __future__ import annotations

from statistics import median

from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.results import median_number, medians


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1_000, 1_050), min_size=1, max_size=5), st.integers(0, 3))
def test_numbers_become_their_median_in_the_places_they_were_printed_with(values, places):
    printed = [f"fast: {value / 10**places:,.{places}f} MB/s of near.py, 2x64\n" for value in values]
    expected = median(float(text.split()[1].replace(",", "")) for text in printed)
    grouped = "," if any("," in text.split()[1] for text in printed) else ""
    assert medians(printed) == f"fast: {expected:{grouped}.{places}f} MB/s of near.py, 2x64"


def test_numbers_far_apart_say_how_far():
    assert median_number(("1.0", "2.0", "9.0")) == "2.0 (1.0 to 9.0)"
    assert median_number(("100", "101", "102")) == "101"
    assert median_number(("7.0",)) == "7.0"


def test_a_line_that_says_something_else_stands_as_it_was_last_said():
    assert medians(["a 1\nno peer\n", "a 3\n4 times\n"]) == "a 2 (1 to 3)\n4 times"
    assert medians(["a 1\n", "a 3\nand 4\n"]) == "a 3\nand 4"
