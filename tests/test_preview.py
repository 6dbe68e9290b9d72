"""Samples, previews and comparisons: what rules would do, before they do it to everything."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus import documents, write_corpus
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.checking import check_files
from curation.compare import compare, comparison_lines
from curation.greedy_rules import greedy_rules, greedy_warnings, of_run
from curation.inputs import InputError
from curation.preview import Preview, RulePreview, preview, preview_lines
from curation.preview_examples import example_lines
from curation.sample import draw_sample, stratified_rows
from rules.format.pack import load_pack


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def pack(folder: Path, threshold: int, more: str = ""):
    path = folder / f"p{threshold}.yaml"
    path.write_text(f"""\
pack: p
about: x
words: space
rules:
  - id: cookie
    why: x.
    lines: drop
    match: '^We use cookies'
  - id: short
    why: x.
    drop_when: {{words: "< {threshold}"}}{more}
  - id: digits
    why: x.
    drop_when: {{alpha_word_frac: "< 0.5"}}
  - id: bread
    why: x.
    action: tag
    match: bread
""")
    return load_pack(path)


def test_a_sample_of_everything_and_of_some(corpus):
    everything = draw_sample([str(corpus)], Path(), 1000)
    assert sorted(everything.documents["id"].to_pylist()) == sorted(d["id"] for d in documents()) and everything.whole
    assert everything.documents["lang"].null_count < len(everything.documents), "languages are identified where nobody said any"
    some, again, other = (draw_sample([str(corpus)], Path(), 30, seed) for seed in (1, 1, 2))
    assert len(some.documents) == 30 and not some.whole
    assert some.documents["id"].equals(again.documents["id"]) and not some.documents["id"].equals(other.documents["id"])
    with pytest.raises(InputError):
        draw_sample([str(corpus / "gone*")], Path())


def test_a_sample_of_many_row_groups_reads_few(tmp_path, monkeypatch):
    text = "the sea and the river " * 50
    table = pa.table({"id": [str(i) for i in range(4000)], "text": [f"{text}{i}" for i in range(4000)]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=1000)
    drawn = draw_sample([str(tmp_path)], Path(), 100, 3)
    numbers = sorted(map(int, drawn.documents["id"].to_pylist()))
    assert len(numbers) == 100 and numbers[0] < 1500 and numbers[-1] > 2500, "from all over the file"


def test_a_preview_says_what_each_rule_takes(corpus, tmp_path):
    sample = draw_sample([str(corpus)], Path(), 1000).documents
    found = preview(sample, [pack(tmp_path, 20)])
    rules = {rule.name: rule for rule in found.rules}
    menus = [d for d in documents() if d["text"] == "Home\nNews\nContact"]
    assert rules["p/short"].documents == rules["p/short"].only == len(menus) and rules["p/short"].words == 3 * len(menus)
    cookies = [d for d in documents() if d["text"].startswith("We use cookies")]
    assert rules["p/cookie"].lines == rules["p/cookie"].documents == len(cookies) and rules["p/cookie"].words == 7 * len(cookies)
    assert found.documents - found.kept == rules["p/short"].only + rules["p/digits"].only
    dropped = {d["id"] for d in documents() if d["text"] == "Home\nNews\nContact" or d["text"][0].isdigit()}
    bread = [d for d in documents() if "bread" in d["text"].lower()]
    assert rules["p/bread"].documents > 0 and rules["p/bread"].only == rules["p/bread"].documents == len([d for d in bread if "bread" in d["text"]]), "no dropped document has bread"
    assert not dropped & {d["id"] for d in bread} and rules["p/cookie"].only is None and rules["p/cookie"].action == "drop line"
    lines = preview_lines(found)
    assert any(line.startswith("p/short") and "10.0%" in line for line in lines) and not next(line for line in lines if line.startswith("p/bread")).endswith("0.00") and "120 documents: 95 kept" in lines[-1]


def test_a_preview_shows_what_each_rule_takes(corpus, tmp_path):
    sample = draw_sample([str(corpus)], Path(), 1000).documents
    assert not any(rule.examples for rule in preview(sample, [pack(tmp_path, 20)]).rules)
    shown = {rule.name: rule.examples for rule in preview(sample, [pack(tmp_path, 20)], 3).rules}
    assert [len(shown[name]) for name in ("p/cookie", "p/short", "p/digits")] == [1, 3, 3], "equal lines are shown once"
    (cookie,) = shown["p/cookie"]
    texts = {d["id"]: d["text"] for d in documents()}
    assert cookie["after"] is None and cookie["line"] == 1 and texts[cookie["id"]].startswith(cookie["text"])
    assert all(one["text"] == texts[one["id"]] == "Home\nNews\nContact" and one["value"] == 3 and one["threshold"] == 20 for one in shown["p/short"])
    assert len({one["id"] for one in shown["p/short"]}) == 3 and shown == {rule.name: rule.examples for rule in preview(sample, [pack(tmp_path, 20)], 3).rules}
    lines = example_lines("p/short", shown["p/short"][:1]) + example_lines("p/cookie", [cookie | {"after": "a\x1b[2J"}])
    assert lines[0] == "p/short" and lines[1].endswith(": Home News Contact") and lines[2] == "    words is 3, rule says < 20" and lines[3] == ""
    assert lines[4:] == ["p/cookie", f"  {cookie['id']}, line 1", "    - We use cookies to improve your visit.", "    + a<U+001B>[2J", ""]


def test_rules_that_hit_nothing_are_named_where_they_are_few():
    def idle(*names: str) -> list[str]:
        return preview_lines(Preview(9, 9, 1, 1, 1, [RulePreview(name, "drop", 0, 0.0, 0, 0, 0) for name in names]))[1:-1]

    assert idle() == [] and idle("p/a") == ["p/a hits nothing"] and idle("p/a", "p/b") == ["p/a, p/b hit nothing"]
    assert idle("p/a", "p/b", "p/c", "p/d") == ["4 rules hit nothing"]


def test_a_rule_that_drops_too_much_is_a_problem_unless_it_says_so(corpus, tmp_path):
    sample = draw_sample([str(corpus)], Path(), 1000).documents
    greedy = pack(tmp_path, 140)
    problems = greedy_rules(preview(sample, [greedy]), [greedy])
    assert [(p.code, p.line) for p in problems] == [("R120", 9)] and "say expect_drop" in problems[0].message
    told = pack(tmp_path, 140, "\n    expect_drop: 1.0")
    assert greedy_rules(preview(sample, [told]), [told]) == []
    told = pack(tmp_path, 140, "\n    expect_drop: 0.05")
    assert "more than its expect_drop of 0.05" in greedy_rules(preview(sample, [told]), [told])[0].message


def test_a_shipped_rule_that_drops_too_much_is_told_where_the_job_names_its_pack(corpus, tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text(f"input: {corpus}\noutput: out\npacks:\n  - gopher_repetition\n  - gopher_quality\n")
    sample = pa.table({"text": ["Home\nNews\nContact"] * 3, "lang": ["en"] * 3, "id": ["a", "b", "c"], "url": ["", "", ""]})
    checked = check_files([path])
    checked.try_on(sample)
    (short,) = (p for p in checked.problems if "gopher_quality/word-count" in p.message)
    assert (short.path, short.line, short.code) == (str(path), 5, "R120")
    assert "a pack of yours that extends gopher_quality" in short.message and "expect_drop: 1.00 (5% above" in short.message and "set: {word-count: tag}" in short.message
    assert checked.summary().startswith("1 job (2 packs, "), "what a job names is counted"


def test_a_run_warns_of_the_worst_rules_that_drop_too_much():
    def form(action: str = "drop", lines: str = "", expect: float | None = None) -> list:
        return [{"action": action, "lines": lines, "expect_drop": expect}]

    forms = {"p/a": form(), "p/b": form(), "p/told": form(expect=0.9), "p/tag": form("tag"), "p/few": form(), "p/c": form(), "p/d": form()}
    rules = {name: {"hits": hits} for name, hits in (("p/a", 30), ("p/b", 90), ("p/told", 89), ("p/tag", 99), ("p/few", 20), ("p/c", 40), ("p/d", 21))}
    found = greedy_warnings(rules, 100, forms)
    assert [line.split()[0] for line in found] == ["p/b", "p/c", "p/a", "1"] and found[0].startswith("p/b dropped 90% of 100 documents, more than 20%: ")
    assert greedy_warnings(rules, 19, forms) == [] == greedy_warnings({"p/few": {"hits": 20}}, 100, forms), "of so few documents a share says little"
    [told] = greedy_warnings({"p/told": {"hits": 91}}, 100, forms)
    assert "more than 90%" in told and "`gristmill inspect OUT --print read" in told
    assert "`gristmill inspect 'my run' --print read --rule p/told`" in of_run(told, "'my run'")


def test_a_comparison_names_what_changes_and_why(corpus, tmp_path):
    sample = draw_sample([str(corpus)], Path(), 1000).documents
    a, b = pack(tmp_path, 20), pack(tmp_path, 2)
    found = compare(sample, [a], [b])
    assert found.counts() == {"restored": {"p/short": 12}} and found.kept_b - found.kept_a == 12
    back = compare(sample, [b], [a])
    assert back.counts() == {"dropped": {"p/short": 12}}
    lines = comparison_lines(back, show=1)
    assert "B drops what A keeps: 12" in lines and "    p/short: words is 3, rule says < 20" in lines
    assert comparison_lines(compare(sample, [a], [a]))[-1] == "no difference"


def test_other_texts_are_shown_as_lines(corpus, tmp_path):
    sample = draw_sample([str(corpus)], Path(), 1000).documents
    a = pack(tmp_path, 20)
    (tmp_path / "none.yaml").write_text((tmp_path / "p20.yaml").read_text().replace("^We use cookies", "^We use no cookies"))
    found = compare(sample, [a], [load_pack(tmp_path / "none.yaml")])
    cookies = sum(d["text"].startswith("We use cookies") for d in documents())
    assert found.counts() == {"edited": {"": cookies}}
    assert any(line.startswith("    + We use cookies") for line in comparison_lines(found))


def test_a_sample_says_how_much_it_stands_for(tmp_path):
    text = "the sea and the river " * 40
    table = pa.table({"id": [str(i) for i in range(3000)], "text": [f"{text}{i}" for i in range(3000)], "source": ["rare" if i % 100 == 0 else "common" for i in range(3000)]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=500)
    drawn = draw_sample([str(tmp_path / "a.parquet")], Path(), 100)
    assert (drawn.total, drawn.exact, drawn.whole) == (3000, True, False)
    rows = "".join(json.dumps({"text": text + str(i)}) + "\n" for i in range(3000))
    (tmp_path / "b.jsonl").write_text(rows)
    drawn = draw_sample([str(tmp_path / "b.jsonl")], Path(), 100)
    assert 2000 < drawn.total < 4000 and not drawn.exact
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(rows.encode()))
    assert draw_sample([str(tmp_path / "b.jsonl.gz")], Path(), 100).total is None
    whole = draw_sample([str(tmp_path / "b.jsonl.gz")], Path(), 5000)
    assert (whole.total, whole.exact, whole.whole) == (3000, True, True)
    stratified = draw_sample([str(tmp_path / "a.parquet")], Path(), 60, 1, stratify="source")
    counts = Counter(stratified.documents["source"].to_pylist())
    assert len(stratified.documents) == 60 and counts["rare"] > 1 and stratified.total == 3000


def test_a_sample_of_uneven_shards_is_as_large_as_was_asked_for(tmp_path):
    for number, rows in enumerate((1, 2, 3, 900, 5)):
        pq.write_table(pa.table({"text": [f"text {number} {i}" for i in range(rows)]}), tmp_path / f"{number}.parquet")
    for seed in range(5):
        assert len(draw_sample([str(tmp_path)], Path(), 500, seed).documents) >= 400


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "c", None]), max_size=40), st.integers(0, 40))
def test_strata_are_filled_evenly(values, size):
    rows = stratified_rows(pa.array(values, pa.string()), size, np.random.default_rng(0))
    assert len(rows) == len(set(rows)) == min(size, len(values))
    there, taken = Counter(values), Counter(values[row] for row in rows)
    level = max(taken.values(), default=0)
    assert all(taken[value] >= min(there[value], level - 1) for value in there)
