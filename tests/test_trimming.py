"""Ends are trimmed as RE2 trims them, and only patterns that trim both ends are taken for such."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.line_rules.trimming import trimmed_class, trimmed_spans
from rules.text.buffers import string_buffers
from rules.text.kernels import kernel_bytes

TRIMMING = [r"^[\s\x0b\x1c-\x1f\x{85}\p{Z}]+|[\s\x0b\x1c-\x1f\x{85}\p{Z}]+$", r"^\s+|\s+$", r"^[\s\p{Z}•*-]+|[\s\p{Z}•*-]+$", r"^[é\]a]+|[é\]a]+$"]
texts = st.lists(st.text(" \t\u00a0\u3000\x85•*-é]ab漢🙂\r", max_size=12), max_size=6)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(TRIMMING), texts)
def test_trims_as_re2(pattern, lines):
    column = pa.array(lines, pa.large_string())
    offsets, data = kernel_bytes(*string_buffers(column))
    firsts, lasts = trimmed_spans(data, offsets[:-1], offsets[1:], trimmed_class(pattern))
    expected = pc.replace_substring_regex(column, pattern, "").to_pylist()
    assert [data[a:b].tobytes().decode() for a, b in zip(firsts, lasts)] == expected


@pytest.mark.parametrize("pattern", [
    r"^[a]+|[b]+$", r"^[a]*|[a]*$", "^[a]+", "[a]+$", r"^[^a]+|[^a]+$", r"^a+|a+$", r"(?i)^[a]+|[a]+$", r"^[a]+|[a]+$|x", r"^[[:space:]]+|[[:space:]]+$", "^[\\x{fffd}]+|[\\x{fffd}]+$",
])  # fmt: skip
def test_other_patterns_are_left_to_re2(pattern):
    assert trimmed_class(pattern) is None


def test_the_class_is_re2s():
    cut = trimmed_class(TRIMMING[0])
    assert np.flatnonzero(cut).tolist() == [code for code in range(0x110000) if chr(code).isspace()]
