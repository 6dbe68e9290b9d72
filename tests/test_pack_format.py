"""What a pack may say beyond single rules: extending other packs, former ids, word lists, URL rules, parts of a text."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from rules.engine import apply
from rules.format.examples import example_problems
from rules.format.pack import load_pack, pattern_warnings
from rules.places import Problems

BASE = """\
pack: base
about: x
words: space
languages: [en]
lists: {bad: [drat, oh no]}
rules:
  - id: short
    why: x.
    drop_when: {words: "< 3"}
    formerly: [tiny]
    by_language: {de: {drop_when: {words: "< 2"}}}
    examples: {drop: [one two], keep: [one two three]}
  - id: rude
    why: x.
    drop_when: {listed_words(bad): "> 0"}
    examples: {drop: [oh no it is], keep: [oh it is]}
"""


def write(folder: Path, text: str, name: str = "pack.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(Problems) as caught:
        load_pack(write(folder, text))
    return [str(p).removeprefix(f"{folder}/") for p in caught.value.problems]


def child(rules: str, head: str = "") -> str:
    return f"pack: child\nabout: x\nextends: [base.yaml]\n{head}rules:\n{rules}"


def test_a_child_starts_from_its_parent_and_says_what_differs(tmp_path):
    write(tmp_path, BASE, "base.yaml")
    rules = """\
  - id: base/short
    drop_when: {words: "< 5"}
    examples: {drop: [a b c d], keep: [a b c d e]}
  - id: rude
    action: tag
  - id: new
    why: y.
    match: "#"
    examples: {drop: ["#"], keep: [x]}
"""
    pack = load_pack(write(tmp_path, child(rules, "lists: {bad: [darn]}\n")))
    assert [rule.id for rule in pack.rules] == ["short", "short", "rude", "new"]
    assert (pack.words, pack.languages) == ("space", ("en",)), "what the child does not say is the parent's"
    assert pack.rules[0].drop_when[0].any_of[0].threshold == 5 and pack.rules[0].why == "x."
    assert pack.rules[1].variant and pack.rules[1].drop_when[0].any_of[0].threshold == 2, "by_language stays"
    assert pack.rules[2].action == "tag" and pack.lists["bad"].entries == ("darn",)
    found = [str(p) for p in example_problems(pack)]
    assert len(found) == 1 and "base.yaml:16:23: R106 child/rude" in found[0], "the parent's example no longer holds for the child's list"


def test_a_child_of_a_child_and_rules_turned_off(tmp_path):
    write(tmp_path, BASE, "base.yaml")
    write(tmp_path, child("  - id: short\n    action: off\n").replace("pack: child", "pack: middle"), "middle.yaml")
    text = child("  - id: base/short\n    action: drop\n  - id: middle/rude\n    action: off\n").replace("base.yaml", "middle.yaml")
    pack = load_pack(write(tmp_path, text))
    assert [(r.id, r.action) for r in pack.rules if not r.variant] == [("short", "drop"), ("rude", "off")]


def test_a_former_id_still_names_the_rule(tmp_path):
    write(tmp_path, BASE, "base.yaml")
    for name in ("tiny", "base/tiny"):
        pack = load_pack(write(tmp_path, child(f"  - id: {name}\n    action: tag\n")))
        assert pack.rules[0].id == "short" and pack.rules[0].action == "tag"
    assert load_pack(tmp_path / "base.yaml").rule("tiny").id == "short"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (child("  - id: base/shrt\n    action: off\n"), "pack.yaml:5:9: R110 no rule 'base/shrt' in the extended packs, did you mean 'base/short'?"),
        (child("  - id: short\n    drop_when: {wrods: '< 1'}\n"), "pack.yaml:6:17: R102 unknown signal 'wrods'"),
        (child("  - id: sure\n    drop_when: {lang_score: '< 0.5'}\n"), "unknown signal 'lang_score', which a job's language stage judges: language: {min_scores: {de: 0.6}}"),
        (child("  - id: short\n    match: x\n"), "pack.yaml:6:5: R101 match does not go with drop_when"),
        (child("  - id: short\n    action: off\n  - id: base/short\n    action: tag\n"), "pack.yaml:7:9: R105 duplicate id"),
        (child("  - id: new\n    match: x\n"), "pack.yaml:5:5: R101 missing key 'why'"),
        (child("  - {id: new, why: x, match: x, formerly: [rude]}\n"), "R105 'rude' is another rule's id"),
        (child("").replace("base.yaml", "pack.yaml").replace("rules:\n", "rules: []\n"), "pack.yaml:3:11: R109 a pack cannot extend itself: pack -> pack"),
        (child("").replace("base.yaml", "nobody").replace("rules:\n", "rules: []\n"), "pack.yaml:3:11: R109 no shipped pack 'nobody'"),
        (child("").replace("[base.yaml]", "[base.yaml, other.yaml]").replace("rules:\n", "rules: []\n"), "R109 the packs differ in words; say here which"),
        (child("").replace("[base.yaml]", "[base.yaml, base.yaml]").replace("rules:\n", "rules: []\n"), "R105 two extended packs have a rule 'short'"),
        (BASE.replace("listed_words(bad)", "listed_words(bda)"), "R102 the pack has no list 'bda', did you mean 'bad'?"),
        (BASE.replace("listed_words(bad)", "listed_words"), "which takes a list: listed_words(name)"),
        (BASE.replace("listed_words(bad)", "list_words(bad)"), "R102 unknown signal 'list_words', did you mean 'listed_words'?"),
        (BASE.replace("[drat, oh no]", "gone.txt"), "pack.yaml:5:14: R103 cannot read the list 'gone.txt': No such file"),
        (BASE.replace("[drat, oh no]", "{words: [a], file: b}"), "a list needs words or file, and not both"),
        (BASE.replace("[drat, oh no]", "{words: [a], cased: exact}"), "unknown key 'cased', did you mean 'case'?"),
        (BASE.replace("[drat, oh no]", "[]"), "R103 an empty list"),
        (BASE.replace("words: space", "words: sapce"), "expected one of"),
    ],
)  # fmt: skip
def test_mistakes_are_found_where_they_are(tmp_path, text, message):
    write(tmp_path, BASE, "base.yaml")
    write(tmp_path, BASE.replace("pack: base", "pack: other").replace("words: space", "words: unicode").replace("id: short", "id: a").replace("id: rude", "id: b"), "other.yaml")
    found = problems(tmp_path, text)
    assert any(message in p for p in found), "\n".join(found)


def test_lists_come_from_files_too(tmp_path):
    write(tmp_path, "# a comment\ndrat  # another\n\noh no\n", "bad.txt")
    pack = load_pack(write(tmp_path, BASE.replace("[drat, oh no]", "{file: bad.txt}")))
    assert pack.lists["bad"].entries == ("drat", "oh no")
    assert example_problems(pack) == []
    before = pack.sha256
    write(tmp_path, "drat\n", "bad.txt")
    assert load_pack(tmp_path / "pack.yaml").sha256 != before


URLS = """\
pack: urls
about: x
rules:
  - id: hosts
    why: x.
    url: {host: [bad.org], path: [/x]}
    examples: {drop: ["http://a.bad.org/x/y"], keep: ["http://bad.org/", "http://good.org/x"]}
  - id: words
    why: x.
    action: tag
    url: {words: [free, casino], at_least: 2}
    examples: {drop: ["http://free.org/casino"], keep: ["http://free.org/"]}
  - id: short-forum
    why: x.
    url: {match: "/forum/"}
    drop_when: {words: "< 3"}
    examples: {drop: [{words: 2}], keep: [{words: 3}]}
