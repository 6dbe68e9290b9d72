"""An ablation from jobs to verdict on a small corpus: what is shared and held out, models alike, resumed, evidence written."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from corpus import article, write_corpus
from hypothesis import given, settings
from hypothesis import strategies as st
from test_train_config import MODEL

from curation.ablate.blend import Rows, blend
from curation.ablate.documents import ALL, Choice, know, sort_out, write_documents
from curation.ablate.run import ablate
from curation.ablate.settings import load_ablation
from curation.ablate_cli import ablate as command
from curation.sampling import is_held_out
from curation.verify import verify as verify_run
from rules.format.pack import load_pack
from train.handoff import HandoffError, open_split, read_documents, read_manifest
from train.loop import Stopped
from train.open_model import open_model
from train.verify_packed import verify

torch.set_num_threads(1)
ROOT = Path(__file__).parents[1]
PACK = """pack: mine
about: For tests.
rules:
  - id: numbers
    why: Pages of numbers teach nothing.
    drop_when: {digit_char_frac: "> 0.5"}
    examples: {drop: [{digit_char_frac: 0.6}], keep: [{digit_char_frac: 0.5}]}
  - id: cookies
    why: Banners.
    lines: drop
    match: '^We use cookies'
    examples:
      drop: [We use cookies to improve your visit.]
      keep: [cake]
"""
ABLATE = """output: {output}
{arms}
tokens: {tokens}
seeds: 2
sequence_length: 64
vocab_size: 300
judge: {{held_out: 0.25, bytes: 20000}}
workers: inline
train:
  model: {{{model}}}
  batch_rows: 2
  learning_rate: 0.01
  warmup_steps: 1
  eval_rows: 4
  checkpoint_every: 2
  device: cpu
  sample: {{tokens: 2}}
