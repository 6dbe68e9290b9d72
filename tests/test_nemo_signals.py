"""The signals of NeMo Curator's filters equal their plain definitions, and values that its filters give."""

from __future__ import annotations

import math

import definitions
import nemo_definitions
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from hostile_texts import any_texts, raw_texts
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_counts import raw_array

from rules.families.nemo_boilerplate import NOTICES
from rules.families.nemo_characters import ALPHABETIC, nemo_classes
from rules.families.nemo_signals import NEMO_SIGNALS
from rules.measures.signals import measure

NAMES = [signal.name for signal in NEMO_SIGNALS]
PIECES = [
    "http://", "https://", "http", "s://", "://a", "https://a.b/c?d=%2", "%2F", "%zz", "httphttps://porn", "porn", "HTTP://x", "://", ":", "<?xml version=", "x" * 90,
    "[...]", "[…]", "(...)", "-»", "read more", "Read More..", "READ MORE.", "...", "#", "#a#", "##", "# a", "•", "⦿ ", "⟨", "[", "{", "Ⅷ", "ⓐ", "\u0903", "\b", "\n", "\n\n", "\n\n\n", " ", "\t",
    "Privacy Policy", "uses coo\u212aies", "Use of cookies", "use cookies", "lorem  ipsum", "Lorem Ipsum", "privac", "y & cookies policy", NOTICES[-1], NOTICES[-2], NOTICES[-3][:-1], "the", "to", "be", ".", '"', "é", "\u2003",
]  # fmt: skip
nemo_texts = st.lists(st.sampled_from(PIECES), max_size=20).map("".join) | st.lists(st.sampled_from(PIECES), max_size=20).map(" ".join)
repeated_words = st.lists(st.sampled_from(["a", "b", "ab", "é", "a b", "internationalisation"]), max_size=60).map(" ".join)


def one(text: str, words: str = "space") -> dict[str, float]:
    return {name: float(values[0]) for name, values in measure(pa.array([text]), NAMES, words).items()}


def assert_defined(texts: list[str], words: str) -> None:
    found = measure(pa.array(texts, pa.large_string()), NAMES, words)
    for row, text in enumerate(texts):
        wanted = nemo_definitions.signals(text, words)
        assert wanted.keys() == found.keys()
        assert {name: float(values[row]) for name, values in found.items()} == pytest.approx(wanted, rel=1e-15, abs=0, nan_ok=True), text


@pytest.mark.parametrize("words", ["space", "unicode"])
@settings(max_examples=500, deadline=None)
@given(texts=st.lists(any_texts | nemo_texts | repeated_words, min_size=1, max_size=4))
@example(texts=["httphttp://a", "https://", "http://%", "x" * 86 + "<?xml version=", "x" * 87 + "<?xml version="])
@example(texts=["...\x00", "…\x00\x00"])
@example(texts=["\n\n\n\n", "a\n\n\nb", "lorem ipsum", "", " ", "read more", "#a#b#", "aaaa a a a"])
def test_equal_the_definitions(texts, words):
    assert_defined(texts, words)


@settings(max_examples=200, deadline=None)
@given(st.lists(raw_texts, min_size=1, max_size=4), st.sampled_from(["space", "unicode"]))
def test_malformed_bytes_read_as_replacement_characters(raws, words):
    """All but what is repeated, which is told by bytes, is as if each bad byte were U+FFFD."""
    found = measure(raw_array(raws), NAMES, words)
    for row, raw in enumerate(raws):
        wanted = nemo_definitions.signals(definitions.read(raw), words)
        same = [name for name in NAMES if not any(part in name for part in ("dup", "top", "unique"))]
        assert {name: float(found[name][row]) for name in same} == pytest.approx({name: wanted[name] for name in same}, rel=1e-15, nan_ok=True)
        assert not any(found[name][row] < 0 for name in NAMES)


