"""Band keys and clusters against plain Python, datasketch's index, and themselves in another order."""

import numpy as np
import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from test_word_hashes import absorb

from curation.clusters import band_keys, point_at_roots, row_numbers, star_edges, union_band, union_bands


def plain_band_key(band: int, entries: list[int]) -> int:
    state = 0x243F6A8885A308D3
    for entry in entries:
        state = absorb(state, entry)
    return absorb(state ^ band, 0)


def components(documents: int, edges: list[tuple[int, int]]) -> list[int]:
    """The smallest member of each document's connected component, by flooding."""
    near: dict[int, set[int]] = {document: set() for document in range(documents)}
    for first, second in edges:
        near[first].add(second)
        near[second].add(first)
    roots: dict[int, int] = {}
    for document in range(documents):
        waiting = [] if document in roots else [document]
        while waiting:
            member = waiting.pop()
            if member not in roots:
                roots[member] = document
                waiting += near[member]
    return [roots[document] for document in range(documents)]


def plain_roots(keys: np.ndarray, eligible: np.ndarray) -> list[int]:
    members = np.flatnonzero(eligible).tolist()
    pairs = [(i, j) for i in members for j in members if i < j and (keys[i] == keys[j]).any()]
    return components(len(keys), pairs)


@st.composite
def keys_and_flags(draw):
    documents, bands = draw(st.integers(0, 30)), draw(st.integers(1, 4))
    values = st.one_of(st.integers(0, 12), st.sampled_from([2**64 - 1, 2**63, 2**53]))
    keys = draw(st_numpy.arrays(np.uint64, (documents, bands), elements=values))
    return keys, draw(st_numpy.arrays(bool, documents))


@settings(deadline=None)  # the first call may compile
@given(keys_and_flags(), st.randoms())
def test_clusters_are_connected_components_in_any_order(drawn, random):
    keys, eligible = drawn
    roots = union_bands(keys, eligible)
    assert roots.tolist() == plain_roots(keys, eligible)
    order = np.array(random.sample(range(len(keys)), len(keys)), int)
    shuffled = order[union_bands(keys[order], eligible[order])]  # a representative of each, in the old numbers
    assert (roots[shuffled] == roots[order]).all()


@settings(deadline=None)
@given(keys_and_flags())
def test_bands_may_come_one_at_a_time_and_in_any_order(drawn):
    keys, eligible = drawn
    parents = np.arange(len(keys))
    for band in reversed(range(keys.shape[1])):
        union_band(parents, keys[:, band], eligible)
    point_at_roots(parents)
    assert (parents == union_bands(keys, eligible)).all()


def test_a_hundred_thousand_keys_in_one_bucket():
    keys = np.repeat(np.arange(50_000, dtype=np.uint64), 2)  # the top bits, which choose the bucket, are all zero
    roots = union_bands(keys.reshape(-1, 1), np.ones(100_000, bool))
    assert (roots == np.arange(100_000) // 2 * 2).all()


def test_a_hundred_thousand_equal_keys_are_one_cluster():
    roots = union_bands(np.full((100_000, 2), 7, np.uint64), np.ones(100_000, bool))
    assert (roots == 0).all()


@pytest.mark.parametrize("entry_type", [np.uint32, np.uint64])
def test_band_keys_are_the_formula(entry_type):
    signatures = np.random.default_rng(1).integers(0, np.iinfo(entry_type).max, (5, 11), entry_type)
    keys = band_keys(signatures, 3, 3)
    expected = [[plain_band_key(b, row[3 * b : 3 * b + 3]) for b in range(3)] for row in signatures.tolist()]
    assert keys.dtype == np.uint64 and keys.tolist() == expected
    assert (band_keys(np.asfortranarray(signatures), 3, 3) == keys).all()


@pytest.mark.parametrize(("bands", "rows"), [(3, 4), (0, 3), (3, 0)])
def test_band_keys_refuse_more_rows_than_there_are(bands, rows):
    with pytest.raises(ValueError, match=f"{bands} bands of {rows} rows"):
        band_keys(np.zeros((2, 11), np.uint64), bands, rows)


@pytest.mark.parametrize(("entry_type", "scheme"), [(np.uint64, "affine64"), (np.uint32, "affine32")])
def test_clusters_are_those_of_datasketch(entry_type, scheme):
    rng = np.random.default_rng(5)
    signatures = rng.integers(0, np.iinfo(entry_type).max, (300, 112), entry_type)
    for copy in range(150, 300):  # near copies of earlier ones, at a similarity where bands meet by chance
        keep = rng.random(112) < rng.uniform(0.5, 0.95)
        signatures[copy, keep] = signatures[rng.integers(0, copy), keep]
    index, sketches = MinHashLSH(num_perm=112, params=(14, 8)), []
    for row, signature in enumerate(signatures):
        sketches.append(MinHash(num_perm=112, hashvalues=signature, scheme=scheme))
        index.insert(row, sketches[-1])
    edges = [(row, other) for row, sketch in enumerate(sketches) for other in index.query(sketch)]
    expected = components(300, edges)
    assert 160 < len(set(expected)) < 280
    assert union_bands(band_keys(signatures, 14, 8), np.ones(300, bool)).tolist() == expected


@settings(deadline=None, max_examples=60)
@given(keys_and_flags())
def test_edges_are_stars_and_chains(drawn):
    keys, eligible = drawn
    rows = row_numbers(np.flatnonzero(eligible))
    expected, chained = [], []
    for row in rows.tolist():
        holders = [other for other in rows.tolist() if other < row and keys[other, 0] == keys[row, 0]]
        expected += [(holders[0], row)] if holders else []
        chained += [(holders[0], row)] + [(holders[-1], row)] * (len(holders) > 1) if holders else []
    assert sorted(map(tuple, star_edges(keys[rows, 0], rows).tolist())) == sorted(expected)
    assert sorted(map(tuple, star_edges(keys[rows, 0], rows, chains=True).tolist())) == sorted(chained)


def test_more_documents_than_fit_in_a_row_number():
    with pytest.raises(ValueError, match="at most 4,294,967,296 documents"):
        row_numbers(np.array([2**32]))


def test_lengths_that_do_not_match():
    with pytest.raises(ValueError, match="do not match"):
        union_band(np.arange(2), np.zeros(3, np.uint64), np.ones(3, bool))
