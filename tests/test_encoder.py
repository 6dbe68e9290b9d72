"""The fast encoder gives the ids of `tokenizers` on any text, and steps aside where it does not know a tokenizer."""

from __future__ import annotations

import json
import threading

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile_texts import any_texts
from hypothesis import given, settings
from hypothesis import strategies as st
from test_tokenizer import HARD_TEXTS, VOCABULARY, corpus
from tokenizers import Tokenizer, pre_tokenizers

from curation.encoder import FastEncoder, UnknownTokenizer, encoder_for, kernel_plan
from curation.pretokens import ONE_DIGIT_PATTERN
from curation.token_memo import IS_FULL, MOST_BYTES
from curation.tokenizer import BEGIN, END, encode, load_tokenizer, train_tokenizer

SMALL_MEMO = 10  # bits


def changed(tokenizer: Tokenizer, **changes) -> Tokenizer:
    return Tokenizer.from_str(json.dumps(json.loads(tokenizer.to_str()) | changes))


def tokenizers_to_compare() -> dict[str, Tokenizer]:
    trained = train_tokenizer([corpus()], VOCABULARY)
    record = json.loads(trained.to_str())
    one_digit = json.loads(json.dumps(record["pre_tokenizer"]))
    one_digit["pretokenizers"][0]["pattern"] = {"Regex": ONE_DIGIT_PATTERN}
    removing = json.loads(json.dumps(record["pre_tokenizer"]))
    removing["pretokenizers"][0] |= {"behavior": "Removed", "invert": True}
    unreached = {"ill Ġg": 330, "'ll": 331, "汉": 332, "Ġ" * 5: 333}  # tokens that no merge leads to
    vocabulary = record["model"]["vocab"] | unreached
    return {
        "trained": trained,
        "gpt2_pattern": changed(trained, pre_tokenizer=json.loads(pre_tokenizers.ByteLevel(add_prefix_space=False).__getstate__())),
        "one_digit": changed(trained, pre_tokenizer=one_digit),
        "removing": changed(trained, pre_tokenizer=removing),
        "whole_words": changed(trained, model=record["model"] | {"vocab": vocabulary, "ignore_merges": True}),
    }


TOKENIZERS = tokenizers_to_compare()
# one encoder for all examples, so that its memo is warm in some places and cold in others; a small one is often full
ENCODERS = {(name, bits): FastEncoder(kernel_plan(json.loads(t.to_str())), bits) for name, t in TOKENIZERS.items() for bits in (SMALL_MEMO, 16)}


def assert_same(encoder, tokenizer: Tokenizer, texts: pa.Array | pa.ChunkedArray) -> None:
    for ours, theirs in zip(encoder.encode(texts), encode(tokenizer, texts), strict=True):
        assert ours.dtype == theirs.dtype and np.array_equal(ours, theirs)


@pytest.mark.parametrize(("name", "bits"), ENCODERS)
@settings(max_examples=40, deadline=None)
@given(texts=st.lists(any_texts | st.sampled_from([*HARD_TEXTS, "ill g'll     汉"]), max_size=6))
def test_any_text_has_the_ids_of_the_reference(name, bits, texts):
    assert_same(ENCODERS[name, bits], TOKENIZERS[name], pa.array(texts, pa.large_string()))


def test_slices_chunks_nulls_and_small_offsets_are_encoded_as_what_they_show():
    encoder, tokenizer = ENCODERS["trained", 16], TOKENIZERS["trained"]
    texts = pa.array([*HARD_TEXTS, None, "end"])
    for shown in (texts, texts.slice(3, 5), texts.slice(0, 0), pa.chunked_array([texts.slice(2, 9), texts.slice(11)]), texts.cast(pa.large_string())):
        assert_same(encoder, tokenizer, shown)


