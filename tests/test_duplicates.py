"""Duplicates through a whole run: clusters, survivors and sizes, in any order and division of the input."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from corpus import article

from curation.duplicates import DuplicatesError
from curation.job import load_job
from curation.run import run_job


def copies(seed: int = 3) -> list[dict]:
    """60 documents: originals, exact copies, near copies and short texts, with a url, a score and a source each."""
    rng = random.Random(seed)
    found: list[dict] = []
    for number in range(60):
        text, kind = article(rng, 24), number % 6
        if kind in (1, 2) and number > 6:
            text = rng.choice(found)["text"]
            text = text.upper() if kind == 1 else text + f"\nAnd one line more, of number {number}."
        elif kind == 3:
            text = rng.choice(["Page not found.", "page NOT found", "No results"])
        found.append({
            "id": f"d{rng.randrange(10**6):06d}", "text": text, "url": f"http://www.x.org/{rng.randrange(30)}/?utm_source={number}",
            "source": rng.choice(["web", "books", "wiki"]), "points": rng.choice([1, 2, None]),
        })  # fmt: skip
    return found


def run(folder: Path, rows: list[dict], stages: str, files: int = 1, workers: str | int = "inline") -> Path:
    """A finished run over `rows`, divided over `files` files."""
    (folder / "in").mkdir(parents=True)
    for number in range(files):
        part = rows[number::files] if files > 1 else rows
        (folder / f"in/{number}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")
    (folder / "job.yaml").write_text(f"input: in\noutput: out\n{stages}\n")
    run_job(load_job(folder / "job.yaml"), workers=workers)
    return folder / "out"


def table(output: Path, folder: str) -> list[dict]:
    return [row for path in sorted((output / folder).glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def clusters(output: Path, stage: str) -> set[tuple[str, frozenset[str]]]:
    """(kept, members) of every cluster."""
    members: dict[str, set[str]] = {}
    for row in table(output, "clusters"):
        if row["stage"] == stage:
            members.setdefault(row["kept_id"], set()).add(row["id"])
    return {(kept, frozenset(ids)) for kept, ids in members.items()}


SHUFFLED = [(1, 3), (2, 1), (3, 4)]


@pytest.mark.parametrize("keep", ["keep: longest", "keep: score, score: points", "keep: source, sources: [wiki, books]"])
def test_any_order_and_division_gives_the_same_clusters_and_survivors(tmp_path, keep):
    rows = copies()
    stages = f"exact: {{{keep}}}\nnear: {{{keep}}}"
    output = run(tmp_path / "whole", rows, stages)
    kept = {row["id"]: row["cluster_size"] for row in table(output, "clean")}
    assert len(clusters(output, "exact")) > 5 and len(clusters(output, "near")) > 3 and sum(kept.values()) == 60
    for seed, files in SHUFFLED:
        other = run(tmp_path / str(seed), random.Random(seed).sample(rows, 60), stages, files)
        assert {row["id"]: row["cluster_size"] for row in table(other, "clean")} == kept
        assert all(clusters(other, stage) == clusters(output, stage) for stage in ("exact", "near"))


def test_first_and_last_follow_the_order_of_the_input(tmp_path):
    rows = [{"id": str(n), "text": "the same text in all of them"} for n in range(5)]
    for keep, expected in (("first", "0"), ("last", "4")):
        output = run(tmp_path / keep, rows, f"exact: {{keep: {keep}}}")
        assert [(row["id"], row["cluster_size"]) for row in table(output, "clean")] == [(expected, 5)]
        assert {row["kept_id"] for row in table(output, "removed")} == {expected}


def test_by_url(tmp_path):
    rows = copies()
    output = run(tmp_path, rows, "exact: {by: url, keep: last}")
    pages = {row["id"]: row["url"].split("?")[0] for row in rows}
    assert {row["id"] for row in table(output, "clean")} == set({page: name for name, page in pages.items()}.values())
    assert all(pages[row["id"]] == pages[row["kept_id"]] for row in table(output, "removed"))


def test_sizes_are_carried_through_two_barriers_and_the_input_keeps_its_column(tmp_path):
    text = "word " * 5 + "and some more words that make a text of ten"
    rows = [{"id": f"{n}", "text": text + ("." * (n % 2)) + (" end" if n > 3 else ""), "cluster_size": 7} for n in range(6)]
    output = run(tmp_path, rows, "exact: {normalise: false}\npacks: [pii]\nnear: {ngram: 1, threshold: 0.5}\norder: [exact, rules, near]")
    (kept,) = table(output, "clean")
    assert kept["cluster_size"] == 6 and kept["input_cluster_size"] == 7
    assert {row.get("cluster_size") for row in table(output, "removed") if row["stage"] == "near"} == {2, 1}


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ("exact: {by: page}", "no document has a value in page"),
        ("exact: {keep: score, score: quality}", "no document has a number in column 'quality'"),
        ("exact: {keep: source, sources: [nobody]}", "no document has one of the sources nobody"),
        ("near: {keep: score, score: url}", "column 'url' holds string"),
    ],
)
def test_settings_that_fit_no_document_are_refused(tmp_path, stages, message):
    with pytest.raises(DuplicatesError, match=message):
        run(tmp_path, copies(), stages)
