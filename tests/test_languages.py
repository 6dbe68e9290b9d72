"""Language codes, whatever a language is called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iso639 import Lang, iter_langs

from rules.languages import ALIASES, OWN, STANDARD_MEMBERS, _codes, normalise


@pytest.mark.parametrize(
    ("code", "spellings"),
    [
        ("en", ["en", "eng", "ENG", "English", " english ", "eng_Latn", "en-GB", "__label__eng_Latn", "__label__en"]),
        ("zh", ["zh", "zho", "chi", "cmn", "zh-Hant", "zh_Hans_CN", "cmn_Hani", "Chinese", "Mandarin Chinese"]),
        ("pt", ["pt", "pt-BR", "por", "Portuguese"]),
        ("no", ["no", "nor", "nb", "nob", "nob_Latn", "nb-NO", "Norwegian", "Norwegian Bokmål"]),
        ("nn", ["nn", "nno", "nno_Latn", "Norwegian Nynorsk"]),
        ("ar", ["ar", "ara", "arb_Arab", "Standard Arabic"]),
        ("arz", ["arz", "arz_Arab", "Egyptian Arabic"]),
        ("yue", ["yue", "yue_Hant", "Cantonese"]),
        ("fa", ["fa", "fas", "per", "pes_Arab", "Farsi", "Persian"]),
        ("el", ["el", "ell", "gre", "Greek", "Modern Greek", "Modern Greek (1453-)"]),
        ("sw", ["sw", "swa", "swh_Latn", "Swahili"]),
        ("ms", ["ms", "msa", "zsm_Latn", "Malay"]),
        ("sq", ["sq", "als_Latn", "Albanian"]),
        ("he", ["he", "iw", "heb"]),
        ("hbs", ["sh", "hbs", "Serbo-Croatian"]),
        ("ceb", ["ceb", "ceb_Latn", "Cebuano"]),
        ("nah", ["nah"]),
        ("und", ["und"]),
    ],
)
def test_spellings_of_one_language(code, spellings):
    assert {spelling: normalise(spelling) for spelling in spellings} == dict.fromkeys(spellings, code)


def test_every_code_of_iso_639_has_one_code_which_is_its_own():
    for language in iter_langs():
        for code in filter(None, (language.pt1, language.pt2b, language.pt2t, language.pt3, language.pt5)):
            ours = normalise(code)
            assert normalise(ours) == ours
            if code not in ALIASES and language.pt3 not in STANDARD_MEMBERS:
                assert ours == (language.pt1 or language.pt3 or language.pt2t or language.pt5)


def test_every_standard_member_becomes_a_macro_language_of_two_letters():
    for member in STANDARD_MEMBERS:
        macro = Lang(member).macro()
        assert macro is not None and len(macro.pt1) == 2
        assert normalise(member) == normalise(f"{member}_Latn") == macro.pt1


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [("Englsh", "did you mean 'english'"), ("xx", "unknown language 'xx'"), ("qq_Latn", "qq_Latn"), ("", "ISO 639")],
)
def test_what_is_no_language(wrong, hint):
    with pytest.raises(ValueError, match=hint):
        normalise(wrong)


@given(st.text(max_size=8))
def test_any_text_is_a_code_or_a_clear_error(text):
    try:
        code = normalise(text)
    except ValueError as error:
        assert "unknown language" in str(error)
    else:
        assert normalise(code) == code and 2 <= len(code) <= 3


def test_codes_that_are_their_own_are_so_in_iso_639():
    assert {code: _codes().get(code) for code in OWN} == {code: code for code in OWN}
    assert not OWN & set(ALIASES)
    assert {language.pt1 for language in iter_langs() if language.pt1} - OWN == {"nb"}
