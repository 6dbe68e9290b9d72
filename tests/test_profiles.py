"""Profiles of words are made, written, read and measured against as their definition says."""

from __future__ import annotations

import math
import subprocess
import sys

import llama3_definitions
import numpy as np
import pyarrow as pa
import pytest
from hostile_texts import any_texts
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.profiles import SHIPPED, Profile, make_profile, measure_divergence, read_profile, write_profile

TEXTS = ["The cat sat on the mat.", "The dog sat, too.", "ΟΔΟΣ οδος"]


def test_a_profile_keeps_the_most_frequent_words():
    profile = make_profile(TEXTS, 4)
    assert profile.words == ("the", ".", "sat", "οδοσ") and profile.counts == (3, 2, 2, 2)
    assert (profile.all_words, profile.different_words) == (15, 10)


def test_a_profile_of_everything_has_no_divergence_from_its_text():
    text = "a b b c c c c"
    assert measure_divergence(pa.array([text]), make_profile([text], 10))[0] == pytest.approx(math.log(8 / 7), abs=1e-6)  # one unseen word


def test_known_divergence():
    profile = Profile(("a", "b"), (6, 2), 10, 4)  # 2 words of 2 kinds left out: each other word has (2 + 1) / (2 + 1) / 11
    found = measure_divergence(pa.array(["a A b zzz", "", "b"]), profile)
    wanted = 0.5 * math.log(0.5 * 11 / 6) + 0.25 * math.log(0.25 * 11 / 2) + 0.25 * math.log(0.25 * 11)
    assert found[0] == pytest.approx(wanted, abs=1e-6) and math.isnan(found[1]) and found[2] == pytest.approx(math.log(11 / 2), abs=1e-6)


@settings(max_examples=300, deadline=None)
@given(st.lists(any_texts, min_size=1, max_size=5), any_texts, st.integers(1, 40))
def test_equal_the_definition(corpus, text, size):
    profile = make_profile([*corpus, "one word"], size)
    found = measure_divergence(pa.array([text, *corpus], pa.large_string()), profile)
    wanted = [llama3_definitions.divergence(text, profile) for text in (text, *corpus)]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)


def test_many_words_in_one_text():
    text = " ".join(f"w{k}" for k in range(100_000))
    profile = make_profile([text, "w1 w1 w1"], 50_000)
    assert measure_divergence(pa.array([text]), profile)[0] == pytest.approx(llama3_definitions.divergence(text, profile), abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(any_texts, max_size=4), size=st.integers(1, 30))
def test_written_and_read_again(tmp_path_factory, texts, size):
    path = tmp_path_factory.mktemp("profile") / "p.tsv"
    profile = make_profile([*texts, "# a"], size)
    write_profile(profile, path, ["made of texts", "and a second line"])
    assert read_profile(path) == profile


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "a profile has a line of two totals"),
        ("# only notes\n", "a profile has a line of two totals"),
        ("10\t4\na b\n", "p.tsv:2: a word, a tab and its count are needed, not 'a b'"),
        ("# note\n10\t4\na\tmany\n", "p.tsv:3: 'many' is no count"),
        ("ten\t4\na\t5\n", "p.tsv:1: 'ten' is no count"),
        ("10\t4\na\t5\na\t2\n", "'a' is there twice"),
        ("3\t4\na\t5\n", "the totals are less than the words that follow"),
        ("9\t4\na\t0\n", "the totals are less than the words that follow"),
    ],
)
def test_mistakes_in_a_file_are_named(tmp_path, content, message):
    (tmp_path / "p.tsv").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_profile(tmp_path / "p.tsv")


def test_no_texts_make_no_profile():
    with pytest.raises(ValueError, match="texts with words"):
        make_profile(["", " "], 10)


def test_the_shipped_profile():
    profile = read_profile(SHIPPED / "en.tsv")
    assert len(profile.words) == 20_000 and {"the", "of", ".", "language"} <= set(profile.words)
    assert profile.counts == tuple(sorted(profile.counts, reverse=True)) and sum(profile.counts) < profile.all_words


def test_it_is_read_only_when_wanted():
    code = "import rules.signals, rules.profiles as p; assert p.english_table.cache_info().currsize == 0"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_english_is_nearer_to_english_than_other_languages(shared_data):
    import pyarrow.parquet as parquet

    table = parquet.read_table(sorted((shared_data / "sample").glob("*.parquet")), columns=["text", "lang"])
    lang = np.array(table["lang"].to_pylist(), object)
    found = measure_divergence(table["text"], read_profile(SHIPPED / "en.tsv"))
    assert np.nanmedian(found[lang == "en"]) + 2 < min(np.nanmedian(found[lang == other]) for other in ("de", "fr", "pl", "ko", "ar"))
