"""Near duplicates: settings, and what is found against brute force."""

import itertools

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from datasketch import MinHashLSH
from test_clusters import components

from curation.clusters import band_keys
from curation.minhash import estimated_jaccard, signatures
from curation.normalise import normalised
from curation.stages.near import NearSettings, find_near, near_keys, s_curve
from rules.places import Problems, SettingError, build, load


def roots_of(texts: list[str], how: NearSettings) -> np.ndarray:
    found, _ = near_keys(pa.array(texts, pa.large_string()), how)
    return find_near(band_keys(found, *how.band_shape), np.ones(len(texts), bool), how)


def shingle_set(text: str, ngram: int) -> set[tuple[str, ...]]:
    words = normalised(text)
    return set(zip(*(words[j:] for j in range(ngram))))


def story(seed: int, words: int = 400) -> list[str]:
    return np.random.default_rng(seed).integers(0, 10**6, words).astype(str).tolist()


def test_near_copies_are_one_cluster():
    original = story(1)
    texts = [
        " ".join(original),
        " ".join(story(2)),
        " ".join([*original, "and", "a", "line", "more"]),
        " ".join(original[:200] + ["changed"] + original[201:]),
    ]
    assert roots_of(texts, NearSettings()).tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize("how", [NearSettings(), NearSettings(bits=32), NearSettings(compatible="datatrove_space")])
def test_short_documents_are_compared_by_their_words(how):
    texts = ["same four words here", "SAME four words, here", "now there are five words", "now there are five words!", "one", "", "", "..."]
    assert roots_of(texts, how).tolist() == [0, 0, 2, 2, 4, 5, 5, 7]


def test_documents_of_the_sample_against_brute_force(shared_data):
    table = parquet.read_table(shared_data / "sample" / "part-0000.parquet", columns=["text"])
    texts = [text for text in dict.fromkeys(table["text"].to_pylist()) if 1000 < len(text) < 5000][:400]
    how = NearSettings()
    found, shingles = signatures(pa.array(texts), how.minhash)
    assert len(texts) == 400 and (shingles > 0).all()
    sets = [shingle_set(text, how.ngram) for text in texts]
    pairs = np.array(list(itertools.combinations(range(400), 2)))
    similarity = np.array([len(sets[i] & sets[j]) / len(sets[i] | sets[j]) for i, j in pairs])
    keys = band_keys(found, *how.band_shape)
    met = (keys[pairs[:, 0]] == keys[pairs[:, 1]]).any(axis=1)
    chance = np.interp(similarity, *s_curve(14, 8, 1001).T)
    assert chance.sum() > 10
    assert abs(met.sum() - chance.sum()) < 4 * np.sqrt((chance * (1 - chance)).sum())
    assert not met[similarity < 0.3].any()
    estimates = estimated_jaccard(found[pairs[:, 0]], found[pairs[:, 1]])
    assert np.abs(estimates - similarity).max() < 6 * np.sqrt(0.25 / how.hashes)
    assert roots_of(texts, how).tolist() == components(400, pairs[met].tolist())


@pytest.mark.parametrize("threshold", [0.5, 0.8, 0.9])
def test_a_threshold_chooses_bands_and_rows_as_datasketch_does(threshold):
    index = MinHashLSH(threshold=threshold, num_perm=112)
    assert NearSettings(threshold=threshold).band_shape == (index.b, index.r)


def test_s_curve_is_the_chance_that_bands_meet():
    curve = s_curve(14, 8)
    assert curve.shape == (101, 2)
    assert curve[[0, 100]].tolist() == [[0, 0], [1, 1]]
    rng = np.random.default_rng(2)
    for similarity, probability in curve[[50, 70, 80, 90]]:
        met = (rng.random((4000, 14, 8)) < similarity).all(axis=2).any(axis=1).mean()
        assert abs(met - probability) < 4 * np.sqrt(probability * (1 - probability) / 4000)


@pytest.mark.parametrize(
    ("key", "settings", "message"),
    [
        ("bands", {"bands": 20}, "20 bands of 8 rows need 160 hashes, but hashes is 112"),
        ("bands", {"bands": 0}, "bands must be at least 1"),
        ("rows", {"rows": 0}, "rows must be at least 1"),
        ("hashes", {"hashes": 0}, "hashes must be at least 1"),
        ("ngram", {"ngram": 0}, "ngram must be 1 to 64"),
        ("keep", {"keep": "best"}, "keep must be first, last, longest, score or source"),
        ("threshold", {"threshold": 1.5}, "between 0 and 1"),
        ("threshold", {"threshold": 0.8, "rows": 4}, "either threshold or bands and rows"),
        ("threshold", {"threshold": 0.999}, "no bands of 112 hashes suit"),
    ],
)
def test_settings_that_make_no_sense(key, settings, message):
    with pytest.raises(SettingError, match=message) as error:
        NearSettings(**settings)
    assert error.value.key == key


def test_a_mistake_in_a_job_is_shown_at_its_place(tmp_path):
    job = tmp_path / "job.yaml"
    job.write_text("hashes: 112\nngram: 5\nbands: 20\n")
    with pytest.raises(Problems, match=r"job\.yaml:3:\d+.*20 bands of 8 rows need 160 hashes"):
        build(NearSettings, load(job))
    job.write_text("threshold: 0.8\nbits: 32\n")
    assert build(NearSettings, load(job)) == NearSettings(threshold=0.8, bits=32)


def test_keys_of_other_settings_are_refused():
    with pytest.raises(ValueError, match="14 bands"):
        find_near(np.zeros((3, 9), np.uint64), np.ones(3, bool), NearSettings())
