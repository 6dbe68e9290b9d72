"""No line that RE2 matches is missed, and the scan finds exactly the lines that meet a pattern's conditions."""

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
from rules.line_rules.line_filter import LineFilter
from rules.line_rules.line_signals import split_lines
from rules.matching.first_words import skipped_characters
from rules.matching.line_conditions import Plan, plan, tail_bytes
from rules.matching.pattern_literals import blurred
from rules.text.buffers import large_strings, string_buffers
from rules.text.kernels import kernel_bytes, kernel_texts

SHIPPED = list(dict.fromkeys(rule.match for path in shipped_packs().values() for rule in load_pack(path).rules if rule.match))


def matches(lines: pa.Array, pattern: str) -> np.ndarray:
    """Which lines RE2 matches; skips patterns that it does not accept."""
    try:
        return pc.match_substring_regex(lines, pattern).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        assume(False)


def candidates(patterns: list[str], lines: pa.Array) -> list[np.ndarray]:
    offsets, data = kernel_bytes(*string_buffers(lines))
    found = LineFilter(tuple(patterns)).candidates(data, offsets[:-1], offsets[1:])
    return [np.arange(len(lines)) if rows is None else rows for rows in found]


@settings(max_examples=400, deadline=None)
@given(patterns_and_lines())
@example(("(?i)straße", ["STRAẞE", "ſtraße", "STRASSE"]))
@example(("(?i)^kelvin", ["KELVIN", "Kelvin", "kelvin"]))
@example(("(?i)İ|ı", ["i̇", "I", "i", "İ", "ı"]))
@example(("(?i)σίσυφος$", ["ΣΊΣΥΦΟΣ", "ςίςυφοσ"]))
@example(("(?i)[^s]x", ["ſx", "Sx", "sx", "ax"]))
@example(("(?i)\\Wx", ["ſx", "Kx", "éx"]))
@example(("^$|^ $", ["", " "]))
@example(("^", ["", "a"]))
@example(("$", ["", "a"]))
@example(("^(?:©|x)y", ["©y", "xy", " ©y"]))
@example(("^ *(?:a|\\}b|cd*e|)f", ["af", " }bf", "cef", "cddef", "f", "bf"]))
@example(("[0-9]{9}a?[a-f]{9,}$", ["123456789abcdefabcd", "123456789" + "f" * 9, "é" + "1" * 9 + "b" * 12]))
@example(("x(?:ab*)*y?z", ["xz", "xyz", "xaz", "xabbabz", "xabyz"]))
def test_no_match_is_missed(case):
    pattern, texts = case
    lines = pa.array(texts, pa.large_string())
    hit = matches(lines, pattern)
    missed = np.setdiff1d(np.flatnonzero(hit), candidates([pattern], lines)[0])
    assert not len(missed), [texts[row] for row in missed]


@settings(max_examples=400, deadline=None)
@given(patterns_and_lines())
@example((r"[^.?!]$|\.\.\.$|^$", ["", "a", "a.", "...", "a...", "é", "aaaaaaaaaaaa漢", "aaaaaaaaaaaaa."]))
@example((r"\bab$|^cd$", ["ab", "xab", "x ab", "cd", "xcd", "éab", "xxxxxxxxxxxxxcd"]))
def test_the_tail_of_a_line_decides(case):
    pattern, texts = case
    pattern = pattern if pattern.endswith("$") else f"(?:{pattern})$"
    hit = matches(pa.array(texts, pa.large_string()), pattern)
    size = tail_bytes(pattern)
    tails = [text.encode()[-size:] for text in texts]  # all of it if the size is 0
    assert matches(raw_array(tails), pattern).tolist() == hit.tolist()


@settings(max_examples=100, deadline=None)
@given(st.lists(patterns_and_lines(), max_size=4), st.lists(raw_texts, max_size=3))
def test_no_match_is_missed_by_many_patterns_at_once_or_in_malformed_text(cases, raws):
    patterns = [pattern for pattern, _ in cases]
    texts = [text.encode() for _, lines in cases for text in lines[:3]]
    lines = raw_array([*texts, *raws, *(raw + text for raw, text in zip(raws, texts))])
    for pattern, rows in zip(patterns, candidates(patterns, lines)):
        assert not len(np.setdiff1d(np.flatnonzero(matches(lines, pattern)), rows))


