"""True similarity against Python's sets, and a run whose candidates are verified."""

import itertools
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_duplicates import clusters, run
from test_word_hashes import TEXTS

from curation.normalise import normalised, normalised_characters
from curation.shingle_sets import joined_sets, open_sets, shingle_sets, write_sets
from curation.stages.near import NearSettings
from curation.verification import distinct_edges, edge_similarity
from curation.word_hashes import CHUNK_BYTES


def plain_set(text: str, ngram: int, unit: str = "words") -> frozenset:
    units = normalised(text) if unit == "words" else normalised_characters(text)
    return frozenset(tuple(units[k : k + ngram]) for k in range(len(units) - ngram + 1))


def plain_jaccard(first: frozenset, second: frozenset) -> float:
    return len(first & second) / len(first | second) if first | second else 1.0


@settings(deadline=None, max_examples=60)  # the first call may compile
@given(st.lists(TEXTS, min_size=2, max_size=6), st.integers(1, 3), st.sampled_from(["words", "characters"]), st.integers(0, 6))
@example(["a b " * CHUNK_BYTES, "b a c " * CHUNK_BYTES, ""], 2, "words", 1)
@example(["ab" * CHUNK_BYTES + "é", "ab " * CHUNK_BYTES, ""], 3, "characters", 2)
def test_similarity_is_that_of_sets(tmp_path_factory, texts, ngram, unit, cut):
    """The texts are two shards, and all but the last are members."""
    folder, cut, how = tmp_path_factory.mktemp("sets"), min(cut, len(texts)), NearSettings(ngram=ngram, unit=unit, bands=4, rows=2)
    members = np.arange(len(texts)) < len(texts) - 1
    for number, (begin, end) in enumerate([(0, cut), (cut, len(texts))]):
        some = [text for text, member in zip(texts[begin:end], members[begin:end]) if member]
        halves = [shingle_sets(pa.array(part, pa.string()), how) for part in (some[:1], some[1:])]
        write_sets(folder / str(number), joined_sets(halves))
        assert [len(plain_set(text, ngram, unit)) for text in some] == np.diff(open_sets(folder / str(number)).starts).tolist()
    edges = np.array([*itertools.combinations(range(len(texts) - 1), 2)], np.uint32).reshape(-1, 2)
    found = edge_similarity(edges, members, [folder / "0", folder / "1"], [0, cut])
    expected = [plain_jaccard(plain_set(texts[i], ngram, unit), plain_set(texts[j], ngram, unit)) for i, j in edges.tolist()]
    assert found.tolist() == pytest.approx(expected)


def test_edges_are_taken_once():
    parts = [np.array([[1, 2], [0, 2]], np.uint32), np.array([[1, 2]], np.uint32)]
    assert distinct_edges(parts).tolist() == [[0, 2], [1, 2]] and distinct_edges([]).shape == (0, 2)


@pytest.mark.parametrize("files", [1, 3])
def test_a_run_keeps_candidates_apart_that_are_not_alike(tmp_path, files):
    rng = np.random.default_rng(4)
    rows = []
    for number in range(40):
        words = rng.integers(0, 10**6, 120).astype(str)
        copied = np.where(rng.random(120) < rng.choice([0.01, 0.08]), "other", words)
        rows += [{"id": f"{number}a", "text": " ".join(words)}, {"id": f"{number}b", "text": " ".join(copied)}]
    rows += [{"id": f"short{n}", "text": "page not found"} for n in range(2)]
    output = run(tmp_path, rows, "near: {bands: 28, rows: 4, verify: 0.8}", files)
    texts = {row["id"]: row["text"] for row in rows}
    alike = {n for n in range(40) if plain_jaccard(plain_set(texts[f"{n}a"], 5), plain_set(texts[f"{n}b"], 5)) >= 0.8}
    found = {frozenset(members) for _, members in clusters(output, "near")}
    assert found == {frozenset({f"{n}a", f"{n}b"}) for n in alike} | {frozenset({"short0", "short1"})}
    near = json.loads((output / "report/report.json").read_text())["near"]
    assert near["candidates"] > near["verified"] == len(alike) + 1 and near["precision"] == near["verified"] / near["candidates"]
    assert "precision 0." in (output / "report/report.md").read_text()
