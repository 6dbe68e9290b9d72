"""Pre-tokens equal those of the regular expressions, character by character and on hostile text."""

from __future__ import annotations

import numpy as np
import pytest
from hostile_texts import any_texts
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, pre_tokenizers

from curation.pretokens import (
    CLASSES,
    GPT2_PATTERN,
    NEWLINE,
    PAST_ASSIGNED,
    PATTERNS,
    SPACE,
    SURROGATES,
    pretoken_classes,
    pretoken_ends,
)
from rules.text.kernels import kernel_bytes

SIGNS = [*"'sStTmMdDrReEvVlLſKaZé汉1２½ \t\n\r,.!\u0085\u00a0\u200b\u3000\u0301’", "'ll", "'RE", "'Ve", "  ", "\r\n", "don't", "👩‍👩‍👧", "\0"]
sign_texts = st.lists(st.sampled_from(SIGNS), max_size=30).map("".join)


def ours(text: str, pattern: str) -> list[str]:
    raw = text.encode()
    offsets, data = kernel_bytes(np.array([0, len(raw)]), np.frombuffer(raw, np.uint8))
    ends = pretoken_ends(data, 0, len(raw), pretoken_classes(), *PATTERNS[pattern])
    return [raw[i:j].decode() for i, j in zip([0, *ends[:-1]], ends)]


def theirs(text: str, pattern: str) -> list[str]:
    split = pre_tokenizers.Split(Regex(pattern), "isolated")
    return [text[i:j] for _, (i, j) in split.pre_tokenize_str(text)]


@pytest.mark.parametrize("pattern", PATTERNS)
@settings(max_examples=100, deadline=None)
@given(text=sign_texts | any_texts)
def test_pre_tokens_are_those_of_the_pattern(pattern, text):
    assert ours(text, pattern) == theirs(text, pattern)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_character_is_treated_as_the_pattern_does(pattern):
    codes = [code for code in (*range(0x3400), *range(0xA000, 0x11000), *range(0x1D000, 0x1FC00), 0x2FA1D, 0xE0041) if code not in SURROGATES]
    text = "".join(f"a{chr(code)}b '{chr(code)}' 1{chr(code)} ." for code in codes)
    assert ours(text, pattern) == theirs(text, pattern)


def test_the_classes_are_those_of_the_engine_to_the_last_code_point():
    classes, beyond = pretoken_classes(), "".join(map(chr, range(PAST_ASSIGNED, 0x110000)))
    for pattern in CLASSES.values():
        assert pre_tokenizers.Split(Regex(pattern), "removed", invert=True).pre_tokenize_str(beyond) == []
    assert classes[[ord("a"), ord("1"), ord(" "), ord("\n"), ord("."), 0x301]].tolist() == [1, 2, SPACE, NEWLINE, 0, 0]


def test_byte_level_of_tokenizers_cuts_as_gpt2s_pattern():
    text = "It's 12345 o'clock,\n\n  isn't it?\t\tÉté — ¿qué?   "
    assert [text[i:j] for _, (i, j) in pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(text)] == ours(text, GPT2_PATTERN)
