"""MinHash signatures against the formula in plain Python, datasketch, and true Jaccard similarity."""

import numpy as np
import pyarrow as pa
import pytest
from datasketch import MinHash
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_word_hashes import MASK, TEXTS, absorb, word_hash

from curation.minhash import MinHashSettings, estimated_jaccard, permutations, signatures
from curation.normalise import normalised, normalised_characters
from curation.word_hashes import CHUNK_BYTES
from rules.places import SettingError

MULTIPLIER, SEED = 0x9E3779B97F4A7C15, 0x243F6A8885A308D3


def raw_shingles(text: str, ngram: int, unit: str = "words") -> list[int]:
    hashes = [word_hash(word) for word in normalised(text)]
    if unit == "characters":
        hashes = [absorb(SEED, ord(character)) for character in normalised_characters(text)]
    powers = [pow(MULTIPLIER, ngram - 1 - j, 2**64) for j in range(ngram)]
    windows = [hashes[k : k + ngram] for k in range(len(hashes) - ngram + 1)]
    return [sum(h * p for h, p in zip(window, powers, strict=True)) & MASK for window in windows]


def mixed(raw: int, bits: int) -> int:
    if bits == 64:
        shifts, factors = (33, 33, 33), (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53)
    else:
        raw, shifts, factors = raw >> 32, (16, 13, 16), (0x85EBCA6B, 0xC2B2AE35)
    for shift, factor in zip(shifts, factors, strict=False):
        raw = (raw ^ raw >> shift) * factor % 2**bits
    return raw ^ raw >> shifts[2]


def plain_signature(text: str, how: MinHashSettings) -> list[int]:
    odd, terms = ([int(x) for x in row] for row in permutations(how))
    bits = 8 * np.dtype(how.entry_type).itemsize
    inputs = [mixed(raw, bits) for raw in raw_shingles(text, how.ngram, how.unit)]
    top = 2**bits - 1
    return [min([(a * x + b) % 2**bits for x in inputs], default=top) for a, b in zip(odd, terms, strict=True)]


@settings(deadline=None)  # the first call may compile
@given(
    st.lists(TEXTS, max_size=4),
    st.integers(1, 4),
    st.integers(1, 9),
    st.integers(0, 2**32 - 1),
    st.sampled_from([32, 64]),
    st.sampled_from(["words", "characters"]),
)
@example(["", "one", "a b c d", "a b c d e", "a\r\nb\u2028c 漢字かな\x00e\u0301 🎉"], 5, 112, 1, 64, "words")
@example(["", "one", "a b c d", "a b c d e", "a\r\nb\u2028c 漢字かな\x00e\u0301 🎉"], 5, 112, 1, 32, "characters")
def test_signature_is_the_formula(texts, ngram, hashes, seed, bits, unit):
    how = MinHashSettings(hashes, ngram, seed, bits, unit)
    found, shingles = signatures(pa.array(texts, pa.string()), how)
    assert found.dtype == how.entry_type and found.shape == (len(texts), hashes)
    assert found.tolist() == [plain_signature(text, how) for text in texts]
    units = normalised if unit == "words" else normalised_characters
    assert shingles.tolist() == [max(0, len(units(text)) - ngram + 1) for text in texts]


@pytest.mark.parametrize("bits", [32, 64])
def test_signature_of_a_text_longer_than_a_chunk(bits):
    rng = np.random.default_rng(0)
    words = rng.integers(0, 500, 3 * CHUNK_BYTES // 4).astype(str).tolist()
    text = " ".join(words) + " 漢字" * 100 + " end"
    how = MinHashSettings(hashes=16, bits=bits)
    found, _ = signatures(pa.array(["first one", text, text[: CHUNK_BYTES + 3]]), how)
    assert found[1].tolist() == plain_signature(text, how)
    by_characters = MinHashSettings(hashes=4, bits=bits, unit="characters", ngram=24)
    assert signatures(pa.array([text]), by_characters)[0][0].tolist() == plain_signature(text, by_characters)
    assert found[2].tolist() == plain_signature(text[: CHUNK_BYTES + 3], how)


@pytest.mark.parametrize(("bits", "scheme"), [(64, "affine64"), (32, "affine32")])
def test_datasketch_fed_our_shingles_holds_the_same_bytes(bits, scheme):
    texts = [f"the quick brown fox {n} jumps over the lazy dog, {n * n} times! 漢字かな" for n in range(20)]
    how = MinHashSettings(bits=bits, seed=7)
    found, _ = signatures(pa.array(texts), how)
    for text, signature in zip(texts, found, strict=True):
        theirs = MinHash(num_perm=112, seed=7, scheme=scheme, hashfunc=int)
        theirs.update_batch([raw >> (64 - bits) for raw in raw_shingles(text, 5)])
        assert theirs.hashvalues.tobytes() == signature.tobytes()


@pytest.mark.parametrize("bits", [32, 64])
def test_estimate_has_the_error_of_theory_and_no_bias(bits):
    rng = np.random.default_rng(3)
    how, texts, similarity = MinHashSettings(bits=bits), [], []
    for _ in range(400):
        words = rng.integers(0, 10**9, 300).astype(str)
        other = np.where(rng.random(300) < rng.choice([0.005, 0.01, 0.02, 0.05]), "changed", words)
        pair = [" ".join(words), " ".join(other)]
        first, second = (set(zip(*(text.split()[j:] for j in range(5)))) for text in pair)
        texts += pair
        similarity.append(len(first & second) / len(first | second))
    found, _ = signatures(pa.array(texts), how)
    true, error = np.array(similarity), estimated_jaccard(found[::2], found[1::2]) - np.array(similarity)
    theory = np.sqrt((true * (1 - true) / how.hashes).mean())
    assert 0.5 < true.mean() < 0.95 and theory > 0.02
    assert 0.85 < np.sqrt((error**2).mean()) / theory < 1.15
    assert abs(error.mean()) < 3 * theory / np.sqrt(len(error))


def test_a_line_of_50_mb_without_a_space():
    cycle = "甲乙丙丁戊己庚"
    found, shingles = signatures(
        pa.array([cycle * 2, cycle * (50_000_000 // 21)], pa.large_string()), MinHashSettings()
    )
    assert shingles.tolist() == [10, 7 * (50_000_000 // 21) - 4]
    assert found[0].tolist() == found[1].tolist()


def test_an_order_of_documents_does_not_matter_and_null_is_empty():
    texts = pa.chunked_array([["a b c d e f", None], ["b c d e f g", ""]])
    found, shingles = signatures(texts, MinHashSettings())
    assert shingles.tolist() == [2, 0, 2, 0]
    backwards, _ = signatures(pa.array(texts.to_pylist()[::-1]), MinHashSettings())
    assert (backwards[::-1] == found).all()
    assert estimated_jaccard(found, backwards[::-1]).tolist() == [1.0] * 4


def test_no_documents():
    found, shingles = signatures(pa.array([], pa.string()), MinHashSettings(bits=32))
    assert found.shape == (0, 112) and shingles.shape == (0,)
    assert estimated_jaccard(found, found).shape == (0,)


def test_estimate_refuses_signatures_that_do_not_match():
    with pytest.raises(ValueError, match="row by row"):
        estimated_jaccard(np.zeros((2, 8)), np.zeros((2, 9)))


@pytest.mark.parametrize(("key", "value"), [("hashes", 0), ("ngram", 0), ("ngram", 65), ("seed", -1), ("bits", 16)])
def test_settings_that_make_no_sense(key, value):
    with pytest.raises(SettingError, match=key) as error:
        MinHashSettings(**{key: value})
    assert error.value.key == key
