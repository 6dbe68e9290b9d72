"""Partitions of band files against all keys at once."""

import errno
import os
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_clusters import keys_and_flags

from curation.band_files import MAGIC, BandFileError, partition_bits, read_partition, write_band_file
from curation.clusters import join_edges, point_at_roots, star_edges, union_bands


def write_shards(folder, keys: np.ndarray, cuts: list[int], bits: int) -> tuple[list, list[int]]:
    files = []
    for number, (begin, end) in enumerate(zip(cuts, cuts[1:])):
        files.append(folder / f"{number}.bands")
        write_band_file(files[-1], keys[begin:end], bits)
    return files, cuts[:-1]


@settings(deadline=None, max_examples=50)  # the first call may compile
@given(keys_and_flags(), st.integers(0, 3), st.lists(st.integers(0, 30), max_size=3))
def test_clusters_of_partitions_are_those_of_all_keys_at_once(tmp_path_factory, drawn, bits, cuts):
    keys, eligible = drawn
    keys = keys << np.uint64(2) | np.arange(keys.shape[1], dtype=np.uint64)  # as band_keys gives them: a key tells its band
    cuts = [0, *sorted(min(cut, len(keys)) for cut in cuts), len(keys)]
    files, first_rows = write_shards(tmp_path_factory.mktemp("bands"), keys, cuts, bits)
    parents, entries = np.arange(len(keys)), 0
    for partition in range(1 << bits):
        found = read_partition(files, first_rows, bits, partition)
        assert bits == 0 or (found.keys >> np.uint64(64 - bits) == partition).all()
        assert (keys[found.rows] == found.keys[:, None]).any(axis=1).all() and (np.diff(found.rows.astype(int)) >= 0).all()
        stays = eligible[found.rows]
        join_edges(parents, star_edges(found.keys[stays], found.rows[stays], bits))
        entries += len(found.keys)
    point_at_roots(parents)
    assert entries == keys.size and (parents == union_bands(keys, eligible)).all()


def test_a_file_that_is_not_whole_is_refused(tmp_path):
    files, first_rows = write_shards(tmp_path, np.arange(20, dtype=np.uint64).reshape(10, 2), [0, 10], 1)
    assert files[0].read_bytes()[:8] == MAGIC
    with pytest.raises(BandFileError, match="of 4 partitions"):
        read_partition(files, first_rows, 2, 0)
    for size in (0, 7, 30, files[0].stat().st_size - 1):
        os.truncate(files[0], size)
        with pytest.raises(BandFileError, match="not a whole band file"):
            read_partition(files, first_rows, 1, 0)


def test_partitions_fit_in_memory():
    assert partition_bits(0, 1 << 20) == partition_bits(1000, 1 << 20) == 0
    entries, memory = 280_000_000, 1 << 30
    assert 80 * entries >> partition_bits(entries, memory) <= memory < 80 * entries >> partition_bits(entries, memory) - 1


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small file system can be mounted by root alone")
    try:
        with pytest.raises(OSError) as error:
            write_band_file(disk / "a.bands", np.zeros((10_000, 2), np.uint64), 2)
        assert error.value.errno == errno.ENOSPC and not list(disk.iterdir())
    finally:
        subprocess.run(["umount", str(disk)], check=True)
