"""Spans of a text: which ones rows need, in what order they are gone through, and where characters begin."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_ui.widgets.spans import Span, Spans, character_end, character_start, cut
from tests.hostile_texts import any_texts

spans_of_fifty = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)).map(sorted).map(lambda ends: Span(*ends, colour=ends[0] % 3)), max_size=12)


@settings(max_examples=100, deadline=None)
@given(spans_of_fifty, st.integers(0, 50), st.integers(0, 20))
def test_spans_within_are_those_that_overlap(spans, start, length):
    found = Spans(spans).within(start, start + length)
    wanted = [span for span in spans if span.start < start + length and span.end > start]
    assert sorted(found, key=repr) == sorted(wanted, key=repr) and [span.start for span in found] == sorted(span.start for span in found)


@settings(max_examples=100, deadline=None)
@given(spans_of_fifty, st.integers(-1, 50), st.booleans())
def test_the_next_span_of_a_colour_goes_round_the_end(spans, byte, forward):
    own = sorted(span.start for span in spans if span.colour == 1)
    beyond = [start for start in own if (start > byte if forward else start < byte)]
    found = Spans(spans).after(byte, forward, 1)
    if not own:
        assert found is None
    elif forward:
        assert found.start == (beyond or own)[0]
    else:
        assert found.start == (beyond or own)[-1]


@settings(max_examples=100, deadline=None)
@given(spans_of_fifty, st.integers(0, 30), st.integers(0, 30))
def test_a_row_is_cut_where_what_lies_over_it_changes(spans, start, length):
    end = start + length
    parts = cut(start, end, [(span.start, span.end, number) for number, span in enumerate(spans)])
    assert [byte for first, last, _ in parts for byte in range(first, last)] == list(range(start, end))
    for first, last, over in parts:
        for byte in range(first, last):
            assert over == [number for number, span in enumerate(spans) if span.start <= byte < span.end]


@settings(max_examples=100, deadline=None)
@given(any_texts.filter(bool), st.data())
def test_characters_begin_and_end_where_they_do(text, data):
    number = data.draw(st.integers(0, len(text) - 1))
    before, whole = text[:number].encode(), text[: number + 1].encode()
    for byte in range(len(before), len(whole)):
        assert character_start(text.encode(), byte) == len(before) and character_end(text.encode(), byte) == len(whole)
