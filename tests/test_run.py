"""The main path: the books balance, any number of workers writes the same bytes, and a killed run loses nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from corpus import documents, write_corpus, write_job

from curation.books import BooksError, check_books, funnel, summed
from curation.job import load_job
from curation.manifest import Manifest
from curation.run import run_job
from curation.run_directory import RunDirectoryError
from curation.run_lock import locked
from rules.places import Problems

ROOT = Path(__file__).parents[1]
DATA = ("clean", "removed", "edits", "signals", "clusters", "quarantine", "packed")


def data_files(output: Path) -> dict[str, bytes]:
    """Every data file of a run directory, by path."""
    paths = [p for folder in DATA for p in sorted((output / folder).rglob("*")) if p.is_file()]
    return {str(p.relative_to(output)): p.read_bytes() for p in paths}


def rows(output: Path, folder: str) -> list[dict]:
    return [row for path in sorted((output / folder).glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory, corpus) -> Path:
    """A finished inline run."""
    job = write_job(tmp_path_factory.mktemp("finished") / "job.yaml", corpus)
    run_job(load_job(job))
    return job.parent / "out"


def test_every_document_is_kept_removed_or_quarantined(finished):
    ids = [row["id"] for folder in ("clean", "removed") for row in rows(finished, folder)]
    assert sorted(ids) == sorted(d["id"] for d in documents())
    quarantined = rows(finished, "quarantine")
    assert len(quarantined) == 1 and b"no end" in quarantined[0]["raw"] and quarantined[0]["source"] == "part-1.jsonl"
    report = json.loads((finished / "report/report.json").read_text())
    assert report["in"] == report["kept"] + report["removed"] + report["quarantined"] == len(documents()) + 1


def test_removed_documents_are_whole_and_explained(finished):
    texts = {d["id"]: d["text"] for d in documents()}
    removed = rows(finished, "removed")
    assert {r["stage"] for r in removed} == {"rules", "exact", "near"}
    for row in removed:
        assert row["hits"] and row["reason"] == next(h["rule"] for h in row["hits"] if h["action"] == "drop")
        if row["stage"] == "rules":
            assert row["text"] == texts[row["id"]]
        assert (row["kept_id"] is not None) == (row["stage"] in ("exact", "near"))


def test_kept_text_and_edits_make_up_the_original(finished):
    texts = {d["id"]: d["text"] for d in documents()}
    edits: dict[str, list[dict]] = {}
    for edit in rows(finished, "edits"):
        edits.setdefault(edit["id"], []).append(edit)
    cleaned = rows(finished, "clean")
    assert any(row["id"] in edits for row in cleaned)
    for row in cleaned:
        lines = row["text"].split("\n")
        for edit in edits.get(row["id"], []):
            lines.insert(edit["line"] - 1, edit["before"])
        assert "\n".join(lines) == texts[row["id"]]


def test_other_columns_pass_through_unchanged(finished):
    ranks = {d["id"]: d["rank"] for d in documents()}
    for row in rows(finished, "clean") + rows(finished, "removed"):
        assert row["rank"] == ranks[row["id"]] and row["source"].startswith("host")


def test_signals_hold_every_measured_document(finished):
    signals = {row["id"]: row for row in rows(finished, "signals")}
    dropped = {row["id"] for row in rows(finished, "removed") if row["stage"] == "rules"}
    assert set(signals) == {d["id"] for d in documents()}
    for name, row in signals.items():
        assert row["verdict"] == ("removed" if name in dropped else "kept")
        assert row["gopher_quality.non_symbol_words"] > 0


def test_clusters_name_members_that_exist(finished):
    clusters = rows(finished, "clusters")
    kept = {row["id"] for row in rows(finished, "clean")}
    assert {c["stage"] for c in clusters} == {"exact", "near"}
    for cluster in {c["cluster"] for c in clusters if c["stage"] == "near"}:
        members = [c for c in clusters if c["cluster"] == cluster and c["stage"] == "near"]
        assert len(members) == members[0]["size"] and sum(m["kept"] for m in members) == 1
        assert all(m["kept_id"] == cluster for m in members) and cluster in kept
        assert all(0.4 < m["jaccard"] <= 1 for m in members)


def test_the_folders_read_as_datasets(finished):
    for folder in ("clean", "removed", "signals", "edits", "clusters"):
        assert ds.dataset(finished / folder, format="parquet").to_table().num_rows == len(rows(finished, folder))


def test_a_second_run_does_nothing_and_changes_nothing(finished):
    before = data_files(finished)
    times = {p: (finished / p).stat().st_mtime_ns for p in before}
    result = run_job(load_job(finished.parent / "job.yaml"))
    assert result.done_before == result.units
    assert data_files(finished) == before
    assert times == {p: (finished / p).stat().st_mtime_ns for p in before}


def test_workers_write_the_same_bytes_as_inline(finished, corpus, tmp_path):
    job = write_job(tmp_path / "job.yaml", corpus)
    run_job(load_job(job), workers=2)
    assert data_files(tmp_path / "out") == data_files(finished)


def test_order_of_stages_is_free(corpus, tmp_path):
    job = write_job(tmp_path / "job.yaml", corpus, more="order: [exact, near, rules]")
    report = run_job(load_job(job)).report
    assert [row["stage"] for row in report["funnel"]] == ["read", "extract", "exact", "near", "rules"]
    assert report["in"] == report["kept"] + report["removed"] + report["quarantined"]


def test_a_changed_rule_redoes_what_depends_on_it_and_sweeps_the_rest(finished, corpus, tmp_path):
    shutil.copytree(finished.parent, tmp_path / "copy")
    folder = tmp_path / "copy"
    job = write_job(folder / "job.yaml", corpus)
    job.write_text(job.read_text().replace("near: {bands: 14, rows: 8}\n", "").replace("pack:", "# pack:"))
    result = run_job(load_job(job))
    assert result.report["duplicates"].keys() == {"exact"}
    assert not (folder / "out/clusters/near.parquet").exists() and not list((folder / "out/packed").iterdir())
    fresh = write_job(tmp_path / "fresh/job.yaml", corpus)
    fresh.write_text(job.read_text())
    run_job(load_job(fresh))
    assert data_files(folder / "out") == data_files(tmp_path / "fresh/out")


def test_an_empty_corpus_and_a_corpus_that_is_removed_whole(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jsonl").write_text('{"text": ""}\n{"text": "short"}\n')
    (tmp_path / "in/b.jsonl").write_text("")
    job = write_job(tmp_path / "job.yaml", tmp_path / "in")
    report = run_job(load_job(job)).report
    assert (report["in"], report["kept"], report["removed"]) == (2, 0, 2)


# --- killed and resumed -----------------------------------------------------------------------------------

RUN = "from curation.job import load_job; from curation.run import run_job; import sys; run_job(load_job(sys.argv[1]))"


@pytest.mark.parametrize("units", [1, 3, 5, 7, 9, 11, 13])
def test_killed_in_the_middle_and_resumed_gives_the_same_bytes(finished, corpus, tmp_path, units):
    """SIGKILL as soon as `units` units are recorded; whatever was under way is half done."""
    job = write_job(tmp_path / "job.yaml", corpus)
    process = subprocess.Popen([sys.executable, "-c", RUN, str(job)], cwd=ROOT)
    manifest = Manifest(tmp_path / "out")
    deadline = time.monotonic() + 600
    while process.poll() is None and len(manifest.units()) < units and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(manifest.units())
    assert done >= units
    result = run_job(load_job(job))
    assert result.done_before >= done
    assert data_files(tmp_path / "out") == data_files(finished)
    assert not list((tmp_path / "out").rglob("*.tmp*"))


def test_a_damaged_output_is_made_again(finished, tmp_path):
    shutil.copytree(finished.parent, tmp_path / "copy")
    output = tmp_path / "copy/out"
    victim = sorted((output / "clean").iterdir())[1]
    victim.write_bytes(victim.read_bytes()[:-10])
    run_job(load_job(tmp_path / "copy/job.yaml"))
    assert data_files(output) == data_files(finished)


# --- refusals ------------------------------------------------------------------------------------------------


def test_a_folder_with_something_else_in_it_is_refused(corpus, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.doc").write_text("precious")
    with pytest.raises(RunDirectoryError, match="not a run directory"):
        run_job(load_job(write_job(tmp_path / "job.yaml", corpus)))
    assert (tmp_path / "out/thesis.doc").read_text() == "precious"


def test_two_runs_at_once_are_refused(corpus, tmp_path):
    job = load_job(write_job(tmp_path / "job.yaml", corpus))
    code = f"from curation.run_lock import locked; from pathlib import Path\nwith locked(Path({str(job.output)!r})): print('held', flush=True); input()"
    holder = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(RunDirectoryError, match=f"process {holder.pid}"):
        run_job(job)
    holder.communicate("\n")
    with locked(job.output):
        pass


def test_job_mistakes_are_reported_at_their_places(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text("input: x\noutput: out\npacks: [gopher_qualty]\nnear:\nexcat: {}\norder: [rules, lines]\nworkers: 0\n")
    with pytest.raises(Problems) as caught:
        load_job(path)
    found = [str(p).split("job.yaml:")[1] for p in caught.value.problems]
    assert found[0].startswith("3:9: R109 no shipped pack 'gopher_qualty', did you mean 'gopher_quality'?")
    assert found[1].startswith("4:6: R103 nothing is set here")
    assert found[2].startswith("5:1: R101 unknown key 'excat', did you mean 'exact'?")
    assert len(found) == 3, "order and workers are checked once the shape is right"
    path.write_text("input: x\noutput: out\nnear: {bands: 20, rows: 20}\nexact: {}\norder: [rules, lines, near]\nworkers: 0\n")
    with pytest.raises(Problems) as caught:
        load_job(path)
    assert any("3:" in str(p) and "hashes" in str(p) for p in caught.value.problems)


def test_order_and_workers(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text("input: x\noutput: out\nexact: {}\norder: [rules, verse, rules]\nworkers: 0\n")
    with pytest.raises(Problems) as caught:
        load_job(path)
    found = [str(p).split("job.yaml:")[1] for p in caught.value.problems]
    assert [f.split(" R")[0] for f in found] == ["4:8:", "4:16:", "4:23:", "5:10:"]


def test_lines_in_the_books_are_those_in_the_files(finished):
    manifest = Manifest(finished)
    rows = funnel(summed([manifest.read(unit) for unit in manifest.units()]), ("rules", "exact", "near"))
    texts = [text for path in sorted((finished / "clean").glob("*.parquet")) for text in pq.read_table(path)["text"].to_pylist()]
    assert rows[-1]["kept_lines"] == sum(len(text.split("\n")) for text in texts) > 0
    assert rows[-1]["kept_bytes"] == sum(len(text.encode()) for text in texts)


def test_books_that_do_not_balance_are_an_error(finished):
    manifest = Manifest(finished)
    entries = [manifest.read(unit) for unit in manifest.units()]
    stages = ("rules", "exact", "near")
    counts = summed(entries)
    check_books(counts, stages, entries)
    assert len(funnel(counts, stages)) == 5
    counts["rules"]["removed"] += 1
    with pytest.raises(BooksError, match="rules"):
        check_books(counts, stages, entries)
    counts["rules"]["removed"] -= 1
    counts["rules"]["kept_lines"] -= 1
    with pytest.raises(BooksError, match="rules.*lines"):
        check_books(counts, stages, entries)
    counts["rules"]["edited_lines"] += 1  # balances again, but the next stage takes one more
    with pytest.raises(BooksError, match="exact: takes .* lines, but the stage before kept"):
        check_books(counts, stages, entries)
    counts["rules"]["kept_lines"] += 1
    counts["rules"]["edited_lines"] -= 1
    victim = next(e for e in entries if any(path.startswith("removed/") for path in e.outputs))
    path = next(p for p in victim.outputs if p.startswith("removed/"))
    victim.outputs[path]["rows"] -= 1
    with pytest.raises(BooksError, match="removed/"):
        check_books(counts, stages, entries)


# --- real data ------------------------------------------------------------------------------------------------


def run_shared(tmp_path: Path, pattern: str, more: str) -> dict:
    path = tmp_path / "job.yaml"
    path.write_text(f"input: {pattern}\noutput: out\npacks: [gopher_repetition, gopher_quality]\nexact: {{}}\nworkers: inline\n{more}\n")
    return run_job(load_job(path)).report


def test_broken_archives(shared_data, tmp_path):
    report = run_shared(tmp_path, str(shared_data / "warc"), "near: {}")
    assert report["input"]["files"] == len(os.listdir(shared_data / "warc"))
    assert report["in"] == report["kept"] + report["removed"] + report["quarantined"] > 0
    assert report["quarantined"] == sum(report["quarantine"].values()) > 0
    for row in rows(tmp_path / "out", "quarantine"):
        assert row["cause"] and row["error"] and row["source"]


def test_exact_duplicates_of_the_sample(shared_data, tmp_path):
    report = run_shared(tmp_path, str(shared_data / "sample" / "part-0000.parquet"), "language: {keep: [en, de], min_score: 0.65}")
    languages = {row["lang"] for row in rows(tmp_path / "out", "clean")}
    assert languages <= {"en", "de"} and report["kept"] > 0
    assert all("input_lang" in row for row in rows(tmp_path / "out", "clean")[:1])


def test_a_job_sets_actions_of_rules(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text("input: x\noutput: out\npacks:\n  - {use: gopher_quality, set: {word-count: off, stop-words: tag}}\n")
    actions = {rule.id: rule.action for rule in load_job(path).packs[0].rules}
    assert (actions["word-count"], actions["stop-words"], actions["hash-words"]) == ("off", "tag", "drop")
    path.write_text("input: x\noutput: out\npacks:\n  - {use: web_chrome, set: {skip-link: tag, skip-lnk: off, share-bar: of}}\n")
    with pytest.raises(Problems) as caught:
        load_job(path)
    found = [str(p).split("job.yaml:")[1] for p in caught.value.problems]
    assert found[0].startswith("4:40: R110 a line rule") and found[1].startswith("4:45: R110 pack web_chrome has no rule 'skip-lnk', did you mean 'skip-link")
    assert found[2].startswith("4:71: R103 expected one of drop, tag, off")
