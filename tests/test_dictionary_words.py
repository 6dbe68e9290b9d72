"""Words found with dictionaries: what the libraries say of runs of their script, and `unicode` words between them."""

from __future__ import annotations

import definitions
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.format.pack import load_pack
from rules.measures.signals import measure
from rules.places import Problems
from rules.splitters import dictionary_words, rewriting
from rules.splitters.words import split_words

PACKAGES = {words: needed.packages for words, needed in rewriting.REWRITING.items() if words != "spacy"}
EXAMPLES = {
    "jieba": ("我来到北京清华大学，hello world 3.14!", "我 来到 北京 清华大学 ， hello world 3 . 14 !"),
    "fugashi": ("東京都に住んでいます。Pythonが好き!", "東京 都 に 住ん で い ます 。 Python が 好き !"),
    "pythainlp": ("ผมชอบกินข้าวผัด iPhoneรุ่นใหม่ 12%", "ผม ชอบ กิน ข้าวผัด iPhone รุ่นใหม่ 12 %"),
}
texts_of = st.lists(st.sampled_from(["我来到", "北京", "が好き", "ข้าวผัด", "รุ่น", "é", "don't", " ", "\n", "...", "か\u3099", "葛\U000e0100", "。"]) | st.text(max_size=3), max_size=12)


@pytest.fixture(params=EXAMPLES, scope="module")
def splitter(request):
    for package in PACKAGES[request.param]:
        pytest.importorskip(package, reason=f"needs {package}: pip install 'gristmill[zh,ja,th]'")
    return request.param


def test_words_of_an_example(splitter):
    text, words = EXAMPLES[splitter]
    assert split_words(text, splitter) == words.split()
    assert split_words("", splitter) == split_words(" \n", splitter) == []
    found = measure(pa.chunked_array([[text, None, ""], [text]], pa.string()), ["words", "mean_word_chars", "chars"], splitter)
    assert found["words"].tolist() == [len(words.split()), 0, 0, len(words.split())] and found["chars"][0] == len(text)


@settings(max_examples=60, deadline=None)
@given(parts=texts_of)
def test_no_character_is_lost_and_other_scripts_are_as_unicode_has_them(splitter, parts):
    text = "".join(parts)
    words = split_words(text, splitter)
    assert "".join(words) == "".join(text.split())
    other = {"jieba": "ข้าวผัด hello", "fugashi": "ข้าวผัด hello", "pythainlp": "我来到北京 hello"}[splitter]
    assert split_words(other, splitter) == definitions.split_words(other, "unicode")


def test_a_run_of_a_megabyte_is_cut(splitter):
    run = {"jieba": "我来到北京", "fugashi": "東京都に住んで", "pythainlp": "ผมชอบกินข้าวผัด"}[splitter] * 20_000
    words = split_words(run[:100_000], splitter)
    assert "".join(words) == run[:100_000] and max(map(len, words)) < 50


@pytest.mark.parametrize(("words", "extra"), [("jieba", "zh"), ("fugashi", "ja"), ("pythainlp", "th")])
def test_a_missing_extra_is_an_error_that_says_what_to_install(words, extra, monkeypatch, tmp_path):
    monkeypatch.setattr(rewriting.importlib.util, "find_spec", lambda package: None)
    pack = tmp_path / "mine.yaml"
    pack.write_text(f"pack: mine\nabout: An example.\nwords: {words}\nrules: []\n")
    with pytest.raises(Problems, match=rf"mine\.yaml:3:\d+: .*pip install 'gristmill\[{extra}\]'"):
        load_pack(pack)
    with pytest.raises(ValueError, match=rf"gristmill\[{extra}\]"):
        split_words("x", words)


def test_unicode_words_between_runs():
    texts = pa.array(["a-b  c", "", "…!!", None, "don't\n"], pa.large_string()).fill_null("")
    assert dictionary_words.unicode_words(texts).to_pylist() == ["a - b c", "", "… !!", "", "don ' t"]