def test_what_spells_a_special_token_is_ordinary_text():
    tokenizer = TOKENIZERS["trained"]
    specials = [tokenizer.token_to_id(name) for name in (BEGIN, END)]
    _, tokens = encoder_for(tokenizer).encode(pa.array([f"a{END} {BEGIN}b"]))
    assert not set(specials) & set(tokens.tolist()) and tokenizer.decode(tokens.tolist(), skip_special_tokens=False) == f"a{END} {BEGIN}b"


def test_a_memo_that_is_full_starts_anew_and_changes_no_id():
    encoder = FastEncoder(kernel_plan(json.loads(TOKENIZERS["whole_words"].to_str())), SMALL_MEMO)
    random, was_full = np.random.default_rng(0), 0
    for _ in range(12):
        words = ["".join(random.choice([*"abcdefghij"], 5)) for _ in range(300)]
        texts = pa.array([" ".join(words), "x" * MOST_BYTES, "y" * (MOST_BYTES + 1), "mill " * 3])
        assert_same(encoder, TOKENIZERS["whole_words"], texts)
        was_full += int(encoder._memo.state[IS_FULL])
    assert 2 < was_full < 12, "full at times, and empty again"


def test_threads_share_an_encoder():
    encoder, expected = ENCODERS["trained", 16], encode(TOKENIZERS["trained"], pa.array(HARD_TEXTS))
    found: list = []
    threads = [threading.Thread(target=lambda: found.append(encoder.encode(pa.array(HARD_TEXTS)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and all(np.array_equal(tokens, expected[1]) for _, tokens in found)


def test_real_text_has_the_ids_of_the_reference_with_gpt2(shared_data):
    tokenizer, _ = load_tokenizer(shared_data / "tokenizer/gpt2-tokenizer.json")
    encoder = encoder_for(tokenizer)
    assert encoder.kind == "fast"
    for file in (shared_data / "sample/part-0001.parquet", shared_data / "web/part-0000.parquet"):
        assert_same(encoder, tokenizer, pq.read_table(file, columns=["text"])["text"].slice(0, 500))


ADDED = {"id": VOCABULARY, "content": "a, b", "single_word": False, "lstrip": False, "rstrip": False, "normalized": True, "special": False}
SPACED = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({"normalizer": {"type": "NFC"}}, "normalizer, NFC"),
        ({"pre_tokenizer": None}, "not byte-level"),
        ({"pre_tokenizer": SPACED}, "puts a space"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "not byte-level"),
        ({"added_tokens": [ADDED]}, "not special"),
        ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}, "vocabulary lacks"),
        ({"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}}, "WordLevel"),
        ({"dropout": 0.5}, "has dropout"),
        ({"pattern": r"\p{L}+|."}, "pre-tokenisation is not"),
        ({"behavior": "Removed"}, "pre-tokenisation is not"),
    ],
)
def test_a_tokenizer_that_the_kernel_does_not_know_gets_the_reference_which_says_why(changes, because):
    record = json.loads(TOKENIZERS["trained"].to_str())
    if "dropout" in changes:
        record["model"]["dropout"] = changes["dropout"]
    elif "pattern" in changes:
        record["pre_tokenizer"]["pretokenizers"][0]["pattern"] = {"Regex": changes["pattern"]}
    elif "behavior" in changes:
        record["pre_tokenizer"]["pretokenizers"][0]["behavior"] = changes["behavior"]
    else:
        record |= changes
    tokenizer = Tokenizer.from_str(json.dumps(record))
    encoder = encoder_for(tokenizer)
    assert encoder.kind == "reference" and because in encoder.slow_because
    if "dropout" not in changes:
        assert_same(encoder, tokenizer, pa.array(["a, b a, b", "a"]))


def test_the_reference_is_there_for_who_asks():
    encoder = encoder_for(TOKENIZERS["trained"], "reference")
    assert (encoder.kind, encoder.slow_because) == ("reference", "")


def test_a_vocabulary_that_does_not_fit_the_memo_is_refused():
    with pytest.raises(UnknownTokenizer, match="too large"):
        FastEncoder(kernel_plan(json.loads(TOKENIZERS["whole_words"].to_str())), 6)
