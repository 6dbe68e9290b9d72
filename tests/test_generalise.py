"""Patterns made from texts: they match what they were made from, in RE2, and say what they must not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_ui.draft import Draft, double_quoted, free_id, rule_yaml, single_quoted, write_draft
from inspect_ui.generalise import general_pattern, literal_pattern, template_of
from inspect_ui.sample import InspectError
from rules.format.examples import example_problems
from rules.format.pack import load_pack, pattern_warnings

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\n\x00"), max_size=30).filter(str.strip)
EDGES = st.sampled_from(["line", "start", "end", "inside"])


def matches(pattern: str, *lines: str) -> list[bool]:
    return pc.match_substring_regex(pa.array(lines, pa.large_string()), pattern).to_pylist()


@settings(max_examples=100, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=4), EDGES)
def test_a_pattern_matches_every_text_it_was_made_from(texts, edge):
    for make in (literal_pattern, general_pattern):
        assert all(matches(make(texts, edge), *(text.strip() for text in texts)))


@settings(max_examples=60, deadline=None)
@given(TEXT, TEXT)
def test_a_literal_pattern_of_a_line_matches_that_line_alone(text, other):
    fold = lambda line: "".join(line.split()).casefold()  # noqa: E731
    if fold(text) != fold(other) and len(fold(text)) == len(text.strip()) == len(text.strip().casefold()):
        assert matches(literal_pattern([text], "line"), other) == [False]


def test_numbers_and_names_become_classes():
    pattern = general_pattern(["Posted on 3 March 2019", "Posted on 14 May 2021, 1,204 views"[:21]], "line")
    assert matches(pattern, "posted on 1 december 1999", "Posted  on 1 Dec 1999 ", "Posted on 1 Montag 1999", "x Posted on 1 May 1999") == [True, True, False, False]
    assert matches(general_pattern(["Page 1 of 9", "Page 2 of 9"], "line"), "Page 17 of 1,024.5", "Page x of 9") == [True, False]
    assert matches(general_pattern(["mardi 3 mars", "jeudi 4 avril"], "start"), "lundi 12 août, 8h", "Monday 12 août") == [True, False]
    assert template_of("12:30 on Friday, 3 mai") == "<number>:<number> on <day>, <number> <month>"
    assert general_pattern(["Page 1", "Page 1 "], "line") == literal_pattern(["Page 1"], "line")
    with pytest.raises(ValueError):
        general_pattern([" "], "line")


def test_a_part_of_a_line_ends_at_words():
    assert matches(general_pattern(["use cookies"], "inside"), "we use cookies.", "reuse cookies", "use cookiesx") == [True, False, False]
    assert matches(general_pattern(["使用"], "inside"), "我們使用餅乾") == [True]


DRAFTS = st.builds(
    lambda text, other, hidden: Draft("some-id", literal_pattern([text + hidden], "line"), literal_pattern([text + hidden], "line"), (text + hidden,), (other,)),
    TEXT.map(str.strip), st.sampled_from(["Something else entirely.", "- no: yes", "'quoted' \"twice\" # no comment"]), st.sampled_from(["x", "\u202e1", "\u200b2", "\x1b[31m", "\U000e0041", "\u2028z", "\x85z"]),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(DRAFTS)
def test_a_draft_is_read_back_as_it_was_and_its_examples_agree(tmp_path_factory, draft):
    path = tmp_path_factory.mktemp("draft") / "my draft.yaml"
    write_draft(path, draft)
    write_draft(path, Draft("second", *[getattr(draft, name) for name in ("pattern", "literal", "drop", "keep")], most_chars=400))
    pack = load_pack(path, draft=True)
    first, second = pack.rules
    assert (first.match, first.examples.drop, first.examples.keep, first.action, first.why) == (draft.pattern, draft.drop, draft.keep, "tag", "")
    assert second.when[0].any_of[0].threshold == 400 and pack.name == "my_draft"
    assert [problem.message for problem in example_problems(pack) if "second" not in problem.message] == []
    assert pattern_warnings(pack) == []
    assert not any(character in path.read_text() for character in "\u202e\u200b\x1b\U000e0041\u2028\x85")


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=30))
def test_texts_survive_quoting(text):
    assert yaml.safe_load(double_quoted(text)) == text == json.loads(json.dumps(text))
    if text.isprintable():
        assert yaml.safe_load(single_quoted(text)) == text


def test_a_draft_is_added_to_a_file_as_it_is_written(tmp_path):
    path = tmp_path / "p.yaml"
    draft = Draft(free_id("We use, cookies: on this site", {"we-use-cookies-on"}), "^x$", "^x$", ("x",), ("y",))
    assert draft.id == "we-use-cookies-on-2" and free_id("漢字", set()) == "draft"
    path.write_text("pack: p\nabout: x\nrules:\n    - id: a   # mine\n      why: x\n      match: a\n")
    write_draft(path, draft)
    assert path.read_text().startswith("pack: p\nabout: x\nrules:\n    - id: a   # mine\n") and [rule.id for rule in load_pack(path, draft=True).rules] == ["a", draft.id]
    for text, message in (("rules: []\n", "has no rule yet"), ("rules: [{id: a}]\nabout: x\n", "to the end"), ("input: x\n", "is no pack"), ("rules: [{id: a, why: x, match: x}]\n", "one line")):
        path.write_text(text)
        with pytest.raises(InspectError, match=message):
            write_draft(path, draft)
        assert path.read_text() == text
    assert "  match: 'it''s'" in rule_yaml(Draft("a", "it's", "it's", (), ()), "")


KILLED = """
import sys
from pathlib import Path
from inspect_ui.draft import Draft, write_draft
for i in range(100000):
    write_draft(Path(sys.argv[1]), Draft(f"rule-{i}", "x" * 2000, "x", ("x",) * 20, ("y",)))
    print(i, flush=True)
"""


def test_a_kill_leaves_the_drafts_of_before_or_after(tmp_path):
    path, root = tmp_path / "draft.yaml", Path(__file__).parents[1]
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], cwd=root, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(root)})
    told = [int(process.stdout.readline()) for _ in range(8)][-1]
    process.send_signal(signal.SIGKILL)
    told = max([told, *(int(line) for line in process.stdout.read().split())])
    process.wait()
    assert told + 1 <= len(load_pack(path, draft=True).rules) <= told + 2
