"""Records that kill: each is found and quarantined with why, and no other record is lost."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from corpus import write_corpus, write_job

from curation.job import load_job
from curation.run import run_job
from curation.verify import verify
from faults.runs import Run, data_files, go_on

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds the processes of a run in Linux's /proc")

POISON = {"qzcrash": "crash", "qzhang": "hang", "qzmemory": "memory", "qzraise": "raise"}
CAUSES = {"qzcrash": "rules-crashed", "qzhang": "rules-timeout", "qzmemory": "rules-memory", "qzraise": "rules-failed"}


def poisoned(folder: Path, words: list[str]) -> tuple[Path, dict[str, str]]:
    """A corpus with poison words in documents of one shard, and the ids of those documents by word."""
    corpus, ids = write_corpus(folder / "corpus", count=48), {}
    path = corpus / "part-2.jsonl"
    lines = path.read_text().splitlines()
    for place, word in zip((2, 5, 7, 8), words):
        row = json.loads(lines[place])
        row["text"] += f" {word}"
        ids[word] = row["id"]
        lines[place] = json.dumps(row)
    path.write_text("\n".join(lines) + "\n")
    return corpus, ids


def quarantined(output: Path) -> dict[str, dict]:
    return {row["id"]: row for path in sorted((output / "quarantine").glob("*.parquet")) for row in pq.read_table(path).to_pylist()}


@pytest.mark.parametrize(("workers", "ray"), [("inline", False), ("2", False), ("2", True)], ids=["inline", "forked", "ray"])
def test_poison_is_found_and_the_rest_goes_on(tmp_path, workers, ray):
    """Records that crash, hang, take all memory or raise: each is quarantined with why, and no other record is."""
    corpus, ids = poisoned(tmp_path, list(POISON))
    job = write_job(tmp_path / "job.yaml", corpus, more="limits: {seconds_per_record: 3, memory_per_record: 400MiB}")
    run = Run(job, workers, faults={"poison": POISON}, ray=ray)
    assert run.finish() == 3, run.said
    rows = quarantined(run.output)
    assert len(rows) == 5, "four, and a line that is no JSON"
    for word, cause in CAUSES.items():
        assert rows[ids[word]]["cause"] == cause and word.encode() in rows[ids[word]]["raw"]
    assert "SIGSEGV" in rows[ids["qzcrash"]]["error"] and "in clean" in rows[ids["qzcrash"]]["error"]
    assert "in clean" in rows[ids["qzhang"]]["error"] and "seconds_per_record" in rows[ids["qzhang"]]["error"]
    assert "this record is poison" in rows[ids["qzraise"]]["error"]
    assert verify(run.output).problems == []
    again = run_job(load_job(job))
    assert again.done_before == again.units, "nothing is done again, and the poison is not met again"
    job.write_text(job.read_text().replace("memory_per_record: 400MiB", "memory_per_record: 500MiB"))
    fresh = run_job(load_job(job))
    assert fresh.report["quarantined"] == 1, "under other limits, what they condemned is tried again"


def test_what_poison_leaves_is_as_if_it_had_not_been_there(tmp_path):
    """The rest of the batch is processed together: the same bytes as without the records that crashed."""
    corpus, ids = poisoned(tmp_path / "a", ["qzcrash"])
    run = Run(write_job(tmp_path / "a/job.yaml", corpus), faults={"poison": POISON})
    assert run.finish() == 3, run.said
    path = Path(shutil.copytree(corpus, tmp_path / "b/corpus")) / "part-2.jsonl"
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if "qzcrash" not in line))
    run_job(load_job(write_job(tmp_path / "b/job.yaml", path.parent)))
    mine, theirs = data_files(run.output), data_files(tmp_path / "b/out")
    differ = {name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name)}
    assert {name.split("/")[0] for name in differ} <= {"quarantine", "packed"}, differ


def test_a_page_that_crashes_the_extraction(tmp_path):
    """Of an archive, one record is lost, and it is the right one."""
    pages = [f"<html><body><p>{'word ' * 60} page {n} {'qzpage' if n == 3 else ''}</p></body></html>" for n in range(6)]
    with gzip.open(tmp_path / "a.warc.gz", "wb") as file:
        for number, page in enumerate(pages):
            body = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + page.encode()
            head = f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://x/{number}\r\nWARC-Record-ID: <urn:{number}>\r\nContent-Type: application/http\r\nContent-Length: {len(body)}\r\n\r\n"
            file.write(head.encode() + body + b"\r\n\r\n")
    job = tmp_path / "job.yaml"
    job.write_text("input: a.warc.gz\noutput: out\nlimits: {seconds_per_record: 2}\n")
    run = Run(job, faults={"page": {"qzpage": "crash"}})
    assert run.finish() == 3, run.said
    assert "going on with care" in run.said
    (row,) = quarantined(run.output).values()
    assert row["cause"] == "read-crashed" and b"qzpage" in row["raw"] and row["record"] == 3 and "in read_page" in row["error"]
    kept = pq.read_table(run.output / "clean/00000.parquet")["url"].to_pylist()
    assert kept == [f"http://x/{n}" for n in (0, 1, 2, 4, 5)]


def test_a_unit_that_always_dies_is_given_up_with_its_last_words(tmp_path, left_alone, job):
    """Three attempts in one run, then an error; nothing else is lost."""
    run = Run(job, faults={"unit": "crash"})
    code = run.finish()
    assert code == 2 and "died 3 times" in run.said and "in deadly_hand_on" in run.said.replace("<lambda>", "deadly_hand_on"), run.said
    go_on(job, left_alone)
