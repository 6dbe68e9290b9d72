"""Clusters are those of datatrove's own stages; precision and recall are those that the S-curve promises."""

import itertools

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from oracle import near_peer

from curation.clusters import band_keys
from curation.normalise import normalised
from curation.stages.near import NearSettings, find_near, near_keys, s_curve


def our_clusters(texts: list[str], how: NearSettings) -> list[int]:
    found, shingles = near_keys(pa.array(texts, pa.large_string()), how)
    return find_near(band_keys(found, *how.band_shape), shingles > 0, how).tolist()


def made_up(count: int, seed: int = 5) -> list[str]:
    """Texts and copies of them with some words changed, some of them shorter than a shingle."""
    rng = np.random.default_rng(seed)
    known = np.array(["".join(rng.choice(list("abcdefghijklmnopqrst"), 5)) for _ in range(3000)])
    texts: list[str] = []
    for number in range(count):
        words = rng.choice(known, int(rng.choice([3, 8, 60, 200])))
        if number % 3 and texts:
            words = np.array(texts[rng.integers(len(texts))].split())
            words = np.where(rng.random(len(words)) < rng.choice([0.005, 0.02, 0.05]), "word", words)
        texts.append(" ".join(words))
    return texts


@pytest.mark.parametrize(("compatible", "words"), [("datatrove_space", str.split), ("datatrove", None)])
def test_clusters_of_made_up_texts_are_datatroves(tmp_path, compatible, words):
    texts = [f"{text}. Don't stop, {n % 7}!" if n % 2 else text for n, text in enumerate(made_up(120 if words is None else 300))]
    expected = near_peer.clusters(texts, tmp_path, words)
    assert len(texts) // 4 < len(set(expected)) < len(texts) * 0.9
    assert our_clusters(texts, NearSettings(compatible=compatible)) == expected


def test_clusters_of_the_sample_are_datatroves(shared_data, tmp_path):
    texts = parquet.read_table(shared_data / "sample" / "part-0002.parquet", columns=["text"])["text"].to_pylist()
    texts = [text for text in texts if len(text) < 4000][:500]
    expected = near_peer.clusters(texts, tmp_path, str.split)
    assert len(set(expected)) < len(texts) - 10
    assert our_clusters(texts, NearSettings(compatible="datatrove_space")) == expected


def test_precision_and_recall_match_the_s_curve(shared_data):
    """Candidate pairs of 700 real documents against brute force; benchmarks/duplicates.py does 3,000."""
    table = parquet.read_table(shared_data / "sample" / "part-0000.parquet", columns=["text"])
    texts = [text for text in dict.fromkeys(table["text"].to_pylist()) if len(text) < 6000][:700]
    how = NearSettings()
    keys = band_keys(near_keys(pa.array(texts), how)[0], *how.band_shape)
    words = [normalised(text) for text in texts]
    sets = [frozenset(zip(*(some[j:] for j in range(5)))) or frozenset({tuple(some)}) for some in words]
    pairs = [(i, j) for i, j in itertools.combinations(range(len(texts)), 2) if not sets[i].isdisjoint(sets[j])]
    similarity = np.array([len(sets[i] & sets[j]) / len(sets[i] | sets[j]) for i, j in pairs])
    met = np.array([(keys[i] == keys[j]).any() for i, j in pairs])
    chance = np.interp(similarity, *s_curve(14, 8, 1001).T)
    assert chance.sum() > 20 and abs(met.sum() - chance.sum()) < 4 * np.sqrt((chance * (1 - chance)).sum())
