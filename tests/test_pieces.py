"""Cuts against plain definitions, and the characters and bytes of tokens against decoding them."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_tokenizer import HARD_TEXTS, corpus
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from curation.pieces import Measured, cut_documents, cut_for_rows, frame, measure, sums, token_bytes
from curation.tokenizer import encode, train_tokenizer

BOS, EOS = 0, 1


def trained(normalizer: normalizers.Normalizer | None = None) -> Tokenizer:
    record = json.loads(train_tokenizer([corpus()], 330).to_str()) | {"post_processor": None}
    tokenizer = Tokenizer.from_str(json.dumps(record))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    return tokenizer


def with_byte_fallback() -> Tokenizer:
    """As Llama 2's: characters, spaces as U+2581, bytes for what has no token of its own."""
    tokens = ["<s>", "</s>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), *"▁abcdefghijklmnopqrstuvwxyz汉", "th", "the", "▁the"]
    merges = [("t", "h"), ("th", "e"), ("▁", "the")]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges, byte_fallback=True, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=False)
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens(["<s>", "</s>"])
    return tokenizer


BYTE_LEVEL, NORMALISING, FALLING_BACK = trained(), trained(normalizers.NFC()), with_byte_fallback()


def measured(tokenizer: Tokenizer, texts: list[str], capacity: int) -> tuple[np.ndarray, np.ndarray, Measured]:
    column = pa.array(texts, pa.large_string())
    offsets, tokens = frame(*encode(tokenizer, column), BOS, EOS, np.dtype(np.uint16))
    table = token_bytes(tokenizer, tokenizer.get_vocab_size())
    return offsets, tokens, measure(tokenizer, table, column, offsets, tokens, capacity)


# ---- framing


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(2, 60_000), max_size=6), max_size=6), st.sampled_from([np.uint16, np.uint32]))
def test_frames_are_begin_text_end(documents, dtype):
    tokens = np.array([token for document in documents for token in document], np.uint32)
    offsets = np.cumsum([0, *map(len, documents)])
    framed_offsets, framed = frame(offsets, tokens, BOS, EOS, np.dtype(dtype))
    found = [framed[first:stop].tolist() for first, stop in zip(framed_offsets[:-1], framed_offsets[1:])]
    assert framed.dtype == dtype and found == [[BOS, *document, EOS] if document else [] for document in documents]


# ---- measuring


@settings(max_examples=150, deadline=None)
@given(texts=st.lists(st.text(max_size=30) | st.sampled_from([t for t in HARD_TEXTS if len(t) <= 100]), max_size=4))
def test_what_is_before_a_token_is_what_its_predecessors_decode_to(texts):
    offsets, tokens, found = measured(BYTE_LEVEL, texts, capacity=8)
    for document, text in enumerate(texts):
        first, end = offsets[document], offsets[document + 1]
        for place in range(first + 1, end):
            before = BYTE_LEVEL.decode(tokens[first + 1 : place].tolist(), skip_special_tokens=False)
            if found.starts_character[place]:
                characters = found.characters[place] - found.characters[first]
                assert before == text[:characters]
                assert found.bytes[place] - found.bytes[first] == len(before.encode())
            else:
                assert before.endswith("\ufffd"), "cut inside a character"
        assert found.characters[end] - found.characters[first] == len(text)
        assert found.bytes[end] - found.bytes[first] == len(text.encode())


@pytest.mark.parametrize("tokenizer", [NORMALISING, FALLING_BACK], ids=["nfc", "byte_fallback"])
def test_tokenizers_whose_tokens_are_not_the_text_are_measured_by_their_spans(tokenizer):
    texts = ["e\u0301" * 30 + " the the", "the thé 汉字 🙂🙂🙂 the", "a", "", "n\u0303 \u1100\u1161\u11a8 the " * 5]
    assert token_bytes(tokenizer, tokenizer.get_vocab_size()) is None
    offsets, tokens, found = measured(tokenizer, texts, capacity=8)
    normal = (lambda text: tokenizer.normalizer.normalize_str(text)) if tokenizer.normalizer else str
    for document, text in enumerate(texts):
        first, end = offsets[document], offsets[document + 1]
        places = [p for p in range(first + 1, end) if found.starts_character[p]] if end - first > 8 else []
        for place in places:
            characters = found.characters[place] - found.characters[first]
            assert found.bytes[place] - found.bytes[first] == len(text[:characters].encode())
            before = tokenizer.decode(tokens[first + 1 : place].tolist(), skip_special_tokens=False)
            assert normal(text[:characters]) == before
        assert (len(places) > 3) == (end - first > 8)
        assert found.characters[end] - found.characters[first] == len(text)
        assert found.bytes[end] - found.bytes[first] == len(text.encode())


