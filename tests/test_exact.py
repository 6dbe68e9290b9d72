"""Exact duplicates against a dictionary of normalised words."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_word_hashes import MASK, TEXTS, absorb, binary_column, word_hash

from curation.normalise import normalised
from curation.stages.exact import ExactSettings, document_hashes, find_exact, text_hashes
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


def roots_of(texts: list, normalise: bool = True) -> list[int]:
    hashes = text_hashes(pa.array(texts, pa.large_string()), normalise)
    return find_exact(hashes, np.ones(len(texts), bool)).tolist()


@settings(deadline=None)  # the first call may compile
@given(st.lists(TEXTS, max_size=5), st.booleans())
@example(["", "one", "...", "a\r\nb\u2028c 漢字\x00e\u0301 🎉", "x" * (2 * CHUNK_BYTES) + " y"], True)
@example(["", "one", "12345678", "123456789"], False)
def test_hash_is_the_formula(texts, normalise):
    hashes = text_hashes(pa.array(texts, pa.string()), normalise)
    assert hashes.dtype == np.uint64 and hashes.shape == (len(texts), 2)
    assert hashes.tolist() == [plain_hash(text.encode(), normalise) for text in texts]


@given(st.lists(st.binary(max_size=12), max_size=4), st.booleans())
def test_hash_of_malformed_utf8(texts, normalise):
    hashes = text_hashes(binary_column(texts), normalise)
    assert hashes.tolist() == [plain_hash(text, normalise) for text in texts]


@given(st.lists(st.text(st.sampled_from("aAb .!\n"), max_size=3), max_size=30), st.booleans())
def test_clusters_are_those_of_a_dictionary(texts, normalise):
    identities = [tuple(normalised(text)) * normalise or text for text in texts]
    assert roots_of(texts, normalise) == [identities.index(identity) for identity in identities]


def test_both_halves_of_the_hash_are_compared_and_only_those_that_take_part():
    hashes = np.array([[1, 1], [1, 2], [2, 1], [1, 1], [2, 2], [1, 2]], np.uint64)
    assert find_exact(hashes, np.ones(6, bool)).tolist() == [0, 1, 2, 0, 4, 1]
    assert find_exact(hashes, np.array([1, 0, 1, 1, 1, 1], bool)).tolist() == [0, 1, 2, 0, 4, 5]


def test_case_punctuation_and_space_do_not_count_but_digits_and_marks_do():
    texts = ["Hello, world!", "hello   WORLD", "hello world 1", "hello world 2", "हिन्दी", "हन्दी"]
    assert roots_of(texts) == [0, 0, 2, 3, 4, 5]
    assert roots_of(texts, normalise=False) == [*range(6)]


def test_texts_without_words_are_their_bytes():
    assert roots_of(["", "...", "...", "!!!", None, " "]) == [0, 1, 1, 3, 0, 5]


def test_a_line_of_50_mb():
    assert roots_of(["word" * 12_500_000, "WORD" * 12_500_000, "word" * 12_500_000 + "s"]) == [0, 0, 2]


def test_no_documents():
    assert text_hashes(pa.array([], pa.string())).shape == (0, 2)
    assert find_exact(np.zeros((0, 2), np.uint64), np.zeros(0, bool)).shape == (0,)


TABLE = pa.table({
    "text": ["A b.", "a b", "c", "c", "d", "e"],
    "url": ["http://WWW.x.org/a/#t", "https://x.org/a", "x.org/a?utm_source=q", None, "", "x.org/b"],
    "year": pa.array([1, 1, 1, 2, None, 1]),
    "host": ["x", "x", "x", "x", "y", "x"],
})  # fmt: skip


@pytest.mark.parametrize(
    ("by", "normalise", "roots"),
    [
        ("text", True, [0, 0, 2, 2, 4, 5]), ("text", False, [0, 1, 2, 2, 4, 5]), ("url", True, [0, 0, 0, 3, 4, 5]),
        ("url", False, [0, 1, 2, 3, 4, 5]), ("year", True, [0, 0, 0, 3, 4, 0]), (["text", "year"], True, [0, 0, 2, 3, 4, 5]),
        (["host", "year"], True, [0, 0, 0, 3, 4, 0]), (["year", "host", "url"], True, [0, 0, 0, 3, 4, 5]), ("nothing", True, [*range(6)]),
    ],
)  # fmt: skip
def test_by_columns_and_combinations_a_missing_value_is_like_no_other(by, normalise, roots):
    assert find_exact(*document_hashes(TABLE, ExactSettings(by=by, normalise=normalise))).tolist() == roots


def test_values_that_only_join_to_the_same_text_are_different():
    table = pa.table({"a": ["x", "xy"], "b": ["yz", "z"]})
    assert find_exact(*document_hashes(table, ExactSettings(by=["a", "b"]))).tolist() == [0, 1]


def test_nested_columns_are_refused():
    with pytest.raises(ValueError, match="cannot compare column 'tags'"):
        document_hashes(pa.table({"tags": [["a"]]}), ExactSettings(by="tags"))


@pytest.mark.parametrize("by", [[], ["url", "url"]])
def test_by_names_each_column_once(by):
    with pytest.raises(SettingError, match="by names columns"):
        ExactSettings(by=by)
