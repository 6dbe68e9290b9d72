"""An imported tiktoken file encodes as tiktoken does; a damaged one is refused with the line."""

from __future__ import annotations

import base64
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile_texts import any_texts
from hypothesis import given, settings
from hypothesis import strategies as st
from test_tokenizer import HARD_TEXTS, corpus

from curation.encoder import encoder_for
from curation.pretokens import GPT2_PATTERN
from curation.tiktoken_files import FAMILIES, read_ranks, special_tokens, tokenizer_from_ranks
from curation.tokenizer import TokenizerError, encode, train_tokenizer
from curation.vocabulary_extension import spelled_tokens

tiktoken = pytest.importorskip("tiktoken", reason="tiktoken is what an import is compared with")


def ranks_of(record: dict) -> dict[bytes, int]:
    """The tokens of a byte-level tokenizer in tiktoken's order: bytes and merged tokens, without special ones."""
    return {token: rank for rank, token in enumerate(filter(None, spelled_tokens(record)))}


def write(path, ranks: dict[bytes, int]):
    path.write_bytes(b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in ranks.items()))
    return path


RANKS = ranks_of(json.loads(train_tokenizer([[*corpus(), *HARD_TEXTS * 2]], 700).to_str()))
IMPORTED = {name: tokenizer_from_ranks(RANKS, FAMILIES[name].pattern, {"<|endoftext|>": len(RANKS)}) for name in ("gpt2", "cl100k", "o200k")}
ORACLES = {
    name: tiktoken.Encoding(name, pat_str=FAMILIES[name].pattern, mergeable_ranks=RANKS, special_tokens={"<|endoftext|>": len(RANKS)})
    for name in IMPORTED
}  # fmt: skip


@pytest.mark.parametrize("name", IMPORTED)
@settings(max_examples=50, deadline=None)
@given(text=any_texts | st.sampled_from([*HARD_TEXTS, *corpus()[:5]]))
def test_an_import_encodes_as_tiktoken(name, text):
    expected = ORACLES[name].encode_ordinary(text)
    texts = pa.array([text])
    assert encode(IMPORTED[name], texts)[1].tolist() == expected
    assert encoder_for(IMPORTED[name]).encode(texts)[1].tolist() == expected


def test_which_imports_the_fast_encoder_takes():
    assert {name: encoder_for(tokenizer).kind for name, tokenizer in IMPORTED.items()} == {"gpt2": "fast", "cl100k": "fast", "o200k": "reference"}


def test_gpt2_in_tiktokens_form_encodes_as_gpt2(shared_data, tmp_path):
    record = json.loads((shared_data / "tokenizer/gpt2-tokenizer.json").read_text())
    ranks = read_ranks(write(tmp_path / "gpt2.tiktoken", {token: rank for rank, token in enumerate(spelled_tokens(record)) if token}))
    imported = tokenizer_from_ranks(ranks, GPT2_PATTERN, FAMILIES["gpt2"].specials)
    oracle = tiktoken.Encoding("gpt2", pat_str=GPT2_PATTERN, mergeable_ranks=ranks, special_tokens=FAMILIES["gpt2"].specials)
    texts = pq.read_table(shared_data / "sample/part-0000.parquet", columns=["text"])["text"].slice(0, 200)
    offsets, tokens = encoder_for(imported).encode(texts)
    for text, first, stop in zip(texts.to_pylist(), offsets[:-1], offsets[1:]):
        assert tokens[first:stop].tolist() == oracle.encode_ordinary(text)


def test_llama3_has_its_256_special_tokens_at_their_ids():
    specials = FAMILIES["llama3"].specials
    assert len(specials) == 256 and sorted(specials.values()) == list(range(128_000, 128_256))
    published = {"<|begin_of_text|>": 128000, "<|end_of_text|>": 128001, "<|reserved_special_token_0|>": 128002, "<|start_header_id|>": 128006,
                 "<|end_header_id|>": 128007, "<|reserved_special_token_4|>": 128008, "<|eot_id|>": 128009, "<|reserved_special_token_5|>": 128010,
                 "<|reserved_special_token_250|>": 128255}  # fmt: skip
    assert published.items() <= specials.items()


def test_special_tokens_get_the_next_free_ids():
    assert special_tokens(["<a>", "<b>=500", "<c>"], 300) == {"<a>": 300, "<b>": 500, "<c>": 501}
    with pytest.raises(TokenizerError, match="next free one is"):
        tokenizer_from_ranks(RANKS, GPT2_PATTERN, {"<a>": 5})


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (b"hello\n", r":1: is not a token in base64"),
        (b"YQ== x\n", r":1: is not a token in base64"),
        (b"!!!! 3\n", r":1: is not a token in base64"),
        (b"YQ== 0\nYQ== 1\n", r":2: the token b'a' is there twice"),
        (b"YQ== 0\n", "has no token for byte 0"),
        (b"", "has no token for byte 0"),
        (b"".join(base64.b64encode(bytes([byte])) + b" 7\n" for byte in range(256)), "same rank"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, lines, says):
    path = tmp_path / "x.tiktoken"
    path.write_bytes(lines)
    with pytest.raises(TokenizerError, match=says) as caught:
        read_ranks(path)
    assert str(path) in str(caught.value)
