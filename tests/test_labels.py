"""Labels: append-only, synced, undone by a line, merged with disagreements, and what they may say."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from inspect_ui.labels import LabelError, LabelLog, export_labels, together
from inspect_ui.session import InspectError, Session
from inspect_ui.suggest import best_threshold, between
from inspect_ui.wilson import Share, wilson

ROOT = Path(__file__).parents[1]


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_wilsons(pair):
    hits, count = pair
    expected = binomtest(hits, count).proportion_ci(0.95, "wilson")
    assert wilson(hits, count) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_a_share_of_too_few_labels_is_not_said():
    assert str(Share(18, 19)) == "too few labels (19)" and str(Share(42, 46)) == "0.91 [0.80, 0.97], 46 labels" and wilson(0, 0) == (0, 1)
    with pytest.raises(ValueError):
        wilson(3, 2)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(["keep", "drop", "unsure"])), st.sampled_from(["undo", "redo", "reopen"])), max_size=14))
def test_undo_and_redo_are_those_of_a_plain_stack(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("labels") / "l.jsonl"
    log, done, undone, before = LabelLog(path, "ann"), [], [], b""
    for step in steps:
        if step == "undo":
            assert (log.undo() is not None) == bool(done)
            undone += [done.pop()] if done else []
        elif step == "redo":
            assert (log.redo() is not None) == bool(undone)
            done += [undone.pop()] if undone else []
        elif step == "reopen":
            log, undone = LabelLog(path, "ann"), []
        else:
            log.add(step[0], "text", step[1])
            done, undone = [*done, step], []
        data = path.read_bytes() if path.exists() else b""
        assert data.startswith(before), "nothing is ever changed"
        before = data
    assert {about[0]: label.label for about, label in LabelLog(path, "ann").current().items()} == dict(done) == {about[0]: label.label for about, label in log.current().items()}


def test_a_label_is_one_line_that_says_everything(tmp_path):
    log = LabelLog(tmp_path / "new" / "l.jsonl", "ann")
    log.add("d-1", "a\ud800 text", "drop", "p/r", "near", 3)
    record = json.loads((tmp_path / "new/l.jsonl").read_text())
    assert set(record) == {"doc", "line", "text_sha", "label", "rule", "sample", "by", "at"} and record["sample"] == "near" and record["line"] == 3
    with pytest.raises(ValueError):
        log.add("d", "x", "maybe")
    with pytest.raises(LabelError, match="is a folder"):
        LabelLog(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(LabelError, match="cannot read the labels"):
        LabelLog(tmp_path / "file" / "l.jsonl").add("d", "x", "keep")


def test_a_torn_line_loses_only_itself(tmp_path):
    path = tmp_path / "l.jsonl"
    first = LabelLog(path, "ann")
    first.add("a", "x", "keep")
    with open(path, "ab") as file:
        file.write(b'{"doc": "b", "text_sha')
    log = LabelLog(path, "ann")
    assert log.damaged == [2] and set(log.current()) == {("a", 0)}
    log.add("c", "x", "drop")
    assert LabelLog(path).damaged == [2] and set(LabelLog(path).current()) == {("a", 0), ("c", 0)}
    first.add("d", "x", "drop")
    assert set(first.current()) == {("a", 0), ("c", 0), ("d", 0)}, "what another program wrote is seen"
    assert first.undo().doc == "d" and set(LabelLog(path).current()) == {("a", 0), ("c", 0)}


KILLED = """
import sys
from inspect_ui.labels import LabelLog
from pathlib import Path
log = LabelLog(Path(sys.argv[1]), "ann")
for i in range(100000):
    log.add(f"d{i}", "x", "keep")
    print(i, flush=True)
