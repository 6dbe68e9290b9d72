"""Clean documents by language or source: all of them again, in folders whose names lead nowhere else."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import partitions
from curation.job import load_job
from curation.partitions import folder_name
from curation.plan import plan_run
from curation.run import run_job
from curation.verify import verify

ROWS = [
    {"id": f"d{k}", "text": f"Text number {k} of {lang}, which says the same.", "lang": lang, "source": source}
    for k, (lang, source) in enumerate([("de", "web"), ("en", "web"), (None, "books"), ("../../x", "a/b"), ("de", "books"), ("", "..")])
]


def run(folder: Path, settings: str, rows: list[dict] = ROWS) -> Path:
    (folder / "in").mkdir(parents=True, exist_ok=True)
    for number in range(2):
        (folder / f"in/{number}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[number::2]), encoding="utf-8")
    (folder / "job.yaml").write_text(f"input: in\noutput: out\nworkers: inline\n{settings}\n")
    run_job(load_job(folder / "job.yaml"))
    return folder / "out"


def found(output: Path, by: str) -> dict[str, set[str]]:
    ids: dict[str, set[str]] = {}
    for path in sorted((output / f"by_{by}").rglob("*.parquet")):
        ids.setdefault(path.parent.name, set()).update(pq.read_table(path)["id"].to_pylist())
    return ids


def test_documents_are_divided_by_language_and_swept_when_no_longer_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(partitions, "HELD_BYTES", 1)  # every batch is written
    output = run(tmp_path, "partition: language")
    assert found(output, "language") == {"de": {"d0", "d4"}, "en": {"d1"}, "unknown": {"d2", "d5"}, "%2E%2E%2F%2E%2E%2Fx": {"d3"}}
    both = [pq.read_table(path) for path in sorted((output / "clean").glob("*.parquet"))]
    whole = {row["id"]: row for part in both for row in part.to_pylist()}
    for path in (output / "by_language").rglob("*.parquet"):
        assert all(row == whole[row["id"]] for row in pq.read_table(path).to_pylist())
    assert not verify(output).problems
    before = {path: path.stat().st_mtime_ns for path in (output / "by_language").rglob("*.parquet")}
    again = run_job(load_job(tmp_path / "job.yaml"))
    assert again.done_before == again.units and before == {path: path.stat().st_mtime_ns for path in before}
    assert all(step.to_do == 0 for step in plan_run(load_job(tmp_path / "job.yaml")).steps)
    next(iter(before)).unlink()
    run(tmp_path, "partition: language")
    assert sum(map(len, found(output, "language").values())) == len(ROWS)
    run(tmp_path, "partition: source")
    assert not list((output / "by_language").rglob("*.parquet"))
    assert found(output, "source") == {"web": {"d0", "d1"}, "books": {"d2", "d4"}, "a%2Fb": {"d3"}, "%2E%2E": {"d5"}}


@settings(deadline=None)
@given(st.text(max_size=300))
def test_folder_names_are_plain(value):
    name = folder_name(value)
    assert 0 < len(name) <= 200 and not set(name) & set("/\\.\0 ") and (name == value or "%" in name or not value or len(value) > 200)


@pytest.mark.parametrize("stage", ["exact", "near"])
def test_duplicates_within_each_language(stage, tmp_path):
    text = "The committee will publish its report at the end of the month, and everybody can read what it says."
    rows = [{"id": f"d{k}", "text": text, "lang": lang, "source": "web"} for k, lang in enumerate(["de", "en", None, "de", "en", None, "fr"])]
    everywhere = run(tmp_path / "all", f"{stage}: {{}}", rows)
    assert sum(pq.read_metadata(path).num_rows for path in (everywhere / "clean").glob("*.parquet")) == 1
    each = run(tmp_path / "each", f"{stage}: {{within: language, keep: first}}", rows)
    kept = {row["id"]: row for path in (each / "clean").glob("*.parquet") for row in pq.read_table(path).to_pylist()}
    assert sorted(str(row["lang"]) for row in kept.values()) == ["None", "de", "en", "fr"]
    removed = [row for path in (each / "removed").glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    assert all(row["lang"] == kept[row["kept_id"]]["lang"] for row in removed) and len(removed) == 3
    assert sorted(row["cluster_size"] for row in kept.values()) == [1, 2, 2, 2]
    again = run(tmp_path / "each", f"{stage}: {{within: source}}", rows)
    assert sum(pq.read_metadata(path).num_rows for path in (again / "clean").glob("*.parquet")) == 1


def test_an_earlier_run_must_have_compared_within_the_same(tmp_path):
    from curation.duplicates import DuplicatesError

    old = run(tmp_path / "old", "exact: {}")
    with pytest.raises(DuplicatesError, match="within: corpus, this job says language"):
        run(tmp_path / "new", f"exact: {{within: language}}\nagainst: {old}")


def test_the_report_tells_which_languages_are_in_a_script_of_others(tmp_path, monkeypatch):
    """The model is made to call Latin letters Russian, which by itself it does not."""
    from curation.language_id.judging import judge
    from curation.report import markdown, write_report
    from curation.stages import language

    def russian(texts, settings):
        found = judge(texts)
        return found._replace(languages=pa.array(["ru"] * len(found.languages)))

    monkeypatch.setattr(language, "_judged", russian)
    output = run(tmp_path, "language: {script: tag}")
    report = write_report(output)
    assert report["languages"]["script_mismatch"] == {"ru": len(ROWS)}
    assert "| ru | 6 | 6 | 6 |" in markdown(report) and "in a script of no such language" in markdown(report)
