"""Signatures against datasketch and datatrove themselves."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from datasketch import MinHash
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
from datatrove.utils.text import simplify_text
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_word_hashes import TEXTS

from curation.compatible_minhash import BLOCK
from curation.minhash import MinHashSettings, signatures
from curation.normalise import normalised, normalised_characters
from curation.stages.near import NearSettings
from rules.places import SettingError

LONG = " ".join(f"w{number % 977}" for number in range(BLOCK + 700)) + " 漢字かな 한국어"
SCHEMES = {("datasketch", None): "affine32", ("datasketch", 64): "affine64", ("datasketch_legacy", None): "legacy"}


def shingles_of(text: str, ngram: int, unit: str) -> list[bytes]:
    if unit == "characters":
        characters = normalised_characters(text)
        return [characters[k : k + ngram].encode() for k in range(len(characters) - ngram + 1)]
    words = normalised(text)
    return [" ".join(words[k : k + ngram]).encode() for k in range(len(words) - ngram + 1)]


@settings(deadline=None, max_examples=60)  # the first call may compile
@given(st.lists(TEXTS, max_size=3), st.integers(1, 6), st.sampled_from([*SCHEMES]), st.sampled_from(["words", "characters"]), st.integers(0, 2**32 - 1))
@example(["", "a b c d", "a b c d e", LONG], 5, ("datasketch", None), "words", 1)
@example(["", "a b c d", "a b c d e", LONG], 5, ("datasketch", 64), "characters", 1)
@example(["", "a b c d", "a b c d e", LONG], 5, ("datasketch_legacy", None), "words", 1)
def test_signatures_are_datasketchs_byte_for_byte(texts, ngram, scheme, unit, seed):
    compatible, bits = scheme
    how = MinHashSettings(16, ngram, seed, bits, unit, compatible)
    found, shingles = signatures(pa.array(texts, pa.string()), how)
    for text, signature, count in zip(texts, found, shingles, strict=True):
        theirs = MinHash(num_perm=16, seed=seed, scheme=SCHEMES[scheme])
        theirs.update_batch(shingles_of(text, ngram, unit))
        assert signature.tobytes() == theirs.hashvalues.tobytes()
        assert count == len(shingles_of(text, ngram, unit))


def test_signatures_are_datasketchs_as_it_comes():
    text = "The quick brown fox jumps over the lazy dog, 1,234 times! 漢字かな"
    theirs = MinHash(num_perm=112)
    for shingle in shingles_of(text, 5, "words"):
        theirs.update(shingle)
    found, _ = signatures(pa.array([text]), NearSettings(compatible="datasketch").minhash)
    assert found[0].tobytes() == theirs.hashvalues.tobytes()


class Space:
    word_tokenize = staticmethod(str.split)


def datatroves(texts: list[str], tokenizer=None) -> list[list[int] | None]:
    """What datatrove's own first stage makes of texts; None for a text that it passes over."""
    stage = MinhashDedupSignature(output_folder="memory://signatures", config=MinhashConfig())
    stage.word_tokenizer = tokenizer or stage.word_tokenizer
    shingles = [stage.get_shingles(text) for text in texts]
    return [sum(stage.get_signature(some), []) if some.size else None for some in shingles]


def ours(texts: list[str], compatible: str) -> list[list[int] | None]:
    found, shingles = signatures(pa.array(texts, pa.large_string()), MinHashSettings(compatible=compatible))
    return [signature.tolist() if count else None for signature, count in zip(found, shingles, strict=True)]


def test_the_published_vector():
    (signature,) = ours(["The quick brown fox jumps over the lazy dog, 1,234 times!"], "datatrove")
    assert signature[:3] == [85330943174081874, 184339147761722157, 302227827184868053]
    assert signature[3:6] == [34440879854629237, 351192510441881045, 117899488208280896]
    assert signature[6:8] == [6902592715498867, 204404170303891102]


@settings(deadline=None, max_examples=40)
@given(st.lists(TEXTS, max_size=3))
@example(["", "a b c d", "a ́ b c d e f", LONG, "ΟΔΟΣ 1,234.5 ﬁ x y z", "1,234,567.89 a b c"])
def test_signatures_are_datatroves_with_words_between_spaces(texts):
    assert ours(texts, "datatrove_space") == datatroves(texts, Space)


@pytest.mark.parametrize("compatible", ["datatrove", "datatrove_space"])
def test_documents_of_the_sample_have_datatroves_signatures(shared_data, compatible):
    texts = parquet.read_table(shared_data / "sample" / "part-0001.parquet", columns=["text"])["text"].to_pylist()[::40]
    texts = [text for text in texts if len(text) < 20_000]
    assert len(texts) > 30 and any(simplify_text(text) != text.lower() for text in texts)
    assert ours(texts, compatible) == datatroves(texts, Space if compatible == "datatrove_space" else None)


@pytest.mark.parametrize(
    ("key", "given"),
    [
        ("bits", {"compatible": "datatrove", "bits": 32}), ("unit", {"compatible": "datatrove", "unit": "characters"}),
        ("bits", {"compatible": "datasketch_legacy", "bits": 32}), ("compatible", {"compatible": "rensa"}), ("unit", {"unit": "lines"}),
    ],
)  # fmt: skip
def test_settings_that_make_no_sense(key, given):
    with pytest.raises(SettingError) as error:
        MinHashSettings(**given)
    assert error.value.key == key


def test_entries_are_of_the_type_that_the_tool_has():
    assert MinHashSettings().entry_type is MinHashSettings(compatible="datasketch_legacy").entry_type is np.uint64
    assert MinHashSettings(compatible="datasketch").entry_type is np.uint32
