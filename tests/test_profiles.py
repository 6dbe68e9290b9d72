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
from profiles_of_texts import divergence_of, make_profile, tsv

from rules.models.profiles import (
    PROFILE_SIGNALS,
    SHIPPED,
    Profile,
    WordTally,
    measure_profile,
    profile_about,
    read_profile,
    write_parquet,
)

TEXTS = ["The cat sat on the mat.", "The dog sat, too.", "ΟΔΟΣ οδος"]


def test_a_profile_keeps_the_most_frequent_words():
    profile = make_profile(TEXTS, 4)
    assert profile.words == ("the", ".", "sat", "οδοσ") and profile.counts == (3, 2, 2, 2)
    assert (profile.all_words, profile.different_words) == (15, 10)


def test_a_profile_of_everything_has_no_divergence_from_its_text():
    text = "a b b c c c c"
    assert divergence_of(pa.array([text]), make_profile([text], 10))[0] == pytest.approx(math.log(8 / 7), abs=1e-6)  # one unseen word


def test_known_divergence():
    profile = Profile(("a", "b"), (6, 2), 10, 4)  # 2 words of 2 kinds left out: each other word has (2 + 1) / (2 + 1) / 11
    found = divergence_of(pa.array(["a A b zzz", "", "b"]), profile)
    wanted = 0.5 * math.log(0.5 * 11 / 6) + 0.25 * math.log(0.25 * 11 / 2) + 0.25 * math.log(0.25 * 11)
    assert found[0] == pytest.approx(wanted, abs=1e-6) and math.isnan(found[1]) and found[2] == pytest.approx(math.log(11 / 2), abs=1e-6)


@settings(max_examples=300, deadline=None)
@given(st.lists(any_texts, min_size=1, max_size=5), any_texts, st.integers(1, 40))
def test_equal_the_definition(corpus, text, size):
    profile = make_profile([*corpus, "one word"], size)
    found = measure_profile(pa.array([text, *corpus], pa.large_string()), profile.table())
    definitions = {"unigram_kl": llama3_definitions.divergence, "unigram_logprob": llama3_definitions.logprob, "outlier_token_frac": llama3_definitions.outliers}
    for name, definition in definitions.items():
        wanted = [definition(text, profile) for text in (text, *corpus)]
        np.testing.assert_allclose(found[name], wanted, rtol=0, atol=1e-6, err_msg=name)


def test_many_words_in_one_text():
    text = " ".join(f"w{k}" for k in range(100_000))
    profile = make_profile([text, "w1 w1 w1"], 50_000)
    assert divergence_of(pa.array([text]), profile)[0] == pytest.approx(llama3_definitions.divergence(text, profile), abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(any_texts, max_size=4), size=st.integers(1, 30))
def test_written_and_read_again(tmp_path_factory, texts, size):
    path = tmp_path_factory.mktemp("profile") / "p.tsv"
    profile = make_profile([*texts, "# a"], size)
    path.write_text(tsv(profile, ["made of texts", "and a second line"]), encoding="utf-8", newline="\n")
    assert read_profile(path) == profile
    write_parquet(profile, path.with_suffix(".parquet"), {"texts": len(texts)})
    assert read_profile(path.with_suffix(".parquet")) == profile
    assert profile_about(path.with_suffix(".parquet"))["texts"] == len(texts)


def test_every_signal_is_measured():
    assert list(measure_profile(pa.array(["a"]), make_profile(["a"], 1).table())) == ["unigram_kl", "unigram_logprob", "outlier_token_frac"] == list(PROFILE_SIGNALS)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(any_texts, max_size=3), min_size=1, max_size=4))
def test_words_of_many_batches_are_counted_together(batches):
    tally = WordTally()
    for texts in batches:
        tally.add(pa.array(texts, pa.large_string()))
    tally.add(pa.array(["one word"]))
    assert tally.profile(50) == make_profile([*(text for texts in batches for text in texts), "one word"], 50)


def test_no_profile(tmp_path):
    path = tmp_path / "p.parquet"
    path.write_bytes(b"PAR1 nothing")
    with pytest.raises(ValueError, match="is no profile: make one with `gristmill profile build`"):
        read_profile(path)


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
    code = "import rules.measures.signals, rules.models.profiles as p; assert p.english_table.cache_info().currsize == 0"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_english_is_nearer_to_english_than_other_languages(shared_data):
    import pyarrow.parquet as parquet

    table = parquet.read_table(sorted((shared_data / "sample").glob("*.parquet")), columns=["text", "lang"])
    lang = np.array(table["lang"].to_pylist(), object)
    found = divergence_of(table["text"], read_profile(SHIPPED / "en.tsv"))
    assert np.nanmedian(found[lang == "en"]) + 2 < min(np.nanmedian(found[lang == other]) for other in ("de", "fr", "pl", "ko", "ar"))
