"""Hashes of characters and normalised texts against normalise.py."""

import numpy as np
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_word_hashes import TEXTS, absorb

from curation.character_hashes import normalised_texts, take_characters
from curation.normalise import character_table, normalised, normalised_characters
from curation.word_hashes import CHUNK_BYTES, kernel_texts, word_scratch


def kernel_hashes(texts: list[str]) -> list[list[int]]:
    offsets, data = kernel_texts(pa.array(texts, pa.large_string()))
    _, carry = word_scratch()
    hashes, found = np.empty(CHUNK_BYTES + 1, np.uint64), []
    for start, end in zip(offsets[:-1].astype(np.uint64), offsets[1:].astype(np.uint64), strict=True):
        found.append([])
        while start < end:
            filled, start = take_characters(data, np.uint64(start), end, character_table(), carry, hashes, 0)
            found[-1] += hashes[:filled].tolist()
        carry[1] = 0
    return found


@settings(deadline=None, max_examples=80)  # the first call may compile
@given(st.lists(TEXTS, max_size=4), st.integers(0, 8))
@example(["", "one", "Ⱥ手 手Ⱥ" * 9], 0)
def test_characters_and_texts_are_the_definition(texts, cut):
    texts = [*texts, "é" * (CHUNK_BYTES // 2 - cut // 2) + " ... 手a" + "x" * cut]
    expected = [normalised_characters(text) for text in texts]
    assert kernel_hashes(texts) == [[absorb(0x243F6A8885A308D3, ord(c)) for c in text] for text in expected]
    column = pa.array(texts, pa.string())
    assert normalised_texts(column, characters=True).to_pylist() == expected
    assert normalised_texts(column, characters=False).to_pylist() == [" ".join(normalised(text)) for text in texts]
