"""Training, loading and encoding: the same file every time, text is only text, nothing is lost."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from curation import tokenizer as tokenizer_module
from curation.tokenizer import (
    BEGIN,
    END,
    PAD,
    TokenizerError,
    batches_of_bytes,
    encode,
    load_tokenizer,
    save_tokenizer,
    train_tokenizer,
)

ROOT = Path(__file__).parents[1]
VOCABULARY = 330  # fewer than the corpus has repeated pairs, so that ties decide what is left out
HARD_TEXTS = [
    "", " ", "a", "\0", "a\0b", "a\r\nb\r\n\r\n  c", "line\u2028separator\u2029end", "👩‍👩‍👧‍👦 emoji 🇩🇪", "e\u0301 n\u0303 ก็ดี हिन्दी",
    f"{BEGIN}{END}{PAD}", f"a {END} b{BEGIN}", "<|endoftext|> <s></s>", "I'll we've DON'T it'S", "12345678 ３２１ ½", "汉字，标点。かな",
    "   \t  tabs\t\n\n\n", "x" * 3_000, "\ufeff\u200b\u00a0", "\U0010ffff\ue000", "=" * 100,
]  # fmt: skip


def corpus() -> list[str]:
    """Some text with words that repeat, in several scripts."""
    random = np.random.default_rng(5)
    words = ["the", "mill", "grinds", "grain", "über", "Mühle", "мельница", "мука", "粉をひく", "don't", "2048", "\n\n", "🙂", f"{END}"]
    return [" ".join(random.choice(words, 60)) + "\n" for _ in range(150)]


@pytest.fixture(scope="module")
def trained() -> Tokenizer:
    return train_tokenizer([corpus()], VOCABULARY)


@pytest.fixture(scope="module")
def trained_file(trained, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    save_tokenizer(trained, path)
    return path


def by_text(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    offsets, tokens = encode(tokenizer, pa.array(texts, pa.large_string()))
    assert offsets.dtype == np.int64 and tokens.dtype == np.uint32 and len(offsets) == len(texts) + 1
    return [tokens[first:stop].tolist() for first, stop in zip(offsets[:-1], offsets[1:])]


TRAIN = """
import sys
sys.path[:0] = ["tests", "."]
from pathlib import Path
from test_tokenizer import VOCABULARY, corpus
from curation.tokenizer import save_tokenizer, train_tokenizer
texts, step = corpus(), int(sys.argv[2])
if sys.argv[3] == "reversed":
    texts.reverse()
