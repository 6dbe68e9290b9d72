"""Reading packs: what a good file means, and a file with many mistakes reporting every one at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from rules.format.examples import example_problems
from rules.format.pack import find_pack, load_pack, shipped_packs
from rules.places import Problems
from rules.rule import Comparison, Condition

GOOD = """\
pack: good
about: Everything the format can say.
source: https://example.org
languages: [eng_Latn]
words: space
line_breaks: unicode
rules:
  - id: count
    why: Because.
    action: tag
    languages: [en]
    drop_when: {words: ["< 5", "> 1e3"], chars: ">= .5"}
    by_language:
      no: {drop_when: {words: "< 3"}, action: drop}
      zh: off
    false_positives: [poems]
    examples: {drop: [{words: 4, chars: 1}], keep: [{words: 6, chars: 1}]}
  - id: tail
    why: Because.
    lines: replace
    match: '(\\d+)$'
    with: '<\\1>'
    examples: {change: {"a 12": "a <12>"}, keep: [b]}
  - id: short
    why: Because.
    lines: drop
    when: {line_words: "< 2"}
    examples: {drop: [a], keep: [a b]}
  - id: brace
    why: Because.
    match: '\\{'
    examples: {drop: ["{"], keep: [a]}
"""

BAD = """\
pack: Bad Pack
about: Twelve mistakes and more.
languages: [englsh]
wrods: space
rules:
  - id: a
    why: x
    drop_when: {word: "< 50"}
    examples: {drop: [{words: 1}], keep: [{words: 99}]}
  - id: b
    why: x
    drop_whn: {words: "< 50"}
  - id: c
    why: x
    drop_when: {words: "less than 50", chars: ["< 1", 7]}
  - id: d
    why: x
    lines: drop
    match: '(?<=x)cookies'
  - id: a
    why: ''
    action: dropp
    match: x
  - id: f
    why: x
    lines: trim
    when: {line_words: "< 2", word: "< 1"}
  - id: g
    why: x
    lines: replace
    match: 'x'
    with: '\\2'
  - id: H
    why: x
    match: x
    by_language: {xx-nonsense: off, de: {drop_when: {words: "< 1"}}}
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "pack.yaml"
    path.write_text(text)
    return path


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(Problems) as caught:
        load_pack(write(tmp_path, text))
    return [str(p).removeprefix(f"{tmp_path}/") for p in caught.value.problems]


def test_a_good_pack(tmp_path):
    pack = load_pack(write(tmp_path, GOOD))
    assert (pack.name, pack.languages, pack.words, pack.line_breaks) == ("good", ("en",), "space", "unicode")
    count, norwegian, tail, short, brace = pack.rules
    words = Condition("words", (Comparison("<", 5), Comparison(">", 1000)))
    assert count.drop_when == (words, Condition("chars", (Comparison(">=", 0.5),)))
    assert set(count.except_languages) == {"no", "zh"} and not count.variant
    assert norwegian.variant and norwegian.languages == ("no",) and norwegian.action == "drop"
    assert norwegian.drop_when == (Condition("words", (Comparison("<", 3),)),)
    assert (tail.lines, tail.with_) == ("replace", "<\\1>") and short.when and brace.lines is None
    assert example_problems(pack) == []


