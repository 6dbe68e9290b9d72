"""Line rules over Arrow columns do what a plain loop over lines does, and every change is recorded."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from line_rules_plain import plain
from random_patterns import patterns_and_lines

from rules.line_rules.lines import apply_line_rules
from rules.matching.patterns import cuts_characters
from rules.rule import Comparison, Condition, Pack, Rule

RULES = [
    Rule("trim-tail", "w", lines="trim", match="(?i)\\s*more$"),
    Rule("drop-menu", "w", lines="drop", match="^(home|news)?$"),
    Rule("mask-digits", "w", lines="replace", match="[0-9]+", with_="#"),
    Rule("short", "w", lines="drop", when=(Condition("line_words", (Comparison("<", 2),)),)),
    Rule("curly", "w", match="\\{"),
    Rule("short-a", "w", lines="drop", match="a", when=(Condition("line_chars", (Comparison("<", 4), Comparison(">", 30))),)),
]


texts = st.lists(
    st.sampled_from(["home", "news", "", "a", "a b c", "Read more", "12 eggs", "{x}", "a {1}", "é a", "🙂 b", "x" * 40, "\r", "\u2028", "a\x85b", "\x00"]),
    max_size=8,
).map("\n".join) | st.text("ab \n\r\u2028{1é", max_size=20)  # fmt: skip


def run(rules: list[Rule], documents: list[str], breaks: str, scopes: dict[int, np.ndarray] | None = None):
    pack = Pack("p", "", tuple(rules), line_breaks=breaks)
    everywhere = {i: np.ones(len(documents), bool) for i in range(len(rules))}
    return apply_line_rules(pack, pa.array(documents, pa.large_string()), scopes or everywhere)


def check(rules: list[Rule], documents: list[str], breaks: str, scopes: dict[int, np.ndarray] | None = None) -> None:
    """The rules do to each document what the plain loop does."""
    result = run(rules, documents, breaks, scopes)
    result.texts.validate(full=True)
    got = result.edits.to_pylist()
    assert got == sorted(got, key=lambda e: (e["row"], e["line"], e["rule"]))
    for row, text in enumerate(documents):
        after, edits, matches, total = plain(rules, text, breaks, [scopes is None or bool(scopes[i][row]) for i in range(len(rules))])
        assert result.texts[row].as_py() == after
        assert [(e["line"], e["rule"], e["before"], e["after"]) for e in got if e["row"] == row] == edits
        gone = sum(e[3] is None for e in edits)
        assert result.signals["removed_line_frac"][row] == pytest.approx(gone / max(total, 1))
        assert result.signals["removed_char_frac"][row] == pytest.approx((len(text) - len(after)) / max(len(text), 1))
        assert {k: v[row] for k, v in result.matches.items()} == matches


@settings(max_examples=200, deadline=None)
@given(st.lists(texts, max_size=5), st.sampled_from(["newline", "unicode"]), st.permutations(RULES), st.integers(1, len(RULES)))
def test_equals_the_plain_loop(documents, breaks, order, count):
    check(order[:count], documents, breaks)


conditions = st.builds(
    lambda signal, operator, threshold: Condition(signal, (Comparison(operator, threshold),)),
    st.sampled_from(["line_words", "line_chars", "line_longest_word_chars"]), st.sampled_from("<>"), st.integers(0, 8),
)  # fmt: skip
withins = st.none() | st.tuples(st.sampled_from(["first", "last"]), st.integers(0, 3))


@st.composite
def random_rules(draw: st.DrawFn) -> tuple[Rule, list[str]]:
    """A rule of any kind, and lines that it may act on."""
    lines = draw(st.sampled_from(["drop", "drop", "trim", "replace", None]))
    pattern, near = draw(patterns_and_lines())
    if draw(st.booleans()):
        pattern = draw(st.sampled_from([r"[^.?!]$|\.\.\.$|^$", r"^[\s\p{Z}]+|[\s\p{Z}]+$", "a", "(?i)^home|x$", r"\d+", "^.{3,6}$", "[aé]+"]))
    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except pa.ArrowInvalid:
        pattern = "a"
    if lines in ("trim", "replace") and cuts_characters(pattern):
        pattern = "a"  # reading a pack refuses it
    when = draw(st.lists(conditions, max_size=1))
    bare = lines == "drop" and bool(when) and draw(st.booleans())
    replacement = draw(st.sampled_from(["", "#", "home", " x "])) if lines == "replace" else ""
    return Rule("r", "w", lines=lines, match=None if bare else pattern, with_=replacement, when=tuple(when), within=draw(withins)), near


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_random_packs_equal_the_plain_loop(data):
    """Any rules in any order, each in the scope of some documents, on lines near what they match."""
    drawn = data.draw(st.lists(random_rules(), min_size=1, max_size=5))
    pool = [line for _, near in drawn for line in near] + ["", "", "a", "home x", "a sentence that ends.", "12 eggs  ", "\u2028", "x\x85"]
    document = st.lists(st.sampled_from(pool), max_size=8).map("\n".join)
    documents = data.draw(st.lists(document, min_size=1, max_size=4))
    flags = data.draw(st.lists(st.lists(st.booleans(), min_size=len(documents), max_size=len(documents)), min_size=len(drawn), max_size=len(drawn)))
    scopes = {i: np.array(one) for i, one in enumerate(flags)} if data.draw(st.booleans()) else None
    check([rule for rule, _ in drawn], documents, data.draw(st.sampled_from(["newline", "unicode"])), scopes)


def test_only_documents_in_scope_are_touched():
    pack = Pack("p", "", (Rule("d", "w", lines="drop", match="x"),))
    texts = pa.array(["x\ny", "x\ny"], pa.large_string())
    result = apply_line_rules(pack, texts, {0: np.array([False, True])})
    assert result.texts.to_pylist() == ["x\ny", "y"]


def test_untouched_texts_are_not_copied():
    documents = pa.array(["a line", "another"], pa.large_string())
    pack = Pack("p", "", (Rule("d", "w", lines="drop", match="absent"),))
    assert apply_line_rules(pack, documents, {0: np.ones(2, bool)}).texts is documents


def test_patterns_that_refuse_to_be_joined_run_one_by_one():
    rules = [Rule("a", "w", lines="drop", match="(?P<name>x)"), Rule("b", "w", lines="drop", match="(?P<name>y)")]
    assert run(rules, ["x\ny\nz"], "newline").texts.to_pylist() == ["z"]


def test_a_line_that_an_earlier_rule_changed_is_seen_as_it_is_now():
    rules = [Rule("t", "w", lines="trim", match=" more$"), Rule("d", "w", lines="drop", match="^Read$")]
    result = run(rules, ["Read more\nstay"], "newline")
    assert result.texts.to_pylist() == ["stay"]
    assert result.edits["before"].to_pylist() == ["Read more", "Read"]


def test_a_line_of_50_mb():
    long = "word " * 10_000_000
    rules = [Rule("menu", "w", lines="drop", match="^home$"), Rule("tail", "w", lines="trim", match=" end$")]
    result = run(rules, ["home\n" + long + "end", "home"], "newline")
    assert result.texts[0].as_py() == long[:-1] and result.texts[1].as_py() == ""


@pytest.mark.parametrize(("within", "text", "expected"), [
    (("first", 2), "y\nx\nx\n\nx", "x\n\nx"), (("last", 2), "x\n\nx\nx\ny", "x\n\nx"), (("first", 2), "\n\nx\nx", "x\nx"),
    (("last", 1), "x\n\nx\nx", "x\n\nx"), (("first", 9), "x\n\nx", ""), (("first", 0), "x\n\nx", "x\n\nx"),
])  # fmt: skip
def test_within_counts_the_lines_that_the_pack_began_with(within, text, expected):
    """Blank lines count, and lines that an earlier rule dropped still do."""
    rules = [Rule("y", "w", lines="drop", match="^y"), Rule("x", "w", lines="drop", match="^x?$", within=within)]
    assert run(rules, [text], "newline").texts.to_pylist() == [expected]
    check(rules, [text, "y\n" + text], "newline")


def test_within_without_lines_counts_matches_there():
    rules = [Rule("m", "w", match="x", within=("first", 2))]
    assert run(rules, ["a\nx\nx", "x\nx\nx", "a\na\nx"], "newline").matches[0].tolist() == [1, 2, 0]


def test_a_line_that_a_rule_changed_may_match_what_it_did_not():
    rules = [Rule("r", "w", lines="replace", match="^tsrif", with_="first"), Rule("d", "w", lines="drop", match="^first$")]
    assert run(rules, ["tsrif\nstay\nfirst"], "newline").texts.to_pylist() == ["stay"]
