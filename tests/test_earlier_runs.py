"""Runs against earlier ones: what they kept stays, what is like it goes, and nothing of them is read again but keys."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
from test_duplicates import clusters, copies, run, table

from curation.duplicates import DuplicatesError
from curation.job import load_job
from curation.run import run_job
from rules.places import Problems

STAGES = "exact: {}\nnear: {}"


def halves() -> tuple[list[dict], list[dict]]:
    rows = random.Random(9).sample(copies(), 60)
    return rows[:30], rows[30:]


@pytest.mark.parametrize(("stages", "workers"), [(STAGES, "inline"), (STAGES, 2), ("exact: {keep: last}\nnear: {keep: source, sources: [wiki], verify: 0.5}", "inline")])
def test_new_documents_that_are_like_old_ones_go(tmp_path, stages, workers):
    old, new = halves()
    first = run(tmp_path / "old", old, stages)
    second = run(tmp_path / "new", new, f"{stages}\nagainst: ../old/out", files=2, workers=workers)
    whole = run(tmp_path / "whole", [*old, *new], stages)
    kept_old, kept_new = ({row["id"] for row in table(output, "clean")} for output in (first, second))
    assert {row["id"] for row in [*table(second, "clean"), *table(second, "removed")]} == {row["id"] for row in new}
    assert len(kept_old) + len(kept_new) == len(table(whole, "clean"))
    removed = {row["kept_id"] for row in table(second, "removed")}
    assert removed & kept_old
    groups = [members for stage in ("exact", "near") for _, members in clusters(whole, stage)]
    for row in table(second, "removed"):
        assert any(row["id"] in members for members in groups)
        assert row["kept_id"] in kept_old or row["stage"] == "exact" or row["kept_id"] in kept_new


def test_the_old_run_is_read_only_in_its_keys(tmp_path):
    old, new = halves()
    first = run(tmp_path / "old", old, STAGES)
    expected = run(tmp_path / "a", new, f"{STAGES}\nagainst: ../old/out")
    for folder in ("clean", "removed", "clusters"):
        shutil.rmtree(first / folder)
    for path in (first / ".work").rglob("*"):
        if path.is_file() and not path.name.endswith(".keys.parquet") and path.parent.name != "barrier0":
            path.unlink()
    output = run(tmp_path / "b", new, f"{STAGES}\nagainst: ../old/out")
    assert table(output, "clean") == table(expected, "clean") and table(output, "clusters") == table(expected, "clusters")
    result = run_job(load_job(tmp_path / "b/job.yaml"))
    assert result.done_before == result.units


def test_two_earlier_runs_one_against_the_other(tmp_path):
    rows = copies()
    run(tmp_path / "one", rows[:20], STAGES)
    run(tmp_path / "two", rows[20:40], f"{STAGES}\nagainst: ../one/out")
    output = run(tmp_path / "three", rows[40:], f"{STAGES}\nagainst: [../one/out, ../two/out]")
    total = sum(len(table(tmp_path / name / "out", "clean")) for name in ("one", "two", "three"))
    assert total == len(table(run(tmp_path / "whole", rows, STAGES), "clean"))
    assert json.loads((output / "run.json").read_text())["job"]["against"]


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ("near: {ngram: 4}", "was run with near: ngram: 5, this job says 4"),
        ("exact: {by: url}", "was run with exact: by: text, this job says url"),
        ("near: {}\npacks: [pii]\nexact: {}\norder: [near, rules, exact]", "was run without"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(tmp_path, stages, message):
    old, new = halves()
    run(tmp_path / "old", old, STAGES if "order" not in stages else "near: {}")
    with pytest.raises(DuplicatesError, match=message):
        run(tmp_path / "new", new, f"{stages}\nagainst: ../old/out")


def test_lost_keys_and_folders_that_are_no_runs(tmp_path):
    old, new = halves()
    first = run(tmp_path / "old", old, STAGES)
    shutil.rmtree(first / ".work")
    with pytest.raises(DuplicatesError, match="its .work/ is needed"):
        run(tmp_path / "new", new, f"{STAGES}\nagainst: ../old/out")
    job = tmp_path / "job.yaml"
    for text, message in (("against: nowhere\nexact: {}", r"job\.yaml:3:10: R103 no run directory"), ("against: old/out", "against needs exact or near")):
        job.write_text(f"input: x\noutput: out\n{text}\n")
        with pytest.raises(Problems, match=message):
            load_job(job)
    assert Path(first).exists()
