"""Sums of words are the polynomial they say, can be cut at any word, and equal words have equal hashes, others others."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.measures.word_counts import WORD_COUNTS, read_words
from rules.splitters.word_keys import BASE, PADDING, fill_sums, keep_words, key_scratch, slice_hash
from rules.splitters.word_places import chars_between, place_scratch
from rules.text.characters import character_classes
from rules.text.hash_sets import SEED, SIZE_STEP
from rules.text.kernels import kernel, kernel_texts
from rules.text.masks import BLOCK, bits_up_to

COUNTS = len(WORD_COUNTS)
M64 = (1 << 64) - 1
WORDS = st.lists(st.builds(lambda letters, size: (letters * size)[:size], st.sampled_from(["a", "ab", "é", "漢x", "‘q’"]), st.integers(1, 40)), min_size=1, max_size=30)


@kernel
def words_of(offsets, data, classes, unicode_words):
    size, out = offsets[1] - offsets[0], np.zeros(COUNTS, np.int64)
    places, keys = place_scratch(size), key_scratch(size)
    found = read_words(data, offsets[0], offsets[1], classes, unicode_words, places, out)
    keep_words(data, offsets[0], places, found, keys)
    wanted = np.empty(found // BLOCK + 1, np.uint64)
    wanted[:] = ~np.uint64(0)
    wanted[-1] = bits_up_to(0, found % BLOCK)
    fill_sums(keys[2], keys[3], found, wanted, keys[1])
    return found, places, keys


@kernel
def hash_of(sums, j, after, size):
    return slice_hash(sums, j, after, size)


@kernel
def chars_of(places, j, after):
    return chars_between(places[0][j], places[1][after - 1], places[2], places[3])


def plain_hash(raw: bytes) -> int:
    total = 0
    for byte in raw:
        total = total * int(BASE) + byte & M64
    return total ^ (int(SEED) + len(raw) * int(SIZE_STEP) & M64)


@settings(max_examples=100, deadline=None)
@given(words=WORDS, cut=st.integers(0, 30), length=st.integers(1, 12))
def test_a_slice_of_words(words, cut, length):
    """Whether much or nothing follows a word in memory: its bytes, its hash, and that of any words that follow each other."""
    found, places, keys = words_of(*kernel_texts(pa.array([" ".join(words)], pa.large_string())), character_classes(), False)
    raws = [word.encode() for word in words]
    assert found == len(words)
    assert bytes(keys[3][PADDING : PADDING + sum(map(len, raws))]) == b"".join(raws)
    assert keys[2][: found + 1].tolist() == [len(b"".join(raws[:k])) for k in range(found + 1)]
    j = min(cut, found - 1)
    after = min(j + length, found)
    piece = b"".join(raws[j:after])
    assert int(hash_of(keys[1], np.uint64(j), np.uint64(after), len(piece))) == plain_hash(piece)
    assert chars_of(places, j, after) == len(piece.decode())
    assert len(set(zip(words, keys[0][:found].tolist()))) == len(set(words)) == len(set(keys[0][:found].tolist()))
