"""From a selection to a rule in force, suggestions, and the duplicates of a run: whole flows on the real session."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curation.job import load_job
from curation.run import run_job
from inspect_ui.app import Inspect
from inspect_ui.session import Session
from inspect_ui.widgets.document import Document
from inspect_ui.widgets.table import Table
from tests.driving import drive, screen_lines
from tests.inspected import open_corpus, write_corpus
from tests.test_inspect_app import note, press, settle, told


@pytest.fixture
def app(tmp_path, monkeypatch) -> Inspect:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDITOR", "true")
    monkeypatch.delenv("VISUAL", raising=False)
    return Inspect(open_corpus(tmp_path))


def editor(tmp_path: Path, monkeypatch, name: str, script: str) -> None:
    """$EDITOR is a program that changes the file it is given."""
    path = tmp_path / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(path))


def shown(app: Inspect) -> str:
    return app.screen.query_one(Document).text


def test_a_line_becomes_a_rule_that_tags_and_then_drops(app, tmp_path, monkeypatch):
    async def script(pilot):
        app.read_document(app.session.row_of("doc-01"))
        await settle(pilot)
        text = app.screen.query_one("#text", Document)
        text.focus()
        text.reveal(text.text.encode().index(b"Read more"))
        await press(pilot, "p")
        assert "match: " in shown(app) and "tag: 26 lines in 26 documents" in shown(app) and not (tmp_path / "draft.yaml").exists()
        await press(pilot, "escape")
        assert app.screen is app.frame and not (tmp_path / "draft.yaml").exists()
        editor(tmp_path, monkeypatch, "why.sh", """sed -i 's/why: ""/why: "Teasers are no text."/' "$1" """)
        await press(pilot, "p", "enter")
        pack = (tmp_path / "draft.yaml").read_text()
        assert "action: tag" in pack and "Read more" in pack and "Teasers are no text." in pack
        assert app.rule == "draft/read-more" and "draft/read-more is in force" in told(app, ".heading") and "Teasers" in shown(app)
        await press(pilot, "d")
        assert "lines: drop" in (tmp_path / "draft.yaml").read_text() and "draft/read-more drops its lines now" in note(app)
        await press(pilot, "2")
        row = next(row for row in app.frame.rows if row.rule == "draft/read-more")
        assert (row.action, row.documents, row.lines) == ("drop line", 26, 26)

    drive(app, script)


def test_mistakes_made_in_the_editor_are_shown_and_the_rule_stays_in_force(app, tmp_path, monkeypatch):
    async def script(pilot):
        editor(tmp_path, monkeypatch, "break.sh", """sed -i "s/match: '/match: '(/" "$1" """)
        app.read_document(app.session.row_of("doc-01"))
        await settle(pilot)
        app.screen.query_one("#text", Document).focus()
        await press(pilot, "G", "p", "enter")
        assert "stay in force" in told(app, ".heading") and "draft.yaml:9:12: R104" in shown(app)
        assert [rule.action for pack in app.session.packs for rule in pack.rules if pack.name == "draft"] == ["tag"]
        editor(tmp_path, monkeypatch, "mend.sh", """sed -i "s/match: '(/match: '/" "$1" """)
        await press(pilot, "e")
        assert "is in force" in told(app, ".heading")

    drive(app, script)


def test_marked_rows_of_mine_become_one_pattern_and_what_it_adds_is_shown(app):
    async def script(pilot):
        await press(pilot, "5")
        texts = [app.frame._row(place).text for place in range(len(app.frame.order))]
        table = app.screen.query_one(Table)
        for text in ("Read more", "© 2003 The Mill. All rights reserved."):
            table.move_to(texts.index(text))
            await press(pilot, "space")
        assert len(table.marks) == 2 and "2 marked" in told(app, "#why")
        await press(pilot, "p")
        assert "Read" in shown(app).splitlines()[0] and "Mill" in shown(app).splitlines()[0]
        await press(pilot, "escape", "escape")
        assert app.screen is app.frame and not table.marks
        app.frame.kind = "templates"
        app.frame.fill()
        await settle(pilot)
        table.move_to(next(place for place in range(len(app.frame.order)) if app.frame._row(place).text.startswith("© <number>")))
        await press(pilot, "p")
        assert r"\p{Nd}" in shown(app) and "generalising it adds 0" in shown(app) and "tag: 26 lines" in shown(app)
        await press(pilot, "l")
        assert r"\p{Nd}" not in shown(app).splitlines()[0] and "2003" in shown(app).splitlines()[0]

    drive(app, script)


def test_mine_shows_every_kind_its_scope_and_where_a_row_is(app):
    async def script(pilot):
        await press(pilot, "5")
        seen = []
        for _ in range(7):
            seen.append((app.frame.kind, len(app.frame.order)))
            await press(pilot, "right_square_bracket")
        assert app.frame.kind == "lines" and all(count for _, count in seen) and len({kind for kind, _ in seen}) == 7
        everything = app.frame.mined.lines
        await press(pilot, "ampersand", *"lang:de", "enter")
        assert 0 < app.frame.mined.lines < everything and "lang:de" in told(app, "#effect")
        await press(pilot, "ampersand", "ctrl+u", *"host:nowhere", "enter")
        assert "nowhere" in note(app) and app.frame.language == "de"
        await press(pilot, "ampersand", "ctrl+u", *"what", "enter")
        assert "a scope is" in note(app)
        await press(pilot, "ampersand", "ctrl+u", "enter", "slash", *"cookies", "enter")
        assert {"cookies" in app.frame._row(place).text for place in range(len(app.frame.order))} == {True}
        await press(pilot, "slash", "ctrl+u", "enter", "v")
        assert all(app.frame._row(place).removed < 1 for place in range(len(app.frame.order)))
        row = app.frame.row
        await press(pilot, "enter")
        text = app.screen.query_one("#text", Document)
        assert app.frame.NUMBER == 1 and app.looking.row == row.row and text.selected_text.strip() == row.text

    drive(app, script)


def test_a_host_is_gone_into_and_its_documents_are_read(app):
    async def script(pilot):
        await press(pilot, "5", "left_square_bracket")
        assert app.frame.kind == "hosts"
        host = app.frame.row.text
        await press(pilot, "r")
        assert app.frame.NUMBER == 1 and {app.session.listed([row])[0].host for row in app.looking.rows} == {host}
        await press(pilot, "5", "enter")
        assert (app.frame.kind, app.frame.host) == ("lines", host)

    drive(app, script)


def test_suggestions_are_shown_and_never_applied(app, tmp_path):
    async def script(pilot):
        await press(pilot, "5", "f")
        assert app.screen is not app.frame or "safe enough" in note(app)
        if app.screen is not app.frame:
            await press(pilot, "enter")
            assert "match: " in shown(app)
            await press(pilot, "escape")
        await press(pilot, "2", "f")
        assert "too few labels" in note(app)
        for row in range(app.session.count):
            app.session.label(row, "drop" if app.session.judged.decision.dropped[row] else "keep")
        copied = []
        app.copy_to_clipboard = copied.append
        await press(pilot, "f")
        assert app.screen is not app.frame
        await press(pilot, "enter")
        assert copied[0].startswith("drop_when: {") and "copied drop_when" in note(app)
        assert not (tmp_path / "draft.yaml").exists() and len(app.session.packs) == 1

    drive(app, script)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A finished run with duplicates."""
    folder = tmp_path_factory.mktemp("run")
    write_corpus(folder)
    (folder / "job.yaml").write_text("input: documents.jsonl\noutput: out\npacks: [town.yaml]\nexact: {}\nnear: {}\nworkers: inline\n")
    run_job(load_job(folder / "job.yaml"))
    return folder / "out"


