"""Simplified texts against datatrove's own function."""

import unicodedata

import pyarrow as pa
import pytest
from datatrove.utils.text import simplify_text
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.simplified import CODE_POINTS, GROWTH, character_actions, simplified, simplified_texts

AWKWARD = st.text(st.sampled_from("aZ 09१,.٫\n\x00\x1c\x85\u3000Σσİé\u0301\u0345ẞ漢カ゛กั한हि\u302e🎉\U000e0101”_１'"), max_size=40)


@settings(deadline=None, max_examples=100)  # the first call may compile
@given(st.lists(st.one_of(AWKWARD, st.text(max_size=30)), max_size=5))
@example(["1,234,567.89 and 3.14.15", "ΟΔΟΣ Σ", "a \u0301 b", " \u0301 a \u0301 ", "한국 สวัสดีครับ", "1.,2 1,٣x"])
@example(["ὰᾳ" * 60, "", "\ufffd x", "Ⱥ" * 100])
def test_texts_are_datatroves(texts):
    expected = [simplify_text(text) for text in texts]
    assert [simplified(text) for text in texts] == expected
    column = pa.array(texts, pa.string())
    assert simplified_texts(column, one_space=False).to_pylist() == expected
    assert simplified_texts(column, one_space=True).to_pylist() == [" ".join(text.split()) for text in expected]


def test_every_character_alone():
    characters = [c for c in map(chr, range(0x20000)) if unicodedata.category(c) not in ("Cs", "Cn")]  # their package knows newer ones
    found = simplified_texts(pa.array(characters), one_space=False).to_pylist()
    assert [c for c, ours in zip(characters, found) if ours != simplify_text(c)] == []


def test_malformed_utf8_reads_as_replacement_characters():
    binary = pa.array([b"\xff\xc3", b"ok \xe2\x82"], pa.large_binary())
    column = pa.Array.from_buffers(pa.large_string(), 2, binary.buffers())
    assert simplified_texts(column, one_space=True).to_pylist() == ["\ufffd\ufffd", "ok \ufffd\ufffd"]


def test_no_character_grows_by_more_than_is_reserved():
    table = character_actions()
    for code in (table.action == 3).nonzero()[0].tolist():
        assert table.sizes[code] + 1 <= GROWTH * len(chr(code).encode())


@pytest.mark.parametrize("code", [0x32400, 0x50000, 0xDFFFF, 0xE0200, 0xF0000, CODE_POINTS - 1])
def test_code_points_without_a_table_entry_stay(code):
    assert unicodedata.normalize("NFD", chr(code).lower()) == chr(code) and unicodedata.category(chr(code)) != "Mn"
