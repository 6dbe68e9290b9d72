"""The memory formula against what is measured, and its refusal."""

import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.decision import decide, open_keys
from curation.duplicates import DuplicatesError
from curation.inputs import list_inputs, plan_shards
from curation.job import load_job
from curation.memory import (
    allowed_bytes,
    check_memory,
    expected_documents,
    foretold_memory,
    memory_of_machine,
    needed_bytes,
    partition_bytes,
)
from curation.near_clusters import joined_roots
from curation.progress import Progress
from curation.run import run_job
from curation.sizes import parse_size, shown_size
from curation.stages.exact import ExactSettings
from curation.stages.near import NearSettings
from rules.places import Problems, SettingError


@pytest.mark.parametrize(("text", "size"), [("8 GB", 8 * 10**9), ("1.5gib", 3 << 29), ("500MiB", 500 << 20), (1000, 1000), ("2k", 2000)])
def test_sizes(text, size):
    assert parse_size(text) == size == allowed_bytes(text) == partition_bytes(text)


@pytest.mark.parametrize("text", ["", "much", "-1GB", "0", "3 XB", "1 GB of it"])
def test_sizes_that_make_no_sense(text):
    with pytest.raises(SettingError, match="a size such as 8GB"):
        parse_size(text)


@pytest.mark.parametrize(("size", "text"), [(8 * 10**9, "8 GB"), (1_234_567, "1.23 MB"), (5000, "5 kB"), (7, "7 B")])
def test_sizes_are_shown_as_they_are_read(size, text):
    assert shown_size(size) == text and abs(parse_size(text) - size) < 0.01 * size


def test_auto_is_half_of_what_is_free():
    assert 0 < allowed_bytes("auto") <= memory_of_machine("MemTotal") // 2 == partition_bytes("auto")


class Settings:
    exact, near = ExactSettings(), NearSettings()


@pytest.mark.parametrize("barrier", [("exact",), ("near",), ("exact", "near")])
def test_the_decision_takes_what_the_formula_says(tmp_path, barrier):
    """tracemalloc sees numpy's memory, which is what grows with documents; not Arrow's, which holds a shard and members."""
    count, rng = 300_000, np.random.default_rng(0)
    table = pa.table({
        "id": pa.array(np.arange(count).astype(str)), "length": rng.integers(1, 9000, count), "size": np.ones(count, np.int64),
        "hash_high": rng.integers(0, 2**63, count, np.uint64), "hash_low": rng.integers(0, 2**63, count, np.uint64),
        "signature": pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(count, np.uint64)), 1),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "keys.parquet", row_group_size=20_000)
    edges = np.column_stack([np.arange(0, 20_000, 2), np.arange(1, 20_000, 2)]).astype(np.uint32)
    joined_roots(3, [edges[:1]])
    tracemalloc.start()
    keys = open_keys([tmp_path / "keys.parquet"])
    decision = decide(keys, Settings, barrier, lambda alive: joined_roots(count, [edges]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (decision.stage > 0).sum() == (10_000 if "near" in barrier else 0)
    assert 0.6 * needed_bytes(count, barrier) < peak <= needed_bytes(count, barrier) + 6_000_000


def test_documents_are_known_from_footers_and_else_estimated(tmp_path):
    pq.write_table(pa.table({"text": ["one", "two", "three"]}), tmp_path / "a.parquet", row_group_size=2)
    shards = plan_shards(list_inputs([str(tmp_path)], tmp_path), shard_bytes=1)
    assert [shard.records for shard in shards] == [2, 1] and expected_documents(shards) == (3, False)
    (tmp_path / "b.txt").write_text("one document")
    assert expected_documents(plan_shards(list_inputs([str(tmp_path)], tmp_path))) == (4, False)
    (tmp_path / "c.jsonl").write_text('{"text": "one two three"}\n' * 1000)
    assert expected_documents(plan_shards(list_inputs([str(tmp_path)], tmp_path))) == (11, True)


class Notes(Progress):
    def __init__(self):
        self.heard = []

    def note(self, text):
        self.heard.append(text)

    def stage(self, title, waiting, done_before=0):
        self.heard.append(title)
        return super().stage(title, waiting, done_before)


def test_memory_is_told_before_anything_is_read(tmp_path):
    pq.write_table(pa.table({"text": ["one", "two", "three", "three"]}), tmp_path / "a.parquet")
    job, notes = tmp_path / "job.yaml", Notes()
    job.write_text("input: a.parquet\noutput: out\nexact: {}\nmemory: 1MB\nworkers: inline\n")
    run_job(load_job(job), progress=notes)
    assert notes.heard[0] == "duplicates: at most 540 B of memory for 4 documents; allowed 1 MB"
    assert notes.heard[1] == "read" and "remove duplicates" in notes.heard[2:]
    job.write_text("input: a.parquet\noutput: out\nexact: {}\nmemory: 100\nworkers: inline\n")
    assert run_job(load_job(job)).report["kept"] == 3  # decided already: needs no memory
    job.write_text("input: a.parquet\noutput: near\nnear: {threshold: 0.8}\nworkers: inline\n")
    run_job(load_job(job), progress=(curve := Notes()))
    assert curve.heard[1].startswith("near: 9 bands of 12 rows; two documents meet with probability") and curve.heard[2] == "read"
    job.write_text("input: a.parquet\noutput: other\nexact: {}\nmemory: 100\nworkers: inline\n")
    with pytest.raises(DuplicatesError, match="set memory"):
        run_job(load_job(job), progress=(refused := Notes()))
    assert "read" not in refused.heard
    assert not [note for note in notes.heard[1:] if "memory" in note], "said once"
    tight = "memory to decide about duplicates: at most 4 documents * 135 bytes = 540 B; allowed are 600 B (memory: 600B)"
    assert foretold_memory(4, False, ("exact",), "600B") == tight and check_memory(4, ("exact",), "600B") == tight.replace("at most ", "")
    assert foretold_memory(4, True, ("exact",), "1MB") == "duplicates: about 540 B of memory for about 4 documents, guessed from the size of the input; allowed 1 MB"
    short = foretold_memory(10**6, True, ("near",), "10MB")
    assert "at most about 1,000,000 documents" in short and "memory allows 10 MB: set memory: 94.8 MB or more" in short


def test_over_budget_is_refused_with_the_setting_and_goes_on_with_more(tmp_path):
    with pytest.raises(DuplicatesError, match=r"1,000,000 documents .* memory allows 10 MB: set memory: \d+\.\d+ MB or more"):
        check_memory(10**6, ("near",), "10MB")
    (tmp_path / "a.jsonl").write_text('{"text": "one two three"}\n' * 4)
    job = tmp_path / "job.yaml"
    job.write_text("input: a.jsonl\noutput: out\nexact: {}\nmemory: 100\n")
    with pytest.raises(DuplicatesError, match="set memory"):
        run_job(load_job(job))
    job.write_text("input: a.jsonl\noutput: out\nexact: {}\nmemory: 1MB\n")
    result = run_job(load_job(job))
    assert result.done_before == 1 and result.report["kept"] == 1
    job.write_text("input: a.jsonl\noutput: out\nexact: {}\nmemory: plenty\n")
    with pytest.raises(Problems, match=r"job\.yaml:4:9: R103 memory is auto or a size"):
        load_job(job)
