"""Keys that are held against keys that tasks read from files: the same edges, the same decision."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.decision import decide, open_keys, write_decision
from curation.duplicates import _packed, as_of_today, unpacked
from curation.near_clusters import BandTask, JoinTask, are_held, held_edges, joined_roots, run_bands, run_join
from curation.stages.exact import ExactSettings
from curation.stages.near import NearSettings

BANDS, ROWS = 3, 2


def write_keys(folder: Path, counts: list[int], seed: int) -> list[str]:
    """Keys of as many documents in each file as `counts` says; words of signatures are few, so that bands meet."""
    rng, paths = np.random.default_rng(seed), []
    for number, count in enumerate(counts):
        hashes, without = rng.integers(0, 6, (2, count), np.uint64), rng.random(count) < 0.3
        without[:1] = False  # that no document has a hash is refused
        table = pa.table({
            "id": pa.array([f"{number}-{row}" for row in range(count)], pa.string()), "length": rng.integers(1, 4, count), "size": rng.integers(1, 3, count),
            "hash_high": pa.array(hashes[0], mask=without), "hash_low": hashes[1], "group": rng.integers(0, 2, count, np.uint64),
            "signature": (_packed if rng.random() < 0.7 else as_lists)(rng.integers(0, 3, (count, BANDS * ROWS), np.uint64)),
        })  # fmt: skip
        paths.append(f"{number}.keys.parquet")
        pq.write_table(table, folder / paths[-1], row_group_size=7)
    return paths


def as_lists(signatures: np.ndarray) -> pa.Array:
    """What earlier versions wrote."""
    return pa.FixedSizeListArray.from_arrays(pa.array(signatures.reshape(-1)), signatures.shape[1])


def edges_of_tasks(folder: Path, paths: list[str], alive: np.ndarray, first_rows: list[int], chains: bool) -> np.ndarray:
    bands = [BandTask(folder, path, f"{path}.bands", (BANDS, ROWS), 0, f"bands/{path}", "key") for path in paths]
    np.save(folder / "alive.npy", alive)
    for task in bands:
        run_bands(task)
    run_join(JoinTask(folder, tuple(task.path for task in bands), tuple(first_rows), "alive.npy", "edges.npy", 0, 0, chains, "join/0", "key"))
    return np.load(folder / "edges.npy")


def decided(folder: Path, paths: list[str], how: SimpleNamespace, hold: bool) -> tuple:
    keys = open_keys([folder / path for path in paths], hold=hold)
    decision = decide(keys, how, ("exact", "near"), lambda alive: joined_roots(len(alive), [held_edges(keys, alive, how.near)]))
    drops = [f"drops-{number}.parquet" for number in range(len(paths))]
    return decision, write_decision(decision, keys, folder / f"decided-{hold}", drops)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 25), min_size=1, max_size=4), st.integers(0, 10**6), st.booleans(), st.sampled_from(["corpus", "language"]), st.sampled_from(["first", "longest"]))
def test_keys_that_are_held_give_the_same_edges_and_the_same_decision(tmp_path_factory, counts, seed, verify, within, keep):
    folder = tmp_path_factory.mktemp("keys")
    paths = write_keys(folder, counts, seed)
    if within == "corpus":
        for path in paths:
            pq.write_table(pq.read_table(folder / path).drop_columns(["group"]), folder / path, row_group_size=7)
    near = NearSettings(bands=BANDS, rows=ROWS, hashes=BANDS * ROWS, verify=0.5 if verify else None, within=within, keep=keep)
    alive = np.random.default_rng(seed).random(sum(counts)) < 0.8
    expected = edges_of_tasks(folder, paths, alive, np.cumsum([0, *counts])[:-1].tolist(), verify)
    assert held_edges(open_keys([folder / path for path in paths], hold=True), alive, near).tolist() == expected.tolist()
    how = SimpleNamespace(exact=ExactSettings(), near=near)
    (held, held_files), (read, read_files) = (decided(folder, paths, how, hold) for hold in (True, False))
    assert held_files == read_files and held.clusters == read.clusters
    assert held.jaccard.tolist() == read.jaccard.tolist() and held.kept.tolist() == read.kept.tolist()
    names = [f"{number}-{row}" for number, count in enumerate(counts) for row in range(count)]
    drops = [row for number in range(len(paths)) for row in pq.read_table(folder / f"decided-True/drops-{number}.parquet").to_pylist()]
    assert [row["kept_id"] for row in drops] == [names[kept] if stage else None for stage, kept in zip(held.stage, held.kept)]


@pytest.mark.parametrize("kind", [np.uint64, np.uint32])
def test_signatures_come_back_as_they_were_written(kind):
    signatures = np.random.default_rng(1).integers(0, 2**32, (9, 5)).astype(kind)
    whole, lists = pa.chunked_array([_packed(signatures)]), pa.chunked_array([as_lists(signatures)])
    for column in (whole, lists, pa.chunked_array([whole.chunk(0)[:4], whole.chunk(0)[4:]])):
        assert unpacked(column).tolist() == signatures.tolist() and unpacked(column).dtype == kind
        assert unpacked(column[2:6]).tolist() == signatures[2:6].tolist()
    assert unpacked(whole[:0]).shape == (0, 0)
    for count in (9, 4, 0):
        assert as_of_today(pa.table({"id": range(count), "signature": lists[:count]})) == pa.table({"id": range(count), "signature": whole[:count]})
    assert as_of_today(pa.table({"id": [1]})) == pa.table({"id": [1]})


def test_keys_are_held_where_they_and_the_memory_allowed_are_no_more_than_that(tmp_path):
    (tmp_path / "a").write_bytes(bytes(1000))
    assert are_held(tmp_path, ["a"], 8000) and not are_held(tmp_path, ["a"], 7999) and not are_held(tmp_path, ["a", "a"], 8000)
