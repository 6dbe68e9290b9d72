"""Sizes in the books: documents, bytes and lines, against plain Python, whatever part of a buffer a table shows."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.outcome import Outcome, balance, edit_sizes, line_count, tally, text_bytes

TEXTS = st.lists(st.text("a\nä\r\x0b ", max_size=9), max_size=8)


def table(texts: list[str], kind: pa.DataType) -> pa.Table:
    return pa.table({"text": pa.array(texts, kind)})


def plain_lines(texts: list[str]) -> int:
    return sum(len(text.split("\n")) for text in texts)


@settings(max_examples=80, deadline=None)
@given(TEXTS, TEXTS, st.integers(0, 9), st.integers(0, 9), st.sampled_from([pa.string(), pa.large_string()]))
def test_lines_of_any_part_of_any_table(first, second, start, count, kind):
    whole = pa.concat_tables([table(first, kind), table(second, kind)])
    texts = (first + second)[start : start + count]
    part = whole.slice(start, count)
    assert line_count(part) == plain_lines(texts)
    assert tally("in", part) == {"in": len(texts), "in_bytes": sum(len(t.encode()) for t in texts), "in_lines": plain_lines(texts)}


def test_texts_longer_than_a_block():
    texts = ["x\n" * 200_000, "\n" * 300_001]
    assert line_count(table(texts, pa.large_string())) == plain_lines(texts)


@settings(max_examples=40, deadline=None)
@given(TEXTS)
def test_what_stays_goes_and_is_edited_is_what_came(texts):
    before = table(texts, pa.large_string())
    stays, gone = texts[::2], texts[1::2]
    after = table([text.replace("\n", "", 1) for text in stays], pa.large_string())
    edits = edit_sizes(table(stays, pa.large_string()), after)
    books = balance(before, Outcome(after, table(gone, pa.large_string()))) | edits
    for unit in ("_bytes", "_lines"):
        assert books[f"in{unit}"] == books[f"kept{unit}"] + books[f"removed{unit}"] + books[f"quarantined{unit}"] + books[f"edited{unit}"]
    assert edits["edited_bytes"] == text_bytes(table(stays, pa.large_string())) - text_bytes(after)
