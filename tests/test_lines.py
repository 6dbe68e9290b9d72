"""Line rules over Arrow columns do what a plain loop over lines does, and every change is recorded."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.lines import apply_line_rules
from rules.rule import Comparison, Condition, Pack, Rule

RULES = [
    Rule("trim-tail", "w", lines="trim", match="(?i)\\s*more$"),
    Rule("drop-menu", "w", lines="drop", match="^(home|news)?$"),
    Rule("mask-digits", "w", lines="replace", match="[0-9]+", with_="#"),
    Rule("short", "w", lines="drop", when=(Condition("line_words", (Comparison("<", 2),)),)),
    Rule("curly", "w", match="\\{"),
    Rule("short-a", "w", lines="drop", match="a", when=(Condition("line_chars", (Comparison("<", 4), Comparison(">", 30))),)),
]


def split(text: str, breaks: str) -> list[tuple[str, str]]:
    """(line, separator) pairs, by the definition of str.split or str.splitlines."""
    if breaks == "unicode":
        return [(line, whole[len(line) :]) for line, whole in zip(text.splitlines(), text.splitlines(keepends=True))]
    parts = text.split("\n")
    return [(line, "\n") for line in parts[:-1]] + [(parts[-1], "")]


def measured(name: str, line: str) -> int:
    return {"line_words": len(line.split()), "line_chars": len(line)}[name]


def compare(value: float, comparison: Comparison) -> bool:
    return {"<": value < comparison.threshold, ">": value > comparison.threshold}[comparison.operator]


def plain(rules: list[Rule], text: str, breaks: str) -> tuple[str, list[tuple], dict[int, int]]:
    """The definition: rules one after the other, each over the lines that are left."""
    lines = [[number, line, separator] for number, (line, separator) in enumerate(split(text, breaks), 1)]
    total, last = len(lines), lines[-1][0] if lines else 0
    edits, matches = [], {}
    for index, rule in enumerate(rules):
        kept = []
        for entry in lines:
            hit = bool(re.search(rule.match, entry[1])) if rule.match else True
            for condition in rule.when:
                hit = hit and any(compare(measured(condition.signal, entry[1]), c) for c in condition.any_of)
            if rule.lines is None:
                matches[index] = matches.get(index, 0) + hit
            elif hit and rule.lines == "drop":
                edits.append((entry[0], index, entry[1], None))
                continue
            elif hit:
                after = re.sub(rule.match, rule.with_, entry[1])
                if after != entry[1]:
                    edits.append((entry[0], index, entry[1], after))
                    entry[1] = after
            kept.append(entry)
        lines = kept
    if edits and lines and lines[-1][0] != last:
        lines[-1][2] = ""
    out = "".join(line + separator for _, line, separator in lines) if edits else text
    return out, sorted(edits, key=lambda e: (e[0], e[1])), {k: matches.get(k, 0) for k, r in enumerate(rules) if r.lines is None} | {-1: total}


texts = st.lists(
    st.sampled_from(["home", "news", "", "a", "a b c", "Read more", "12 eggs", "{x}", "a {1}", "é a", "🙂 b", "x" * 40, "\r", "\u2028", "a\x85b", "\x00"]),
    max_size=8,
).map("\n".join) | st.text("ab \n\r\u2028{1é", max_size=20)  # fmt: skip


def run(rules: list[Rule], documents: list[str], breaks: str):
    pack = Pack("p", "", tuple(rules), line_breaks=breaks)
    scopes = {i: np.ones(len(documents), bool) for i in range(len(rules))}
    return apply_line_rules(pack, pa.array(documents, pa.large_string()), scopes)


@settings(max_examples=300, deadline=None)
@given(st.lists(texts, max_size=5), st.sampled_from(["newline", "unicode"]), st.permutations(RULES), st.integers(1, len(RULES)))
def test_equals_the_plain_loop(documents, breaks, order, count):
    rules = order[:count]
    result = run(rules, documents, breaks)
    got = result.edits.to_pylist()
    for row, text in enumerate(documents):
        after, edits, matches = plain(rules, text, breaks)
        assert result.texts[row].as_py() == after
        assert [(e["line"], e["rule"], e["before"], e["after"]) for e in got if e["row"] == row] == edits
        gone = sum(e[3] is None for e in edits)
        assert result.signals["removed_line_frac"][row] == pytest.approx(gone / max(matches.pop(-1), 1))
        assert result.signals["removed_char_frac"][row] == pytest.approx((len(text) - len(after)) / max(len(text), 1))
        assert {k: v[row] for k, v in result.matches.items()} == matches


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
