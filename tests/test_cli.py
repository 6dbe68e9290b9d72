"""The command as a user meets it: exit codes, what goes to stdout, messages without tracebacks."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from corpus import write_corpus, write_job

import gristmill as entry
from curation.cli import USER_ERRORS, user_errors

ROOT = Path(__file__).parents[1]


def gristmill(*arguments: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "gristmill.py"), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """The starter project, run."""
    folder = tmp_path_factory.mktemp("project") / "demo"
    assert gristmill("init", folder).returncode == 0
    result = gristmill("run", "job.yaml", cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder


def test_help_lists_every_command():
    result = gristmill("--help")
    assert result.returncode == 0
    for name, (_, _, text) in entry.COMMANDS.items():
        assert f"  {name} " in result.stdout and text in " ".join(result.stdout.split())


@pytest.mark.parametrize("name", entry.COMMANDS)
def test_every_command_has_help_for_itself_and_its_options(name):
    command = entry.gristmill.get_command(click.Context(entry.gristmill), name)
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.name}"


def test_the_options_are_these_and_no_others():
    """Options are promises; a new one belongs here and in the docs."""
    options = {}
    for name in ("init", "check", "diff", "run", "inspect", "why", "duplicates", "signals", "schema", "report"):
        command = entry.gristmill.get_command(click.Context(entry.gristmill), name)
        options[name] = sorted(o for p in command.params if isinstance(p, click.Option) for o in p.opts)
    assert options == {
        "init": ["--demo"], "check": ["--documents", "--explain", "--json", "--sample", "--seed", "--show"],
        "diff": ["--documents", "--json", "--sample", "--seed", "--show"], "run": ["--dry-run", "--fresh", "--json", "--workers", "--yes"], "why": ["--json", "--show"],
        "duplicates": ["--json", "--query", "--show", "--threshold"],
        "signals": ["--json"], "schema": [], "report": ["--json", "--out"],
        "inspect": [
            "--by", "--count", "--draft", "--export", "--host", "--json", "--labels", "--lang", "--language", "--match", "--mode", "--packs", "--print", "--recall", "--rule",
            "--sample", "--seed", "--stratify", "--write",
        ],
    }  # fmt: skip


def test_unknown_command_and_version():
    result = gristmill("rnu")
    assert result.returncode == 2 and "Did you mean 'run'?" in result.stderr
    assert gristmill("--version").stdout.startswith("gristmill ")


def test_init_says_what_comes_next(tmp_path):
    printed = gristmill("init", "--demo", "my demo", cwd=tmp_path).stdout.splitlines()
    assert "my demo/data/demo.warc.gz" in printed and "my demo/data/NOTICE.md" in printed
    assert printed[-1] == "next: gristmill run 'my demo/job.yaml'; gristmill train 'my demo/train.yaml'"
    assert (tmp_path / "my demo/data/demo.warc.gz").stat().st_size > 2_000_000
    assert gristmill("init", "mill", cwd=tmp_path).stdout.endswith("\nnext: gristmill check mill; gristmill run mill/job.yaml\n")


def test_init_refuses_a_folder_with_something_in_it(project):
    result = gristmill("init", project)
    assert result.returncode == 2 and "not empty" in result.stderr and "Traceback" not in result.stderr


def test_check(project, tmp_path):
    result = gristmill("check")
    assert result.returncode == 0 and re.fullmatch(r"\d+ packs, \d+ rules, \d+ examples, 0 problems\n", result.stdout)
    assert gristmill("check", project).stdout == "1 pack, 2 rules, 4 examples, 1 job (3 packs, 24 rules), 0 problems\n"
    bad = tmp_path / "bad.yaml"
    bad.write_text("pack: p\nabout: x\nrules:\n  - {id: a, why: x, drop_when: {word: '< 1'}}\n")
    result = gristmill("check", bad)
    assert result.returncode == 1 and f"{bad}:4:33: R102 unknown signal 'word', did you mean 'words'?" in result.stdout
    data = json.loads(gristmill("check", bad, "--json").stdout)
    assert data["schema_version"] == 1 and data["problems"][0]["line"] == 4
    assert gristmill("check", tmp_path / "absent.yaml").returncode == 2
    assert gristmill("check", project / "packs/mine.yaml", "fineweb2/de").stdout.startswith("2 packs, ")
    unknown = gristmill("check", "gofer_quality")
    assert unknown.returncode == 2 and "'gofer_quality' is no file or folder, and no shipped pack, did you mean 'gopher_quality'?" in unknown.stderr
    assert gristmill("diff", tmp_path, "gopher_quality").returncode == 2
    assert "A keeps" in gristmill("diff", "gopher_quality", "gopher_repetition", "--sample", project / "documents.jsonl").stdout


def test_run_prints_a_funnel_that_adds_up(project):
    result = gristmill("run", "job.yaml", cwd=project)
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["stage", "in", "removed", "quarantined", "kept", "kept", "MB"]
    total = next(line for line in lines if " = " in line)
    numbers = [int(word.replace(",", "")) for word in total.split() if word.replace(",", "").isdigit()]
    assert numbers[0] == 20 == sum(numbers[1:])
    assert "report: out/report/report.html" in result.stdout and "done before" in result.stderr


def test_run_json_is_one_object_on_stdout(project):
    data = json.loads(gristmill("run", "job.yaml", "--json", cwd=project).stdout)
    assert data["in"] == data["kept"] + data["removed"] + data["quarantined"] == 20
    assert [row["stage"] for row in data["funnel"]] == ["read", "extract", "language", "rules", "exact", "near"]


def test_the_starter_shows_one_of_each(project):
    data = json.loads((project / "out/report/report.json").read_text())
    assert data["duplicates"]["exact"]["removed"] == 2 and data["duplicates"]["near"]["removed"] == 1
    assert data["edits"] == {"mine/cookie-banner": {"lines": 2, "documents": 2, "words": 14, "bytes": 84}}
    assert data["rules"]["mine/short-line-pages"]["hits"] >= 1


def test_why_tells_the_story(project):
    result = gristmill("why", "out", "doc-12", cwd=project)
    assert result.returncode == 0
    assert "removed by gopher_quality/word-count" in result.stdout
    assert "non_symbol_words is 3, rule says < 50 (by 47)" in result.stdout
    result = gristmill("why", "out", "doc-01", cwd=project)
    assert "kept" in result.stdout and "- We use cookies" in result.stdout
    assert "no rule about whole documents hit it; rules edited 1 of its lines, see below" in result.stdout and "no rule hit it" not in result.stdout
    assert "\nno rule hit it\n" in gristmill("why", "out", "doc-03", cwd=project).stdout
    data = json.loads(gristmill("why", "out", "doc-08", "--json", cwd=project).stdout)
    assert (data["fate"], data["stage"], data["kept_id"]) == ("removed", "exact", "doc-02")


def test_why_about_nothing(project, tmp_path):
    for arguments in (("out", "no-such-id"), (tmp_path, "doc-01")):
        result = gristmill("why", *arguments, cwd=project)
        assert result.returncode == 2 and result.stderr.startswith("error: ") and "Traceback" not in result.stderr


def test_why_leads_to_documents_without_an_id(project, tmp_path):
    listed = gristmill("why", "out", "--show", "1", cwd=project).stdout.splitlines()
    removed = json.loads((project / "out/report/report.json").read_text())["removed"]
    assert listed[0] == f"{removed} documents were removed; some for each reason:" and listed[-1] == "the story of one: gristmill why out ID (or its URL)"
    at = listed.index("exact/duplicate: 2")
    name = listed[at + 1].strip().partition(":")[0]
    assert listed[at + 2].startswith("    https://") and listed[at + 3] == ""
    assert "removed by exact/duplicate" in gristmill("why", "out", name, cwd=project).stdout
    assert gristmill("why", "out", "https://news.example/12", cwd=project).stdout == gristmill("why", "out", "doc-12", cwd=project).stdout
    data = json.loads(gristmill("why", "out", "--json", cwd=project).stdout)
    assert data["removed"] == removed == sum(reason["documents"] for reason in data["reasons"].values())
    unknown = gristmill("why", "out", "https://news.example/none", cwd=project)
    assert unknown.returncode == 2 and "`gristmill why out` lists some that were removed, with their ids" in unknown.stderr


def test_why_lists_the_documents_of_one_url(tmp_path):
    rows = [{"id": f"d{n}", "url": "https://a.example/x", "text": text} for n, text in enumerate(("The river is wide\x1b[31m and slow.", "The river is wide and slow today."))]
    (tmp_path / "documents.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "job.yaml").write_text("input: documents.jsonl\noutput: out\nworkers: inline\n")
    assert gristmill("run", "job.yaml", cwd=tmp_path).returncode == 0
    lines = gristmill("why", "out", "https://a.example/x", cwd=tmp_path).stdout.splitlines()
    assert lines[0] == "2 documents have the URL https://a.example/x:" and lines[1].startswith("  d0: kept: The river is wide<U+001B>") and lines[2].startswith("  d1: kept: ")
    assert len(json.loads(gristmill("why", "out", "https://a.example/x", "--json", cwd=tmp_path).stdout)["documents"]) == 2
    assert gristmill("why", "out", cwd=tmp_path).stdout == "nothing was removed; ids of documents are in the column `id` of clean/\n"


def test_report_is_rebuilt_from_the_manifest(project):
    before = (project / "out/report/report.md").read_text()
    (project / "out/report/report.md").unlink()
    result = gristmill("report", "out", cwd=project)
    assert result.returncode == 0 and result.stdout == before == (project / "out/report/report.md").read_text()
    assert json.loads(gristmill("report", "out", "--json", cwd=project).stdout) == json.loads((project / "out/report/report.json").read_text())


def test_report_of_an_unfinished_run_says_so(project, tmp_path):
    shutil.copytree(project, tmp_path / "half")
    next((tmp_path / "half/out/manifest/pass1").iterdir()).unlink()
    result = gristmill("report", "out", cwd=tmp_path / "half")
    assert result.returncode == 2 and "go on with `gristmill run job.yaml`" in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("job", "message"),
    [
        ("input: nothing-*.jsonl\noutput: out\n", "nothing-*.jsonl"),
        ("input: job.yaml\noutput: out\n", "job.yaml"),
        ("input: documents.jsonl\noutput: out\nread: {text_column: body}\n", "body"),
        ("input: documents.jsonl\noutput: [out]\n", "job.yaml:2:9: R103"),
        ("pack: mine\nabout: x\nrules: []\n", "job.yaml:3:1: R101 this is a rule pack, not a job"),
        ("input: documents.jsonl\noutput: job.yaml/out\n", "cannot write"),
        ("input: documents.jsonl\noutput: out\nlanguage: {keep: [englsh]}\n", "job.yaml:3"),
        ("input: documents.jsonl\noutput: out\npack: {tokenizer: absent.json}\n", "absent.json"),
    ],
)
def test_mistakes_exit_2_without_a_traceback(tmp_path, job, message):
    (tmp_path / "documents.jsonl").write_text('{"text": "A few words."}\n')
    (tmp_path / "job.yaml").write_text(job)
    result = gristmill("run", "job.yaml", cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    assert message in result.stderr and "Traceback" not in result.stderr and result.stdout == ""


@pytest.mark.parametrize("workers", ["0", "many", "-1"])
def test_bad_workers(project, workers):
    assert gristmill("run", "job.yaml", "--workers", workers, cwd=project).returncode == 2


def test_quarantined_records_exit_3(tmp_path):
    job = write_job(tmp_path / "job.yaml", write_corpus(tmp_path / "in", count=40))
    result = gristmill("run", job)
    assert result.returncode == 3 and "1 records are in" in result.stderr


def test_a_language_that_never_occurs_is_a_warning(tmp_path):
    (tmp_path / "documents.jsonl").write_text('{"text": "This is an ordinary English sentence about the weather."}\n')
    (tmp_path / "job.yaml").write_text("input: documents.jsonl\noutput: out\nlanguage: {keep: [fin, eng_Latn]}\n")
    result = gristmill("run", "job.yaml", cwd=tmp_path)
    assert result.returncode == 0
    assert "warning: language: no document is in fi, which the job keeps; found en (1)" in " ".join(result.stderr.split())
    assert "fi" in json.loads((tmp_path / "out/report/report.json").read_text())["warnings"][0]


def test_ctrl_c_exits_130_and_the_run_goes_on_afterwards(tmp_path):
    """A pause in each of sixty files: the run is still under way when Ctrl-C comes late."""
    job = write_job(tmp_path / "job.yaml", write_corpus(tmp_path / "in", files=60, count=6000))
    command = [sys.executable, str(ROOT / "gristmill.py"), "run", str(job)]
    heed = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731 - a shell's background jobs ignore SIGINT
    slow = {"PYTHONPATH": f"{ROOT / 'tests/faults/hook'}{os.pathsep}{ROOT}", "FAULTS": json.dumps({"pause": ["curation.passes", "hand_on", 0.5]})}
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, preexec_fn=heed, env=os.environ | slow)
    while not list((tmp_path / "out/manifest").rglob("*.json")) and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    stderr = process.communicate(timeout=600)[1]
    assert process.returncode == 130, stderr
    assert "continue with: gristmill run" in stderr and "Traceback" not in stderr
    assert gristmill("run", job).returncode == 3


def test_check_on_a_sample(project, tmp_path):
    greedy = tmp_path / "greedy.yaml"
    greedy.write_text(
        "pack: p\nabout: x\nrules:\n  - id: a\n    why: x.\n    drop_when: {words: '< 1000'}\n    examples: {drop: [a], keep: [{words: 1000}]}\n"
    )
    documents = project / "documents.jsonl"
    result = gristmill("check", greedy, "--sample", documents)
    assert result.returncode == 1 and f"{greedy}:4:9: R120 p/a drops 100.0% of the sample" in result.stdout, result.stdout + result.stderr
    greedy.write_text(greedy.read_text().replace("    why", "    expect_drop: 1\n    why"))
    result = gristmill("check", greedy, "--sample", documents, "--json")
    data = json.loads(result.stdout)
    assert result.returncode == 0 and data["preview"]["rules"][0]["only"] == data["preview"]["documents"] == 19
    assert gristmill("check", greedy, "--sample", tmp_path / "gone").returncode == 2
    assert "R107: " in gristmill("check", "--explain", "r107").stdout and gristmill("check", "--explain", "R999").returncode == 2


def test_diff(project, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text((project / "packs/mine.yaml").read_text().replace("action: tag", "action: drop"))
    result = gristmill("diff", project / "packs/mine.yaml", other, "--sample", project / "documents.jsonl")
    assert result.returncode == 1 and "B drops what A keeps" in result.stdout and "mine/short-line-pages" in result.stdout, result.stdout + result.stderr
    assert gristmill("diff", project / "job.yaml", project / "job.yaml").stdout.endswith("no difference\n")
    result = gristmill("diff", other, other)
    assert result.returncode == 2 and "--sample" in result.stderr


def test_signals_and_schema():
    assert "  mean_word_chars " in gristmill("signals").stdout
    uses = gristmill("signals", "bullet_line_frac").stdout.partition("rules of shipped packs")[2]
    assert "gopher_quality/bullet-lines: > 0.9\n" in uses and "fineweb2/*/bullet-lines: > 0.9 (" in uses and uses.count("\n") < 12
    data = json.loads(gristmill("signals", "mean_word_chars", "--json").stdout)
    assert data["values"]["space"] > 0 and any("gopher_quality" in use for use in data["used_by"])
    result = gristmill("signals", "mean_word_char")
    assert result.returncode == 2 and "did you mean 'mean_word_chars'" in result.stderr
    for name in ("listed_words", "removed_line_frac", "line_words"):
        assert gristmill("signals", name).returncode == 0
    assert json.loads(gristmill("schema", "job").stdout)["properties"]["packs"]


@pytest.mark.parametrize("name", sorted(USER_ERRORS))
def test_errors_that_are_told_without_a_traceback_are_where_their_names_say(name, capsys):
    module, _, kind = name.rpartition(".")
    error = getattr(importlib.import_module(module), kind)
    assert f"{error.__module__}.{error.__qualname__}" == name

    @user_errors
    def command():
        raise type("Closer", (error,), {})("what, where, what to do")

    with pytest.raises(SystemExit) as ended:
        command()
    assert ended.value.code == 2 and capsys.readouterr().err == "error: what, where, what to do\n"
