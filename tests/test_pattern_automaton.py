"""No line that RE2 matches is given up, and most lines that go on differently are."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as parquet
import pytest
from hostile_texts import raw_texts
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from random_patterns import patterns_and_lines
from test_counts import raw_array

from rules.format.pack import load_pack, shipped_packs
from rules.line_rules import lines
from rules.matching.pattern_automaton import FARTHEST, automaton, byte_sets, may_match
from rules.matching.pattern_classes import union
from rules.rule import Pack
from rules.text.buffers import string_buffers
from rules.text.kernels import kernel_bytes


def allowed(pattern: str, texts: pa.Array) -> list[bool]:
    offsets, data = kernel_bytes(*string_buffers(texts))
    return may_match(data, offsets[:-1], offsets[1:], np.arange(len(texts)), *automaton(pattern)).tolist()


@settings(max_examples=300, deadline=None)
@given(patterns_and_lines(), st.lists(raw_texts, max_size=3))
@example(("(?i)straße", ["STRAẞE", "ſtraße", "STRASSE"]), [])
@example(("(?i)kelvin$", ["KELVIN", "Kelvin", "kelvin"]), [])
@example(("a$$|b$", ["a", "b", "ab"]), [])
@example((r"(?:a|[^b])*\bc{3,12}$", ["acccc", "ccc", "xccccccccccccc"]), [])
def test_no_match_is_given_up(case, raws):
    pattern, texts = case
    pattern = f"^(?:{pattern})"
    every = raw_array([*(text.encode() for text in texts), *raws])
    try:
        hit = pc.match_substring_regex(every, pattern).to_pylist()
    except pa.ArrowInvalid:
        assume(False)
    if automaton(pattern) is not None:
        assert all(may for may, does in zip(allowed(pattern, every), hit) if does)


@pytest.mark.parametrize(("pattern", "texts", "expected"), [
    (r"(?i)^[\s•]*(?:home|log ?in)[\s.]*$", ["Home", "• LOGIN..", "home page", "log  in", "ho", ""], [True, True, False, False, False, False]),
    (r"^ab{2,3}$|^c", ["abb", "abbb", "ab", "abbbb", "cd", "xc"], [True, True, False, False, True, False]),
    (r"^é+ж$", ["éж", "ééж", "ж", "éжé"], [True, True, False, False]),
    (r"^[^x]*$", ["漢字é", "漢x", "x" * FARTHEST, "a" * 2 * FARTHEST + "x"], [True, False, False, True]),  # the last is too long to look at
])  # fmt: skip
def test_lines_that_go_on_differently_are_given_up(pattern, texts, expected):
    assert allowed(pattern, pa.array(texts, pa.large_string())) == expected


@pytest.mark.parametrize("pattern", ["home", "^home|page", "^a*", r"\bhome", "^(?:" + "abc" * 2000 + ")", "(?m)^x"])
def test_patterns_that_have_no_states(pattern):
    assert automaton(pattern) is None


@given(st.lists(st.tuples(st.integers(0, 0x10FFFF), st.integers(0, 300)), min_size=1, max_size=3), st.integers(0, 0x10FFFF))
def test_every_character_of_a_class_is_read(parts, code):
    ranges = union((low, min(low + more, 0x10FFFF)) for low, more in parts)
    sets = byte_sets(ranges)
    for one in [*(low for low, _ in ranges), *(high for _, high in ranges), *([code] if any(low <= code <= high for low, high in ranges) else [])]:
        text = chr(one).encode(errors="surrogatepass")
        assert sets[len(text) - 1][0]
        assert all(sets[len(text) - 1 - place][1] >> byte & 1 for place, byte in enumerate(text))


def test_verdicts_are_the_same_with_and_without(shared_data, monkeypatch):
    """web_chrome on real pages, once with every batch large enough for the states, once with none."""
    texts = parquet.read_table(shared_data / "web", columns=["text"])["text"].combine_chunks().cast(pa.large_string())
    rules = [rule for name in ("web_chrome", "code_in_text") for rule in load_pack(shipped_packs()[name]).rules if rule.acts_on_lines]
    pack, results = Pack("both", "", tuple(rules)), []
    for least in (0, 1 << 62):
        monkeypatch.setattr(lines, "MUCH_TEXT", least)
        results.append(lines.apply_line_rules(pack, texts, {i: np.ones(len(texts), bool) for i in range(len(rules))}))
    assert results[0].texts.equals(results[1].texts) and results[0].edits.equals(results[1].edits)
    assert results[0].edits.num_rows > 0
    assert all((results[0].matches[i] == results[1].matches[i]).all() for i in results[0].matches)