def test_known_values():
    """Worked out by hand from the filters' definitions."""
    assert one("a b! # é.")["nemo_non_plain_char_frac"] == 5 / 9  # three spaces, #, é
    assert one("٣3 x")["nemo_digit_char_frac"] == 1 / 4  # ASCII digits only
    assert one("a\u00a0 \t")["nemo_whitespace_char_frac"] == 2 / 4  # no-break spaces do not count
    assert one("(a) ⟨b⟩ {[")["nemo_bracket_char_frac"] == 6 / 10
    assert one("see http://a.b/%2Fc%zz")["nemo_url_char_frac"] == 15 / 22
    assert one("http://")["nemo_url_char_frac"] == 0
    assert one("https://PORN.example https://x/porn?porn http://y")["nemo_porn_urls"] == 1
    assert one("aa bbb, …")["nemo_mean_word_chars"] == 7 / 3
    assert one("# ## #a #a# #a#b ... … [...] a...")["nemo_symbol_word_frac"] == 5 / 9
    assert one("1 2 Ⅷ a1 —")["nemo_alpha_word_frac"] == 2 / 5
    assert one("the the The to")["nemo_common_words"] == 3
    assert one("- a\n* b\n\n  • c\n")["nemo_bullet_line_frac"] == 1 / 3
    assert one('a.\nb."\n"c"\nd:\ne。 \n')["nemo_open_line_frac"] == 2 / 5
    assert one("a...\nb\nRead More\nc -»\nd …  \n")["nemo_ellipsis_line_frac"] == 4 / 5
    assert one("a\n\na\n b\nb")["nemo_unique_line_frac"] == 3 / 4  # white space counts
    assert one("aa\nb\naa")["nemo_unique_line_char_frac"] == 3 / 5
    assert one("aa\n\n\naa\n\naa")["nemo_unique_paragraph_frac"] == 2 / 3  # the second starts with a line feed
    assert one("aa\n\naa\n\nb")["nemo_unique_paragraph_char_frac"] == 3 / 5
    assert one("We use\ncookies.\n\nWe Use Cookies.")["nemo_boilerplate_paragraph_frac"] == 1 / 2
    assert one("Lorem Ipsum.\n\nb\n\nc")["nemo_boilerplate_paragraph_frac"] == 1
    assert one("a\nb\n")["nemo_code_lines"] == 3


def test_known_values_of_ngrams():
    assert one("go on gopher\tgo on then")["nemo_top_2_gram_char_frac"] == 10 / 23  # within words, too
    assert one("go  on a go  on")["nemo_top_2_gram_char_frac"] == 0  # two spaces are not one
    assert one("x a b")["nemo_top_2_gram_char_frac"] == 3 / 5  # none repeats: the first
    assert one("one two")["nemo_top_3_gram_char_frac"] == one("one two")["nemo_dup_5_gram_char_frac"] == 1
    assert one("a b c a b c")["nemo_dup_2_gram_char_frac"] == (3 + 2) / 11  # "a b", then "c" and its space
    assert one("a b c d e a b c d e")["nemo_dup_5_gram_char_frac"] == 9 / 19


def test_a_blank_text_has_no_fractions():
    for text in ("", " \n "):
        assert math.isnan(one(text)["nemo_unique_line_frac"]) and math.isnan(one(text)["nemo_alpha_word_frac"])
    assert math.isnan(one("")["nemo_top_2_gram_char_frac"]) and one(" ")["nemo_top_2_gram_char_frac"] == 1


def test_alphabetic_is_unicodes():
    classes = nemo_classes()
    for code in [*range(0xD800), *range(0xE000, 0x110000)]:
        assert bool(classes[code] & ALPHABETIC) == nemo_definitions.is_alphabetic(chr(code)), hex(code)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(["a", "aa", "b"]), min_size=40, max_size=70).map("".join), st.lists(st.sampled_from([" ", "a", "b", "\n", "WORD", "WORD WORD "]), max_size=30).map("".join))
def test_long_words(word, text):
    """N-grams too long to be compared at every place."""
    text = (text + "WORD").replace("WORD", word)
    found = one(text)
    for n in (2, 3, 4):
        assert found[f"nemo_top_{n}_gram_char_frac"] == nemo_definitions.top_chars(text, text.split(), n) / len(text)


def test_two_words_of_a_million_equal_letters():
    assert one("x" * 1_000_000 + " " + "x" * 1_000_001)["nemo_top_2_gram_char_frac"] == 1


@pytest.mark.parametrize("text", ["x" * 3_000_000, "word " * 500_000, "\n" * 1_000_000, "http://" * 300_000, "漢" * 500_000], ids=lambda text: text[:5])
def test_long_runs_of_one_thing(text):
    found = one(text, "unicode")
    wanted = nemo_definitions.character_signals(text) | nemo_definitions.line_signals(text) | nemo_definitions.paragraph_signals(text)
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, rel=1e-15, nan_ok=True)


@pytest.mark.parametrize("words", ["space", "unicode"])
def test_equal_the_definitions_on_real_pages(shared_data, words):
    for name in ("web", "sample"):
        for file in sorted((shared_data / name).glob("*.parquet"))[:2]:
            texts = parquet.read_table(file, columns=["text"])["text"].to_pylist()
            assert_defined([text[:8000] for text in texts[:: max(1, len(texts) // 30)]], words)
