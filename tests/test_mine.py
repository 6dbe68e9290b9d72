"""What repeats, against a plain definition in Python: counts, documents, hosts, what is removed, templates."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter, defaultdict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inspect_ui.generalise import template_of
from inspect_ui.line_table import line_table
from inspect_ui.mine import EDGE_WORDS, NGRAM_WORDS, mine_lines, scope_of_lines
from inspect_ui.session import InspectError, Session
from inspect_ui.suggest import between_prose
from rules.engine import apply
from rules.format.pack import load_pack

WORDS = st.sampled_from(["we", "use", "Cookies", "é", "漢字", "12", "7", "March", "mai", ".", "a1", " ", "\t", "\u3000", "b"])
LINE = st.lists(WORDS, max_size=9).map(" ".join)
TEXTS = st.lists(st.lists(LINE, max_size=6).map("\n".join), max_size=8)


def scope_of(texts: list[str]):
    column = pa.array(texts, pa.large_string())
    hosts = pa.array([f"h{i % 3}" for i in range(len(texts))], pa.large_string())
    return scope_of_lines(line_table(column, [], pa.table({"row": pa.array([], pa.int64())})), np.zeros(len(texts), bool), hosts)


def edge(words: list[str], first: bool) -> list[str]:
    return words[:EDGE_WORDS] if first else words[-EDGE_WORDS:]


def keys_of(kind: str, line: str) -> list[str]:
    """The plain definition: what a line is counted under, white space put in one form."""
    words = line.split()
    if kind == "lines":
        return [line.strip()] if words else []
    if kind in ("prefixes", "suffixes"):
        return ["\x00".join(edge(words, kind == "prefixes"))] if len(words) > EDGE_WORDS else []
    if kind == "ngrams":
        return ["\x00".join(words[i : i + NGRAM_WORDS]) for i in range(len(words) - NGRAM_WORDS + 1)]
    if kind == "words":
        return re.findall(r"[^\W_]+", line)
    return [re.sub(r"\s+", " ", template_of(line.strip()))] if template_of(line.strip()) != line.strip() else []


def shown_key(kind: str, text: str) -> str:
    return "\x00".join(text.split()) if kind in ("prefixes", "suffixes", "ngrams") else re.sub(r"\s+", " ", text) if kind == "templates" else text


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.sampled_from(["lines", "prefixes", "suffixes", "ngrams", "words", "templates"]))
def test_counts_are_those_of_the_definition(texts, kind):
    counts, documents, hosts, variants = Counter(), defaultdict(set), defaultdict(set), defaultdict(set)
    for number, text in enumerate(texts):
        for line in text.split("\n"):
            for key in keys_of(kind, line):
                counts[key] += 1
                documents[key].add(number)
                hosts[key].add(number % 3)
                variants[key].add(line.strip())
    rows = mine_lines(scope_of(texts), kind, 1000).rows()
    found = {shown_key(kind, row.text): row for row in rows}
    wanted = {key for key, count in counts.items() if count > 1 and (kind != "templates" or len(variants[key]) > 1)}
    assert set(found) <= wanted if kind == "ngrams" else set(found) == wanted  # n-grams that overlap a shown one are left out
    for key, row in found.items():
        assert (row.count, row.documents, row.hosts) == (counts[key], len(documents[key]), len(hosts[key]))
        assert kind == "lines" or row.variants == len(variants[key])
        assert key in keys_of(kind, texts[row.row].split("\n")[row.line - 1])
    assert [row.documents for row in rows] == sorted((row.documents for row in rows), reverse=True)


@settings(max_examples=30, deadline=None)
@given(TEXTS)
@example(["漢字 we use\n漢字 we use"])  # no word is cut
def test_the_lines_of_a_group_are_those_that_have_its_key(texts):
    for kind in ("prefixes", "templates", "ngrams"):
        groups = mine_lines(scope_of(texts), kind, 1000)
        for number, row in enumerate(groups.rows()):
            lines = groups.lines_of(number)
            assert set(lines) == {line.strip() for text in texts for line in text.split("\n") if shown_key(kind, row.text) in keys_of(kind, line)}


def test_ideographs_have_edges_of_characters():
    texts = ["クッキーを使用しています。同意する", "クッキーを使用しています。閉じる", "他の行"]
    [row] = mine_lines(scope_of(texts), "prefixes").rows()
    assert row.text == "クッキーを使用し" and row.documents == 2


PACK = """\
pack: p
about: x
{breaks}rules:
  - {{id: trim, why: x, lines: trim, match: '^\\s+'}}
  - {{id: cookie, why: x, lines: drop, match: '^cookie'}}
