"""What is kept of endings is what RE2 says of them, whoever asks and however often."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given, settings
from hypothesis import strategies as st
from test_counts import raw_array

from rules.line_rules.lines import apply_line_rules
from rules.matching.tail_verdicts import MOST_BYTES, UNKNOWN, look_up_tails, note_tails
from rules.rule import Pack, Rule

PATTERN = r"[^.?!\"']$|\.\.\.$|^$"
lines = st.lists(st.text("a.?!é漢\x00 …", max_size=9), min_size=1, max_size=30)


@settings(max_examples=100, deadline=None)
@given(lines, lines)
def test_the_rule_hits_what_re2_matches(first, second):
    pack = Pack("p", "", (Rule("end", "w", match=PATTERN),))
    for texts in (first, second, first):
        found = apply_line_rules(pack, pa.array(texts, pa.large_string()), {0: np.ones(len(texts), bool)}).matches[0]
        assert found.tolist() == pc.match_substring_regex(pa.array(texts), PATTERN).to_numpy(zero_copy_only=False).astype(int).tolist()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=MOST_BYTES), max_size=20, unique=True))
def test_endings_are_told_apart(endings):
    """What was noted last is known; of the others nothing wrong is said."""
    column = raw_array(endings)
    offsets = np.frombuffer(column.buffers()[1], np.int64)[: len(endings) + 1]
    data = np.frombuffer(b"".join(endings) + bytes(8), np.uint8)
    table, versions = np.zeros(1 << 17, np.uint64), np.full(len(endings), -1)
    hit = np.arange(len(endings)) % 2 == 0
    assert (look_up_tails(table, data, data, offsets[:-1], versions, offsets) == UNKNOWN).all()
    note_tails(table, data, data, offsets[:-1], versions, offsets, hit)
    found = look_up_tails(table, data, data, offsets[:-1], versions, offsets)
    assert all(verdict in (UNKNOWN, wanted) for verdict, wanted in zip(found, hit))
    assert len(endings) == 0 or found[-1] == hit[-1]
