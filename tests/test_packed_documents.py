"""Every document comes back from packed/ whole: its tokens in order, and its text."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_stage_pack import PACKINGS, SMALL, TEXTS, clean_table, pack, with_packing, write_shards
from test_tokenizer import HARD_TEXTS

from curation.pack_settings import MixtureSettings, PackSettings
from curation.tokenizer import encode, load_tokenizer
from train.handoff import TOKENIZER_NAME, HandoffError
from train.packed_documents import PackedDocuments


@pytest.mark.parametrize("packing", PACKINGS)
def test_documents_come_back_in_order_with_their_texts_and_tokens(tmp_path, packing):
    table = clean_table(TEXTS)
    packed = pack(write_shards(table, tmp_path / "clean", 3, 9), tmp_path, with_packing(packing))
    found, (tokenizer, info) = PackedDocuments(packed), load_tokenizer(packed / TOKENIZER_NAME)
    whole = {row["id"]: row["text"] for row in table.to_pylist() if row["text"]}
    assert list(found) == list(whole) and len(found) == len(whole)
    offsets, tokens = encode(tokenizer, table.filter([bool(text) for text in TEXTS])["text"])
    for name, first, stop in zip(found, offsets[:-1], offsets[1:]):
        assert found.text(name) == whole[name]
        assert found.tokens(name).tolist() == [info.bos_id, *tokens[first:stop].tolist(), info.eos_id]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(max_size=120) | st.sampled_from(HARD_TEXTS), max_size=10), length=st.integers(8, 30))
def test_any_texts_come_back(tmp_path, texts, length):
    packed = pack(write_shards(clean_table(texts), tmp_path / "clean", 2, 3), tmp_path, with_packing("best_fit", sequence_length=length))
    found = PackedDocuments(packed)
    assert [found.text(name) for name in found] == [text for text in texts if text]


def test_documents_that_are_packed_twice_come_back_once_and_those_left_out_say_so(tmp_path):
    changed = PackSettings(**{**vars(SMALL), "held_out": 0.0, "mixture": MixtureSettings(epochs={"s0": 3, "s1": 0})})
    packed = pack(write_shards(clean_table(TEXTS), tmp_path / "clean", 1, 100), tmp_path, changed)
    found = PackedDocuments(packed)
    for number, text in enumerate(TEXTS):
        name = f"d{number}"
        if number % 3 == 1 and text:
            with pytest.raises(HandoffError, match="left it out"):
                found.tokens(name)
        elif text:
            assert found.text(name) == text
    with pytest.raises(HandoffError, match="no document 'nobody'"):
        found.text("nobody")
    assert "d0" not in found and "d1" in found, "the empty document is not packed"


def test_real_documents_come_back(shared_data, tmp_path):
    table = pq.read_table(shared_data / "sample/part-0002.parquet").slice(0, 300)
    pack_settings = PackSettings(vocab_size=2000, train_bytes=500_000, sequence_length=256, held_out=0.1)
    found = PackedDocuments(pack(write_shards(table, tmp_path / "clean", 2, 100), tmp_path, pack_settings))
    assert {name: found.text(name) for name in found} == dict(zip(table["id"].to_pylist(), table["text"].to_pylist()))
