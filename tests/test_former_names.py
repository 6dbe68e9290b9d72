"""Settings by the names that they had before: read as if they had those of today, with a warning."""

from __future__ import annotations

import copy
import functools
import json

import pytest
from click.testing import CliRunner

from curation.ablate.mix import MixSettings
from curation.former_names import FORMER_IN_JOBS, FORMER_IN_MIXES
from curation.job import Job, load_job
from curation.manifest import OUTPUT_VERSION
from curation.run_changes import told_changes
from gristmill import gristmill
from rules.places import Former, Problems, build, loads, with_names_of_today

TODAY = """\
input: in.jsonl
output: out
workers: inline
decontaminate: {files: items.jsonl, action: drop}
substrings: {min_words: 20}
lines: {max_repeats: 7, within: host}
pack:
  mixture: {by: language, weights: {en: 1}}
  max_epochs: 3
  max_copies: 5
  rehydrate: {1: 1}
limits: {memory_per_record: 512MiB}
ray: {memory_per_task: 100MiB, in_flight: 200MiB}
near: {}
"""
FORMER = {
    "action: drop": "action: remove", "min_words": "words", "within": "by", "by: language": "by: lang", "max_epochs": "most_epochs", "max_copies": "most_copies",
    "memory_per_record: 512MiB": "memory_mb: 512", "memory_per_task: 100MiB": "memory_per_task_mb: 100", "in_flight: 200MiB": "in_flight_mb: 200",
}  # fmt: skip
BEFORE = functools.reduce(lambda text, names: text.replace(*names), FORMER.items(), TODAY)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in.jsonl").write_text('{"text": "The miller grinds grain between two stones, and sells the flour."}\n')
    (tmp_path / "items.jsonl").write_text('{"query": "which of these is the largest river of the whole continent that we live on today?"}\n')
    return tmp_path


def test_a_job_by_its_former_names_is_the_job_of_today(folder):
    for name, text in (("before.yaml", BEFORE), ("today.yaml", TODAY)):
        (folder / name).write_text(text)
    before, today = load_job(folder / "before.yaml"), load_job(folder / "today.yaml")
    assert before.settings == today.settings and before.sha256 == today.sha256
    assert today.warnings == () and len(before.warnings) == len(FORMER_IN_JOBS)
    assert before.settings.limits.memory_mb == 512
    assert (before.settings.ray.task_bytes, before.settings.ray.in_flight_bytes) == (100 << 20, 200 << 20)
    told = [f"{problem.line}:{problem.col}: {problem.message}" for problem in before.warnings]
    assert told[2] == "6:25: lines.by is called within now: write within: host"
    assert "4:45: decontaminate.action: remove is called drop now: write action: drop" in told
    assert "12:10: limits.memory_mb is called memory_per_record now: write memory_per_record: 512MiB" in told


def test_every_former_name_is_of_a_setting_of_today():
    located, warnings = with_names_of_today(loads(BEFORE), FORMER_IN_JOBS)
    assert build(Job, located) == build(Job, loads(TODAY)) and len(warnings) == len(FORMER_IN_JOBS)
    mix = "output: o\ntokens: 9\njob: j\nby: lang\nmost_epochs: 2\n"
    located, warnings = with_names_of_today(loads(mix), FORMER_IN_MIXES)
    assert build(MixSettings, located) == MixSettings(output="o", tokens=9, job="j", by="language", max_epochs=2.0)
    assert [problem.message for problem in warnings] == ["by: lang is called language now: write by: language", "most_epochs is called max_epochs now: write max_epochs: 2"]


def test_mistakes_are_told_where_they_stand_and_what_was_read_is_not_changed():
    given = loads("stage:\n  old: [1, {x: 2}]\n  other: 3\n", "f.yaml")
    data = copy.deepcopy(given.data)
    located, (warning,) = with_names_of_today(given, (Former(("stage", "old"), "new"),))
    assert given.data == data and located.data == {"stage": {"new": [1, {"x": 2}], "other": 3}}
    assert list(located.data["stage"]) == ["new", "other"]
    assert located.place(("stage", "new", 1, "x")) == given.place(("stage", "old", 1, "x"))
    assert str(warning) == "f.yaml:2:3: R101 stage.old is called new now: write new: ..."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lines: {by: shelf}", "3:13: R103 expected one of corpus, language, source, host, got 'shelf'"),
        ("lines: {by: host, within: host}", "3:9: R101 unknown key 'by'"),
        ("limits: {memory_mb: -3}", "3:21: R103 memory_per_record is a size such as 8GB, got '-3MiB'"),
        ("limits: {memory_per_record: 4096}", "3:29: R103 memory_per_record must be at least 1.05 MB, got 4.1 kB: write the unit, such as 4GB"),
        ("limits: {memory_mb: much}", "3:21: R103 memory_per_record is a size such as 8GB, got 'much'"),
        ("lines: [by]", "3:8: R103 expected a mapping of settings, got a list"),
        ("pack: {mixture: {by: [lang], weights: {a: 1}}}", "3:22: R103 expected one of source, language, got a list"),
    ],
)
def test_what_is_wrong_by_a_former_name_is_wrong(folder, text, message):
    (folder / "job.yaml").write_text(f"input: in.jsonl\noutput: out\n{text}\n")
    with pytest.raises(Problems) as caught:
        load_job(folder / "job.yaml")
    assert [str(problem).partition("job.yaml:")[2] for problem in caught.value.problems] == [message]