"""


def test_url_rules(tmp_path):
    text = URLS
    pack = load_pack(write(tmp_path, text))
    assert [p.code for p in example_problems(pack)] == ["R106", "R106"], "values alone say nothing about a rule with a URL"
    urls = ["http://bad.org/x", "http://free.org/casino", "http://f.org/forum/1", "http://f.org/forum/2", None]
    applied = apply([pack], pa.array(["a b", "a b", "a b", "a b c", "a b"]), urls=pa.array(urls))
    assert applied.dropped.tolist() == [True, False, True, False, False]
    assert applied.hits[1].as_py()[0] == {"rule": "urls/words", "action": "tag", "signal": "url_matches", "value": 2.0, "comparison": ">", "threshold": 0.0}
    assert {hit["signal"] for hit in applied.hits[2].as_py()} == {"url_matches", "words"}
    assert not apply([pack], pa.array(["a b"])).dropped.any(), "without URLs no URL rule hits"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{host: [bad.org], path: [/x]}", "{host: gone.txt}", "cannot read the list 'gone.txt'"),
        ("{host: [bad.org], path: [/x]}", "{at_least: 1}", "url needs host, path, words or match"),
        ('{match: "/forum/"}', '{match: "(?=x)"}', "not an RE2 pattern"),
        ("at_least: 2", "at_least: 0", "at_least is a number from 1"),
        ("url: {words: [free, casino], at_least: 2}", "url: {words: [free]}\n    match: x", "match does not go with url"),
    ],
)
def test_url_mistakes(tmp_path, old, new, message):
    assert any(message in p for p in problems(tmp_path, URLS.replace(old, new)))


@pytest.mark.parametrize("within", ["{first: 1, last: 1}", "{}", "{first: 0}", "{first: x}", "{frist: 1}"])
def test_within_is_the_first_or_the_last_lines(tmp_path, within):
    found = problems(tmp_path, f"pack: p\nabout: x\nrules:\n  - {{id: a, why: x, lines: drop, match: x, within: {within}}}\n")
    assert all("within" in p or "R103" in p or "frist" in p for p in found)


def test_within_is_read(tmp_path):
    pack = load_pack(write(tmp_path, "pack: p\nabout: x\nrules:\n  - {id: a, why: x, lines: drop, match: x, within: {last: 3}}\n"))
    assert pack.rules[0].within == ("last", 3)


@pytest.mark.parametrize(
    ("pattern", "warned"),
    [
        (r"^\w+$", [r"\w"]),
        (r"\d\s\S", [r"\d", r"\s", r"\S"]),
        (r"[\s\p{Z}]*[\p{L}\d]", []),
        (r"caf\b", [r"\b"]),
        (r"\bAKIA[0-9]{4}\b", []),
        (r"\\w", []),
        (r"[\s]x[\p{L}]", [r"\s"]),
    ],
)
def test_classes_that_know_ascii_only_are_warned_about(tmp_path, pattern, warned):
    text = f"pack: p\nabout: x\nrules:\n  - id: a\n    why: x.\n    match: '{pattern}'\n"
    found = pattern_warnings(load_pack(write(tmp_path, text)))
    assert [p.message.split()[0] for p in found] == warned
    assert all((p.code, p.line, p.col) == ("R107", 6, 12) for p in found)
    assert pattern_warnings(load_pack(write(tmp_path, text.replace("about: x", "about: x\nlanguages: [en]")))) == []
