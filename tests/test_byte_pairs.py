"""Merging equals a plain definition and `tokenizers`, for words short and long."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

from curation.byte_pairs import SHORT, Merges, byte_characters, find_pair, merge_long, merge_short, merges_of, pair_bits
from rules.text.kernels import kernel, kernel_bytes

ALPHABET = b"aab\xc3\x00 "


@kernel
def merged(data, size, byte_tokens, byte_pairs, slots):
    tokens = np.empty(max(size, 1), np.uint32)
    count = merge_short(data, 0, size, byte_tokens, byte_pairs, slots, pair_bits(slots), tokens, np.empty(max(size, 1), np.uint64))
    return tokens[:count]


@kernel
def pair_of(slots, first, second):
    return find_pair(slots, pair_bits(slots), first, second)


@st.composite
def bpe_models(draw) -> dict:
    """Merges in any order that can be reached, over few bytes, so that words are full of overlapping pairs."""
    characters = byte_characters()
    known, merges = sorted({characters[byte] for byte in ALPHABET}), []
    for _ in range(draw(st.integers(0, 25))):
        first, second = draw(st.sampled_from(known)), draw(st.sampled_from(known))
        if first + second not in known:
            known.append(first + second)
        if [first, second] not in merges:
            merges.append([first, second])
    merges = draw(st.permutations(merges))
    rest = [char for char in characters if char not in known]
    return {"type": "BPE", "vocab": {token: number for number, token in enumerate(known + rest)}, "merges": merges}


def plain(model: dict, word: bytes) -> list[int]:
    """The definition: merge the leftmost pair of the lowest rank until there is none."""
    symbols = [byte_characters()[byte] for byte in word]
    ranks = {tuple(pair): rank for rank, pair in enumerate(model["merges"])}
    while True:
        found = [(ranks[pair], k) for k, pair in enumerate(zip(symbols, symbols[1:])) if pair in ranks]
        if not found:
            return [model["vocab"][symbol] for symbol in symbols]
        _, k = min(found)
        symbols[k : k + 2] = [symbols[k] + symbols[k + 1]]


def both(merges: Merges, word: bytes) -> list[list[int]]:
    """The tokens by the walk and by the heap."""
    _, data = kernel_bytes(np.zeros(1, np.int64), np.frombuffer(word, np.uint8))
    tokens = np.empty(len(word), np.uint32)
    count = merge_long(data, 0, len(word), *merges, tokens)
    found = [tokens[:count].tolist()]
    return found + ([merged(data, len(word), *merges).tolist()] if len(word) <= SHORT else [])


words = st.lists(st.sampled_from(ALPHABET), min_size=1, max_size=150).map(bytes)


@settings(max_examples=80, deadline=None)
@given(model=bpe_models(), some=st.lists(words, min_size=1, max_size=4))
def test_merging_is_the_definition_and_what_tokenizers_does(model, some):
    merges = merges_of(model)
    reference = Tokenizer(models.BPE(model["vocab"], [tuple(pair) for pair in model["merges"]]))
    for word in some:
        expected = plain(model, word)
        spelled = "".join(byte_characters()[byte] for byte in word)
        assert reference.encode(spelled).ids == expected
        assert all(found == expected for found in both(merges, word))


@settings(max_examples=50, deadline=None)
@given(bpe_models())
def test_the_table_holds_every_pair_and_no_other(model):
    merges, vocabulary = merges_of(model), model["vocab"]
    pairs = {(vocabulary[a], vocabulary[b]): rank << 32 | vocabulary[a + b] for rank, (a, b) in enumerate(model["merges"])}
    for first in range(30):
        for second in range(30):
            expected = pairs.get((first, second), 2**64 - 1)
            assert int(pair_of(merges.slots, np.uint32(first), np.uint32(second))) == expected


def test_merges_are_read_in_both_spellings():
    vocabulary = {token: number for number, token in enumerate([*byte_characters(), "ab"])}
    old, new = ({"vocab": vocabulary, "merges": merges} for merges in (["a b"], [["a", "b"]]))
    assert json.dumps([a.tolist() for a in merges_of(old)]) == json.dumps([a.tolist() for a in merges_of(new)])


def test_a_vocabulary_without_all_bytes_is_refused():
    with pytest.raises(KeyError):
        merges_of({"vocab": {"a": 0}, "merges": []})


def test_a_very_long_word_is_no_longer_quadratic():
    """A million letters: minutes if every merge walked over them."""
    vocabulary = {token: number for number, token in enumerate([*byte_characters(), "aa", "aaaa"])}
    merges = merges_of({"vocab": vocabulary, "merges": [["a", "a"], ["aa", "aa"]]})
    assert both(merges, b"a" * 1_000_003)[0] == [257] * 250_000 + [256, vocabulary["a"]]