def test_check_and_run_say_what_is_called_otherwise_now(folder):
    (folder / "job.yaml").write_text("input: in.jsonl\noutput: out\nworkers: inline\nlines: {by: host}\n")
    told = "job.yaml:4:9: R101 lines.by is called within now: write within: host (warning)\n"
    checked = CliRunner().invoke(gristmill, ["check", str(folder / "job.yaml")])
    assert checked.exit_code == 0 and told in checked.stdout and "1 warning" in checked.stdout
    planned = CliRunner().invoke(gristmill, ["run", str(folder / "job.yaml"), "--dry-run"])
    assert planned.exit_code == 0 and told in planned.stderr and told not in planned.stdout


def test_a_run_by_former_names_is_not_said_to_have_changed(folder):
    """What lies there is of an earlier version, whose run.json has the former names."""
    (folder / "job.yaml").write_text(TODAY)
    now = {"job": json.loads(json.dumps(load_job(folder / "job.yaml").effective(), default=str)), "output_version": OUTPUT_VERSION}
    before = copy.deepcopy(now)
    before["job"]["substrings"] = {"words": before["job"]["substrings"]["min_words"]}
    before["job"]["pack"]["most_epochs"] = before["job"]["pack"].pop("max_epochs")
    told = "since the last run here settings of substrings, pack got other names: what depends on substrings is done again; what does not depend on it is kept"
    assert told_changes(now, now) is None and told_changes(before, now) == told
    before["job"]["substrings"]["words"] = 99
    assert told_changes(before, now) == told.replace("settings of substrings, pack", "the job changed in substrings and settings of pack")


OLD_JOB = "input: gone.jsonl\noutput: out\nworkers: inline\nlines: {by: host}\n"
TOLD = "4:9: R101 lines.by is called within now: write within: host (warning)"


@pytest.mark.parametrize(
    ("command", "settings", "more"),
    [
        ("ablate", "output: o\ntokens: 99999\narms: {a: {job: job.yaml}, b: {job: other.yaml}}\ntrain: {model: 5m}\n", ["other.yaml:"]),
        ("mix", "output: o\ntokens: 99999\njob: job.yaml\nmost_epochs: 2\ntrain: {model: 5m}\n", ["settings.yaml:4:1: R101 most_epochs is called max_epochs now"]),
    ],
)
def test_what_reads_jobs_says_what_they_call_otherwise(tmp_path, command, settings, more):
    pytest.importorskip("torch")
    (tmp_path / "settings.yaml").write_text(settings)
    (tmp_path / "job.yaml").write_text(OLD_JOB)
    (tmp_path / "other.yaml").write_text(OLD_JOB.replace("output: out", "output: another"))
    ran = CliRunner().invoke(gristmill, [command, str(tmp_path / "settings.yaml")])
    assert ran.exit_code == 2 and "gone.jsonl" in ran.stderr.replace("\n", ""), ran.output
    assert ran.stderr.count(f"job.yaml:{TOLD}") == 1 and all(words in ran.stderr for words in more)


def test_a_probe_says_it_of_the_job_of_its_documents(tmp_path, capsys):
    pytest.importorskip("torch")
    from curation.ablate.probe import Probe, ProbeSettings
    from curation.ablate_cli import tell_former_names

    (tmp_path / "job.yaml").write_text(OLD_JOB)
    for new, told in (("job.yaml", 1), (["job.yaml"], 1), ("documents.jsonl", 0), (["job.yaml", "documents.jsonl"], 0)):
        tell_former_names(Probe(tmp_path / "probe.yaml", ProbeSettings("o", "t", new), tmp_path, 1, None, ()))
        assert capsys.readouterr().err.count(f"job.yaml:{TOLD}") == told


def test_the_inspector_says_it_of_a_job_that_is_opened_or_whose_packs_are_taken(folder):
    from inspect_ui.session import Session

    (folder / "job.yaml").write_text(OLD_JOB.replace("gone", "in"))
    (folder / "items.jsonl").unlink()
    for opened, packs in (([str(folder / "job.yaml")], []), ([str(folder / "in.jsonl")], [str(folder / "job.yaml")])):
        notices = Session.open(opened, packs, labels=[folder / "labels.jsonl"]).notices
        assert notices[0].endswith(f"job.yaml:{TOLD}") and "no rules are applied" in notices[1] and len(notices) == 2


def test_the_file_of_held_out_items_had_the_name_of_a_fraction(tmp_path):
    from train.finetune_config import finetune_record, finetune_sha256, load_finetune, recorded_finetune

    (tmp_path / "train.jsonl").write_text("{}\n")
    (tmp_path / "test.jsonl").write_text("{}\n{}\n")
    text, warnings = "model: m\noutput: o\ntask: classification\nitems: train.jsonl\ntext: '{t}'\nheld_out: test.jsonl\n", []
    (tmp_path / "before.yaml").write_text(text)
    (tmp_path / "today.yaml").write_text(text.replace("held_out", "held_out_file"))
    before, today = (load_finetune(tmp_path / f"{name}.yaml", warnings.append) for name in ("before", "today"))
    assert before == today and today.held_out_file == str(tmp_path / "test.jsonl") and finetune_sha256(before) == finetune_sha256(today)
    assert [str(warning).partition("before.yaml:")[2] for warning in warnings] == ["6:1: R101 held_out is called held_out_file now: write held_out_file: test.jsonl"]
    record = finetune_record(today)
    assert recorded_finetune(record) == today
    assert recorded_finetune({"held_out": record.pop("held_out_file"), **record}) == today, "of a model that an earlier version tuned"
