"""Packing plans against plain definitions: the same rows, every piece once, no row too full, sums by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.best_fit import (
    cut_statistics,
    documents_concat_cuts,
    mean_context,
    plan_best_fit,
    row_statistics,
)


@st.composite
def corpora(draw, longest_over_capacity: int = 1):
    """Lengths and a capacity; lengths up to `longest_over_capacity` times the capacity."""
    capacity = draw(st.integers(1, 70))
    sizes = st.integers(1, capacity * longest_over_capacity)
    return np.array(draw(st.lists(sizes, max_size=80)), np.int64), capacity


def plain_best_fit(lengths, capacity: int, window: int) -> tuple[list[int], int]:
    """The definition: longest first, least room that fits, of several the row used last; rows are closed by window."""
    row_of_piece, rows = [0] * len(lengths), 0
    for first in range(0, len(lengths), window):
        room: dict[int, int] = {}  # row -> room, in the order of last use
        for piece in sorted(range(first, min(first + window, len(lengths))), key=lambda p: (-lengths[p], p)):
            fitting = [row for row in room if room[row] >= lengths[piece]]
            if fitting:
                least = min(room[row] for row in fitting)
                row = [row for row in fitting if room[row] == least][-1]
            else:
                row, rows = rows, rows + 1
            room[row] = room.pop(row, capacity) - lengths[piece]
            row_of_piece[piece] = row
    return row_of_piece, rows


@settings(max_examples=300, deadline=None)
@given(corpora(), st.integers(1, 100))
def test_best_fit_is_the_plain_definition(corpus, window):
    lengths, capacity = corpus
    row_of_piece, rows = plan_best_fit(lengths, capacity, window)
    expected, expected_rows = plain_best_fit(lengths.tolist(), capacity, window)
    assert row_of_piece.dtype == np.int64 and row_of_piece.tolist() == expected and rows == expected_rows


@settings(max_examples=200, deadline=None)
@given(corpora(), st.integers(1, 100))
def test_every_piece_has_a_row_and_no_row_is_too_full_or_empty(corpus, window):
    lengths, capacity = corpus
    row_of_piece, rows = plan_best_fit(lengths, capacity, window)
    filled = np.bincount(row_of_piece, lengths, rows) if rows else np.zeros(0)
    assert len(row_of_piece) == len(lengths) and len(filled) == rows
    assert (filled <= capacity).all() and (filled > 0).all()


def test_large_capacities_and_windows():
    lengths = np.random.default_rng(7).integers(1, 131_073, 3_000)
    row_of_piece, rows = plan_best_fit(lengths, 131_072)
    assert np.bincount(row_of_piece, lengths, rows).max() <= 131_072
    assert (row_of_piece.tolist(), rows) == plain_best_fit(lengths.tolist(), 131_072, 10_000)


def test_padding_is_small_on_documents_of_many_lengths():
    lengths = np.clip(np.random.default_rng(1).lognormal(6.4, 1.0, 40_000).astype(np.int64), 1, 2048)
    row_of_piece, rows = plan_best_fit(lengths, 2048)
    assert row_statistics(lengths, row_of_piece, rows, 2048)["padding_frac"] < 0.001


@pytest.mark.parametrize(
    ("lengths", "capacity", "window", "says"),
    [([5], 4, 10, "split it first"), ([0], 4, 10, "at least 1 token"), ([1], 0, 10, "at least 1 token"), ([1], 4, 0, "window")],
)
def test_lengths_that_make_no_sense_are_refused(lengths, capacity, window, says):
    with pytest.raises(ValueError, match=says):
        plan_best_fit(np.array(lengths), capacity, window)


@settings(max_examples=200, deadline=None)
@given(corpora(longest_over_capacity=4))
def test_concat_cuts_a_stream_every_capacity_tokens(corpus):
    lengths, capacity = corpus
    stream = [piece for piece, length in enumerate(lengths) for _ in range(length)]
    rows = [set(stream[first : first + capacity]) for first in range(0, len(stream), capacity)]
    in_several_rows = [sum(piece in row for row in rows) > 1 for piece in range(len(lengths))]
    assert documents_concat_cuts(lengths, capacity).tolist() == in_several_rows


@settings(max_examples=200, deadline=None)
@given(corpora(), st.integers(1, 30))
def test_row_statistics_by_brute_force(corpus, window):
    lengths, capacity = corpus
    row_of_piece, rows = plan_best_fit(lengths, capacity, window)
    found = row_statistics(lengths, row_of_piece, rows, capacity)
    sequences = [[int(n) for n, r in zip(lengths, row_of_piece) if r == row] for row in range(rows)]
    tokens = sum(map(sum, sequences))
    attended = sum(sum(range(1, n + 1)) for row in sequences for n in row)
    unbounded = sum(sum(range(1, sum(row) + 1)) for row in sequences)
    assert (found["rows"], found["pieces"], found["tokens"]) == (rows, len(lengths), tokens)
    assert found["padding_tokens"] == sum(capacity - sum(row) for row in sequences)
    assert found["pieces_per_row_max"] == max(map(len, sequences), default=0)
    if rows:
        assert found["padding_frac"] == found["padding_tokens"] / (rows * capacity)
        assert found["pieces_per_row_mean"] == pytest.approx(len(lengths) / rows)
        assert found["context_mean_tokens"] == pytest.approx(attended / tokens)
        assert found["context_without_boundaries_mean_tokens"] == pytest.approx(unbounded / tokens)


@settings(max_examples=200, deadline=None)
@given(corpora(longest_over_capacity=3))
def test_cut_statistics_by_brute_force(corpus):
    lengths, capacity = corpus
    starts = [sum(lengths[:d]) for d in range(len(lengths))]
    crossed = [any((start + i) % capacity == 0 for i in range(1, n)) for start, n in zip(starts, lengths)]
    cut = lengths > capacity
    found = cut_statistics(lengths, cut, documents_concat_cuts(lengths, capacity), capacity)
    assert found["documents"] == len(lengths) and found["documents_cut"] == sum(cut)
    assert found["documents_concat_would_cut"] == sum(crossed)
    assert found["documents_concat_would_cut_needlessly"] == sum(c and n <= capacity for c, n in zip(crossed, lengths))


def test_neighbouring_rows_tell_a_shuffled_plan_from_a_sorted_one():
    lengths = np.random.default_rng(3).integers(1, 200, 4_000)
    row_of_piece, rows = plan_best_fit(lengths, 256, 4_000)
    shuffle = np.random.default_rng(4).permutation(rows)
    sorted_rows = row_statistics(lengths, row_of_piece, rows, 256)["neighbouring_rows_correlation"]
    assert sorted_rows > 0.6 > 0.1 > abs(row_statistics(lengths, shuffle[row_of_piece], rows, 256)["neighbouring_rows_correlation"])


def test_nothing_to_pack():
    empty = np.zeros(0, np.int64)
    row_of_piece, rows = plan_best_fit(empty, 8)
    assert len(row_of_piece) == 0 and rows == 0
    assert row_statistics(empty, row_of_piece, rows, 8)["padding_frac"] == 0.0
    assert mean_context(empty) == 0.0
