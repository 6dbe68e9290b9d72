"""The definition of a word for duplicates, and the table made from it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.normalise import (
    IGNORED,
    LETTER,
    LONE,
    MARK,
    SEPARATOR,
    character_kind,
    character_table,
    folded_character,
    normalised,
    normalised_characters,
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \r\n\t\u2028\x00 ... ", []),
        ("Hello, WORLD—don’t\r\nstop", ["hello", "world", "don", "t", "stop"]),
        ("a_b+c$d 1,234.5", ["a", "b", "c", "d", "1", "234", "5"]),
        ("Straße ΟΔΟΣ ὀδός", ["straße", "οδοσ", "ὀδόσ"]),
        ("cafe\u0301 caf\u00e9", ["cafe\u0301", "caf\u00e9"]),
        ("ex\u00adample \ufeffword wo\u200drd", ["example", "word", "word"]),
        ("zero\u200bwidth\u2028space", ["zero", "width", "space"]),
        ("한국어 문서", ["한국어", "문서"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("สวัสดี", ["ส", "วั", "ส", "ดี"]),
        ("iPhone手机abc，新", ["iphone", "手", "机", "abc", "新"]),
        ("か\u3099な カー", ["か\u3099", "な", "カ", "ー"]),
        ("great🎉 👍🏽❤\ufe0f", ["great🎉", "👍🏽❤"]),
        ("x\ufffdy\ue000z", ["x", "y", "z"]),
        ("K ſ", ["k", "s"]),
    ],
)
def test_words(text, words):
    assert normalised(text) == words


def test_the_table_is_the_definition_for_every_code_point():
    table = character_table()
    for code in range(0x110000):
        if 0x323B0 <= code < 0xE0000 or code >= 0xE0200:
            continue
        character = chr(code)
        assert table[code] >> 24 == character_kind(character), hex(code)
        assert table[code] & 0xFFFFFF == ord(folded_character(character)), hex(code)


def test_code_points_without_a_name_are_letters_and_private_ones_separators():
    table = character_table()
    unassigned = [code for code in (0x323B0, 0x50000, 0xDFFFF, 0xE0200) if unicodedata.category(chr(code)) == "Cn"]
    assert unassigned
    assert all(table[code] == LETTER << 24 | code == (character_kind(chr(code)) << 24 | code) for code in unassigned)
    for code in (0xF0000, 0x10FFFD):
        assert table[code] >> 24 == SEPARATOR == character_kind(chr(code))


def test_kinds_of_one_character_each():
    kinds = {"a": LETTER, "7": LETTER, "€": LETTER, " ": SEPARATOR, "$": SEPARATOR, "、": SEPARATOR, "\u00ad": IGNORED}
    kinds |= {"ก": LONE, "漢": LONE, "\u0e31": MARK, "\u0301": MARK, "\ufe0f": IGNORED, "\ud800": SEPARATOR}
    assert {character: character_kind(character) for character in kinds} == kinds


@given(st.text())
def test_words_are_stable_under_normalisation_of_their_own_join(text):
    words = normalised(text)
    assert all(words)
    assert normalised(" ".join(words)) == words
    assert normalised(text.replace(" ", "\r\n ... ")) == words


@given(st.text())
def test_characters_are_those_of_the_words(text):
    characters = normalised_characters(text)
    assert characters.replace(" ", "") == "".join(normalised(text))
    assert "  " not in characters and characters == characters.strip(" ") == normalised_characters(characters)


@pytest.mark.parametrize(("text", "characters"), [(" Hello,\n WORLD. ", "hello world"), ("iPhone手机abc，新", "iphone手机abc 新"), ("\u0301a\u00adb", "\u0301ab"), ("...", "")])
def test_characters(text, characters):
    assert normalised_characters(text) == characters
