"""Sums of words computed together, or remembered, against those of one word alone."""

from __future__ import annotations

import numpy as np
import pytest
from fasttext_files import write_model
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.language_id import word_memo
from curation.language_id.identifier import Identifier
from curation.language_id.models import load_model
from curation.language_id.ngram_rows import ROOM, word_sum
from curation.language_id.vectors import aligned_zeros, store_vector
from curation.language_id.word_sums import WORDS, new_scratch, words_sum
from rules.text.kernels import kernel, kernel_bytes

MODELS = [{}, {"kept": 60, "quantised": True}, {"ngrams": (0, 0)}, {"ngrams": (1, 1)}, {"ngrams": (1, 5)}, {"ngrams": (3, 12)}]
pieces = st.sampled_from(["the", "комитет", "委员会", "रिपोर्ट", "🎉👩‍👧", "x" * 53, "ж" * 27, "</s>", "__label__", "<"]).map(str.encode)
words_of = st.lists(st.lists(pieces | st.binary(min_size=1, max_size=5), min_size=1, max_size=4).map(b"".join), min_size=1, max_size=20)


@kernel
def both_sums(edges, data, rows, ranks, words, begins, word_slots, shape, slots, pieces, numbers, state, together, alone, counts):
    """The sum and rows of each word: of `words_sum`, and of `word_sum`; and of all words at once, in the last place."""
    scratch, model, memo = new_scratch(data.size, shape), (rows, ranks, words, begins, word_slots, shape), (slots, pieces, numbers, state)
    marked, found = np.empty(data.size + 2, np.uint8), np.empty(ROOM + shape[2], np.uint64)
    count = edges.size // 2
    for k in range(count):
        vector, counts[k, 0] = words_sum(data, edges[2 * k :], 1, scratch, model, memo)
        store_vector(vector, together, np.uint64(16 * k))
        vector, counts[k, 1] = word_sum(data, edges[2 * k], edges[2 * k + 1], (marked, found), model)
        store_vector(vector, alone, np.uint64(16 * k))
    vector, counts[count, 0] = words_sum(data, edges, count, scratch, model, memo)
    store_vector(vector, together, np.uint64(16 * count))


def sums(model: Identifier, words: list[bytes], memo: word_memo.WordMemo) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    ends = np.cumsum([len(word) for word in words])
    edges = np.column_stack([ends - [len(word) for word in words], ends]).ravel().astype(np.int64)
    together, alone = (np.zeros(16 * (len(words) + 1), np.float32) for _ in range(2))
    counts = np.zeros((len(words) + 1, 2), np.int64)
    both_sums(edges, kernel_bytes(edges, np.frombuffer(b"".join(words), np.uint8))[1], *model._rows, *memo, together, alone, counts)
    return together.reshape(-1, 16), alone.reshape(-1, 16), counts


def check(model: Identifier, words: list[bytes], memo: word_memo.WordMemo) -> None:
    together, alone, counts = sums(model, words, memo)
    assert (together[:-1] == alone[:-1]).all() and (counts[:-1, 0] == counts[:-1, 1]).all()
    total = np.zeros(16, np.float32)
    for vector in alone[:-1]:
        total += vector
    assert (together[-1] == total).all() and counts[-1, 0] == counts[:-1, 0].sum()


@settings(max_examples=60, deadline=None)
@given(words=words_of, bits=st.sampled_from([2, 4, 10]))
def test_words_together_are_words_alone(words, bits):
    """Of any bytes, well-formed or not, whatever the memo held and had no room for."""
    memo = word_memo.empty_memo(bits)
    for order in (words, words[::-1], words * 3):
        check(load_model("lid.176"), order, memo)


@pytest.mark.parametrize("kind", MODELS, ids=str)
def test_n_grams_of_any_length(kind, tmp_path):
    write_model(tmp_path / "model", ["</s>", "abc", "委员会"], ["one", "two"], **kind)
    words = ["a", "abc", "ж", "委员会", "x" * 56, "ж" * 28, "委" * 18, "🎉" * 14, "x" * 57, "</s>", "слово委员a🎉", *("abcdefgh"[:n] * 3 for n in range(1, 9))]
    check(Identifier(tmp_path / "model"), [word.encode() for word in words], word_memo.empty_memo(6))


def test_as_many_words_as_a_chunk_has():
    words = [bytes([97 + k % 26, 97 + k // 26]) for k in range(WORDS - 1)]
    check(load_model("lid.176"), words, word_memo.empty_memo(12))


@pytest.mark.parametrize("count", [1, 1000, 1 << 19])
def test_zeros_begin_with_a_line(count):
    zeros = aligned_zeros(count, np.uint64)
    assert len(zeros) == count and not zeros.any() and zeros.ctypes.data % 128 == 0
    zeros[:] = 1
