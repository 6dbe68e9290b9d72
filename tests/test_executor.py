"""Tasks give the same results inline and on Ray, and an error in a task arrives as itself."""

from __future__ import annotations

import pytest

from curation.executor import map_tasks, stop_workers, worker_count
from curation.manifest import key_of
from rules.places import Problems, load


@pytest.fixture(scope="module", autouse=True)
def stopped_afterwards():
    yield
    stop_workers()


def test_worker_count():
    assert worker_count("inline") == 0 and worker_count(3) == 3
    assert worker_count("auto") != 1


def test_inline_keeps_order():
    assert list(map_tasks(key_of, [1, 2, 3], "inline")) == [key_of(i) for i in (1, 2, 3)]


def test_ray_gives_the_same_results():
    assert sorted(map_tasks(key_of, list(range(10)), 2)) == sorted(key_of(i) for i in range(10))


@pytest.mark.parametrize("workers", ["inline", 2])
def test_an_error_in_a_task_arrives_as_itself(workers):
    with pytest.raises(Problems, match="absent.yaml:1:1: R100 cannot read this file"):
        list(map_tasks(load, ["absent.yaml", "absent.yaml"], workers))