def test_clusters_of_a_run_are_shown_with_who_was_kept_and_why(run, tmp_path, monkeypatch):
    app = Inspect(Session.open([str(run)], labels=[tmp_path / "labels.jsonl"], by="ann"))

    async def script(pilot):
        await press(pilot, "6")
        assert app.frame.clusters and "keep: " in told(app, "#effect")
        assert app.frame.members[0].kept and len(app.frame.members) == app.frame.clusters[0].size
        assert any("★" in line for line in screen_lines(app))
        stages = {cluster.stage for cluster in app.frame.clusters}
        near = next(place for place, cluster in enumerate(app.frame.clusters) if cluster.stage == "near") if "near" in stages else 0
        app.screen.query_one("#clusters", Table).move_to(near)
        await settle(pilot)
        differing = shown(app)
        await press(pilot, "d")
        assert shown(app) == app.frame.member.text != differing
        copied = []
        app.copy_to_clipboard = copied.append
        await press(pilot, "C", "c")
        assert copied == [app.frame.member.id, app.frame.member.text]
        name = app.frame.member.id
        await press(pilot, "r")
        assert app.frame.NUMBER == 1 and app.looking.row == app.session.row_of(name)

    drive(app, script)


def test_files_that_are_no_run_say_where_clusters_come_from(app):
    async def script(pilot):
        await press(pilot, "6")
        assert "clusters are found by a run" in note(app)

    drive(app, script)


def test_two_people_disagree_and_are_listed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mine = open_corpus(tmp_path)
    mine.label(0, "keep")
    theirs = tmp_path / "bob.jsonl"
    theirs.write_text((tmp_path / "labels.jsonl").read_text().replace('"keep"', '"drop"').replace('"ann"', '"bob"'))
    session = Session.open([str(tmp_path / "documents.jsonl")], [str(tmp_path / "town.yaml")], labels=[tmp_path / "labels.jsonl", theirs], by="ann")
    app = Inspect(session)

    async def script(pilot):
        await press(pilot, "7", "V")
        assert "1 disagreements of 1" in told(app, "#effect")
        assert any("ann: keep, bob: drop" in line for line in screen_lines(app))
        assert json.loads(theirs.read_text())["by"] == "bob"

    drive(app, script, (120, 30))