def meets(line: bytes, wanted: Plan) -> bool:
    """The definition of a plan."""
    if wanted.every_line:
        return True
    soft = blurred(line)
    begin = len(line.decode(errors="surrogateescape")) and first_word(line)
    return (
        any(text in soft for text in wanted.strings)
        or bool(line) and begin is not None and any(soft[begin:].startswith(text) for text in wanted.heads)
        or soft[:1] in wanted.first
        or soft[-1:] in wanted.last
    )  # fmt: skip


def first_word(line: bytes) -> int | None:
    """Where in bytes the first character is that is not skipped."""
    begin = 0
    for character in line.decode():
        if not skipped_characters()[ord(character)]:
            return begin
        begin += len(character.encode())
    return None


@settings(max_examples=150, deadline=None)
@given(st.lists(patterns_and_lines(), min_size=1, max_size=5))
def test_the_scan_finds_what_the_plans_say(cases):
    patterns = [pattern for pattern, _ in cases]
    texts = [text for _, lines in cases for text in lines]
    for pattern, rows in zip(patterns, candidates(patterns, pa.array(texts, pa.large_string()))):
        assert rows.tolist() == [row for row, text in enumerate(texts) if meets(text.encode(), plan(pattern))]


@pytest.mark.parametrize(("pattern", "expected"), [
    ("(?i)^[\\s\\p{Z}•*-]*(home|log ?in)[\\s.]*$", Plan(heads=frozenset({b"home", b"log in", b"login"}))),
    ("(?i)lorem dolor", Plan(strings=frozenset({b"lorem do"}))),
    ("\\{", Plan(strings=frozenset({b"{"}))),
    ("^[\\s]+|[\\s]+$", Plan(first=frozenset({b"\t", b"\n", b"\f", b"\r", b" "}), last=frozenset({b"\t", b"\n", b"\f", b"\r", b" "}))),
    ("[!-~]{200}", Plan(run=frozenset(range(33, 127)), run_bytes=200)),
    (r"^[0-9a-f]{20,}[0-9][0-9a-f]{30,}=?$", Plan(run=frozenset(b"0123456789abcdef"), run_bytes=51)),
    (r"\[\d*\]|\[edit\]", Plan(strings=frozenset([b"[edit]", b"[]", *(b"[%d" % digit for digit in range(10))]))),
    (r"^\s*(?:let [$_]|\}\);|go)", Plan(heads=frozenset({b"let $", b"let _", b"go"}), strings=frozenset({b"});"}))),
    ("(?i)me@home", Plan(strings=frozenset({b"me@home"}))),
    (r"[^.?!]$|\.\.\.$|^$", Plan(every_line=True, tail_bytes=5)),
    ("(?:[0-9]{1,3}\\.){3}[0-9]{1,3}", Plan(strings=frozenset(b"%d.%d" % (a, b) for a in range(10) for b in range(10)))),
    ("(?m)^x", Plan(every_line=True)),
    ("a*", Plan(every_line=True)),
])  # fmt: skip
def test_plans(pattern, expected):
    assert plan(pattern) == expected


def test_shipped_patterns_are_looked_for(shared_data):
    """On real pages each shipped pattern has all its matches among few candidates."""
    texts = large_strings(parquet.read_table(shared_data / "web", columns=["text"])["text"])
    starts, ends, _ = split_lines(texts)
    data = kernel_texts(texts)[1]
    offsets = np.concatenate([[0], np.cumsum(ends - starts)])
    lines = pa.array([data[a:b].tobytes().decode() for a, b in zip(starts, ends)], pa.large_string())
    assert offsets[-1] == pc.sum(pc.binary_length(lines)).as_py()
    finder = LineFilter(tuple(SHIPPED))
    for pattern, wanted, rows in zip(SHIPPED, finder.plans, finder.candidates(data, starts, ends)):
        hit = np.flatnonzero(matches(lines, pattern))
        if wanted.every_line:
            continue
        assert not len(np.setdiff1d(hit, rows)), pattern
        assert len(rows) < len(lines) / 2, pattern


def test_pairs_without_end():
    """More candidates than there is room for at once."""
    lines = pa.array(["home page of x @ y"] * 20_000, pa.large_string())
    patterns = [f"(?:home|{word})" for word in ("page", "cookie", "of x", "x @", "@ y")] * 8
    for pattern, rows in zip(patterns, candidates(patterns, lines)):
        assert len(rows) == 20_000, pattern
