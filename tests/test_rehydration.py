"""Copies by removal rates: the curve against its plain definition, the counts against the files, and through a run."""

from __future__ import annotations

import json
import random
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus import write_parts
from hypothesis import given, settings
from hypothesis import strategies as st
from test_duplicates import table
from test_mixture import copies_in
from test_run import data_files

from curation.job import load_job
from curation.pack_settings import PackSettings
from curation.rehydration import SizeCounts, copies_by_rates, copies_table, count_sizes, explained, joined_sizes
from curation.run import run_job
from rules.places import Problems, SettingError
from train import handoff

COUNTS = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(0, 40)), max_size=12)


def counts_of(rows: list[tuple[int, int, int]]) -> SizeCounts:
    """Sizes by steps, documents, and of those removed."""
    sizes = np.cumsum([step for step, _, _ in rows]).astype(np.int64)
    return SizeCounts(sizes, np.array([n for _, n, _ in rows], np.int64), np.array([min(n, r) for _, n, r in rows], np.int64))


def plain_copies(documents: list[int], removed: list[int], most: Fraction) -> list[Fraction]:
    """1 where the rate is that of all or above, `most` at the lowest rate, and on the straight line between them."""
    rates = [Fraction(r, n) for r, n in zip(removed, documents)]
    of_all = Fraction(sum(removed), sum(documents)) if documents else Fraction(0)
    lowest = min(rates, default=of_all)
    return [Fraction(1) if rate >= of_all else 1 + (most - 1) * (of_all - rate) / (of_all - lowest) for rate in rates]


def plain_joined(counts: SizeCounts, least: int) -> list[list[int]]:
    """The places of the sizes that are taken together."""
    groups: list[list[int]] = []
    for place in range(len(counts.sizes)):
        if not groups or sum(counts.documents[k] for k in groups[-1]) >= least:
            groups.append([])
        groups[-1].append(place)
    if len(groups) > 1 and sum(counts.documents[k] for k in groups[-1]) < least:
        last = groups.pop()
        groups[-1] += last
    return groups


@settings(max_examples=100, deadline=None)
@given(COUNTS, st.integers(1, 30))
def test_the_curve_is_its_plain_definition(rows, most):
    counts = counts_of(rows)
    found = copies_by_rates(counts, float(most))
    assert found == pytest.approx([float(c) for c in plain_copies(counts.documents.tolist(), counts.removed.tolist(), Fraction(most))], abs=1e-9)
    assert (found >= 1).all() and (found <= most + 1e-9).all()


@settings(max_examples=100, deadline=None)
@given(COUNTS, st.integers(1, 100))
def test_sizes_of_few_documents_are_taken_together(rows, least):
    counts = counts_of(rows)
    groups, joined = plain_joined(counts, least), joined_sizes(counts, least)
    assert joined.sizes.tolist() == [counts.sizes[group[0]] for group in groups]
    for name in ("documents", "removed"):
        assert getattr(joined, name).tolist() == [sum(getattr(counts, name)[k] for k in group) for group in groups]
    assert len(groups) < 2 or joined.documents.min() >= least
    said = explained(counts, 10.0, least)
    assert copies_table(said) == (dict(zip(joined.sizes.tolist(), copies_by_rates(joined, 10.0).tolist())) or {1: 1.0})
    assert [row["to"] for row in said["sizes"]] == [row["from"] - 1 for row in said["sizes"][1:]] + [None] * bool(rows)


def test_sizes_are_counted_of_what_came_to_the_rules(tmp_path):
    for folder in ("clean", "removed"):
        (tmp_path / folder).mkdir()
    files = {
        "clean/0": {"id": ["a", "b"], "cluster_size": [1, None]},
        "clean/1": {"id": ["c"], "cluster_size": [7]},
        "removed/rules-0": {"stage": ["rules"] * 3, "cluster_size": [1, 7, 7]},
        "removed/pass1-0": {"stage": ["near", "lines", "language", "lines"], "cluster_size": [1, 3, 1, 7]},
        "removed/pass0-0": {"stage": ["exact"]},  # before sizes were known
    }
    for name, columns in files.items():
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
    counts = count_sizes([tmp_path / f"{name}.parquet" for name in files], ("language", "exact", "near", "rules", "lines"))
    assert [column.tolist() for column in counts] == [[1, 3, 7], [3, 1, 4], [1, 0, 2]]


# ---- through a run

PACK = """\
pack: long
about: Texts of some words.
rules:
  - id: few-words
    why: A test.
    drop_when: {words: "< 40"}
    examples: {drop: [{words: 39}], keep: [{words: 40}]}
"""


