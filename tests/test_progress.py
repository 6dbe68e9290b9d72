"""What a stage says about itself while it runs, and what the log keeps of it."""

from __future__ import annotations

import json

import pytest

from curation import progress
from curation.manifest import Entry
from curation.progress import PlainProgress, Progress, StageBar, Work, duration
from curation.run_log import LOG_FILE, LoggedProgress, RunLog


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def entry(unit: str, documents: int = 10, kept: int = 8, size: int = 2_000_000) -> Entry:
    counts = {"read": {"in": documents, "in_bytes": size, "kept": documents}, "rules": {"in": documents, "in_bytes": size, "kept": kept}, "clean": {"documents": kept}}
    return Entry(unit, "key", counts=counts)


def bar_of(sizes: dict[str, int], done_before: int = 0) -> tuple[StageBar, Clock]:
    clock = Clock()
    return StageBar("read, rules", [Work(unit, f"{unit}.jsonl", size) for unit, size in sizes.items()], done_before, clock), clock


def test_a_line_has_rates_share_kept_and_time_left():
    bar, clock = bar_of({"a": 300, "b": 100}, done_before=2)
    assert bar.line() == "read, rules: 2/4, 2 done before"
    bar.begin("a")
    clock.now += 3
    bar.advance(entry("a"))
    assert bar.line() == "read, rules: 3/4, 2 done before, 10 documents, 3/s, 0.7 MB/s, kept 80.0 %, 3.0 s, 1.0 s left"
    bar.advance(entry("b"))
    assert bar.line() == "read, rules: 4/4, 2 done before, 20 documents, 7/s, 1.3 MB/s, kept 80.0 %, 3.0 s"


def test_a_line_says_what_of_it_was_compiling(monkeypatch):
    spent = [5.0]
    monkeypatch.setattr(progress, "compiling_seconds", lambda: spent[0])
    bar, clock = bar_of({"a": 1})
    spent[0], clock.now = 12.0, clock.now + 8
    assert bar.line() == "read, rules: 0/1, compiling kernels for their first use here, for 7.0 s"
    bar.advance(entry("a"))
    assert bar.line().endswith("kept 80.0 %, 8.0 s, 7.0 s of it compiling kernels for their first use here")


def test_the_last_line_is_said_once(capsys, monkeypatch):
    monkeypatch.setattr(progress, "PLAIN_EVERY_SECONDS", 0.0)
    with PlainProgress().stage("read", [Work("a", "a"), Work("b", "b")]) as bar:
        for unit in ("a", "b"):
            bar.advance(entry(unit))
    assert [line.split(",")[0] for line in capsys.readouterr().err.splitlines()] == ["read: 1/2", "read: 2/2"]


def test_the_slowest_is_named_after_a_minute():
    bar, clock = bar_of({"a": 1, "b": 1})
    bar.begin("a")
    clock.now += 50
    bar.begin("b")
    assert bar.slowest() is None
    clock.now += 20
    assert bar.slowest() == ("a.jsonl", 70.0) and bar.line().endswith("slowest a.jsonl for 1 min 10 s")
    bar.advance(entry("a"))
    assert bar.slowest() is None


def test_tokens_count_as_kept():
    bar, clock = bar_of({"tokens/0": 1})
    clock.now += 1
    bar.advance(Entry("tokens/0", "key", counts={"tokens": {"documents": 5, "text_bytes": 1_000_000, "tokens": 9}}))
    assert "5 documents, 5/s, 1.0 MB/s, kept 100.0 %" in bar.line()


@pytest.mark.parametrize(("seconds", "text"), [(0.04, "0.0 s"), (59.94, "59.9 s"), (61, "1 min 1 s"), (7260, "2 h 1 min")])
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_plain_lines_come_at_the_end_and_every_half_minute(capsys):
    with PlainProgress().stage("read", [Work("a", "a", 1), Work("b", "b", 1)]) as bar:
        clock = Clock()
        bar.clock = clock
        bar.started = bar.shown = clock.now
        bar.tick()
        clock.now += 31
        bar.tick()
        bar.tick()
        bar.advance(entry("a"))
        bar.advance(entry("b"))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and lines[0].startswith("read: 0/2") and lines[1].startswith("read: 2/2")


def lines_of(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / LOG_FILE).read_text().splitlines()]


def test_the_log_tells_stages_and_units(tmp_path):
    with LoggedProgress(Progress(), RunLog(tmp_path)) as shown:
        shown.started("abc", files=1)
        with shown.stage("read\x1b[31m", [Work("a", "a\nb.jsonl", 1)], 3) as bar:
            bar.begin("a")
            bar.advance(entry("a"))
        shown.note("14 bands of 8 rows")
        shown.finished(kept=8)
    found = lines_of(tmp_path)
    note = found.pop(-2)
    assert note["event"] == "note" and note["text"] == "14 bands of 8 rows"
    assert [line["event"] for line in found] == ["run_started", "stage_started", "unit_finished", "stage_finished", "run_finished"]
    assert found[1]["waiting"] == 1 and found[1]["done_before"] == 3 and found[2]["label"] == "a\nb.jsonl"
    assert found[3]["documents"] == 10 and found[3]["kept"] == 8 and found[3]["bytes"] == 2_000_000
    assert b"\x1b" not in (tmp_path / LOG_FILE).read_bytes()


@pytest.mark.parametrize(("error", "event"), [(ValueError("no"), "run_failed"), (KeyboardInterrupt(), "run_interrupted")])
def test_the_log_tells_how_a_run_ended(tmp_path, error, event):
    with pytest.raises(type(error)), LoggedProgress(Progress(), RunLog(tmp_path)) as shown:
        shown.started("abc")
        raise error
    assert lines_of(tmp_path)[-1]["event"] == event
