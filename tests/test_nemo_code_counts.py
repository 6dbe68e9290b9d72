"""Comments in code and text in HTML: equal to plain definitions, and to what Python's own parser finds."""

from __future__ import annotations

import math
import tokenize
from pathlib import Path

import nemo_code_definitions as plain
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rules.families.nemo_code_counts import NEMO_CODE_COUNTS, count_nemo_code
from rules.measures.listed_characters import listed_char_frac
from rules.measures.signals import measure
from rules.measures.word_lists import WordList, list_signal
from rules.text.kernels import kernel_texts

ROOT = Path(__file__).parents[1]
PIECES = [
    "#", "//", "/*", "*/", "*", "/", '"', "'", '"""', "'''", "`", "\\", "\\\n", "\n", "\n", " ", ";", ":", "(", ")", "[", "]", "{", "}",
    "def f():", "class A:", "async ", "async def g(x: int) -> str:", "def", "r", "b", "f", "rb", "u", "x", "é", "= ", "http://a", "@d", "\t", "\r\n",
    "<!--", "-->", "--", "<", ">", "<p>", "</p>", "<script>", "</script", "<STYLE a='>'>", "</style>", "<scripts>", "<a href=\"", "<!D", "<?x", "text of a page ",
]  # fmt: skip
code = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


def counted(texts: list[str]) -> list[tuple[int, ...]]:
    out = np.zeros((len(texts), len(NEMO_CODE_COUNTS)), np.int64)
    count_nemo_code(*kernel_texts(pa.array(texts, pa.large_string())), np.zeros(0, np.uint8), out)
    return [tuple(row) for row in out.tolist()]


def defined(text: str) -> tuple[int, ...]:
    return plain.python_comment_chars(text), plain.c_comment_chars(text), plain.hash_comment_chars(text), *plain.markup_text(text)


@settings(max_examples=600, deadline=None)
@given(st.lists(code, min_size=1, max_size=4))
@example(['"""doc', '"doc\\', "'''a''", "<!--", "<!---->", "<!--->", "/*/", "/**/", "<a b='", "<", "<script", "é#é", "`//`//x"])
@example(["\\\n##", "\\\\ # a", "\\ # b"])
@example(['class A: "doc"\n', 'def f(): "no" + x', 'async def f():\n\n  # c\n  u"""d"""  # e\n  "not"', '("no")', '"yes"; "no"', 'x\n"no"', 'def f() -> "x":\n  b"no"'])
def test_equal_the_definitions(texts):
    assert counted(texts) == [defined(text) for text in texts]


def sources() -> list[str]:
    """Python that is there: this project's own."""
    return [path.read_text() for room in ("rules", "curation", "train", "tests") for path in sorted((ROOT / room).glob("*.py"))]


def test_equals_pythons_own_parser():
    texts = sources()
    assert [row[0] for row in counted(texts)] == [plain.parsed_comment_chars(text) for text in texts]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(['"""d"""', "'d # no'", "# c", "def f(a=\"'\", *b):", "async def g():", "class A(b[1:2]):", "x = {1: '#'}", "if a: b", "r'''\\\\'''", "pass", "lambda: 0", "@a", "x; y"]), max_size=8))
def test_equals_the_parser_wherever_it_parses(lines):
    indent, text = "", ""
    for line in lines:
        text += indent + line + "\n"
        if line.startswith(("def", "async", "class")):
            indent += " "
    try:
        wanted = plain.parsed_comment_chars(text)
    except (SyntaxError, tokenize.TokenError):
        return
    assert counted([text])[0][0] == wanted


def test_known_values():
    """Counted by hand."""
    text = '#!/bin/sh\necho "# no" $#  # yes\n'
    assert measure(pa.array([text]), ["nemo_hash_comment_char_frac"])["nemo_hash_comment_char_frac"][0] == 12 / 32
    text = 'int a = 1; // one\nchar *b = "/* no */"; /* two\nlines */'
    assert counted([text])[0][1] == 4 + 11
    page = "<html><style>p > a {}</style><p title='>'>" + "x" * 100 + "</p><!-- é --></html>"
    assert counted([page])[0][3:] == (3, 100)
    found = measure(pa.array([page, page.replace("x" * 100, "x" * 99), ""]), ["nemo_html_text_char_frac"])["nemo_html_text_char_frac"]
    assert found[0] == 100 / len(page) and found[1] == 0 and math.isnan(found[2])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(max_size=30), max_size=4), st.lists(st.text(max_size=3), max_size=5), st.booleans())
def test_share_of_listed_characters(texts, entries, exact):
    fold = (lambda t: t) if exact else str.lower
    if not exact:  # Arrow lowers character by character, which Python does for these alone
        texts, entries = ([t for t in group if t.isascii()] for group in (texts, entries))
    listed = {c for entry in entries for c in fold(entry)}
    found = list_signal("listed_char_frac", pa.array(texts, pa.large_string()), WordList(tuple(entries), case="exact" if exact else "any"))
    wanted = [sum(c in listed for c in fold(text.strip())) / len(text) if text else math.nan for text in texts]
    assert found.tolist() == pytest.approx(wanted, nan_ok=True)


def test_a_histogram_tells_another_script():
    english = ("abcdefghijklmnopqrstuvwxyz .,",)
    found = listed_char_frac(pa.array(["plain text, here.", "обычный текст"], pa.large_string()), english)
    assert found[0] == 1.0 and found[1] == 1 / 13
