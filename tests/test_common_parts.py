"""What tasks have in common is taken out of them once, and put back: they arrive as they were, and small."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from curation.common_parts import Common, common_of


@dataclass(frozen=True)
class Task:
    number: int
    large: Any
    path: Path = Path("x")
    basis: dict = field(default_factory=dict)


SHARED = list(range(10_000))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(), st.sampled_from([SHARED, None, [1]]), st.dictionaries(st.text(max_size=3), st.integers())), max_size=6))
def test_tasks_arrive_as_they_were(values):
    tasks = [Task(number, large, basis=basis) for number, large, basis in values]
    common = pickle.loads(pickle.dumps(common_of(tasks)))
    assert [common.whole(pickle.loads(pickle.dumps(common.less(task)))) for task in tasks] == tasks


def test_what_all_share_is_sent_once():
    tasks = [Task(number, SHARED) for number in range(3)]
    common = common_of(tasks)
    assert common.values["large"] is SHARED and set(common.less(tasks[0])) == {"number", "basis"}
    assert len(pickle.dumps(common.less(tasks[0]))) < 100 < len(pickle.dumps(tasks[0]))
    first, second = (common.whole(common.less(task)) for task in tasks[:2])
    assert first.large is second.large


def test_equal_is_not_the_same_and_other_tasks_are_sent_whole():
    tasks = [Task(1, [1, 2]), Task(1, [1, 2])]
    assert "large" not in common_of(tasks).values
    for others in ([], [1, 2], ["a"], [Task(1, 2), 3]):
        common = common_of(others)
        assert common == Common() and [common.whole(common.less(task)) for task in others] == others