"""


def test_a_label_that_was_told_is_on_disk_after_a_kill(tmp_path):
    path = tmp_path / "l.jsonl"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    told = [int(process.stdout.readline()) for _ in range(20)][-1]
    time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    told = max([told, *(int(line) for line in process.stdout.read().split())])
    process.wait()
    current = LabelLog(path).current()
    assert {(f"d{i}", 0) for i in range(told + 1)} <= set(current) and len(current) <= told + 2


def test_two_people_disagree(tmp_path):
    ann, bob = LabelLog(tmp_path / "ann.jsonl", "ann"), LabelLog(tmp_path / "bob.jsonl", "bob")
    for doc, one, other in (("a", "keep", "keep"), ("b", "keep", "drop"), ("c", "unsure", "drop"), ("d", "drop", None)):
        ann.add(doc, "x", one)
        if other:
            bob.add(doc, "x", other)
    found = together([ann, bob])
    assert {about[0]: label.label for about, label in found.labels.items()} == {"a": "keep", "c": "drop", "d": "drop"}
    assert [(one.doc, one.said) for one in found.disagreements] == [("b", {"ann": "keep", "bob": "drop"})] and found.judged_by_several == 3
    assert export_labels([ann, bob], tmp_path / "all.parquet") == 7
    table = pq.read_table(tmp_path / "all.parquet")
    assert sorted(table["by"].to_pylist()) == ["ann"] * 4 + ["bob"] * 3 and table.schema.field("line").type == "int64"
    with pytest.raises(LabelError):
        export_labels([ann], tmp_path / "no" / "all.parquet")


def test_a_label_of_another_text_is_stale(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": "a", "text": "one"}\n{"id": "b", "text": "two\\nlines"}\n')
    session = Session.open([str(tmp_path / "a.jsonl")], labels=[tmp_path / "l"])
    session.label(0, "drop")
    session.label(1, "keep", line=2)
    session.log.add("elsewhere", "x", "keep")
    assert len(session.judgements.rows) == 2 and session.judgements.elsewhere == 1 and session.judgements.lines.tolist() == [0, 2]
    (tmp_path / "a.jsonl").write_text('{"id": "a", "text": "another"}\n{"id": "b", "text": "two\\nlines"}\n')
    session = Session.open([str(tmp_path / "a.jsonl")], labels=[tmp_path / "l"])
    assert [label.doc for label in session.judgements.stale] == ["a"] and len(session.judgements.rows) == 1


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=30), st.booleans(), st.sampled_from([0.3, 0.5, 1.0]))
def test_the_best_threshold_is_the_best_of_all(pairs, above, recall):
    values, drop = np.array([v for v, _ in pairs], float), np.array([d for _, d in pairs])
    found = best_threshold("words", values, drop, above, recall)
    best = None
    for threshold in np.unique(values)[:-1] + 0.5:
        hit = values > threshold if above else values < threshold
        if drop.sum() and (hit & drop).sum() >= recall * drop.sum() - 1e-9:
            low = wilson(int((hit & drop).sum()), int(hit.sum()))[0]
            best = low if best is None else max(best, low)
    if not drop.sum():
        return
    assert (found is None) == (best is None)
    if found:
        hit = values > found.threshold if above else values < found.threshold
        assert found.precision == Share(int((hit & drop).sum()), int(hit.sum())) and found.precision.interval[0] == pytest.approx(best)


@settings(max_examples=100, deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_threshold_lies_between(one, other):
    low, high = sorted((one, other))
    if high - low > 1e-9 * max(1, abs(low), abs(high)):
        assert low < between(one, other) < high


def test_suggestions_come_from_random_labels_alone(tmp_path):
    rows = [{"id": str(i), "text": "Word " * 60 + "end." if i % 3 else "1 2 3 4"} for i in range(60)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    session = Session.open([str(tmp_path / "a.jsonl")], labels=[tmp_path / "l"])
    for row in range(25):
        session.label(row, "drop" if session.text_of(row).startswith("1") else "keep", sample="near")
    with pytest.raises(InspectError, match="too few labels for suggestions: 0 of a random sample"):
        session.patterns.suggest_signals()
    for row in range(30, 55):
        session.label(row, "drop" if session.text_of(row).startswith("1") else "keep")
    found = session.patterns.suggest_signals(recall=1.0)
    assert len(found) == 10 and found[0].precision.value == found[0].recall.value == 1 and found[0].precision.labels == 9
    assert 0.3 < found[0].share < 0.4 and "drop_when: {" in found[0].rule_text
