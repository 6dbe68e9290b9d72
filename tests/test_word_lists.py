"""Word lists: what occurs, how often, how much of the text; equal to a plain definition."""

from __future__ import annotations

import definitions
import numpy as np
import pyarrow as pa
import pytest
from hostile_texts import any_texts
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.measures.list_counts import build_table
from rules.measures.word_lists import WordList, list_signal, measure_list, parse_call
from rules.splitters.words import split_words


def defined(text: str, entries: tuple[str, ...], words: str) -> dict[str, float]:
    """Every entry at every place, word by word."""
    phrases = {tuple(split) for e in entries if (split := definitions.split_words(e, words))}
    found = definitions.split_words(text, words)
    places = [(i, p) for p in phrases for i in range(len(found)) if tuple(found[i : i + len(p)]) == p]
    covered = {k for i, p in places for k in range(i, i + len(p))}
    frac = len(covered) / len(found) if found else float("nan")
    return {"listed_words": len(places), "listed_word_frac": frac, "listed_distinct_words": len({p for _, p in places})}


def one(text: str, words: WordList, splitter: str = "unicode") -> dict[str, float]:
    return {name: float(values[0]) for name, values in measure_list(pa.array([text], pa.large_string()), words, splitter).items()}


@pytest.mark.parametrize("splitter", ["space", "unicode"])
@settings(max_examples=300, deadline=None)
@given(
    texts=st.lists(any_texts | st.lists(st.sampled_from("a b c d , .".split()), max_size=30).map(" ".join), max_size=3),
    entries=st.lists(any_texts.map(lambda t: t[:12]) | st.lists(st.sampled_from("abcd"), min_size=1, max_size=4).map(" ".join), max_size=8),
)
def test_equals_the_definition(texts, entries, splitter):
    entries = tuple(entries)
    found = measure_list(pa.array(texts, pa.large_string()), WordList(entries, case="exact"), splitter)
    for row, text in enumerate(texts):
        wanted = defined(text, entries, splitter)
        assert {name: float(values[row]) for name, values in found.items()} == pytest.approx(wanted, nan_ok=True), (text, entries)


def test_case_matters_only_where_the_list_says_so():
    assert one("The THE the", WordList(("the",)))["listed_words"] == 3
    assert one("The THE the", WordList(("The",), case="exact"))["listed_words"] == 1


@pytest.mark.parametrize("entry", ["της", "τησ", "ΤΗΣ"])
@pytest.mark.parametrize("anywhere", [False, True])
def test_a_sigma_is_one_letter_wherever_it_stands(entry, anywhere):
    """Lower case has two: Arrow lowers ΤΗΣ to τησ, and people write της."""
    assert one("της Της ΤΗΣ, τα", WordList((entry,), anywhere=anywhere))["listed_words"] == 3
    assert one("της Της ΤΗΣ", WordList((entry,), case="exact", anywhere=anywhere))["listed_words"] == (entry != "τησ")
    letters = list_signal("listed_char_frac", pa.array(["της ΤΗΣ"], pa.large_string()), WordList((entry,)))
    assert letters[0] == pytest.approx(6 / 7), "of seven characters one is a space"


def test_phrases_overlap_and_cover_each_word_once():
    found = one("one two three two", WordList(("one two", "two three", "two")))
    assert found == {"listed_words": 4, "listed_word_frac": 1.0, "listed_distinct_words": 3}


def test_chinese_and_thai():
    assert one("他说坏话了", WordList(("坏话",)))["listed_words"] == 1  # each character is a word
    assert one("คนไม่ดีมาก", WordList(("ไม่ดี",)))["listed_words"] == 0
    assert one("คนไม่ดีมาก", WordList(("ไม่ดี",), anywhere=True))["listed_words"] == 1


def test_a_phrase_of_64_words_is_refused():
    with pytest.raises(ValueError, match="64 words; at most 63"):
        build_table([["a"] * 64])
    long = " ".join("a" * 63)
    assert one(long, WordList((long,)))["listed_words"] == 1


def test_many_entries():
    entries = tuple(f"word{i}" for i in range(20_000))
    text = " ".join(entries[::2])
    assert one(text, WordList(entries)) == {"listed_words": 10_000, "listed_word_frac": 1.0, "listed_distinct_words": 10_000}
    assert len(WordList(entries).table("space")[0]) == 65536


def test_the_hash_changes_with_what_can_change_a_count():
    lists = [WordList(("a",)), WordList(("b",)), WordList(("a",), case="exact"), WordList(("a",), anywhere=True)]
    assert len({words.sha256 for words in lists}) == 4


def test_a_call_is_a_name_and_a_list():
    assert parse_call("listed_words(bad)") == ("listed_words", "bad")
    assert parse_call("words") is None


def test_split_words_is_what_entries_are_cut_by():
    assert split_words("e-mail", "unicode") == ["e", "-", "mail"]
    assert np.isnan(one("", WordList(("a",)))["listed_word_frac"])


@settings(max_examples=200, deadline=None)
@given(st.lists(any_texts, max_size=3), st.lists(st.text(st.sampled_from("ab.*+?|()[\\^$漢\u0e01 "), min_size=1, max_size=3), max_size=5))
def test_parts_of_words_equal_the_definition(texts, entries):
    entries = tuple(dict.fromkeys(e for e in entries if e.strip()))
    texts = [text + "".join(entries[:1]) for text in texts]
    found = measure_list(pa.array(texts, pa.large_string()), WordList(entries, case="exact", anywhere=True))
    for row, text in enumerate(texts):
        assert found["listed_words"][row] == sum(text.count(e) for e in entries)
        assert found["listed_distinct_words"][row] == sum(e in text for e in entries)
