"""`gristmill inspect --print`: every view as a user meets it, with hostile documents, mistakes, and JSON."""

from __future__ import annotations

import errno
import json
import re
import sys

import pytest
from click.testing import CliRunner, Result

from curation.job import load_job
from curation.run import run_job
from inspect_ui.cli import VIEWS, inspect
from inspect_ui.labels import LabelLog

HOSTILE = "\x1b[31mred\x1b]8;;http://evil\x07link\x1b]8;;\x07 [bold]markup[/bold] \u202eevil\u2066 zero\u200dwidth \U000e0041 soft\u00adhyphen \x9b2J\n" + "x" * 100_000
PROSE = "The river ran past the old mill, and the people of the town walked along it every evening of the year."
PACK = """\
pack: mine
about: Rules for tests.
words: space
rules:
  - {id: cookie, why: Banners., lines: drop, match: '(?i)^we use cookies', examples: {drop: [We use cookies], keep: [x]}}
  - id: short
    why: Stubs.
    drop_when: {words: "< 10"}
    examples: {drop: [{words: 9}], keep: [{words: 10}]}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Documents, a pack, and a finished run."""
    folder = tmp_path_factory.mktemp("inspect")
    rows = [{"id": f"d{i}", "text": f"We use cookies.\n{PROSE}\nPage {i} of 30, posted on {i} May\nShare", "url": f"https://h{i % 3}.example/{i}", "lang": "en"} for i in range(30)]
    rows += [{"id": "copy", "text": f"{PROSE}\n{PROSE}"}, {"id": "copy2", "text": f"{PROSE}\n{PROSE}"}, {"id": "stub", "text": "too short"}, {"id": "hostile\x1b[2J", "text": HOSTILE, "url": "https://\u202eevil.example/"}]
    (folder / "documents.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "mine.yaml").write_text(PACK)
    (folder / "job.yaml").write_text("input: documents.jsonl\noutput: out\npacks: [mine.yaml]\nexact: {}\nworkers: inline\n")
    run_job(load_job(folder / "job.yaml"))
    return folder


@pytest.fixture
def ask(folder, monkeypatch, tmp_path):
    """Run the command in a folder of its own; `OUT` and `FILES` stand for the run and the documents."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> Result:
        known = {"OUT": folder / "out", "FILES": folder / "documents.jsonl", "PACK": folder / "mine.yaml"}
        return CliRunner().invoke(inspect, [str(known.get(word, word)) for word in words])

    return run


def safe(text: str) -> bool:
    return not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]", text)


EVERY_VIEW = [
    ("read",), ("read", "d3"), ("read", "hostile\x1b[2J"), ("rules",), ("tune", "mine/short"), ("tune", "mine/short", "12"), ("diff",), ("diff", "d3"), ("mine",), ("mine", "templates"),
    ("draft", "templates", "1"), ("draft", "words", "1,2"), ("draft", "hosts", "1"), ("suggest",), ("duplicates",), ("duplicates", "copy"), ("labels",),
]  # fmt: skip


def test_every_view_prints_safely_and_as_json(ask):
    assert {view[0] for view in EVERY_VIEW} == set(VIEWS)
    for view in EVERY_VIEW:
        plain, data = ask("OUT", "--print", *view), ask("OUT", "--print", *view, "--json")
        assert plain.exit_code == data.exit_code == 0, (view, plain.output, data.output)
        assert plain.stdout.startswith("34 of 34, seed 0\n") and safe(plain.stdout + plain.stderr), view
        found = json.loads(data.stdout)
        assert (found["schema_version"], found["view"], found["sample"]) == (1, view[0], "34 of 34, seed 0") and data.stdout.isascii()


def test_read_marks_lines_and_shows_signals(ask):
    lines = ask("OUT", "--print", "read", "d3").stdout.splitlines()
    assert "1 - We use cookies.   [mine/cookie]" in lines and f"2   {PROSE}" in lines
    assert any(line.split() == ["words", "30", "<", "10", "+20", "mine/short"] for line in lines)
    hostile = ask("OUT", "--print", "read", "hostile\x1b[2J").stdout
    assert "<U+001B>[31mred<U+001B>]8;;http://evil<U+0007>link" in hostile and "[bold]markup[/bold]" in hostile and "x" * 100_000 in hostile
    listed = ask("OUT", "--print", "read", "--count", "40").stdout
    assert re.search("^copy2? +removed .* exact/duplicate$", listed, re.MULTILINE) and "mine/short" in listed and "34 of 34 documents" in listed
    assert "1 of 1 documents" in ask("OUT", "--print", "read", "--rule", "mine/short", "--match", "too").stdout


def test_members_of_a_cluster_with_the_same_text_say_so(ask):
    shown = ask("OUT", "--print", "duplicates", "copy").stdout
    assert "2 documents; keep: first, the first in the order of the input" in shown and "100.0% similar: copy2" in shown and "  the same text" in shown


def test_rules_tune_and_diff_say_the_same_numbers(ask):
    rules = {row["rule"]: row for row in json.loads(ask("FILES", "--packs", "PACK", "--print", "rules", "--json").stdout)["rules"]}
    assert (rules["mine/cookie"]["lines"], rules["mine/short"]["documents"]) == (30, 2)
    tuned = json.loads(ask("FILES", "--packs", "PACK", "--print", "tune", "mine/short", "31", "--json").stdout)
    assert tuned["documents"] == 32 and sum(tuned["counts"]) + tuned["below"] + tuned["above"] == 34 and tuned["in_force"] == 10
    assert "words < 31  hits 32 of 34 documents" in ask("FILES", "--packs", "PACK", "--print", "tune", "mine/short", "31").stdout
    diff = ask("FILES", "--packs", "PACK", "--print", "diff", "d3").stdout
    assert "1 - We use cookies.   [mine/cookie]" in diff and "d3: 1 lines removed" in diff


def test_a_draft_is_written_named_and_in_force_the_next_time(ask, tmp_path):
    mined = ask("FILES", "--print", "mine", "templates").stdout
    assert "Page <number> of <number>, posted on <number> <month>" in mined
    shown = ask("FILES", "--print", "draft", "templates", "1").stdout
    assert "hits 30 lines in 30 documents" in shown and "generalising adds 0 lines to the 30" in shown and not (tmp_path / "draft.yaml").exists()
    assert "written to draft.yaml" in ask("FILES", "--print", "draft", "templates", "1", "--write").stdout
    again = ask("FILES", "--print", "rules")
    assert "draft/page-0-of-30" in again.stdout and "drafts of draft.yaml are in force (1 rule)" in again.stderr
    assert ask("FILES", "--print", "draft", "prefixes", "1", "--write").exit_code == 0
    tuned = ask("FILES", "--print", "tune", "draft/we-use-cookies", "10", "--write") if "we-use-cookies" in (tmp_path / "draft.yaml").read_text() else None
    assert tuned is None or tuned.exit_code == 0
    (tmp_path / "draft.yaml").write_text("pack: [\n")
    assert "drafts are not in force: draft.yaml:2:1: R100" in ask("FILES", "--print", "rules").stderr


def test_labels_are_merged_and_exported(ask, tmp_path):
    for name, answer in (("ann", "keep"), ("bob", "drop")):
        LabelLog(tmp_path / f"{name}.jsonl", name).add("stub", "too short", answer)
    shown = ask("FILES", "--labels", "ann.jsonl", "--labels", "bob.jsonl", "--print", "labels").stdout
    assert "1 judged by several people, 1 disagreements" in shown and "stub  ann: keep, bob: drop" in shown
    assert ask("--labels", "ann.jsonl", "--labels", "bob.jsonl", "--export", "all.parquet").stdout == "2 labels in all.parquet\n"
    result = ask("FILES", "--print", "suggest", "signals")
    assert result.exit_code == 2 and "too few labels for suggestions" in result.stderr


def test_a_job_opens_what_it_reads_with_its_packs(ask, folder):
    shown = ask(folder / "job.yaml", "--print", "rules").stdout
    assert shown.startswith("34 of 34, seed 0\n") and "mine/cookie" in shown


def test_strata(ask):
    listed = json.loads(ask("FILES", "--sample", "6", "--stratify", "lang", "--print", "read", "--json").stdout)
    assert re.fullmatch("6 of about [0-9]+, seed 0", listed["sample"]) and len({one["lang"] for one in listed["documents"]}) > 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--print", "rules"), "name a run directory or files"),
        (("gone.jsonl", "--print", "rules"), "matches no file"),
        (("OUT", "FILES", "--print", "rules"), "inspect it alone"),
        (("FILES", "--packs", "gopher_qualty", "--print", "rules"), "did you mean 'gopher_quality'"),
        (("FILES", "--packs", "PACK", "--packs", "PACK", "--print", "rules"), "two packs have the name 'mine'"),
        (("FILES", "--print", "odd"), "'odd' is no view"),
        (("FILES", "--print"), "name a view"),
        (("FILES", "--print", "tune"), "tune takes 1 to 3 arguments"),
        (("FILES", "--packs", "PACK", "--print", "tune", "mine/cookie"), "has no threshold"),
        (("FILES", "--packs", "PACK", "--print", "tune", "mine/short", "x"), "'x' is no number"),
        (("FILES", "--packs", "PACK", "--print", "tune", "mine/short", "1", "9"), "there is no 9"),
        (("FILES", "--packs", "gopher_quality", "--print", "tune", "gopher_quality/word-count", "40", "--write"), "comes with gristmill"),
        (("FILES", "--print", "read", "nobody"), "no document 'nobody' in the sample"),
        (("FILES", "--print", "mine", "odd"), "no kind 'odd'"),
        (("FILES", "--print", "mine", "--match", "(?=x)"), "not an RE2 pattern"),
        (("FILES", "--print", "draft", "lines", "999"), "rows are numbered from 1"),
        (("FILES", "--print", "duplicates"), "open its directory"),
        (("OUT", "--print", "duplicates", "stub"), "no cluster of 'stub'"),
        (("FILES", "--mode", "odd", "--print", "read"), "no sampling mode 'odd'"),
        (("FILES", "--mode", "near", "--print", "read"), "choose one (--rule PACK/ID"),
        (("FILES",), "the screen needs a terminal"),
        (("FILES", "--json"), "--json goes with --print"),
    ],
)
def test_mistakes_exit_2_and_say_what_to_do(ask, words, message):
    result = ask(*words)
    assert result.exit_code == 2 and message in result.stderr and "Traceback" not in result.output, result.output


def test_a_reader_who_has_seen_enough_ends_it_without_a_message(monkeypatch):
    def gone(*arguments, **options):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr("inspect_ui.session.Session.open", gone)
    monkeypatch.setattr("sys.stdout", sys.stdout)  # click wraps them when it ends so
    monkeypatch.setattr("sys.stderr", sys.stderr)
    result = CliRunner().invoke(inspect, ["any", "--print", "read"])
    assert result.exit_code == 1 and "Broken pipe" not in result.output