def test_a_table_that_does_not_fit_the_text_is_not_believed():
    text = "汉字" * 20
    column = pa.array([text, "a" * 30], pa.large_string())
    offsets, tokens = frame(*encode(BYTE_LEVEL, column), BOS, EOS, np.dtype(np.uint16))
    table = token_bytes(BYTE_LEVEL, BYTE_LEVEL.get_vocab_size())
    wrong = table._replace(bytes=table.bytes * 2, characters=table.characters * 2)
    expected = measure(BYTE_LEVEL, table, column, offsets, tokens, 8)
    found = measure(BYTE_LEVEL, wrong, column, offsets, tokens, 8)
    may_cut = expected.starts_character[: offsets[1]]
    assert np.array_equal(found.starts_character[: offsets[1]], may_cut)
    for column_found, column_expected in zip(found[1:], expected[1:]):
        assert np.array_equal(column_found[: offsets[1]][may_cut], column_expected[: offsets[1]][may_cut])


# ---- cutting


@st.composite
def framed_documents(draw):
    """Lengths of documents and whether each token starts a character; the ends of a document always do."""
    lengths = draw(st.lists(st.just(0) | st.integers(3, 40), max_size=6))
    flags = []
    for length in lengths:
        inner = draw(st.lists(st.booleans(), min_size=max(0, length - 3), max_size=max(0, length - 3)))
        flags += [True, True, *inner, True] if length else []
    return np.cumsum([0, *lengths]), np.array(flags, np.bool_)


def plain_pieces(first: int, end: int, starts: np.ndarray, capacity: int) -> list[tuple[int, int]]:
    pieces = []
    while first < end:
        stop = min(first + capacity, end)
        if stop == end - 1:
            stop -= 1
        if stop < end:
            stop = next((place for place in range(stop, first, -1) if starts[place]), stop)
        pieces.append((first, stop))
        first = stop
    return pieces


@settings(max_examples=300, deadline=None)
@given(framed_documents(), st.integers(8, 20))
def test_documents_are_cut_as_defined(documents, capacity):
    offsets, starts = documents
    weights = np.arange(len(starts)) % 5
    found = cut_documents(offsets, Measured(starts, sums(weights), sums(weights * 3)), capacity)
    expected = [(d, *piece) for d in range(len(offsets) - 1) for piece in plain_pieces(offsets[d], offsets[d + 1], starts, capacity)]
    assert list(zip(found.document, found.first, found.stop)) == expected
    for piece, (document, first, stop) in enumerate(expected):
        own = [row for row in expected if row[0] == document]
        begin = offsets[document]
        assert 0 < stop - first <= capacity
        assert (found.part[piece], found.parts[piece]) == (own.index((document, first, stop)), len(own))
        assert found.char_start[piece] == weights[begin:first].sum() and found.char_end[piece] == weights[begin:stop].sum()
        assert found.text_bytes[piece] == 3 * weights[first:stop].sum()
        assert first + 1 < stop or len(own) == 1 or stop < offsets[document + 1], "the end token is never alone"


@settings(max_examples=300, deadline=None)
@given(framed_documents(), st.integers(8, 20), st.lists(st.integers(0, 1), min_size=6, max_size=6), st.integers(0, 6))
def test_rows_end_as_defined_and_go_on_from_call_to_call(documents, capacity, splits, first_call):
    offsets, starts = documents
    splits = np.array(splits[: len(offsets) - 1], np.int64)
    open_rows, found = np.array([[0, capacity]] * 2), []
    first_call = min(first_call, len(splits))
    for part in (slice(0, first_call), slice(first_call, len(splits))):
        own = offsets[part.start : part.stop + 1]
        cuts, rows = np.empty((500, 3), np.int64), np.empty(500, np.int64)
        count = cut_for_rows(own, splits[part], starts, capacity, open_rows, cuts, rows)
        found += [(d + part.start, f, s, r) for (d, f, s), r in zip(cuts[:count].tolist(), rows[:count].tolist())]
    assert found == plain_rows(offsets, starts, capacity, splits)


def plain_rows(offsets, starts, capacity: int, splits) -> list[tuple[int, int, int, int]]:
    """Token by token: a row takes what still fits, less a character it would cut."""
    pieces, rows, filled = [], [0, 0], [0, 0]
    for document in range(len(offsets) - 1):
        stream, first, end = splits[document], offsets[document], offsets[document + 1]
        while first < end:
            room = capacity - filled[stream]
            stops = [place for place in range(first + 1, min(end, first + room) + 1) if place == end or starts[place]]
            stop = stops[-1] if stops else first + capacity if room == capacity else first
            if stop > first:
                pieces.append((document, first, stop, rows[stream]))
            filled[stream] += stop - first
            if stop < end or filled[stream] == capacity:
                rows[stream], filled[stream] = rows[stream] + 1, 0
            first = stop
    return pieces