save_tokenizer(train_tokenizer([texts[i : i + step] for i in range(0, len(texts), step)], VOCABULARY), Path(sys.argv[1]))
"""


def test_training_gives_the_same_file_in_every_process(trained_file, tmp_path):
    expected = trained_file.read_bytes()
    variations = [
        (1000, "as they come", {"TOKENIZERS_PARALLELISM": "false"}),
        (7, "as they come", {"RAYON_NUM_THREADS": "5", "PYTHONHASHSEED": "1"}),
        (31, "reversed", {"RAYON_NUM_THREADS": "1", "PYTHONHASHSEED": "2"}),
    ]
    runs = [
        subprocess.Popen([sys.executable, "-c", TRAIN, str(tmp_path / f"{step}.json"), str(step), order], cwd=ROOT, env={**os.environ, **env})
        for step, order, env in variations
    ]
    assert [run.wait() for run in runs] == [0, 0, 0]
    assert all((tmp_path / f"{step}.json").read_bytes() == expected for step, _, _ in variations)


def test_training_takes_arrow_batches(trained):
    texts = pa.array(corpus(), pa.large_string())
    batches = [texts.slice(0, 40), pa.chunked_array([texts.slice(40, 50), texts.slice(90)])]
    assert train_tokenizer(batches, VOCABULARY).to_str() == trained.to_str()


def test_a_trained_tokenizer_has_bytes_and_specials_and_no_unknown(trained, trained_file):
    _, info = load_tokenizer(trained_file)
    assert (info.bos_id, info.eos_id, info.pad_id, info.vocab_size) == (0, 1, 2, VOCABULARY)
    assert info.sha256 == hashlib.sha256(trained_file.read_bytes()).hexdigest()
    assert json.loads(trained.to_str())["model"]["unk_token"] is None
    assert train_tokenizer([[]], 8192).get_vocab_size() == 259, "few texts make few tokens"


def test_a_vocabulary_without_room_for_the_bytes_is_refused():
    with pytest.raises(TokenizerError, match="at least 259"):
        train_tokenizer([["a"]], 258)


def test_a_trained_tokenizer_begins_documents_where_others_use_it(trained):
    assert trained.encode("grain").ids[0] == trained.token_to_id(BEGIN)


@pytest.mark.parametrize("text", HARD_TEXTS, ids=repr)
def test_hard_texts_come_back(trained_file, text):
    tokenizer, info = load_tokenizer(trained_file)
    ids = by_text(tokenizer, [text])[0]
    assert tokenizer.decode(ids, skip_special_tokens=False) == text
    assert not {info.bos_id, info.eos_id, info.pad_id} & set(ids)


@settings(max_examples=200, deadline=None)
@given(texts=st.lists(st.text(max_size=60) | st.sampled_from(HARD_TEXTS), max_size=8))
def test_any_text_comes_back(trained_file, texts):
    tokenizer, info = load_tokenizer(trained_file)
    encoded = by_text(tokenizer, texts)
    assert [tokenizer.decode(ids, skip_special_tokens=False) for ids in encoded] == texts
    assert not {info.bos_id, info.eos_id, info.pad_id} & {token for ids in encoded for token in ids}


def test_special_tokens_in_a_text_are_ordinary_text_even_on_a_tokenizer_as_trained(trained):
    trained.encode_special_tokens = False
    assert trained.token_to_id(END) in trained.encode(f"a{END}b").ids, "tokenizers itself finds the special token"
    assert trained.token_to_id(END) not in by_text(trained, [f"a{END}b"])[0]


def test_slices_and_chunks_are_encoded_as_what_they_show(trained):
    texts = pa.array(HARD_TEXTS, pa.large_string())
    whole = by_text(trained, HARD_TEXTS)
    offsets, tokens = encode(trained, texts.slice(3, 5))
    assert tokens.tolist() == [token for ids in whole[3:8] for token in ids] and len(offsets) == 6
    chunked = pa.chunked_array([pa.array(HARD_TEXTS[:4]), pa.array(HARD_TEXTS[4:])])
    assert encode(trained, chunked)[1].tolist() == [token for ids in whole for token in ids]
    assert encode(trained, texts.slice(0, 0))[0].tolist() == [0]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=12), max_size=20), st.integers(1, 40))
def test_batches_are_whole_texts_in_order_within_the_limit(texts, limit_bytes):
    batches = [batch.to_pylist() for batch in batches_of_bytes(pa.array(texts, pa.large_string()), limit_bytes)]
    assert [text for batch in batches for text in batch] == texts
    assert all(len(batch) == 1 or sum(len(text.encode()) for text in batch) <= limit_bytes for batch in batches)


SIGNS = [*"aZé汉字 ,.;\n'’,。、1_\t\rк²", "'ll", " don't", "\n\n", " \u0301"]
SECTION_TEXTS = st.lists(st.sampled_from(SIGNS), max_size=60).map("".join)


@settings(max_examples=300, deadline=None)
@given(texts=st.lists(SECTION_TEXTS, min_size=1, max_size=3))
def test_sections_encode_as_the_whole(trained, texts):
    assert by_text_in_sections(trained, texts) == by_text(trained, texts)


def test_sections_of_real_text_encode_as_the_whole_with_ours_and_with_gpt2(shared_data, trained):
    texts = pq.read_table(shared_data / "sample/part-0001.parquet", columns=["text"])["text"].to_pylist()[:60]
    gpt2, _ = load_tokenizer(shared_data / "tokenizer/gpt2-tokenizer.json")
    for tokenizer in (trained, gpt2):
        assert by_text_in_sections(tokenizer, texts) == by_text(tokenizer, texts)


def by_text_in_sections(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenizer_module, "SECTION_CHARACTERS", 5)
        patch.setattr(tokenizer_module, "BATCH_BYTES", 1)  # only a text that is a batch of its own is cut in sections
        assert all("".join(tokenizer_module._string_sections(text)) == text for text in texts)
        return by_text(tokenizer, texts)


def test_sections_are_used_only_where_pre_tokenisation_is_known(trained, trained_file):
    assert tokenizer_module._splits_at_words(trained)
    record = json.loads(trained_file.read_text())
    spanning = {"id": 330, "content": "a, b", "single_word": False, "lstrip": False, "rstrip": False, "normalized": True, "special": False}
    added = {"added_tokens": [*record["added_tokens"], spanning]}
    for change in ({"normalizer": {"type": "NFC"}}, {"pre_tokenizer": None}, {"pre_tokenizer": {"type": "Whitespace"}}, added):
        assert not tokenizer_module._splits_at_words(Tokenizer.from_str(json.dumps(record | change)))


# ---- tokenizers from elsewhere


def write(path: Path, trained_file: Path, names: list[tuple[str, bool]], **changes) -> Path:
    """The trained tokenizer with its three added tokens renamed, or fewer of them; (name, special) each."""
    record = json.loads(trained_file.read_text())
    for token, (name, special) in zip(record["added_tokens"], names):
        record["model"]["vocab"] = {name if old == token["content"] else old: n for old, n in record["model"]["vocab"].items()}
        token |= {"content": name, "special": special}
    record["added_tokens"] = record["added_tokens"][: len(names)]
    path.write_text(json.dumps(record | {"post_processor": None} | changes))
    return path


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["<s>", "</s>", "<pad>"], (0, 1, 2)),
        (["<|endoftext|>"], (0, 0, 0)),
        (["[PAD]", "[CLS]", "[SEP]"], (1, 2, 0)),
        (["<|x|>", "<eos>"], (1, 1, 1)),
    ],
)
def test_begin_end_and_padding_are_found(trained_file, tmp_path, names, ids):
    _, info = load_tokenizer(write(tmp_path / "t.json", trained_file, [(name, True) for name in names]))
    assert (info.bos_id, info.eos_id, info.pad_id) == ids


def test_a_separator_that_is_not_marked_special_still_cannot_be_spelled(trained_file, tmp_path):
    path = write(tmp_path / "t.json", trained_file, [("<s>", False), ("</s>", False)])
    tokenizer, info = load_tokenizer(path)
    assert info.eos_id not in by_text(tokenizer, ["a</s>b"])[0]
    assert tokenizer.decode(by_text(tokenizer, ["a</s>b<s>"])[0], skip_special_tokens=False) == "a</s>b<s>"


def test_truncation_padding_templates_and_dropout_are_left_out(trained_file, tmp_path):
    record = json.loads(trained_file.read_text())
    changes = {
        "truncation": {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 50}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 2, "pad_type_id": 0, "pad_token": PAD},
        "model": record["model"] | {"dropout": 0.5},
    }
    path = tmp_path / "t.json"
    path.write_text(json.dumps(record | changes))
    texts = ["the mill grinds grain " * 4, "a"]
    tokenizer, _ = load_tokenizer(path)
    assert by_text(tokenizer, texts) == by_text(load_tokenizer(trained_file)[0], texts)


def test_gpt2_is_encoded_as_published_but_for_special_tokens(shared_data):
    path = shared_data / "tokenizer/gpt2-tokenizer.json"
    tokenizer, info = load_tokenizer(path)
    assert (info.bos_id, info.eos_id, info.pad_id, info.vocab_size) == (50256, 50256, 50256, 50257)
    texts = [*HARD_TEXTS, *pq.read_table(shared_data / "sample/part-0000.parquet", columns=["text"])["text"].to_pylist()[:100]]
    published = Tokenizer.from_file(str(path))
    for text, ids in zip(texts, by_text(tokenizer, texts), strict=True):
        assert tokenizer.decode(ids, skip_special_tokens=False) == text
        if "<|endoftext|>" not in text:
            assert ids == published.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read"),
        (b"{", "is not a tokenizer.json"),
        (b"[]", "is not a tokenizer.json"),
        (b'{"added_tokens": []}', "none of its added tokens ends a document"),
        (b'{"added_tokens": [{"id": 0, "content": "</s>", "special": true}], "model": {"type": "X"}}', "not a tokenizer that can be used"),
        (b"\xff\xfe", "is not a tokenizer.json"),
    ],
)
def test_what_is_no_tokenizer_is_told(tmp_path, content, says):
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TokenizerError, match=says) as caught:
        load_tokenizer(path)
    assert str(path) in str(caught.value)
