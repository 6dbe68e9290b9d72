"""The word kernel against the definition in normalise.py and a hash in plain Python."""

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.normalise import character_table, normalised
from curation.word_hashes import CHUNK_BYTES, code_point, kernel_texts, read_only, take_words, word_scratch

MASK = 2**64 - 1


def absorb(state: int, piece: int) -> int:
    state = (state ^ piece) * 0x9E3779B97F4A7C15 & MASK
    return state ^ state >> 32


def word_hash(word: str) -> int:
    state = 0x243F6A8885A308D3
    for piece in re.findall(r"[\x00-\x7f]{1,8}|[^\x00-\x7f]", word):
        state = absorb(state, int.from_bytes(piece.encode(), "little") if piece.isascii() else ord(piece) | 1 << 63)
    return absorb(state ^ len(word), 0)


def binary_column(texts: list[bytes]) -> pa.LargeStringArray:
    """A string column of bytes that need not be UTF-8."""
    binary = pa.array(texts, pa.large_binary())
    return pa.Array.from_buffers(pa.large_string(), len(binary), binary.buffers())


def kernel_hashes(texts: list[bytes]) -> list[list[int]]:
    """What `take_words` finds in each text, one after another with the same scratch."""
    offsets, data = kernel_texts(binary_column(texts))
    edges, carry = word_scratch()
    words, found = np.empty(CHUNK_BYTES, np.uint64), []
    for start, end in zip(offsets[:-1].astype(np.uint64), offsets[1:].astype(np.uint64), strict=True):
        found.append([])
        while start < end:
            filled, start = take_words(data, np.uint64(start), end, character_table(), edges, carry, words, 0)
            found[-1] += words[:filled].tolist()
    return found


def expected(text: bytes) -> list[int]:
    return [word_hash(word) for word in normalised(text.decode(errors="replace"))]


AWKWARD = st.sampled_from(
    "aZ09 _-.,\r\n\x00\x7f\u2028\u00ad\u200b\u200d\ufe0f\u0301éßİςK漢カ\u3099กั한हि🎉👩\U000e0067\ue000\U000f0000\ufffd"
)
TEXTS = st.one_of(st.text(), st.text(AWKWARD, max_size=60), st.text(st.sampled_from("ab "), max_size=60))


@settings(deadline=None)  # the first call may compile
@given(st.lists(TEXTS, max_size=5))
@example([""])
@example(["one"])
@example(["12345678", "123456789", "abcdefgh ijklmnop", "x" * 16, "x" * 17])
def test_words_of_any_text(texts):
    encoded = [text.encode() for text in texts]
    assert kernel_hashes(encoded) == [expected(text) for text in encoded]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=4))
@example([b"\xf0\x9f\x8e", b"\x89 ok"])  # the rest of the character is in the next document
@example([b"a\xed\xa0\x80b\xc0\x80c\xf4\x90\x80\x80d\xe0\x80\x80e\xff"])
def test_words_of_malformed_utf8(texts):
    assert kernel_hashes(texts) == [expected(text) for text in texts]


@settings(deadline=None)
@given(
    st.integers(CHUNK_BYTES - 40, CHUNK_BYTES + 8),
    st.sampled_from(["a", " ", "é", "漢", "ก\u0e31", "🎉", "\u0301", "\u00ad", "\x80"]),
    TEXTS,
    st.integers(1, 2),
)
def test_words_cut_by_the_end_of_a_chunk(size, filler, text, repeats):
    padding = (b"\x80" if filler == "\x80" else filler.encode()) * size
    whole = (padding[:size] + text.encode()) * repeats
    assert kernel_hashes([whole, b"next"]) == [expected(whole), [word_hash("next")]]


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=8))
def test_code_point_is_what_python_decodes(raw):
    code, taken = code_point(np.uint64(int.from_bytes(raw, "little")))
    try:
        character = next(raw[:n].decode() for n in range(1, 5) if _decodes(raw[:n]))
        assert (chr(code), taken) == (character, len(character.encode()))
    except StopIteration:
        assert (code, taken) == (0xFFFD, 1)


def _decodes(raw: bytes) -> bool:
    try:
        return bool(raw.decode())
    except UnicodeDecodeError:
        return False


@pytest.mark.parametrize("word", ["x" * 50_000_000, "é" * 10_000_000])
def test_a_giant_word_is_one_word(word):
    (found,) = kernel_hashes([b"start " + word.encode() + b" end"])
    assert len(found) == 3
    assert (found[0], found[2]) == (word_hash("start"), word_hash("end"))


def test_hashes_of_two_million_different_words_differ():
    numbers = " ".join(map(str, range(1_000_000)))
    greek = " ".join(f"λ{number:x}" for number in range(1_000_000))
    numbers_found, greek_found = kernel_hashes([numbers.encode(), greek.encode()])
    assert len(set(numbers_found) | set(greek_found)) == 2_000_000


def test_texts_too_short_to_load_are_padded_and_read_only():
    offsets, data = kernel_texts(pa.array(["ab", None, "c"]))
    assert data.size >= 8
    assert not data.flags.writeable and not offsets.flags.writeable
    assert offsets.tolist() == [0, 2, 2, 3]
    assert not read_only(np.zeros(3)).flags.writeable