def write_job(folder: Path, more: str = "", order: str = "[exact, near, rules, lines]") -> Path:
    """Texts once, twice, four and five times; of those that are there once or five times many are short."""
    rng = random.Random(8)
    rows = []
    for number in range(160):
        size = (1, 1, 2, 4, 5)[number % 5]
        bad = number % {1: 2, 2: 8, 4: 4, 5: 2}[size] == 1
        text = " ".join("".join(rng.choices("abcdefghij", k=6)) for _ in range(20 if bad else 60))
        rows += [{"id": f"{number}-{copy}", "text": text} for copy in range(size)]
    rng.shuffle(rows)
    write_parts(folder / "in", rows)
    (folder / "long.yaml").write_text(PACK)
    pack = f"{{vocab_size: 300, sequence_length: 256, held_out: 0.1, rehydrate: removal_rates, rate_documents: 25{more}}}"
    (folder / "job.yaml").write_text(f"input: in\noutput: out\npacks: [long.yaml]\nexact: {{keep: longest}}\nnear: {{}}\nlines: {{}}\norder: {order}\npack: {pack}\nworkers: inline\n")
    return folder / "job.yaml"


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    job = write_job(tmp_path_factory.mktemp("rehydrated"))
    run_job(load_job(job))
    return job.parent / "out"


def test_a_run_packs_by_the_rates_of_its_own_files_and_explains_it(finished):
    came, went = Counter(), Counter()
    for folder in ("clean", "removed"):
        for row in table(finished, folder):
            if folder == "clean" or row["stage"] in ("rules", "lines"):
                came[row["cluster_size"]] += 1
                went[row["cluster_size"]] += folder == "removed" and row["stage"] == "rules"
    assert dict(came) == {1: 64, 2: 32, 4: 32, 5: 32} and all(went.values())
    said = handoff.read_manifest(finished / "packed").statistics["rehydration"]
    assert [(row["from"], row["to"], row["documents"], row["removed"]) for row in said["sizes"]] == [
        (1, 1, 64, went[1]), (2, 3, 32, went[2]), (4, 4, 32, went[4]), (5, None, 32, went[5])
    ]  # fmt: skip
    expected = plain_copies([64, 32, 32, 32], [went[size] for size in (1, 2, 4, 5)], Fraction(10))
    copies = {row["from"]: row["copies"] for row in said["sizes"]}
    assert list(copies.values()) == pytest.approx([float(c) for c in expected]) and set(copies.values()) > {1.0, 10.0}
    sizes = {row["id"]: row["cluster_size"] for row in table(finished, "clean")}
    found = copies_in(finished / "packed")
    assert len(found) > 50 and all(number in (int(copies[sizes[name]]), int(copies[sizes[name]]) + 1) for name, number in found.items())


def test_the_report_has_the_table(finished):
    report = json.loads((finished / "report/report.json").read_text())
    assert report["packed"]["statistics"]["rehydration"] == handoff.read_manifest(finished / "packed").statistics["rehydration"]
    text = (finished / "report/report.md").read_text()
    assert "| cluster size | came to the rules | removed by them | removal rate | copies |" in text
    assert "| 2 to 3 | 32 |" in text and "| from 5 | 32 |" in text and "packed once, that of the lowest 10 times" in text


def test_it_is_found_counted_and_counted_again_where_something_changed(finished, tmp_path):
    job = load_job(finished.parent / "job.yaml")
    result = run_job(job)
    assert result.done_before == result.units
    run_job(load_job(write_job(tmp_path, more=", max_copies: 3")), workers=2)
    copies = [row["copies"] for row in handoff.read_manifest(tmp_path / "out/packed").statistics["rehydration"]["sizes"]]
    assert max(copies) == 3.0 and data_files(tmp_path / "out")["clean/00000.parquet"] == data_files(finished)["clean/00000.parquet"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("order: [exact, near, rules, lines]", "order: [exact, rules, near, lines]"), "near must come before rules; write order: [exact, near, rules, lines]"),
        (("order: [exact, near, rules, lines]\n", ""), "write order: [language, decontaminate, exact, near, rules, substrings, lines]"),
        (("packs: [long.yaml]\n", ""), "removal_rates are those of rules: name packs"),
        (("removal_rates", "removal_rate"), "did you mean 'removal_rates'"),
    ],
)
def test_jobs_without_the_rates_are_refused_with_what_to_write(tmp_path, change, says):
    job = write_job(tmp_path)
    before = job.read_text()
    job.write_text(before.replace(*change))
    assert job.read_text() != before
    with pytest.raises(Problems) as caught:
        load_job(job)
    assert any(says in str(problem) and ": R103 " in str(problem) for problem in caught.value.problems)


def test_settings_that_make_no_sense_are_refused():
    for changes in ({"max_copies": 0.5}, {"rate_documents": 0}):
        with pytest.raises(SettingError):
            PackSettings(rehydrate="removal_rates", **changes)
    with pytest.raises(ValueError, match="not known yet"):
        _ = PackSettings(rehydrate="removal_rates").copies_by_size
