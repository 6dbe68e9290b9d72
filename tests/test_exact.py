"""Exact duplicates against a dictionary of normalised words."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_word_hashes import MASK, TEXTS, absorb, binary_column, word_hash

from curation.normalise import normalised
from curation.stages.exact import ExactSettings, find_exact, text_hashes
from curation.word_hashes import CHUNK_BYTES
from rules.places import SettingError

SEEDS = 0x243F6A8885A308D3, 0x13198A2E03707344
BYTES_SEED = 0xA4093822299F31D0


def absorb_second(state: int, piece: int) -> int:
    state = (state ^ piece) * 0xC2B2AE3D27D4EB4F & MASK
    return state ^ state >> 29


def fold(pieces: list[int], seeds: tuple[int, int], count: int) -> list[int]:
    first, second = seeds
    for piece in [*pieces, count, 0]:
        first, second = absorb(first, piece), absorb_second(second, piece)
    return [first, second]


def plain_hash(text: bytes, normalise: bool) -> list[int]:
    words = normalised(text.decode(errors="replace")) if normalise else []
    if words:
        return fold([word_hash(word) for word in words], SEEDS, len(words))
    pieces = [int.from_bytes(text[k : k + 8], "little") for k in range(0, len(text), 8)]
    return fold(pieces, (SEEDS[0] ^ BYTES_SEED, SEEDS[1] ^ BYTES_SEED), len(text))


def plain_kept(identities: list, lengths: list[int], keep: str) -> list[int]:
    clusters: dict = {}
    for row, identity in enumerate(identities):
        clusters.setdefault(identity, []).append(row)
    best = {"earliest": min, "longest": lambda rows: min(rows, key=lambda row: (-lengths[row], row))}[keep]
    return [best(clusters[identity]) for identity in identities]


@settings(deadline=None)  # the first call may compile
@given(st.lists(TEXTS, max_size=5), st.booleans())
@example(["", "one", "...", "a\r\nb\u2028c 漢字\x00e\u0301 🎉", "x" * (2 * CHUNK_BYTES) + " y"], True)
@example(["", "one", "12345678", "123456789"], False)
def test_hash_is_the_formula(texts, normalise):
    hashes = text_hashes(pa.array(texts, pa.string()), ExactSettings(normalise))
    assert hashes.dtype == np.uint64 and hashes.shape == (len(texts), 2)
    assert hashes.tolist() == [plain_hash(text.encode(), normalise) for text in texts]


@given(st.lists(st.binary(max_size=12), max_size=4), st.booleans())
def test_hash_of_malformed_utf8(texts, normalise):
    hashes = text_hashes(binary_column(texts), ExactSettings(normalise))
    assert hashes.tolist() == [plain_hash(text, normalise) for text in texts]


@given(
    st.lists(st.text(st.sampled_from("aAb .!\n"), max_size=3), max_size=30),
    st.booleans(),
    st.sampled_from(["earliest", "longest"]),
)
def test_kept_documents_are_those_of_a_dictionary(texts, normalise, keep):
    lengths = [len(text) for text in texts]
    how = ExactSettings(normalise, keep)
    kept = find_exact(text_hashes(pa.array(texts, pa.string()), how), np.array(lengths, np.int64), how)
    identities = [tuple(normalised(text)) * normalise or text for text in texts]
    assert kept.tolist() == plain_kept(identities, lengths, keep)


def test_both_halves_of_the_hash_are_compared():
    hashes = np.array([[1, 1], [1, 2], [2, 1], [1, 1], [2, 2], [1, 2]], np.uint64)
    kept = find_exact(hashes, np.array([0, 5, 0, 9, 0, 5]), ExactSettings(keep="longest"))
    assert kept.tolist() == [3, 1, 2, 3, 4, 1]


def test_case_punctuation_and_space_do_not_count_but_digits_and_marks_do():
    texts = ["Hello, world!", "hello   WORLD", "hello world 1", "hello world 2", "हिन्दी", "हन्दी"]
    kept = find_exact(text_hashes(pa.array(texts), ExactSettings()), np.zeros(6, np.int64), ExactSettings())
    assert kept.tolist() == [0, 0, 2, 3, 4, 5]
    as_bytes = ExactSettings(normalise=False)
    assert find_exact(text_hashes(pa.array(texts), as_bytes), np.zeros(6, np.int64), as_bytes).tolist() == [*range(6)]


def test_texts_without_words_are_their_bytes():
    texts = ["", "...", "...", "!!!", None, " "]
    kept = find_exact(text_hashes(pa.array(texts), ExactSettings()), np.zeros(6, np.int64), ExactSettings())
    assert kept.tolist() == [0, 1, 1, 3, 0, 5]


def test_a_line_of_50_mb():
    texts = pa.array(["word" * 12_500_000, "WORD" * 12_500_000, "word" * 12_500_000 + "s"], pa.large_string())
    kept = find_exact(text_hashes(texts, ExactSettings()), np.zeros(3, np.int64), ExactSettings())
    assert kept.tolist() == [0, 0, 2]


def test_no_documents():
    hashes = text_hashes(pa.array([], pa.string()), ExactSettings())
    assert hashes.shape == (0, 2)
    assert find_exact(hashes, np.zeros(0, np.int64), ExactSettings(keep="longest")).shape == (0,)


def test_unknown_policy():
    with pytest.raises(SettingError, match="earliest or longest") as error:
        ExactSettings(keep="shortest")
    assert error.value.key == "keep"
