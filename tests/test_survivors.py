"""The policies against plain Python, in any order of the documents."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.survivors import WORST, Survivor, choose_kept, ranks
from rules.places import SettingError

HOW = {
    "first": Survivor("first"), "last": Survivor("last"), "longest": Survivor("longest"),
    "score": Survivor("score", score="points"), "source": Survivor("source", sources=("wiki", "books")),
}  # fmt: skip
ROWS = st.tuples(st.integers(0, 4), st.sampled_from(["wiki", "books", "web", None]), st.sampled_from([0.5, 1.0, None, float("nan")]), st.integers(0, 2))


def plain_best(rows: list[tuple], members: list[int], keep: str) -> int:
    def goodness(row: int) -> tuple:
        _, source, points, length = rows[row]
        place = ("wiki", "books").index(source) if source in ("wiki", "books") else 9
        score = points if points is not None and points == points else -1.0
        rank = {"score": score, "source": -place}.get(keep, 0)
        return (-rank, -length, f"id-{row}")

    if keep in ("first", "last"):
        return members[0 if keep == "first" else -1]
    return min(members, key=goodness)


def kept_rows(rows: list[tuple], order: list[int], keep: str) -> dict[int, int]:
    """For each document the one that is kept, found with the documents in `order`."""
    labels = [rows[row][0] for row in order]
    table = pa.table({"source": pa.array([rows[r][1] for r in order], pa.string()), "points": pa.array([rows[r][2] for r in order], pa.float32())})
    roots = np.array([labels.index(label) for label in labels], np.int64)
    rank, ids = ranks(table, HOW[keep]), pa.array([f"id-{row}" for row in order])
    found = choose_kept(roots, HOW[keep], None if rank is None else rank.to_numpy(), np.array([rows[r][3] for r in order], np.int64), lambda some: ids.take(pa.array(some)))
    return {order[place]: order[kept] for place, kept in enumerate(found.tolist())}


@settings(deadline=None, max_examples=80)  # the first call may compile
@given(st.lists(ROWS, max_size=20), st.sampled_from(list(HOW)), st.randoms())
def test_policies_choose_as_plain_python_does_in_any_order(rows, keep, random):
    expected = {row: plain_best(rows, [r for r in range(len(rows)) if rows[r][0] == rows[row][0]], keep) for row in range(len(rows))}
    assert kept_rows(rows, list(range(len(rows))), keep) == expected
    if keep not in ("first", "last"):
        assert kept_rows(rows, random.sample(range(len(rows)), len(rows)), keep) == expected


def test_ranks_of_columns():
    table = pa.table({"source": ["web", "wiki"], "points": ["3", "x"], "number": [1, None]})
    assert ranks(table, Survivor("score", score="number")).to_pylist() == [1.0, WORST]
    assert ranks(table, Survivor("score", score="absent")).to_pylist() == [WORST, WORST]
    assert ranks(table, Survivor()) is None
    with pytest.raises(ValueError, match="column 'points' holds string"):
        ranks(table, Survivor("score", score="points"))


@pytest.mark.parametrize(
    ("key", "given"),
    [
        ("keep", {"keep": "shortest"}), ("keep", {"keep": "score"}), ("score", {"score": "points"}), ("keep", {"keep": "source"}),
        ("sources", {"sources": ("a",)}), ("sources", {"keep": "source", "sources": ("a", "a")}),
    ],
)  # fmt: skip
def test_settings_that_make_no_sense(key, given):
    with pytest.raises(SettingError) as error:
        Survivor(**given)
    assert error.value.key == key
