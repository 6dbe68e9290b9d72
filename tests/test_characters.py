"""The table says of every code point what Python and the published sets say."""

from __future__ import annotations

import unicodedata

import definitions
import numpy as np
import pytest

from rules.text import characters
from rules.text.characters import CODE_POINTS, PUNCTUATION, SYMBOLS, TERMINAL_PUNCTUATION, character_classes

FACTS = {
    "WHITE": str.isspace,
    "VISIBLE": lambda c: not c.isspace(),
    "ALPHA": str.isalpha,
    "UPPER": str.isupper,
    "DECIMAL": str.isdecimal,
    "SYMBOL": SYMBOLS.__contains__,
    "TERMINAL": TERMINAL_PUNCTUATION.__contains__,
    "WIDE_TERMINAL": lambda c: c in TERMINAL_PUNCTUATION and definitions.is_wide(c),
    "CLOSING": definitions.is_closing,
}


@pytest.mark.parametrize("name", FACTS)
def test_every_code_point(name):
    wanted = np.array([FACTS[name](chr(code)) for code in range(CODE_POINTS)])
    assert (((character_classes() & getattr(characters, name)) != 0) == wanted).all()


def test_kinds_exclude_each_other_and_match_the_definition():
    classes = character_classes()
    kinds = np.stack([classes & flag != 0 for flag in (characters.WHITE, characters.LETTER, characters.CJK, characters.MARK)])
    assert kinds.sum(axis=0).max() == 1
    names = np.array(["white", "letter", "cjk", "mark", "other"])
    found = names[np.where(kinds.any(axis=0), kinds.argmax(axis=0), 4)]
    wanted = ["white" if chr(code).isspace() else definitions.kind(chr(code)) for code in range(CODE_POINTS)]
    assert found.tolist() == wanted


def test_the_published_sets_have_their_published_sizes():
    assert (len(PUNCTUATION), len(TERMINAL_PUNCTUATION), len(SYMBOLS)) == (129, 159, 281)
    assert {"“", "’", "…", "»", "\x00", "１"} <= PUNCTUATION and not {"•", "‘", "·", "\u200b", "\t", "\n"} & PUNCTUATION
    assert {".", "!", "?", "。", "।", "؟"} <= TERMINAL_PUNCTUATION and not {"…", '"', ":", ";", ","} & TERMINAL_PUNCTUATION
    assert all(unicodedata.category(c) in ("Po", "Cn") for c in TERMINAL_PUNCTUATION)


def test_wide_marks_need_no_space_after_them():
    wide = {chr(code) for code in np.flatnonzero(character_classes() & characters.WIDE_TERMINAL)}
    assert wide == set("。．！？｡﹒﹖﹗")


def test_the_table_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        character_classes()[0] = 1
