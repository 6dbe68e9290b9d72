"""Coverage by repeated n-grams, leftover markup and the divergence of words equal their plain definitions."""

from __future__ import annotations

import math

import definitions
import llama3_definitions
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from hostile_texts import any_texts, raw_texts
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_counts import raw_array

from rules.families.llama3_signals import LLAMA3_SIGNALS
from rules.measures.signals import measure
from rules.models.profiles import SHIPPED, read_profile

NAMES = [signal.name for signal in LLAMA3_SIGNALS]
ENGLISH = read_profile(SHIPPED / "en.tsv")
PIECES = [
    "<", "</", "br", "BR", ">", "/>", "<br>", "<b", "a href='x'", "<script", "<h1>", "<foo>", "<li\n>", "blockquote", "textarea", "&", "amp", ";", "&nbsp;", "&#", "&#x", "A0", "160", "12345678", "&Amp;", "&apos;",
    "*", "**", "***", "#", "## ", "#######", "```", "`", "[a]", "](", "(b)", "\n", "\n# ", "\n```", " ", "é", "the", "\u00a0",
]  # fmt: skip
markup_texts = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)
repeated_words = st.lists(st.sampled_from(["a ", "b ", "a b c d e ", "é f g h i j k l m n o "]), max_size=40).map("".join)


def one(text: str, words: str = "space") -> dict[str, float]:
    return {name: float(values[0]) for name, values in measure(pa.array([text]), NAMES, words).items()}


def assert_defined(texts: list[str], words: str) -> None:
    found = measure(pa.array(texts, pa.large_string()), NAMES, words)
    for row, text in enumerate(texts):
        wanted = llama3_definitions.signals(text, words, ENGLISH)
        assert wanted.keys() == found.keys()
        close = {name: pytest.approx(value, rel=1e-15, abs=1e-6 if name == "word_divergence_en" else 0, nan_ok=True) for name, value in wanted.items()}
        assert {name: float(values[row]) for name, values in found.items()} == close, text


@pytest.mark.parametrize("words", ["space", "unicode"])
@settings(max_examples=500, deadline=None)
@given(texts=st.lists(any_texts | markup_texts | repeated_words, min_size=1, max_size=4))
@example(texts=["", " ", "<a", "<a b", "<br", "&#x1234567;&#12345678;", "# a", "#", "```", "``", "**", "*", "](", "]"])
def test_equal_the_definitions(texts, words):
    assert_defined(texts, words)


@settings(max_examples=200, deadline=None)
@given(st.lists(raw_texts, min_size=1, max_size=4), st.sampled_from(["space", "unicode"]))
def test_malformed_bytes_read_as_replacement_characters(raws, words):
    """All but n-grams, which are told by bytes, is as if each bad byte were U+FFFD."""
    found = measure(raw_array(raws), NAMES, words)
    for row, raw in enumerate(raws):
        wanted = llama3_definitions.signals(definitions.read(raw), words, ENGLISH)
        for name in NAMES:
            assert "ngram" in name or float(found[name][row]) == pytest.approx(wanted[name], abs=1e-6, nan_ok=True), name


def test_known_values():
    assert one("a b c d e x a b c d e")["dup_ngram_coverage_5_frac"] == 10 / 11
    assert one("a a a a a a")["dup_ngram_coverage_5_frac"] == 1
    assert one("a b c d e f")["dup_ngram_coverage_5_frac"] == 0
    assert one("error 1 in line number nine\n" * 3)["dup_ngram_coverage_10_frac"] == 1
    assert one("one<br>two </P > List<String> <a href=x>y</a> a<b")["html_tag_word_ratio"] == 4 / 7
    assert one("a &amp; b&nbsp;c &#160; &x; &ampx;")["html_entity_word_ratio"] == 3 / 6
    assert one("# Title\n\n**bold** and [link](x)\n#no\n```\n")["markdown_mark_word_ratio"] == 5 / 7


def test_divergence_grows_with_strangeness():
    plain = "You can use this file to set the options of the server, and the default is the same as in the earlier version. " * 3
    strange = " ".join(f"zq{k}x" for k in range(80))
    assert one(plain)["word_divergence_en"] < one("server " * 80)["word_divergence_en"] < one(strange)["word_divergence_en"]
    assert math.isnan(one(" ")["word_divergence_en"])


@pytest.mark.parametrize("text", ["x" * 20_000, "word " * 300_000, "<b " * 300_000, "& " * 300_000, "**" * 10_000, "#" * 20_000], ids=lambda text: text[:5])
def test_long_runs_of_one_thing(text):
    assert_defined([text], "space")


@pytest.mark.parametrize("words", ["space", "unicode"])
def test_equal_the_definitions_on_real_pages(shared_data, words):
    for name in ("web", "sample"):
        for file in sorted((shared_data / name).glob("*.parquet"))[:2]:
            texts = parquet.read_table(file, columns=["text"])["text"].to_pylist()
            assert_defined([text[:8000] for text in texts[:: max(1, len(texts) // 30)]], words)