def test_every_mistake_is_found_in_one_go(tmp_path):
    found = problems(tmp_path, BAD)
    expected = [
        "pack.yaml:1:7: R101 a pack name",
        "pack.yaml:3:13: R103",
        "pack.yaml:4:1: R101 unknown key 'wrods', did you mean 'words'?",
        "pack.yaml:8:17: R102 unknown signal 'word', did you mean 'words'?",
        "pack.yaml:10:5: R101 a rule needs drop_when, url, lines",
        "pack.yaml:12:5: R101 unknown key 'drop_whn', did you mean 'drop_when'?",
        "pack.yaml:15:24: R103 expected a comparison such as '> 0.9', got 'less than 50'",
        "pack.yaml:15:55: R103 expected text, got 7",
        "pack.yaml:19:12: R104 not an RE2 pattern",
        "pack.yaml:20:9: R105 duplicate id 'a'",
        "pack.yaml:21:10: R101 say in one sentence",
        "pack.yaml:22:13: R103 expected one of drop, tag, off, got 'dropp', did you mean 'drop'?",
        "pack.yaml:26:5: R101 lines: trim needs match",
        "pack.yaml:27:31: R102 unknown signal 'word'",
        "pack.yaml:32:11: R104 bad replacement",
        "pack.yaml:33:9: R101 an id is lower-case words",
        "pack.yaml:36:19: R103",
        "pack.yaml:36:42: R101 drop_when replaces nothing",
    ]
    for line in expected:
        assert any(f.startswith(line) for f in found), f"{line!r} not in\n" + "\n".join(found)
    assert len(found) == len(expected), "\n".join(found)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("{id: a, why: x, drop_when: {}}", "at least one signal"),
        ("{id: a, why: x, drop_when: {words: '< 1'}, lines: drop}", "lines does not go with drop_when"),
        ("{id: a, why: x, lines: drop}", "needs match or when"),
        ("{id: a, why: x, match: x, with: y}", "with goes with lines: replace"),
        ("{id: a, why: x, lines: replace, match: x}", "needs with"),
        ('{id: a, why: x, lines: replace, match: x, with: "a\\nb"}', "stays on one line"),
        ("{id: a, why: x, action: tag, lines: drop, match: x}", "a line rule changes lines or is off"),
        ("{id: a, match: x}", "missing key 'why'"),
        ("{id: a, why: x, lines: trim, match: 'a\\B'}", "may be inside a character"),
        ("{id: a, why: x, lines: replace, match: '\\C', with: y}", "may be inside a character"),
        ("just text", "expected a mapping"),
    ],
)
def test_bodies_that_make_no_sense(tmp_path, rule, message):
    assert any(message in p for p in problems(tmp_path, f"pack: p\nabout: x\nrules:\n  - {rule}\n"))


def test_a_pack_without_rules(tmp_path):
    assert "at least one rule" in problems(tmp_path, "pack: p\nabout: x\nrules: []\n")[0]


def test_examples_are_tests(tmp_path):
    text = """\
pack: p
about: x
rules:
  - id: a
    why: x
    drop_when: {words: "< 3"}
    examples:
      drop: [one two, one two three]
      keep: [{words: 2}, {chars: 1}]
  - id: b
    why: x
    lines: trim
    match: ' x$'
    examples: {change: {"a x": "b"}, keep: [c x]}
  - id: c
    why: x
    match: x
"""
    found = [str(p).split("pack.yaml:")[1] for p in sorted(example_problems(load_pack(write(tmp_path, text))))]
    assert found == [
        "8:23: R106 p/a: this example should be dropped but is kept; words is 3",
        "9:14: R106 p/a: these values should keep but drop",
        "9:26: R106 p/a: give exactly the signals of the rule: words",
        "14:32: R106 p/b: becomes 'a', not 'b'",
        "14:45: R106 p/b: this example should be left alone but is acted on",
        "15:5: R108 p/c: needs at least one example that it acts on and one that it leaves alone",
    ]


def test_the_hash_covers_verdicts_and_nothing_else(tmp_path):
    def sha(text: str) -> str:
        return load_pack(write(tmp_path, text)).sha256

    base = sha(GOOD)
    assert sha(GOOD.replace("Because.", "Better said.").replace("poems", "songs")) == base
    for old, new in [("< 5", "< 6"), ("action: tag", "action: drop"), ("words: space", "words: unicode"), ("zh: off", "ja: off"), ("< 3", "< 2"), ("<\\1>", "[\\1]")]:
        assert sha(GOOD.replace(old, new)) != base, old


def test_finding_packs(tmp_path):
    assert find_pack("gopher_quality", tmp_path) == shipped_packs()["gopher_quality"]
    with pytest.raises(ValueError, match="did you mean 'gopher_quality'"):
        find_pack("gopher_qualty", tmp_path)
    with pytest.raises(ValueError, match="no pack file"):
        find_pack("mine.yaml", tmp_path)
