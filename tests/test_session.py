"""A session: every number that a screen of the inspector shows, told without a screen."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from inspect_ui.judging import judge
from inspect_ui.session import InspectError, Session
from rules.format.pack import load_pack

ARTICLE = "The river ran past the old mill and the people of the town walked along it every evening of the year."
PACK = """\
pack: mine
about: Rules for tests.
words: space
rules:
  - id: cookie
    why: Banners.
    lines: drop
    match: '(?i)^we use cookies'
    examples: {drop: ["We use cookies."], keep: ["As place cards we use cookies."]}
  - id: short
    why: Stubs.
    drop_when: {words: "< 10"}   # a comment that stays
    examples: {drop: [{words: 9}], keep: [{words: 10}]}
  - id: digits
    why: Numbers.
    drop_when: {alpha_word_frac: "< 0.5"}
    examples: {drop: ["1 2 3"], keep: ["one two"]}
  - id: mill
    why: Counts lines.
    action: tag
    match: 'mill'
    examples: {drop: ["mill"], keep: ["x"]}
"""


def texts() -> list[str]:
    return [
        ARTICLE,
        f"We use cookies here.\n{ARTICLE}\nSecond line with é and the mill.",
        "a short text",
        "12 34 56 78 90 12 34 56 78 90 11",
        "1 2 3",
        f"Zwei Zeilen über den Fluß.\n{ARTICLE}\nwe use cookies",
    ]


@pytest.fixture
def session(tmp_path) -> Session:
    rows = [{"id": f"d{i}", "text": text, "url": f"https://h{i % 2}.example/{i}", "lang": "de" if i == 5 else "en"} for i, text in enumerate(texts())]
    (tmp_path / "documents.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "mine.yaml").write_text(PACK)
    return Session.open([str(tmp_path / "documents.jsonl")], [str(tmp_path / "mine.yaml")], seed=7, labels=[tmp_path / "labels.jsonl"], by="ann")


def ids(session: Session, rows) -> list[str]:
    return session.documents["id"].take(rows).to_pylist()


def test_the_title_says_how_much_of_how_much_is_seen(session):
    assert session.title == "6 of 6, seed 7" and session.notices == []
    assert session.languages == {"en": 5, "de": 1}


def test_a_document_has_its_spans_signals_and_hits(session):
    view = session.document(session.row_of("d1"))
    spans = {(span.rule, span.line): span for span in view.spans}
    banner = spans["mine/cookie", 1]
    assert (banner.start, banner.end, banner.whole_line, banner.action) == (0, 14, True, "drop")
    mill = spans["mine/mill", 3]
    assert view.text[mill.text_start : mill.text_end] == "mill" == view.line(3)[mill.start : mill.end]
    assert view.text.encode()[mill.byte_start : mill.byte_end] == b"mill" and mill.byte_start == mill.text_start + 1
    assert not view.dropped and view.edited and view.host == "h1.example" and view.lang == "en"
    assert [(hit.rule, hit.lines) for hit in view.hits] == [("mine/cookie", 1), ("mine/mill", 2)]
    words = next(signal for signal in view.signals if signal.signal == "words")
    assert words.value == 28 and words.distance == 18 and words.threshold == 10 and not words.hit
    view = session.document(session.row_of("d4"))
    assert view.dropped and view.reason == "mine/short" and [hit.rule for hit in view.hits] == ["mine/short", "mine/digits"]
    with pytest.raises(InspectError, match="no document 'x' in the sample"):
        session.row_of("x")


def test_the_table_of_rules(session):
    rows = {row.rule: row for row in session.rules()}
    assert (rows["mine/cookie"].lines, rows["mine/cookie"].documents, rows["mine/cookie"].words) == (2, 2, 7)
    assert (rows["mine/short"].documents, rows["mine/short"].only, rows["mine/short"].words) == (2, 1, 6)
    assert (rows["mine/digits"].documents, rows["mine/digits"].only, rows["mine/digits"].thresholds) == (2, 1, 1)
    assert (rows["mine/mill"].action, rows["mine/mill"].documents, rows["mine/mill"].only) == ("tag", 3, 3)
    assert (rows["mine/mill"].lines, rows["mine/mill"].words) == (4, 21 + 21 + 7 + 21)
    assert ids(session, session.rule_documents("mine/cookie")) == ["d1", "d5"]
    with pytest.raises(InspectError, match="no rule 'mine/shrot'"):
        session.tunings("mine/shrot")


def test_moving_a_threshold_counts_what_deciding_again_would(session):
    [tuning] = session.tunings("mine/short")
    words = session.judged.columns["mine.words"]
    for threshold in (0, 3, 3.5, 10, 11, 12, 1000):
        moved = tuning.move(threshold)
        hit = words < threshold
        assert (moved.documents, moved.words) == (int(hit.sum()), int(session.judged.words[hit].sum()))
        assert moved.only == int((hit & ~session.judged.decision.rule_hits["mine/digits"]).sum())
        assert sum(moved.by_language.values()) == moved.documents
    hit, spared = tuning.nearest(10, 2)
    assert ids(session, hit[:2]) == ["d4", "d2"] and ids(session, spared[:1]) == ["d3"]
    shown = tuning.histogram(5)
    assert shown.below + shown.counts.sum() + shown.above == 6
    assert tuning.histogram(5, "de").counts.sum() == 1


def test_a_threshold_is_written_back_with_comments_kept(session, tmp_path):
    [tuning] = session.tunings("mine/short")
    assert session.write_threshold(tuning, 3.5) == tmp_path / "mine.yaml"
    assert '    drop_when: {words: "< 3.5"}   # a comment that stays\n' in (tmp_path / "mine.yaml").read_text()
    assert session.tunings("mine/short")[0].threshold == 3.5 and session.rules()[1].documents == 2
    session.write_threshold(session.tunings("mine/short")[0], 2)
    assert session.rules()[1].documents == 0 and PACK.replace("< 10", "< 2").splitlines()[11] == (tmp_path / "mine.yaml").read_text().splitlines()[11]


def test_before_and_after(session):
    view = session.diff(session.row_of("d5"))
    assert [(line.kind, line.before, line.after) for line in view.lines] == [(" ", 1, 1), (" ", 2, 2), ("-", 3, None)]
    assert view.removed == 1 and view.lines[-1].rule == "mine/cookie" and view.characters_after == view.characters_before - 15
    assert session.diff(session.row_of("d0")).lines == [] and session.diff(session.row_of("d5"), "mine/short").lines == []
    assert ids(session, session.changed_documents()) == ["d1", "d2", "d3", "d4", "d5"]


def test_a_broken_edit_leaves_the_old_rule_in_force(session, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(PACK.replace("lines: drop", "lines: drpo"))
    found = session.reload()
    assert [(p.line, p.col, p.code) for p in found.problems] == [(7, 12, "R103")] and session.rules()[0].lines == 2
    path.write_text(PACK.replace("^we use cookies", "^(we use cookies|a short)").replace("why: Banners.", 'why: ""'))
    found = session.reload()
    assert found.changed == ["mine"] and [note.code for note in found.notes] == ["R101"] and session.rules()[0].lines == 3


def test_the_effect_of_a_draft_counts_lines_and_what_is_removed_already(session, tmp_path):
    (tmp_path / "draft.yaml").write_text("pack: draft\nabout: x\nrules:\n  - id: a\n    why: ''\n    action: tag\n    match: '(?i)(cookies|mill)'\n")
    effect = session.effect(load_pack(tmp_path / "draft.yaml", draft=True), "a")
    assert (effect.lines, effect.documents, effect.already, effect.hosts) == (6, 3, 2, 2)
    assert effect.words == 21 + (4 + 21 + 7) + (21 + 3) and effect.by_language == {"en": 2, "de": 1}
    lines = session.effect_lines(effect, 10)
    assert sorted(line.text for line in lines) == sorted({"We use cookies here.", ARTICLE, "Second line with é and the mill.", "we use cookies"})
    session.reload(tmp_path / "draft.yaml")
    assert [row.rule for row in session.rules()][-1] == "draft/a" and session.rules()[-1].documents == 3


def test_labels_make_precision_and_only_random_ones_recall(session):
    short = lambda: next(row for row in session.rules() if row.rule == "mine/short")  # noqa: E731
    session.label(session.row_of("d2"), "drop", "mine/short", "near")
    assert short().score.precision.hits == 1 and short().score.recall is None
    session.label(session.row_of("d4"), "keep", "", "random")
    session.label(session.row_of("d3"), "drop", "", "random")
    assert (short().score.precision.hits, short().labels, short().score.recall.hits, short().score.recall.labels) == (1, 2, 0, 1)
    assert "too few" in str(short().score.precision)
    assert ids(session, session.rows_for("disagreements", "mine/short")) == ["d3", "d4"]
    assert session.undo().doc == "d3" and short().score.recall.labels == 0
    assert session.redo().doc == "d3" and short().score.recall.labels == 1
    assert [row.label for row in session.listed()] == ["", "", "drop", "drop", "keep", ""]
    [tuning] = session.tunings("mine/short")
    assert session.tune_score(tuning, 2).precision.labels == 0 and session.tune_score(tuning, 12).precision.labels == 3


def test_sampling_modes(session):
    for mode in ("random", "rare-host", "longest", "each-language"):
        assert sorted(session.rows_for(mode)) == list(range(6))
    assert ids(session, session.rows_for("near", "mine/short"))[0] == "d3"
    assert ids(session, session.rows_for("only", "mine/digits")) == ["d3"]
    assert {"d5"} < set(ids(session, session.rows_for("each-language")[:2]))
    assert session.rows_for("longest")[-1] == session.row_of("d4")
    with pytest.raises(InspectError, match="no sampling mode 'odd'"):
        session.rows_for("odd")


def test_search_in_all_and_in_one(session):
    assert ids(session, session.search("(?i)zwei|short")) == ["d2", "d5"]
    assert session.find(session.row_of("d1"), "é and") == [(3, 17, 22)]
    with pytest.raises(InspectError, match="not an RE2 pattern"):
        session.search("(?<=a)")


def test_a_finished_run_is_seen_as_the_rules_met_it(tmp_path):
    from curation.job import load_job
    from curation.run import run_job

    rows = [{"id": f"d{i}", "text": text} for i, text in enumerate([*texts(), texts()[0]])]
    (tmp_path / "documents.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "mine.yaml").write_text(PACK)
    (tmp_path / "job.yaml").write_text("input: documents.jsonl\noutput: out\npacks: [mine.yaml]\nexact: {}\nworkers: inline\n")
    run_job(load_job(tmp_path / "job.yaml"))
    session = Session.open([str(tmp_path / "out")], labels=[tmp_path / "labels.jsonl"])
    assert session.title == "7 of 7, seed 0" and session.notices == []
    assert sorted(zip(session.documents["id"].to_pylist(), session.texts.to_pylist())) == sorted((row["id"], row["text"]) for row in rows)
    listed = {row.id: row for row in session.listed()}
    assert listed["d4"].reason == "mine/short" and listed["d6"].reason == "exact/duplicate" and not listed["d6"].dropped and listed["d0"].reason == ""
    (tmp_path / "mine.yaml").write_text(PACK.replace("< 10", "< 9").replace("{words: 9}", "{words: 8}"))
    assert "changed since the run: mine" in Session.open([str(tmp_path / "out")], labels=[tmp_path / "l"]).notices[0]
    (tmp_path / "job.yaml").unlink()
    assert "is gone" in Session.open([str(tmp_path / "out")], labels=[tmp_path / "l"]).notices[0]


def test_no_packs_and_nothing_measured(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "one two"}\n')
    session = Session.open([str(tmp_path)], labels=[tmp_path / "l"])
    assert session.rules() == [] and session.document(0).words == 2 and "no rules are applied" in session.notices[0]
    assert math.isclose(float(np.sum(session.judged.words)), 2)
    with pytest.raises(InspectError):
        Session.open([], labels=[Path("l")])


def test_of_a_document_with_very_many_hits_the_first_are_told(tmp_path, monkeypatch):
    from inspect_ui import replay

    monkeypatch.setattr(replay, "MOST_HITS", 10)
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": "a", "text": f"{ARTICLE}\nWe use cookies\nthe mill\n" * 50}) + "\n")
    (tmp_path / "mine.yaml").write_text(PACK)
    session = Session.open([str(tmp_path / "a.jsonl")], [str(tmp_path / "mine.yaml")], labels=[tmp_path / "l"], drafts=tmp_path / "d.yaml")
    view = session.document(0)
    assert view.told_lines == 32 and {span.line for span in view.spans if span.rule == "mine/cookie"} == set(range(2, 33, 3))
    assert {span.line for span in view.spans if span.rule == "mine/mill"} == {line for line in range(1, 33) if line % 3 != 2}
    assert [(hit.rule, hit.lines) for hit in view.hits] == [("mine/cookie", 50), ("mine/mill", 100)]


def test_lines_that_only_one_rule_removes(tmp_path):
    rules = "".join(f"  - {{id: {name}, why: x, lines: drop, {body}}}\n" for name, body in (("a", "match: '^a'"), ("ab", "match: '^ab'"), ("short", "when: {line_chars: '< 2'}"), ("last", "match: x, within: {last: 1}")))
    (tmp_path / "p.yaml").write_text(f"pack: p\nabout: x\nrules:\n{rules}")
    (tmp_path / "q.yaml").write_text("pack: q\nabout: x\nrules:\n  - {id: c, why: x, lines: drop, match: 'c'}\n")
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "a long line\nab\na\nac\nkept\n.\nc\nx at the end"}) + "\n")
    session = Session.open([str(tmp_path / "a.jsonl")], [str(tmp_path / "p.yaml"), str(tmp_path / "q.yaml")], labels=[tmp_path / "l"], drafts=tmp_path / "d.yaml")
    assert {row.rule: (row.lines, row.only) for row in session.rules()} == {"p/a": (4, 1), "p/ab": (0, 0), "p/short": (2, 1), "p/last": (1, 1), "q/c": (0, 0)}


def test_judging_again_is_judging_from_the_beginning(session, tmp_path):
    (tmp_path / "tag.yaml").write_text("pack: tag\nabout: x\nrules:\n  - {id: t, why: x, action: tag, match: river}\n  - {id: w, why: x, drop_when: {lines: '> 1'}}\n")
    (tmp_path / "line.yaml").write_text("pack: line\nabout: x\nrules:\n  - {id: l, why: x, lines: drop, match: Zwei}\n  - {id: gone, why: x, drop_when: {removed_line_frac: '> 0.3'}}\n")
    mine, tag, line = session.packs[0], load_pack(tmp_path / "tag.yaml"), load_pack(tmp_path / "line.yaml")
    other = dataclasses.replace(tag, rules=tag.rules[:1])
    judged = session.judged
    for packs in ([mine, tag], [mine, line], [mine, line, tag], [mine, tag, line], [mine, other], [tag, mine], [], [line], [mine]):
        judged, fresh = judge(session.documents, packs, judged), judge(session.documents, packs)
        assert judged.columns.keys() == fresh.columns.keys() and all(np.array_equal(judged.columns[name], fresh.columns[name], equal_nan=True) for name in fresh.columns)
        assert judged.edits.equals(fresh.edits) and judged.measured.texts.equals(fresh.measured.texts) and judged.decision.hits.equals(fresh.decision.hits)
