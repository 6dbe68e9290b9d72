"""Where rules hit a text, against the texts themselves: places in characters and bytes, what is removed, before and after."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_ui.differences import diff_lines
from inspect_ui.judging import judge
from inspect_ui.reading import spans_of, starts_of
from inspect_ui.session import Session
from rules.format.pack import load_pack

LINE = st.lists(st.sampled_from(["cookie", "é", "漢", "\u202e", "  ", "12", "mail@x", "\x1b[1m", "end", "\U0001f36a", "(a)"]), max_size=6).map("".join)
TEXTS = st.lists(st.lists(LINE, min_size=1, max_size=7).map("\n".join), min_size=1, max_size=5)
FIRST = """\
pack: one
about: x
rules:
  - {id: cookie, why: x, lines: drop, match: '(co)(okie)'}
  - {id: mail, why: x, lines: replace, match: '(mail)@x', with: '<\\1>'}
  - {id: number, why: x, lines: trim, match: '[0-9]+'}
  - {id: found, why: x, action: tag, match: 'e(n)d|漢'}
  - {id: short, why: x, lines: drop, when: {line_chars: "< 2"}}
"""
SECOND = "pack: two\nabout: x\n{breaks}rules:\n  - {{id: a, why: x, lines: drop, match: '\\(a\\)'}}\n  - {{id: late, why: x, action: tag, match: 'é'}}\n"


@pytest.fixture(scope="module")
def packs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packs")
    (folder / "one.yaml").write_text(FIRST)
    (folder / "two.yaml").write_text(SECOND.format(breaks=""))
    (folder / "unicode.yaml").write_text(SECOND.format(breaks="line_breaks: unicode\n").replace("two", "unicode", 1))
    return [load_pack(folder / name) for name in ("one.yaml", "two.yaml", "unicode.yaml")]


def session_of(folder, texts: list[str]):
    (folder / "a.jsonl").write_text("".join(json.dumps({"id": str(i), "text": text}) + "\n" for i, text in enumerate(texts)))
    return Session.open([str(folder / "a.jsonl")], labels=[folder / "l"], drafts=folder / "d.yaml")


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_spans_are_where_they_say(tmp_path_factory, packs, texts):
    texts = [text + "\nend" for text in texts]
    session = session_of(tmp_path_factory.mktemp("s"), texts)
    for chosen in (packs[:2], [packs[0], packs[2]]):
        judged = judge(session.documents, chosen)
        for row, text in enumerate(session.texts.to_pylist()):
            lines, starts = text.split("\n"), starts_of(text)
            assert [text[a:b] for a, b in zip(starts, [s - 1 for s in starts[1:]] + [len(text)])] == lines
            spans = spans_of(judged, row, text, starts)
            for span in spans:
                part = text[span.text_start : span.text_end]
                assert part == lines[span.line - 1][span.start : span.end] == text.encode()[span.byte_start : span.byte_end].decode()
                if span.rule == "one/cookie":
                    assert part == "cookie" and span.whole_line
                if span.rule == "one/mail" and "cookie" not in lines[span.line - 1]:
                    assert part == "mail@x"
                if span.rule == "one/found" and not {"12", "mail@x"} & {piece for piece in ("12", "mail@x") if piece in lines[span.line - 1]}:
                    assert part in ("end", "漢")
            assert {span.line for span in spans if span.rule == "one/cookie"} == {i for i, line in enumerate(lines, 1) if "cookie" in line}
            assert [(span.line, span.start) for span in spans] == sorted((span.line, span.start) for span in spans)


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_a_diff_leads_from_one_text_to_the_other(tmp_path_factory, packs, texts):
    session = session_of(tmp_path_factory.mktemp("s"), [text + "\nkept line" for text in texts])
    judged = judge(session.documents, packs[:2])
    for row, (before, after) in enumerate(zip(session.texts.to_pylist(), judged.measured.texts.to_pylist())):
        lines = diff_lines(judged, row, context=1000)
        if before == after:
            assert lines == []
            continue
        assert [line.text for line in lines if line.kind in " +"] == after.split("\n")
        assert [line.before for line in lines if line.kind in " -"] == list(range(1, before.count("\n") + 2))
        assert [line.after for line in lines if line.kind in " +"] == list(range(1, after.count("\n") + 2))
        assert all(line.rule for line in lines if line.kind in "-+")
        around = diff_lines(judged, row, context=1)
        assert [line for line in around if line.kind in "-+"] == [line for line in lines if line.kind in "-+"]
