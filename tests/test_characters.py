"""The table of character classes says what Python's own methods and the published sets say."""

from __future__ import annotations

import unicodedata

import numpy as np
from definitions import is_mark

from rules.characters import (
    ALPHA,
    CJK,
    CJK_BLOCKS,
    CODE_POINTS,
    LETTER,
    MARK,
    PUNCTUATION,
    SYMBOL,
    SYMBOLS,
    TERMINAL,
    TERMINAL_PUNCTUATION,
    WHITE,
    character_classes,
)


def test_the_published_sets_have_their_published_sizes():
    assert (len(PUNCTUATION), len(TERMINAL_PUNCTUATION), len(SYMBOLS)) == (129, 159, 281)
    assert {"•", "‘", "·", "\u200b", "\t", "\n"}.isdisjoint(SYMBOLS)
    assert set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~“”’„—–…»") <= SYMBOLS
    assert all(unicodedata.category(c) in ("Po", "Cn") for c in TERMINAL_PUNCTUATION)


def test_every_character_up_to_the_last_that_is_assigned():
    classes = character_classes()
    assert classes.shape == (CODE_POINTS,) and not classes.flags.writeable
    for code in [*range(0xD800), *range(0xE000, 0x33000), *range(0xE0000, 0xE0300), CODE_POINTS - 1]:
        character = chr(code)
        cjk = any(code in block for block in CJK_BLOCKS)
        expected = {
            WHITE: character.isspace(),
            ALPHA: character.isalpha(),
            LETTER: character.isalnum() and not cjk,
            CJK: character.isalnum() and cjk,
            MARK: is_mark(character),
            SYMBOL: character in SYMBOLS,
            TERMINAL: character in TERMINAL_PUNCTUATION,
        }
        found = int(classes[code])
        assert all(bool(found & flag) == holds for flag, holds in expected.items()), hex(code)


def test_surrogates_have_no_class():
    assert not np.any(character_classes()[0xD800:0xE000])
