"""Pictures of the seven screens at two sizes, as they were accepted; and those of docs/inspect.md, made from them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_textual_snapshot import SVGImageExtension

from inspect_ui.app import Inspect
from inspect_ui.screens.frame import NAMES
from inspect_ui.session import Session
from tests.driving import ROOT
from tests.inspected import write_corpus
from tests.test_inspect_app import press, settle

SVGImageExtension.file_extension = "svg"  # the name that newer releases of syrupy look for
SIZES = {"80x24": (80, 24), "120x40": (120, 40)}
KEYS = {1: ["tab"], 3: ["v"], 5: ["space", "space"]}  # pressed on a screen before its picture is taken


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A finished run, so that all screens have something to show; two labels were given."""
    from curation.job import load_job
    from curation.run import run_job

    folder = tmp_path_factory.mktemp("pictures")
    write_corpus(folder)
    (folder / "job.yaml").write_text("input: documents.jsonl\noutput: out\npacks: [town.yaml]\nexact: {}\nnear: {}\nworkers: inline\n")
    run_job(load_job(folder / "job.yaml"))
    return folder


@pytest.fixture
def app(run, tmp_path, monkeypatch) -> Inspect:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("inspect_ui.labels.time.strftime", lambda *_: "2025-01-31T12:00:00+00:00")
    session = Session.open([str(run / "out")], labels=[tmp_path / "labels.jsonl"], by="ann")
    for name, answer in (("doc-01", "keep"), ("stub-0", "drop")):
        session.label(session.row_of(name), answer)
    app = Inspect(session)
    app.rule = "town/short-text"
    app.read_first = session.row_of("doc-01")
    return app


def shown(app: Inspect, number: int):
    """Go to a screen, and wait until it is filled."""

    async def run_before(pilot) -> None:
        app.animation_level = "none"
        app.read_document(app.read_first)
        await settle(pilot)
        app.rule = "town/short-text"
        for key in [str(number), *KEYS.get(number, ())]:
            await press(pilot, key)

    return run_before


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("number", range(1, len(NAMES) + 1), ids=NAMES)
def test_a_screen_looks_as_it_was_accepted(app, number, size, snap_compare):
    assert snap_compare(app, terminal_size=size, run_before=shown(app, number)), "look at snapshot_report.html; accept with --snapshot-update"


@pytest.mark.parametrize("name", NAMES)
def test_the_pictures_of_the_docs_are_those_of_the_screens(name):
    accepted = (ROOT / f"tests/__snapshots__/test_inspect_pictures/test_a_screen_looks_as_it_was_accepted[{name}-120x40].svg").read_bytes()
    assert len(accepted) < 60_000
    picture = ROOT / f"docs/pictures/{name.lower()}.svg"
    assert picture.read_bytes() == accepted, "the pictures of the docs are old: python scripts/write_docs.py"
