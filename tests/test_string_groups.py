"""Every string of a set is seen where it begins, in any text."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from rules.matching.pattern_literals import blurred
from rules.matching.string_groups import GROUPS, group_tables, places_of_groups

strings = st.sets(st.binary(min_size=1, max_size=6).map(blurred), min_size=1, max_size=40)


@njit
def places(data, tables):
    return places_of_groups(data, 0, tables)


def expected(text: bytes, tables: np.ndarray) -> int:
    """The definition: the groups that four bytes have in common."""
    found = 0
    for k in range(64):
        groups = (1 << GROUPS) - 1
        for place in range(4):
            byte = text[k + place]
            groups &= int(tables[place, 0, byte & 15]) & int(tables[place, 1, byte >> 4])
        found |= bool(groups) << k
    return found


@settings(max_examples=100, deadline=None)
@given(strings, st.binary(min_size=80, max_size=80), st.integers(0, 60), st.data())
def test_no_string_is_missed(texts, around, at, data):
    text = data.draw(st.sampled_from(sorted(texts)))
    line = around[:at] + text.swapcase() + around[at:]
    tables = group_tables(texts)
    found = int(places(np.frombuffer(line, np.uint8), tables))
    assert found == expected(line, tables)
    if blurred(text.swapcase()) == text:
        assert found >> at & 1


def test_no_strings_have_no_places():
    assert int(places(np.zeros(80, np.uint8), group_tables([]))) == 0
