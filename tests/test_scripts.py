"""Scripts of characters, texts and languages."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from fontTools.unicodedata import script
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.language_id.models import label_code, load_model
from rules.languages import language_names
from rules.text.scripts import (
    NO_SCRIPTS,
    fraction_in,
    main_scripts,
    script_codes,
    script_counts,
    script_name,
    script_table,
    scripts_of,
)


@settings(deadline=None)
@given(st.lists(st.text(max_size=20), max_size=4))
def test_counts_are_those_of_each_character(texts):
    counts = script_counts(pa.array(texts, pa.large_string()))
    for row, text in zip(counts, texts):
        letters = [script(character) for character in text]
        assert row.tolist() == [0 if code in NO_SCRIPTS else letters.count(code) for code in script_codes()]


def test_the_table_is_unicodes():
    codes = np.arange(0, 0x110000, 37)
    assert [script_codes()[number] for number in script_table()[codes]] == [script(chr(code)) for code in codes]


def test_the_script_of_a_text_and_the_share_of_a_language():
    texts = pa.array(["Привет, мир! hello", "東京は日本の首都です", "1234 !?", "", None, "한국어"], pa.string())
    counts = script_counts(texts)
    assert main_scripts(counts).to_pylist() == ["Cyrl", "Hani", None, None, None, "Hang"]
    assert fraction_in(counts, scripts_of("Russian"))[0] == 9 / 14
    assert fraction_in(counts, scripts_of("jpn"))[1] == 1.0 and np.isnan(fraction_in(counts, ("Latn",))[2:5]).all()
    assert main_scripts(counts[:0]).to_pylist() == []


@pytest.mark.parametrize(
    ("language", "scripts"),
    [("ru", {"Cyrl"}), ("ja", {"Hira", "Kana", "Hani"}), ("ko", {"Hang", "Hani"}), ("zh-Hant", {"Hani", "Bopo"}), ("sr", {"Cyrl", "Latn"}),
     ("pnb", {"Arab"}), ("hbs", {"Cyrl", "Latn"}), ("not a language", set())],
)  # fmt: skip
def test_scripts_of_languages(language, scripts):
    assert set(scripts_of(language)) == scripts


def test_every_language_of_the_model_has_scripts_and_names():
    codes = [label_code(label, "lid.176") for label in load_model("lid.176").labels]
    assert all(scripts_of(code) and set(scripts_of(code)) & set(script_codes()) for code in codes)
    assert all(language_names(code).name for code in codes)
    german, nahuatl = language_names("deu_Latn"), language_names("nah")
    assert (german.code, german.iso_639_1, german.iso_639_3, german.name, german.macro) == ("de", "de", "deu", "German", "")
    assert (nahuatl.iso_639_1, nahuatl.iso_639_3) == ("", "") and language_names("yue").macro == "zh"
    assert script_name("Cyrl") == "Cyrillic" and script_name("Xxxx") == "Xxxx"
