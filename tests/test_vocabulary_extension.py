"""Extending goes on where the base stopped: old ids stay, the new tokens are those that longer training would give."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_merge_training import plain_merges
from test_tokenizer import HARD_TEXTS, corpus
from tokenizers import Tokenizer

from curation.encoder import encoder_for
from curation.tokenizer import SPECIALS, TokenizerError, encode, train_tokenizer
from curation.vocabulary_extension import extend_tokenizer, spelled_tokens

OTHER = ["мельница мелет муку " * 8, "粉をひく粉をひく。" * 6, "the mill grinds the grain finely " * 5]


@pytest.fixture(scope="module")
def base() -> Tokenizer:
    return train_tokenizer([corpus()], 300)


@pytest.fixture(scope="module")
def extended(base) -> Tokenizer:
    return extend_tokenizer(base, [pa.array(OTHER[:1]), pa.array(OTHER[1:])], 30)


def test_training_in_two_steps_on_the_same_texts_is_training_in_one(base):
    assert extend_tokenizer(base, [pa.array(corpus())], 30).to_str() == train_tokenizer([corpus()], 330).to_str()


def test_old_tokens_keep_their_ids_and_new_ones_follow(base, extended):
    old, new = base.get_vocab(), extended.get_vocab()
    assert old.items() <= new.items() and len(new) == len(old) + 30
    assert sorted(new.values()) == list(range(330))
    assert [token.content for token in extended.get_added_tokens_decoder().values()] == list(SPECIALS)
    merges = [json.loads(t.to_str())["model"]["merges"] for t in (base, extended)]
    assert merges[1][: len(merges[0])] == merges[0]


def test_texts_of_the_new_kind_take_fewer_tokens_and_every_text_comes_back(base, extended):
    tokens = [len(encode(t, pa.array(OTHER))[1]) for t in (base, extended)]
    assert tokens[1] < 0.6 * tokens[0]
    for text in [*HARD_TEXTS, *OTHER]:
        ids = encode(extended, pa.array([text]))[1].tolist()
        assert extended.decode(ids, skip_special_tokens=False) == text
        assert encoder_for(extended).encode(pa.array([text]))[1].tolist() == ids


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(st.text(st.sampled_from("абв "), max_size=30), min_size=1, max_size=5), add=st.integers(1, 12))
def test_new_merges_are_those_of_the_definition(base, texts, add):
    record, extended = json.loads(base.to_str()), json.loads(extend_tokenizer(base, [pa.array(texts)], add).to_str())
    pre_tokens = [text for batch in texts for text, _ in base.pre_tokenizer.pre_tokenize_str(batch)]
    words = [base.model.tokenize(word) for word in pre_tokens]
    spelled = spelled_tokens(record)
    expected = plain_merges(spelled, [[token.id for token in word] for word in words], [1] * len(words), len(spelled) + add)
    ids = extended["model"]["vocab"]
    assert [(ids[a], ids[b]) for a, b in extended["model"]["merges"][len(record["model"]["merges"]) :]] == expected


def test_what_cannot_be_extended_says_why(base):
    record = json.loads(base.to_str())
    with pytest.raises(TokenizerError, match="cannot be extended: its normalizer, NFC"):
        extend_tokenizer(Tokenizer.from_str(json.dumps(record | {"normalizer": {"type": "NFC"}})), [], 5)