"""


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.booleans())
def test_removed_lines_are_put_down_to_the_lines_they_were(tmp_path_factory, texts, unicode_breaks):
    """Three packs, each finding fewer lines than the one before, one with other line breaks: what the table says is left is what is left."""
    texts = [text.replace("we", "cookie").replace("漢字", "\u2028x") for text in texts]
    folder = tmp_path_factory.mktemp("packs")
    (folder / "p.yaml").write_text(PACK.format(breaks="line_breaks: unicode\n" if unicode_breaks else ""))
    (folder / "q.yaml").write_text(PACK.format(breaks="").replace("pack: p", "pack: q").replace("'^cookie'", "'(12|use)'"))
    q, p = load_pack(folder / "q.yaml"), load_pack(folder / "p.yaml")
    packs = [q, p, dataclasses.replace(q, name="r", rules=(dataclasses.replace(q.rules[1], match="Cookies"),))]
    column = pa.array(texts, pa.large_string())
    applied = apply(packs, column)
    table = line_table(column, packs, applied.edits)
    for row, after in enumerate(applied.texts.to_pylist()):
        if unicode_breaks and re.search(r"(?m)^\s*cookie[^\n]*\u2028", texts[row]):
            continue  # a part of a line goes, which the table does not call removed
        left = [table.text(int(line)) for line in np.flatnonzero((table.document == row) & (table.removed_by < 0))]
        assert "".join("".join(left).split()) == "".join(after.split())
    assert {table.rules[code].partition("/")[2] for code in table.removed_by[table.removed_by >= 0]} <= {"cookie"}


def test_risk_is_standing_between_lines_of_prose():
    prose = "This is a line of more than ten words and it ends well."
    texts = [f"{prose}\n\nShare\n{prose}\nMenu\nShare\n{prose}", f"Share\n{prose}", f"{prose}\n“A quotation that is long enough to be prose, is it not?”\n{prose}"]
    scope = scope_of(texts)
    found = between_prose(scope)
    marked = [(scope.table.place(int(i))) for i in np.flatnonzero(found)]
    assert marked == [(0, 3), (2, 2)]


@pytest.fixture
def session(tmp_path) -> Session:
    rows = [
        {"id": f"d{i}", "text": f"We use cookies on page {i}.\nPosted on {i + 3} March 20{i + 10}\nThe {i}th story is about the sea.\nShare this", "url": f"https://h{i % 2}.example/{i}", "lang": "en" if i < 4 else "de"}
        for i in range(6)
    ]
    (tmp_path / "documents.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "mine.yaml").write_text("pack: mine\nabout: x\nrules:\n  - {id: share, why: x, lines: drop, match: '^Share', examples: {drop: [Share], keep: [x]}}\n  - {id: end, why: x, drop_when: {words: '> 1000'}, examples: {drop: [{words: 1001}], keep: [x]}}\n")
    return Session.open([str(tmp_path / "documents.jsonl")], [str(tmp_path / "mine.yaml")], labels=[tmp_path / "labels.jsonl"])


def test_a_session_mines_in_scope_and_says_what_is_removed(session):
    [share] = session.patterns.mine("lines").rows
    assert (share.text, share.documents, share.hosts, share.removed) == ("Share this", 6, 2, 1.0)
    templates = {row.text: row for row in session.patterns.mine("templates").rows}
    assert set(templates) == {"We use cookies on page <number>.", "Posted on <number> <month> <number>", "The <number>th story is about the sea."}
    assert session.patterns.mine("templates", language="de").rows[0].documents == 2
    assert session.patterns.mine("prefixes", host="h1.example").rows[0].documents == 3
    assert {row.text for row in session.patterns.mine("prefixes", match="(?i)COOKIES").rows} == {"We use cookies"}
    hosts = session.patterns.mine("hosts").rows
    assert [(row.text, row.documents, row.variants) for row in hosts] == [("h0.example", 3, 12), ("h1.example", 3, 12)]
    for bad in ({"host": "x"}, {"language": "fr"}, {"match": "("}):
        with pytest.raises(InspectError):
            session.patterns.mine("lines", **bad)
    with pytest.raises(InspectError, match="no kind"):
        session.patterns.mine("odd")


def test_a_draft_of_several_rows_is_generalised_written_and_in_force(session, tmp_path):
    mined = session.patterns.mine("templates")
    number = next(i for i, row in enumerate(mined.rows) if row.text.startswith("Posted"))
    draft = session.patterns.draft_of_rows(mined, [number])
    assert r"\p{Nd}" in draft.pattern and "december" in draft.pattern and draft.id == "posted-on-3-march" and len(draft.keep) == 3
    tried = session.patterns.try_draft(draft)
    assert (tried.effect.lines, tried.literal.lines, tried.added_lines, tried.effect.hosts) == (6, 6, 0, 2)
    path = tmp_path / "draft.yaml"
    found = session.patterns.save(draft, path)
    assert found.changed == ["draft"] and [note.code for note in found.notes] == ["R101"] and found.problems == []
    assert session.rules()[-1].rule == "draft/posted-on-3-march" and session.rules()[-1].action == "tag" and session.rules()[-1].documents == 6
    prefix = session.patterns.draft_of_rows(session.patterns.mine("prefixes"), [0])
    session.patterns.save(prefix, path)
    assert [file.pack.name for file in session.files] == ["mine", "draft"] and len(session.packs[1].rules) == 2
    session.patterns.enforce("draft/posted-on-3-march")
    assert "lines: drop" in path.read_text() and session.rules()[-2].lines == 6
    path.write_text(path.read_text().replace('why: ""  # say in one sentence why this rule exists', "why: A date."))
    assert session.reload().notes == []
    assert path.read_text().startswith("pack: draft\n") and load_pack(path).rules[0].examples.keep


def test_a_draft_shows_what_generalising_adds(session):
    page = [session.text_of(row, 1) for row in (0, 1)]
    from inspect_ui.draft import make_draft

    draft = make_draft(page, "line", page, session.judged.lines, set(), 0)
    tried = session.patterns.try_draft(draft)
    assert (tried.literal.lines, tried.effect.lines, tried.added_lines) == (2, 6, 4)
    assert {line.text for line in tried.added} == {f"We use cookies on page {i}." for i in range(2, 6)}


def test_a_selection_is_tied_to_the_edges_it_reaches(session):
    text = session.text_of(0)
    for selected, starts, ends in (("We use cookies", "(?i)^", "|$)"), ("on page 0.", "(?i)(?:^|", "*$"), ("use cookies on", "(?i)(?:^|", "|$)"), ("Share this", "(?i)^", "*$")):
        at = text.index(selected)
        draft = session.patterns.draft_of_text(0, at, at + len(selected))
        assert draft.pattern.startswith(starts) and draft.pattern.endswith(ends), draft.pattern
        assert session.effect(__import__("inspect_ui.draft", fromlist=["x"]).draft_pack(draft), draft.id).lines >= 1
    draft = session.patterns.draft_of_text(0, 3, text.index("March"))
    assert draft.drop == tuple(text.split("\n")[:2])
    with pytest.raises(InspectError, match="nothing is selected"):
        session.patterns.draft_of_text(0, 2, 3)


def test_a_draft_of_hosts(session, tmp_path):
    draft = session.patterns.draft_of_rows(session.patterns.mine("hosts"), [1])
    assert session.patterns.try_draft(draft).effect.documents == 3
    found = session.patterns.save(draft, tmp_path / "hosts.yaml")
    assert not found.problems and session.rules()[-1].documents == 3


def test_suggested_lines_are_frequent_and_not_removed_yet(session):
    assert session.patterns.suggest_lines() == [], "six lines say little about risk"
    rows = [{"id": str(i), "text": f"Home\nTweet this page\nSome prose that is long enough to be taken for a sentence, {'sea ' * i}and so on.\nUpdated {i} May"} for i in range(80)]
    folder = session.log.path.parent
    (folder / "many.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    many = Session.open([str(folder / "many.jsonl")], labels=[folder / "l"])
    found = many.patterns.suggest_lines()
    assert {one.text for one in found} == {"Tweet this page", "Home", "Updated <number> <month>"}
    best = found[0]
    assert best.words == 240 and best.risk.hits == 0
    draft = many.patterns.draft_of_suggestion(best)
    assert many.patterns.try_draft(draft).effect.lines == 80
