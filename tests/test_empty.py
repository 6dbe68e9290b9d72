"""Documents without a visible character, against Python's own white space."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.stages.empty import is_blank

SPACES = " \t\n\r\x0b\x0c\x85\xa0\u2003\u3000"
TEXTS = st.text(st.sampled_from(SPACES)) | st.text() | st.tuples(st.text(st.sampled_from(SPACES)), st.text(max_size=2)).map("".join)


@settings(max_examples=100, deadline=None)
@given(st.lists(TEXTS, max_size=8), st.integers(0, 3))
def test_blank_texts_are_those_that_arrow_trims_to_nothing(texts, start):
    column = pa.chunked_array([pa.array(texts, pa.large_string()).slice(start), pa.array(["x", " "], pa.large_string())])
    expected = [not text for text in pc.utf8_trim_whitespace(column).to_pylist()]
    assert is_blank(column).tolist() == expected


def test_white_space_is_what_it_is_in_python():
    assert is_blank(pa.array(["", SPACES, SPACES + "a", "\u3000\u4e00", "a"], pa.large_string())).tolist() == [True, True, False, False, False]
