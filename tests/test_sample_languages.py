"""A preview counts what a run removes: the rules see the languages that they see in a run of the job."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from click.testing import CliRunner
from corpus import article

from curation.check_cli import check
from curation.cli import diff
from curation.job import load_job
from curation.run import run_job
from inspect_ui.session import Session

GERMAN = "Der Fischer geht am Morgen mit seiner Laterne an den Fluss, und die Frau wartet lange auf dem Markt hinter der Brücke. "
PACK = """\
pack: mine
about: Rules that name languages.
rules:
  - {id: english, why: English texts have these words., languages: [en], action: drop, drop_when: {words: "> 1"}, expect_drop: 1.0, examples: {drop: [two words], keep: [one]}}
  - id: not-german
    why: German is spared.
    drop_when: {words: "> 1"}
    by_language: {de: off}
    expect_drop: 1.0
    examples: {drop: [two words], keep: [one]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Thirty English and ten German documents, none with a language, and a pack."""
    rng = random.Random(3)
    texts = [article(rng) for _ in range(30)] + [f"{GERMAN * 5} {number}" for number in range(10)]
    (tmp_path / "documents.jsonl").write_text("".join(json.dumps({"id": str(n), "text": text}) + "\n" for n, text in enumerate(texts)))
    (tmp_path / "mine.yaml").write_text(PACK)
    return tmp_path


def write_job(folder: Path, name: str, more: str) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(f"input: documents.jsonl\noutput: out-{name}\npacks: [mine.yaml]\nworkers: inline\n{more}\n")
    return path


def checked(*arguments: object) -> dict:
    result = CliRunner().invoke(check, [*map(str, arguments), "--json"])
    assert result.exit_code in (0, 1), result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("more", ["", "language: {}", "language: {keep: [en]}", "language: {}\norder: [rules, language]"])
def test_check_and_inspect_count_what_a_run_removes(folder, more):
    job = write_job(folder, "job", more)
    report = run_job(load_job(job)).report
    told = {name: rule["hits"] for name, rule in report["rules"].items()}
    seen = checked(job, "--sample", folder / "documents.jsonl")["preview"]
    assert {rule["name"]: rule["documents"] for rule in seen["rules"]} == told and told["mine/english"] >= 30
    rules = next(row for row in report["funnel"] if row["stage"] == "rules")
    assert (seen["documents"], seen["kept"]) == (rules["in"], rules["kept"])
    for session in (Session.open([str(job)]), Session.open([str(folder / "documents.jsonl")], [str(job)])):
        assert {row.rule: row.documents for row in session.rules()} == told


def test_who_has_no_language_is_told_in_the_run_the_report_and_the_preview(folder):
    job, labelled = write_job(folder, "job", ""), write_job(folder, "labelled", "language: {}")
    warning = "no document has a language, so rules that name languages act on every document (mine/english, mine/not-german); add `language: {}` to the job to identify them"
    assert run_job(load_job(job)).report["warnings"].count(warning) == 1
    assert warning in (folder / "out-job/report/report.md").read_text()
    assert checked(job, "--sample", folder / "documents.jsonl")["notes"] == [warning] == Session.open([str(job)]).notices
    assert not [w for w in run_job(load_job(labelled)).report["warnings"] if "no document has a language" in w]
    (folder / "mine.yaml").write_text("pack: mine\nabout: x\nrules:\n  - {id: short, why: x., drop_when: {words: '< 3'}, examples: {drop: [one], keep: [one two three]}}\n")
    assert not [w for w in run_job(load_job(job)).report["warnings"] if "language" in w], "no rule names a language"
    assert checked(folder / "mine.yaml", "--sample", folder / "documents.jsonl")["notes"] == []


def test_packs_alone_are_tried_with_languages_that_are_identified_and_say_so(folder):
    found = checked(folder / "mine.yaml", "--sample", folder / "documents.jsonl")
    assert {rule["name"]: rule["documents"] for rule in found["preview"]["rules"]} == {"mine/english": 30, "mine/not-german": 30}
    assert found["notes"] == ["no document has a language: they were identified for this preview, as a job with `language: {}` does"]


def test_a_job_is_tried_with_its_own_packs_and_alone(folder):
    write_job(folder, "job", "language: {keep: [en]}")
    (folder / "other.yaml").write_text("pack: other\nabout: x\nrules:\n  - {id: all, why: x., drop_when: {words: '> 0'}}\n")
    found = checked(folder, "--sample", folder / "documents.jsonl")
    assert [rule["name"] for rule in found["preview"]["rules"]] == ["mine/english", "mine/not-german"]
    assert found["notes"] == ["the job's language stage removes 10 of 40 documents before the rules see them", "not tried, as the job does not name them: other"]
    write_job(folder, "second", "")
    result = CliRunner().invoke(check, [str(folder), "--sample", str(folder / "documents.jsonl")])
    assert result.exit_code == 2 and "there are 2 jobs" in result.output and "name the one to try" in result.output


def test_packs_of_a_job_with_mistakes_are_not_tried_for_it(folder):
    write_job(folder, "job", "langauge: {}")
    found = checked(folder, "--sample", folder / "documents.jsonl")
    assert found["preview"] is None and found["notes"] == ["not tried on documents: the job has mistakes"] and found["problems"]


def test_the_sides_of_a_comparison_see_their_own_languages(folder):
    none, labelled, english = (write_job(folder, name, more) for name, more in (("none", ""), ("labelled", "language: {}"), ("english", "language: {keep: [en]}")))

    def differing(a: Path, b: Path) -> dict:
        result = CliRunner().invoke(diff, [str(a), str(b), "--json"])
        return json.loads(result.stdout)["counts"]

    assert differing(none, labelled) == {"restored": {"mine/english": 10}}
    assert differing(labelled, english) == {"dropped": {"language/other": 10}}
    assert differing(folder / "mine.yaml", labelled) == {}, "a pack sees what the job beside it says"