"""


def project(folder: Path) -> Path:
    write_corpus(folder / "corpus")
    (folder / "mine.yaml").write_text(PACK)
    (folder / "job.yaml").write_text("input: corpus\noutput: base\npacks: [mine.yaml]\nexact: {}\nworkers: inline\n")
    (folder / "twin.yaml").write_text("input: corpus\noutput: base\nworkers: inline\n")
    return folder


def ablation_file(folder: Path, arms: str, output: str = "ablation", tokens: int = 768) -> Path:
    path = folder / f"{output}.yaml"
    model = ", ".join(f"{name}: {str(value).lower()}" for name, value in MODEL.items())
    path.write_text(ABLATE.format(output=output, arms=arms, tokens=tokens, model=model))
    return path


@pytest.fixture(scope="module")
def ablated(tmp_path_factory):
    """An ablation of a line rule that was stopped, then killed, and went on; and its report."""
    folder = project(tmp_path_factory.mktemp("ablate"))
    path = ablation_file(folder, "job: job.yaml\nrule: mine/cookies")
    asked = iter([False] * 12 + [True])
    with pytest.raises((KeyboardInterrupt, Stopped)):
        ablate(load_ablation(path), should_stop=lambda: next(asked, True))
    killed_when(folder / "ablation/runs/model/without/seed-0/metrics.jsonl", path)  # in the middle of the second model
    return folder, ablate(load_ablation(path))


def killed_when(there: Path, path: Path) -> None:
    """The command, killed as soon as `there` exists."""
    command = [sys.executable, "-m", "gristmill", "ablate", str(path)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}) as process:
        while not there.exists() and process.poll() is None:
            time.sleep(0.002)
        process.kill()
        assert there.exists(), process.stderr.read().decode()


def test_the_interrupted_ablation_found_what_an_uninterrupted_one_finds(ablated, tmp_path) -> None:
    _, report = ablated
    whole = ablate(load_ablation(ablation_file(project(tmp_path), "job: job.yaml\nrule: mine/cookies")))
    assert whole["sizes"] == report["sizes"] and whole["sha256"] == report["sha256"] and whole["data_sha256"] == report["data_sha256"]


def test_runs_are_normal_and_alike(ablated) -> None:
    folder, report = ablated
    out = folder / "ablation"
    assert not verify_run(out / "arms/with").problems and not verify_run(out / "arms/without").problems
    runs = report["sizes"][0]["runs"]
    assert [(run["arm"], run["seed"]) for run in runs] == [("with", 0), ("without", 0), ("with", 1), ("without", 1)]
    summaries = [json.loads((out / run["folder"] / "summary.json").read_text()) for run in runs]
    assert {summary["step"] for summary in summaries} == {6}
    assert summaries[0]["held_out_first"] == summaries[1]["held_out_first"] != summaries[2]["held_out_first"]  # the same first weights
    for arm in ("with", "without"):
        verify(out / "data/arms" / arm)


def test_nothing_that_is_judged_on_is_trained_on(ablated) -> None:
    folder, _ = ablated
    data = folder / "ablation/data"
    judged = pa.concat_tables([pq.read_table(data / f"documents/{name}.parquet") for name in ("judged", "others")])
    for arm in ("with", "without"):
        train = [pq.read_table(data / f"documents/{name}.parquet") for name in ("shared", f"own-{arm}")]
        texts = pa.concat_tables(train)["text"].to_pylist()
        assert not set(texts) & set(judged["text"].to_pylist()) and len(texts) > 20
        documents = read_documents(data / "arms" / arm)
        names = set(documents["document"].filter(pa.array([split == "train" for split in documents["split"].to_pylist()])).to_pylist())
        assert not names & {name.split("@")[0] for name in judged["id"].to_pylist()}
    cookies = [text for text in pq.read_table(data / "documents/own-without.parquet")["text"].to_pylist()]
    assert cookies and all(text.startswith("We use cookies") for text in cookies)
    assert set(judged["kept_by"].to_pylist()) == {ALL, "with", "without"}


def test_figures_are_those_of_the_models(ablated) -> None:
    """The difference, and the loss of documents that one arm alone keeps, by hand."""
    folder, report = ablated
    out = folder / "ablation"
    size = report["sizes"][0]
    (found,) = size["comparisons"]
    gaps = []
    for seed in (0, 1):
        losses = {arm: pq.read_table(out / "runs/model" / arm / f"seed-{seed}" / "judged.parquet").to_pylist() for arm in ("with", "without")}
        of_all = {arm: [row for row in rows if row["kept_by"] == ALL] for arm, rows in losses.items()}
        bits = {arm: sum(row["nats"] for row in rows) / math.log(2) for arm, rows in of_all.items()}
        gaps.append((bits["with"] - bits["without"]) / sum(row["bytes"] for row in of_all["with"]))
        held_out = json.loads((out / "runs/model/with" / f"seed-{seed}" / "summary.json").read_text())["held_out_last"]
        assert held_out["tokens"] <= sum(row["tokens"] for row in of_all["with"])
    assert found["difference"] == pytest.approx(np.mean(gaps)) and [one["value"] for one in found["of_seeds"]] == pytest.approx(gaps)
    assert found["documents"] == len(of_all["with"]) >= 5 and set(found["kept_by_others"]) == {"with", "without"}
    assert set(found["by"]["source"]) == {"host0", "host1", "host2"}


def test_evidence_stands_beside_the_rule_once(ablated) -> None:
    folder, report = ablated
    pack = load_pack(folder / "mine.yaml")
    (record,) = pack.rule("cookies").evidence
    comparison = report["sizes"][0]["comparisons"][0]
    assert record.difference == pytest.approx(comparison["difference"], abs=1e-5) and record.seeds == 2 and record.tokens == 768
    assert pack.rule_sha256(pack.rule("cookies")).startswith(record.rule) and report["sha256"].startswith(record.ablation)
    again = CliRunner().invoke(command, [str(folder / "ablation.yaml")])
    assert again.exit_code == 0, again.stderr
    assert "with against without: " in again.stdout and "bits per byte" in again.stdout
    assert len(load_pack(folder / "mine.yaml").rule("cookies").evidence) == 1
    assert (folder / "ablation/report.md").read_text().startswith("# Ablation")


def test_equal_arms_are_trained_once_and_not_told_apart(tmp_path) -> None:
    folder = project(tmp_path)
    arms = "job: job.yaml\narms:\n  a: {}\n  b: {set: {mine/numbers: tag}}\n  c: {packs: [mine.yaml]}"
    report = ablate(load_ablation(ablation_file(folder, arms)))
    to_b, to_c = report["sizes"][0]["comparisons"]
    assert to_c["verdict"] == "not distinguishable" and to_c["same_data"] and to_c["interval"] == [0, 0]
    assert not to_b["same_data"] and to_b["difference"] != 0
    assert not (folder / "ablation/runs/model/c").exists() and (folder / "ablation/runs/model/b/seed-1/judged.json").exists()
    assert report["evidence"] is None and report["arms"]["b"]["documents"] > report["arms"]["a"]["documents"]


def test_documents_of_ones_own_are_judged_on(tmp_path) -> None:
    folder = project(tmp_path)
    import random

    rng = random.Random(99)
    texts = [article(rng, 6) for _ in range(8)]
    own = folder / "own.jsonl"
    own.write_text("".join(json.dumps({"id": f"own-{n}", "text": text}) + "\n" for n, text in enumerate(texts)))
    path = ablation_file(folder, "job: job.yaml\nrule: mine/numbers", tokens=256)
    (folder / "mills.jsonl").write_text("".join(json.dumps({"query": f"river {n}", "choices": ["a bridge", "bread"], "gold": n % 2}) + "\n" for n in range(6)))
    (folder / "mills.yaml").write_text('task: mills\nabout: x\nkind: multiple_choice\ndata: mills.jsonl\nprompt: "{query}:"\nchoices: choices\n')
    path.write_text(path.read_text().replace("held_out: 0.25", "held_out: 0.25, documents: own.jsonl, tasks: [mills.yaml]"))
    report = ablate(load_ablation(path))
    (found,) = report["sizes"][0]["comparisons"]
    task = found["tasks"]["mills"]
    items = {arm: [json.loads((folder / f"ablation/runs/model/{arm}/seed-{seed}/judged.json").read_text())["tasks"]["mills"]["gold_bits_per_byte"] for seed in (0, 1)] for arm in ("with", "without")}
    assert task["items"] == 6 and task["difference"] == pytest.approx(np.mean(items["with"]) - np.mean(items["without"]))
    assert report["judged_on"] == "reference" and found["documents"] == 8 and ALL in found["kept_by_others"]
    split = open_split(folder / "ablation/data/arms/with", "held_out")
    assert set(read_documents(split.folder)["document"].to_pylist()) >= {f"own-{n}" for n in range(8)}


@pytest.mark.parametrize(
    ("arms", "change", "words"),
    [
        ("job: job.yaml\nrule: mine/cookie", {}, "ablation.yaml:3:7: R110 the packs of the job have no rule 'mine/cookie', did you mean 'mine/cookies'"),
        ("rule: mine/cookies", {}, "a rule needs a job"),
        ("job: job.yaml", {}, "either a rule, or arms"),
        ("job: gone.yaml\nrule: mine/cookies", {}, "no file"),
        ("job: job.yaml\narms: {a: {}, b: {set: {mine/none: off}}}", {}, "no rule 'mine/none'"),
        ("job: job.yaml\narms: {a: {}, b: {packs: [nonsense]}}", {}, "no shipped pack"),
        ("job: job.yaml\nrule: mine/cookies", {"  batch_rows: 2": "  batch_row: 2"}, "ablation.yaml:12:3: R101 unknown key 'batch_row'"),
        ("arms: {a: {job: job.yaml}, b: {job: twin.yaml}}", {}, "its job has the output of arm a"),
        ("job: job.yaml\nrule: mine/cookies", {"  batch_rows: 2": "  seed: 2"}, "seed is set by the ablation"),
        ("job: job.yaml\nrule: mine/cookies", {"held_out: 0.25": "held_out: 1"}, "between 0 and 1"),
        ("job: job.yaml\nrule: mine/cookies", {"held_out: 0.25": "held_out: 0.01"}, "too few to judge on"),
        ("job: job.yaml\nrule: mine/cookies", {"tokens: 768": "budget: 24 gpu-hours"}, "hours need device_flops"),
        ("job: job.yaml\nrule: mine/cookies", {"tokens: 768": "tokens: 768\nbudget: 1e9"}, "tokens of each model, or budget"),
    ],
)
def test_mistakes_exit_2_with_words(tmp_path, arms, change, words) -> None:
    path = ablation_file(project(tmp_path), arms)
    for old, new in change.items():
        path.write_text(path.read_text().replace(old, new))
    result = CliRunner().invoke(command, [str(path)])
    assert result.exit_code == 2 and words in result.stderr.replace("\n", " "), result.stderr
    assert "Traceback" not in result.stderr


def test_a_budget_chooses_the_model(tmp_path) -> None:
    path = ablation_file(project(tmp_path), "job: job.yaml\nrule: mine/cookies")
    text = path.read_text().replace("tokens: 768", "budget: 4e12")
    path.write_text(text[: text.index("train:")])
    ablation = load_ablation(path)
    config = ablation.sizes["model"]
    spent = 6 * 4 * config.steps * config.batch_rows * 64  # FLOPs a parameter of four models
    result = CliRunner().invoke(command, [str(path), "--dry-run", "--json"])
    planned = json.loads(result.stdout)
    from train.sizes import parameter_counts

    parameters = parameter_counts(config.model).matrix
    assert 0.6 * 4e12 < spent * parameters < 4.1e12 and planned["models"] == 4
    assert not (tmp_path / "ablation").exists()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 20), st.sampled_from("ab")), max_size=30, unique_by=lambda row: row[0]), min_size=2, max_size=3))
def test_documents_are_sorted_out_as_defined(tmp_path_factory, arms) -> None:
    folder = tmp_path_factory.mktemp("sorted")
    files = {}
    for number, rows in enumerate(arms):
        table = pa.table({"id": [f"d{i}" for i, _ in rows], "text": pa.array([f"text {i}{t}" for i, t in rows], pa.large_string()), "source": ["s"] * len(rows), "lang": pa.array([None] * len(rows), pa.string())})
        table = table.set_column(0, "id", table["id"].cast(pa.string())).set_column(2, "source", table["source"].cast(pa.string()))
        pq.write_table(table, folder / f"{number}.parquet")
        files[f"arm{number}"] = [folder / f"{number}.parquet"]
    known = {name: know(paths, 0.4) for name, paths in files.items()}
    excluded = np.unique(np.concatenate([arm.text[arm.held_out] for arm in known.values()]))
    write_documents(files, sort_out(known), Choice(0.4, 2.0, 2.0, excluded), folder / "out")
    everywhere = set(arms[0]).intersection(*arms[1:])
    held_out = {i for i in range(21) if is_held_out(pa.array([f"d{i}"]), 0.4)[0]}

    def written(name: str) -> list:
        path = folder / "out" / f"{name}.parquet"
        return pq.read_table(path).to_pylist() if path.exists() else []

    def expected(rows) -> list:
        return sorted(f"text {i}{t}" for i, t in rows)

    assert sorted(row["text"] for row in written("shared")) == expected(row for row in everywhere if row[0] not in held_out)
    assert sorted(row["text"] for row in written("judged")) == expected(row for row in everywhere if row[0] in held_out)
    others = {row for rows in arms for row in rows} - everywhere
    assert sorted(row["text"] for row in written("others")) == expected(row for row in others if row[0] in held_out)
    for number, rows in enumerate(arms):
        assert sorted(row["text"] for row in written(f"own-arm{number}")) == expected(row for row in rows if row in others and row[0] not in held_out)
    assert len({row["id"] for row in written("others")}) == len(written("others"))


def test_blends_hold_the_rows_that_were_asked_for(tmp_path) -> None:
    from test_train_handoff import made_up_texts, write_packed

    one = write_packed(tmp_path / "one", {"train": made_up_texts(40, 1), "held_out": made_up_texts(5, 2)}, 64)
    two = write_packed(tmp_path / "two", {"train": made_up_texts(30, 3), "held_out": made_up_texts(5, 4)}, 64)
    chosen = np.array([3, 1, 1, 5])
    made = blend(tmp_path / "blend", [Rows(one), Rows(two, chosen)], [Rows(two, None, "held_out")])
    verify(tmp_path / "blend")
    rows = [open_split(one, "train").sequence(row) for row in range(len(open_split(one, "train")))]
    rows += [open_split(two, "train").sequence(row) for row in (1, 1, 3, 5)]
    split = open_split(tmp_path / "blend", "train")
    about = read_documents(tmp_path / "blend")
    tables = {one: read_documents(one), two: read_documents(two)}
    assert len(split) == len(rows)
    for number, (tokens, lengths, refs) in enumerate(rows):
        got = split.sequence(number)
        assert np.array_equal(got[0], tokens) and np.array_equal(got[1], lengths)
        source = tables[one if number < len(rows) - 4 else two]
        assert about.take(pa.array(got[2]))["document"].to_pylist() == source.take(pa.array(refs))["document"].to_pylist()
    before = (tmp_path / "blend/manifest.json").stat().st_mtime_ns
    assert blend(tmp_path / "blend", [Rows(one), Rows(two, chosen[::-1])], [Rows(two, None, "held_out")]) == made
    assert (tmp_path / "blend/manifest.json").stat().st_mtime_ns == before
    assert blend(tmp_path / "blend", [Rows(one)], [Rows(two, None, "held_out")]).job_sha256 != made.job_sha256
    other = write_packed(tmp_path / "other", {"train": made_up_texts(9, 5), "held_out": made_up_texts(5, 6)}, 32)
    with pytest.raises(HandoffError, match="another sequence_length"):
        blend(tmp_path / "bad", [Rows(one), Rows(other)], [])
    with pytest.raises(HandoffError, match="not a single row"):
        blend(tmp_path / "bad", [], [])
    assert read_manifest(tmp_path / "blend").splits["train"][0].rows == len(open_split(one, "train"))


def test_models_of_a_seed_begin_alike(ablated) -> None:
    folder, _ = ablated
    model = open_model(folder / "ablation/runs/model/with/seed-0", torch.device("cpu"))
    assert model.model.config.vocab_size == 300
