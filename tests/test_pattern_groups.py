"""Patterns without capturing groups match the same and capture nothing, as RE2 itself says."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_ui.pattern_groups import without_captures
from rules.format.pack import SHIPPED, load_pack


def spans(pattern: str, texts: list[str]) -> list:
    """Where RE2 finds the pattern. It refuses groups that capture without a name, so there are none."""
    found = pc.extract_regex_span(pa.array(texts), f"(?P<gristmill>{without_captures(pattern)})").to_pylist()
    return [one and one["gristmill"] for one in found]


@pytest.mark.parametrize(
    ("pattern", "plain"),
    [
        ("(a)(?:b)(?P<n>c)(?<m>d)(?i:e)", "(?:a)(?:b)(?:c)(?:d)(?i:e)"),
        (r"\((a)\)[(](b)", r"\((?:a)\)[(](?:b)"),
        (r"[](](a)[^](](b)", r"[](](?:a)[^](](?:b)"),
        (r"[[:alpha:](](a)[\](](b)", r"[[:alpha:](](?:a)[\](](?:b)"),
        (r"\Q(a)\E(b)\Q(", r"\Q(a)\E(?:b)\Q("),
        ("((a)|(b))*", "(?:(?:a)|(?:b))*"),
    ],
)
def test_only_groups_that_capture_are_changed(pattern, plain):
    assert without_captures(pattern) == plain


pieces = st.lists(st.sampled_from(["(a|b)", "(?:a)", "(?P<n>b)", r"\(", "[(]", "[^)]", r"\Q(\E", "a", "(", ")", "|", "[]()]", "(?i)b"]), max_size=6).map("".join)


@settings(max_examples=100, deadline=None)
@given(pieces, st.lists(st.text("ab()A]", max_size=6), min_size=1, max_size=6))
def test_it_matches_where_the_pattern_does(pattern, texts):
    try:
        matches = pc.match_substring_regex(pa.array(texts), pattern).to_pylist()
    except pa.ArrowInvalid:
        return
    assert [span is not None for span in spans(pattern, texts)] == matches


def test_every_shipped_pattern_can_be_named():
    for path in SHIPPED.glob("*.yaml"):
        for rule in load_pack(path).rules:
            if rule.match:
                assert spans(rule.match, ["Accept all cookies"]) is not None
