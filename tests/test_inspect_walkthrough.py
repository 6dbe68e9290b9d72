"""The walk-through of docs/inspect.md on real pages: mine, promote, try, tune, label, save, run; and what it does to pages nobody looked at."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.checking import check_files
from curation.job import load_job
from curation.run import run_job
from curation.sampling import is_held_out
from inspect_ui.session import Session
from inspect_ui.wilson import TOO_FEW

FULL = "#full"  # at the end of the URL of a page's text with its menus and banners
BANNER = re.compile("(?i)cookie|クッキー|куки")


@pytest.fixture(scope="module")
def pages() -> pa.Table:
    path = Path(__file__).parents[2] / "shared" / "data" / "web" / "part-0000.parquet"
    if not path.is_file():
        pytest.skip(f"needs the web pages in {path.parent}, which are not shipped")
    return pq.read_table(path)


class Truth:
    """Which lines are banners: they speak of cookies, and are no part of the page's main text, where that is known."""

    def __init__(self, pages: pa.Table):
        self.main: dict[str, set[str]] = defaultdict(set)
        for url, text in zip(pages["url"].to_pylist(), pages["text"].to_pylist()):
            if not url.endswith(FULL):
                self.main[url] |= {line.strip() for line in text.split("\n")}

    def is_banner(self, url: str, line: str) -> bool:
        return url.endswith(FULL) and bool(BANNER.search(line)) and line.strip() not in self.main[url.removesuffix(FULL)]


def write_rule(folder: Path, truth: Truth) -> Path:
    """From the pages that are looked at to a pack that drops lines, in the steps of the walk-through."""
    session = Session.open([str(folder / "seen.parquet")], seed=7, labels=[folder / "labels.jsonl"], by="ann", drafts=folder / "banners.yaml")
    # Mine: what repeats in the lines that speak of cookies?
    mined = session.patterns.mine("words", match="(?i)cookie")
    rows = [number for number, row in enumerate(mined.rows) if row.text.lower() in ("cookie", "cookies")]
    assert rows and mined.rows[rows[0]].hosts > 20 and mined.rows[rows[0]].removed == 0
    # Promote: a draft that tags, and what it does.
    draft = session.patterns.draft_of_rows(mined, rows)
    tried = session.patterns.try_draft(draft)
    assert tried.effect.lines > 50 and tried.effect.word_share < 0.02 and session.patterns.save(draft, session.drafts).changed == ["banners"]
    # Tune: how long may a banner be? The nearest lines on both sides say.
    name = f"banners/{draft.id}"
    [tuning] = session.tunings(name)
    assert tuning.unit == "lines" and tuning.move(600).documents > tuning.move(200).documents
    assert all(len(session.text_of(*place)) > 600 for place in tuning.nearest_places(600)[1])
    session.write_threshold(tuning, 600)
    # Label thirty of the lines that it hits.
    effect = session.effect(session.packs[0], draft.id)
    for line in session.effect_lines(effect, 30, seed=7):
        url = session.documents["url"][line.row].as_py()
        session.label(line.row, "drop" if truth.is_banner(url, line.text) else "keep", name, "hits", line.line)
    score = session.rules()[0].score.precision
    assert score.labels == 30 >= TOO_FEW and score.interval[0] > 0.6, str(score)
    # Say why, and make it drop lines.
    session.drafts.write_text(session.drafts.read_text().replace('why: ""  # say in one sentence why this rule exists', "why: Consent banners survive extraction."))
    assert session.reload().notes == []
    return session.patterns.enforce(name)


def test_a_rule_written_so_takes_banners_and_little_else_on_pages_nobody_looked_at(pages, tmp_path):
    truth, unseen = Truth(pages), is_held_out(pages["id"], 0.5)
    pq.write_table(pages.filter(pa.array(~unseen)), tmp_path / "seen.parquet")
    pq.write_table(pages.filter(pa.array(unseen)), tmp_path / "unseen.parquet")
    pack = write_rule(tmp_path, truth)
    assert check_files([pack]).problems == []
    (tmp_path / "job.yaml").write_text(f"input: unseen.parquet\noutput: out\npacks: [{pack.name}]\nworkers: inline\n")
    run_job(load_job(tmp_path / "job.yaml"))
    gone = {(row["id"], row["line"]) for row in pa.concat_tables(map(pq.read_table, (tmp_path / "out/edits").glob("*.parquet"))).to_pylist()}
    banners, others = set(), 0
    for row in pages.filter(pa.array(unseen)).select(["id", "url", "text"]).to_pylist():
        for number, line in enumerate(row["text"].split("\n"), 1):
            if truth.is_banner(row["url"], line):
                banners.add((row["id"], number))
            else:
                others += 1
    recall, touched = len(banners & gone) / len(banners), len(gone - banners) / others
    assert len(banners) > 50 and recall >= 0.9, f"{len(banners & gone)} of {len(banners)} banner lines"
    assert touched <= 0.001, f"{len(gone - banners)} of {others} other lines"
    assert np.isfinite(recall)
