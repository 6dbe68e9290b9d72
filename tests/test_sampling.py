"""Choices by id: stable, spread evenly, and the same however documents are divided."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.document import record_id
from curation.sampling import HELD_OUT_SALT, SAMPLE_CHARACTERS, SAMPLE_SALT, TextSample, id_hashes, is_held_out

MASK = 2**64 - 1
PINNED = [4, 13, 19, 33, 40, 43]


def plain_hash(name: str, salt: int) -> int:
    """FNV-1a with the finaliser of MurmurHash3, in Python integers."""
    state = 0xCBF29CE484222325 ^ (salt * 0xFF51AFD7ED558CCD & MASK)
    for byte in name.encode():
        state = (state ^ byte) * 0x100000001B3 & MASK
    for multiplier in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        state = (state ^ state >> 33) * multiplier & MASK
    return state ^ state >> 33


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=20), max_size=10), st.sampled_from([HELD_OUT_SALT, SAMPLE_SALT]))
def test_hashes_are_the_plain_definition(ids, salt):
    assert id_hashes(pa.array(ids, pa.string()), salt).tolist() == [plain_hash(name, salt) for name in ids]


def test_the_held_out_documents_are_pinned():
    ids = pa.array([f"document-{number}" for number in range(60)])
    assert np.flatnonzero(is_held_out(ids, 0.1)).tolist() == [n for n in range(60) if plain_hash(f"document-{n}", 0) < 0.1 * 2**64]
    assert np.flatnonzero(is_held_out(ids, 0.1)).tolist() == PINNED, "a release must not move documents between splits"


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.3, 1.0])
def test_the_held_out_fraction_is_met_and_grows_by_inclusion(fraction):
    ids = pa.array([record_id("file.jsonl", number) for number in range(40_000)])
    chosen = is_held_out(ids, fraction)
    assert abs(chosen.mean() - fraction) < 4 * (fraction * (1 - fraction) / 40_000) ** 0.5 + 1e-12
    assert (is_held_out(ids, min(1.0, fraction * 1.5)) | ~chosen).all()


def test_the_choice_does_not_depend_on_neighbours():
    ids = pa.array([f"d{number}" for number in range(1_000)])
    parts = [is_held_out(ids.slice(first, 137), 0.2) for first in range(0, 1_000, 137)]
    assert np.array_equal(np.concatenate(parts), is_held_out(ids, 0.2))


def sampled(ids: list[str], texts: list[str], budget_bytes: int, step: int) -> list[str]:
    sample = TextSample(budget_bytes)
    for first in range(0, len(ids), step):
        sample.add(pa.array(ids[first : first + step]), pa.array(texts[first : first + step], pa.large_string()))
    return [text for batch in sample.batches() for text in batch.to_pylist()]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=30), max_size=60), st.integers(1, 300), st.integers(1, 61))
def test_the_sample_is_the_lowest_hashes_up_to_the_budget(texts, budget_bytes, step):
    ids = [f"id{number}" for number in range(len(texts))]
    by_hash = sorted(range(len(ids)), key=lambda d: plain_hash(ids[d], SAMPLE_SALT))
    chosen, spent = [], 0
    for document in by_hash:
        if spent < budget_bytes:
            chosen.append(document)
        spent += len(texts[document].encode())
    assert sampled(ids, texts, budget_bytes, step) == [texts[d] for d in sorted(chosen)]


def test_a_huge_document_does_not_rule_the_sample():
    texts = ["é" * (SAMPLE_CHARACTERS + 5), "short"]
    assert sampled(["a", "b"], texts, 10**6, 2) == ["é" * SAMPLE_CHARACTERS, "short"]
