"""Jobs that would read what they wrote, or read nothing; paths in settings; and a seed below 0."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from curation.convert.detect import convert_file
from curation.convert.result import write
from curation.evaluation_items import EvaluationError
from curation.job import load_job
from curation.run import run_job
from curation.verify import verify
from rules.places import Problems

ROOT = Path(__file__).parents[1]


def job_of(folder: Path, text: str) -> Path:
    (folder / "in").mkdir(exist_ok=True)
    lines = [{"id": str(number), "text": f"Home\nThe text of page {number} is not that of another one.\nImprint"} for number in range(10)]
    (folder / "in" / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "job.yaml").write_text(text)
    return folder / "job.yaml"


@pytest.mark.parametrize(
    "text, said",
    [
        ("input: in\noutput: in/out\n", "lies in the input folder .*name a folder beside it"),
        ("input: in\noutput: in\n", "is the input folder"),
        ("input: [in/a.jsonl, 'in/**/*.jsonl']\noutput: in/deep/out\n", "lies in the input folder"),
        ("input: '**/*.jsonl'\noutput: out\n", "lies in the input folder"),
        ("input: ''\noutput: out\n", "input names nothing"),
        ("input: []\noutput: out\n", "input names nothing"),
        ("input: in\noutput: job.yaml\n", "is a file; name a folder"),
    ],
)
def test_places_that_do_not_go_together(tmp_path, text, said):
    with pytest.raises(Problems, match=said):
        load_job(job_of(tmp_path, text))


@pytest.mark.parametrize("text", ["input: in\noutput: inner\n", "input: in/*.jsonl\noutput: in/out\n", "input: '*/a.jsonl'\noutput: out\n"])
def test_places_that_do(tmp_path, text):
    assert load_job(job_of(tmp_path, text)).output


def test_a_job_is_not_compared_with_its_own_output(tmp_path):
    path = job_of(tmp_path, "input: in\noutput: out\nworkers: inline\nexact: {}\n")
    assert run_job(load_job(path)).report["kept"] == 10
    path.write_text(path.read_text() + "against: ./out\n")
    with pytest.raises(Problems, match="against names the output of this job"):
        load_job(path)


def test_settings_that_are_paths(tmp_path):
    (tmp_path / "allow.txt").write_text("Imprint\n")
    path = job_of(tmp_path, "input: in\noutput: out\nworkers: inline\nworkspace: ws\nlines: {max_repeats: 2, min_words: 1, allow_file: allow.txt}\n")
    job = load_job(path)
    assert job.settings.lines.allow_file == tmp_path / "allow.txt" and job.settings.workspace == Path("ws")
    assert run_job(job).report["kept"] == 10
    import pyarrow.parquet as pq

    (text, *_) = pq.read_table(tmp_path / "out/clean/00000.parquet")["text"].to_pylist()
    assert "Imprint" in text and "Home" not in text
    path.write_text(path.read_text().replace("allow.txt", "3"))
    with pytest.raises(Problems, match="R103 expected a path, got 3"):
        load_job(path)


@pytest.mark.parametrize("command", [["check", "c4", "--sample"], ["diff", "c4", "fineweb", "--sample"], ["inspect"]])
def test_a_seed_is_not_below_0(tmp_path, command):
    job_of(tmp_path, "")
    done = subprocess.run([sys.executable, ROOT / "gristmill.py", *command, tmp_path / "in/a.jsonl", "--seed", "-1"], capture_output=True, text=True, timeout=600)
    assert done.returncode == 2 and "--seed" in done.stderr and "Traceback" not in done.stderr


def test_a_folder_without_packs_and_jobs_is_no_clean_check(tmp_path):
    job_of(tmp_path, "")
    done = subprocess.run([sys.executable, ROOT / "gristmill.py", "check", tmp_path / "in"], capture_output=True, text=True, timeout=600)
    assert done.returncode == 2 and "holds no pack and no job (.yaml or .yml); check the path" in done.stderr


def test_a_converted_job_reads_what_the_configuration_reads(tmp_path, monkeypatch):
    job_of(tmp_path, "")
    (tmp_path / "pipeline.py").write_text("pipeline = [JsonlReader('in'), GopherQualityFilter(), JsonlWriter('clean')]\n")
    (tmp_path / "filters.yaml").write_text("- GopherQualityFilter: {min_doc_words: 20}\n")
    monkeypatch.chdir(tmp_path)
    written = convert_file(Path("pipeline.py"), "datatrove", "unicode")
    write(written, Path("deep/mill"))
    job = load_job("deep/mill/job.yaml")
    assert job.inputs == ("../../in/**/*.jsonl*",) and job.output == tmp_path / "clean"
    assert run_job(job, "inline").report["in"] == 10
    write(convert_file(Path("filters.yaml"), "datatrove", "unicode"), Path("other"))
    assert "input: input\noutput: out\n" in Path("other/job.yaml").read_text(), "what it does not say is not looked for here"


def test_what_people_put_into_a_run_directory_stays(tmp_path):
    job = load_job(job_of(tmp_path, "input: in\noutput: out\nworkers: inline\nexact: {}\n"))
    run_job(job)
    (tmp_path / "out/clean/notes.txt").write_text("mine")
    (tmp_path / "out/clean/mine.parquet").write_text("mine")
    (tmp_path / "out/clean/00007.parquet").write_text("of an earlier job")
    (tmp_path / "out/clean/.00000.parquet.12.tmp").write_text("half")
    said = verify(job.output).problems
    assert any(line.startswith("clean/notes.txt: not listed") for line in said) and any(line.startswith("clean/.00000.parquet.12.tmp: half written") for line in said)
    run_job(job)
    assert sorted(path.name for path in (tmp_path / "out/clean").iterdir()) == ["00000.parquet", "mine.parquet", "notes.txt"]


@pytest.mark.parametrize("name, said", [("items", r"is a folder; name its files, such as '.*items/\*.jsonl'"), ("empty.jsonl", "empty.jsonl: holds no items")])
def test_evaluation_files_that_hold_none(tmp_path, name, said):
    (tmp_path / "items").mkdir()
    (tmp_path / "empty.jsonl").write_text("\n")
    path = job_of(tmp_path, f"input: in\noutput: out\nworkers: inline\ndecontaminate: {{files: {name}}}\n")
    with pytest.raises((Problems, EvaluationError), match=said):
        run_job(load_job(path))
