"""What packs drop of each language: counted in a run, flagged in its report, warned of where a language is out of line."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq

from curation.job import load_job
from curation.language_drops import drop_counts, drop_rows, drop_warnings
from curation.run import run_job
from rules.engine import apply
from rules.rule import Comparison, Condition, Pack, Rule

SHORT = Rule("short", "w", drop_when=(Condition("words", (Comparison("<", 3),)),))
TAGGED = Rule("all", "w", action="tag", drop_when=(Condition("words", (Comparison(">", 0),)),))


def test_counted_by_pack_and_language():
    packs = [Pack("any", "", (SHORT, TAGGED)), Pack("de", "", (SHORT,), languages=("de",))]
    texts, langs = pa.array(["a b c", "a", "a b c", "a", "a b c"], pa.large_string()), pa.array(["de", "de", "fr", None, "fr"])
    found = drop_counts(langs, apply(packs, texts, langs), packs)
    assert found == {
        "any": {"": {"documents": 1, "dropped": 1}, "de": {"documents": 2, "dropped": 1}, "fr": {"documents": 2, "dropped": 0}},
        "de": {"": {"documents": 1, "dropped": 1}, "de": {"documents": 2, "dropped": 1}},
    }
    nobody = pa.nulls(5, pa.string())
    assert drop_counts(nobody, apply(packs, texts), packs)["de"] == {"": {"documents": 5, "dropped": 2}}


def test_flags_and_warnings():
    counts = {"p": {"de": {"documents": 100, "dropped": 10}, "ko": {"documents": 50, "dropped": 30}, "th": {"documents": 5, "dropped": 5}}}
    rows = drop_rows(counts)
    assert [(row["language"], row["flagged"], row["out_of_line"]) for row in rows] == [("de", False, False), ("ko", True, True)]
    assert drop_warnings(rows) == [
        "pack p drops 60% of 50 documents in ko, and 14% of all others: its thresholds may not fit the language (gristmill fit-thresholds)"
    ]
    alone = drop_rows({"p": {"ko": {"documents": 50, "dropped": 30}}})
    assert alone[0]["flagged"] and not drop_warnings(alone), "a pack for all languages may drop much of a crawl"


def test_a_pack_for_one_language_that_drops_much_of_it_is_warned_of():
    counts = {"korean": {"ko": {"documents": 50, "dropped": 8}}, "german": {"de": {"documents": 50, "dropped": 7}}, "rare": {"th": {"documents": 5, "dropped": 5}}}
    assert drop_warnings(drop_rows(counts, {"korean", "german", "rare"})) == [  # 7 of 50 is 14 %, 5 documents are too few
        "pack korean is made for single languages and drops 16% of 50 documents in ko: if they are good, fit its thresholds to texts like them (gristmill fit-thresholds)"
    ]
    both = {"p": {"ko": {"documents": 50, "dropped": 30}, "ja": {"documents": 50, "dropped": 5}}}
    [warning] = drop_warnings(drop_rows(both, {"p"}))
    assert "drops 60% of 50 documents in ko, and 10% of all others: if" in warning


def test_the_report_of_a_run_has_them(tmp_path):
    texts = [f"text {i} of some words" for i in range(60)] + [f"{i}." for i in range(30)]
    pq.write_table(pa.table({"text": texts, "lang": ["de"] * 60 + ["ko"] * 30}), tmp_path / "in.parquet")
    (tmp_path / "p.yaml").write_text("pack: p\nabout: A test.\nrules:\n  - id: short\n    why: A test.\n    drop_when: {words: '< 4'}\n    examples: {drop: [a], keep: [a b c d]}\n")
    (tmp_path / "job.yaml").write_text("input: in.parquet\noutput: out\npacks: [p.yaml]\nworkers: inline\n")
    report = run_job(load_job(tmp_path / "job.yaml")).report
    assert [(row["pack"], row["language"], row["share"], row["flagged"]) for row in report["pack_languages"]] == [("p", "de", 0.0, False), ("p", "ko", 1.0, True)]
    assert any("pack p drops 100% of 30 documents in ko, and 0% of all others" in warning for warning in report["warnings"])
    assert json.loads((tmp_path / "out/report/report.json").read_text())["pack_languages"] == report["pack_languages"]
    assert "| p | ko | 30 | 100.0% | 0.0% |" in (tmp_path / "out/report/report.md").read_text()
    page = (tmp_path / "out/report/report.html").read_text()
    assert '<a href="#packs-and-languages">' in page and '<tr><th scope="row">p</th><th scope="row">ko</th>' in page and 'scope="row">de<' not in page.partition('id="packs-and-languages"')[2]


def test_the_report_warns_of_a_pack_for_one_language(tmp_path):
    texts = [f"text {i} of some words" for i in range(40)] + [f"{i}." for i in range(20)]
    pq.write_table(pa.table({"text": texts, "lang": ["ko"] * 60}), tmp_path / "in.parquet")
    (tmp_path / "p.yaml").write_text("pack: p\nabout: A test.\nlanguages: [ko]\nrules:\n  - id: short\n    why: A test.\n    drop_when: {words: '< 4'}\n    examples: {drop: [a], keep: [a b c d]}\n")
    (tmp_path / "job.yaml").write_text("input: in.parquet\noutput: out\npacks: [p.yaml]\nworkers: inline\n")
    of_rules, of_packs = run_job(load_job(tmp_path / "job.yaml")).report["warnings"]
    assert "p/short" in of_rules
    assert of_packs.startswith("pack p is made for single languages and drops 33% of 60 documents in ko: ")
