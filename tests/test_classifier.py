"""gristmill classifier: from two kinds of texts to a rule, with honest numbers on the way."""

from __future__ import annotations

import json
import random
import re
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from test_readme import ROOT, environment, fits, sessions

from curation.classifier_measures import at_threshold, auc, calibration
from curation.classifier_training import distinct_texts
from curation.shards import file_sha256
from curation.stages.language import LanguageSettings, identify
from gristmill import gristmill

SCIENCE = "the orbit of a planet and its moon ice glacier bodies move energy mass species cells theory measured observed".split()
SHOP = "buy now cheap offer win prize click here free shipping cart deal sale discount best price order today".split()
COMMON = "and of a to in for with on it is that as by from at this".split()
scores = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=30)


@given(scores, scores)
def test_auc_is_the_chance_to_rank_a_pair_right(positive, negative):
    wanted = np.mean([(p > n) + (p == n) / 2 for p in positive for n in negative])
    assert auc(np.array(positive), np.array(negative)) == pytest.approx(wanted)


@given(scores, scores, st.floats(0, 1))
def test_precision_and_recall(positive, negative, threshold):
    found = at_threshold(np.array(positive), np.array(negative), threshold)
    kept, wrong = sum(p >= threshold for p in positive), sum(n >= threshold for n in negative)
    assert found["recall"] == kept / len(positive) and found["negative_kept"] == wrong / len(negative)
    assert found["precision"] == (kept / (kept + wrong) if kept + wrong else None)


def test_calibration_by_hand():
    bins, error = calibration(np.array([0.95, 0.85]), np.array([0.05, 0.15, 0.85]))
    assert [(b["documents"], b["positive"]) for b in bins] == [(1, 0), (1, 0), (2, 0.5), (1, 1)]
    assert error == pytest.approx((0.05 + 0.15 + 2 * 0.35 + 0.05) / 5)


def test_a_text_is_learned_from_once():
    assert sorted(distinct_texts(pa.chunked_array([["b", "a"], ["a", " \n", ""]], pa.large_string())).to_pylist()) == ["a", "b"]


def write_texts(path: Path, words: list[str], count: int, seed: int) -> None:
    rng = random.Random(seed)
    texts = [" ".join(rng.choice(words if rng.random() < 0.4 else COMMON) for _ in range(rng.randint(20, 60))) + "." for _ in range(count)]
    pq.write_table(pa.table({"text": texts, "lang": ["en"] * count}), path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("classifier")
    write_texts(folder / "science.parquet", SCIENCE, 300, 1)
    write_texts(folder / "shop.parquet", SHOP, 200, 2)
    return folder


def call(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(gristmill, [str(argument) for argument in arguments], catch_exceptions=False)
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def trained(folder) -> dict:
    code, output = call("classifier", "train", "--positive", folder / "science.parquet", "--negative", folder / "shop.parquet", "-o", folder / "science", "--buckets", 2000, "--json")
    assert code == 0, output
    return json.loads(output)


def test_two_sources_are_told_apart(folder, trained):
    assert trained["held_out"]["auc"] > 0.95 and trained["auc_before_quantisation"] > 0.95
    assert trained == json.loads((folder / "science/classifier.json").read_text())
    about = trained["inputs"]["positive"]
    assert about["files"] == [{"name": "science.parquet", "bytes": (folder / "science.parquet").stat().st_size, "sha256": file_sha256(folder / "science.parquet")}]
    assert trained["inputs"]["negative"]["train"] + trained["inputs"]["negative"]["held_out"] == 200 == about["train"] + about["held_out"]  # balanced
    assert trained["model_sha256"] == file_sha256(folder / "science/model.ftz")
    assert (folder / "science/calibration.png").read_bytes()[:4] == b"\x89PNG"


def test_held_out_texts_are_written_and_no_other(folder, tmp_path, trained):
    """On them a rule keeps what the manifest says of its threshold."""
    code, output = call(
        "classifier", "train", "--positive", folder / "science.parquet", "--negative", folder / "shop.parquet", "-o", tmp_path / "science", "--buckets", 2000,
        "--language", "English", "--held-out-texts", tmp_path / "held-out", "--json",
    )  # fmt: skip
    found = json.loads(output)
    assert code == 0 and found["model_sha256"] == trained["model_sha256"], "they are the same, whether written or not"
    write_pack(tmp_path / "shops.yaml")
    [row] = [row for row in found["held_out"]["thresholds"] if row["threshold"] == 0.5]
    for name, side in (("positive", "science"), ("negative", "shop")):
        texts = pq.read_table(tmp_path / f"held-out/{name}.parquet")
        assert texts.num_rows == found["inputs"][name]["held_out"] and set(texts["lang"].to_pylist()) == {"en"}
        assert set(texts["text"].to_pylist()) <= set(pq.read_table(folder / f"{side}.parquet")["text"].to_pylist())
        _, output = call("check", tmp_path / "shops.yaml", "--sample", tmp_path / f"held-out/{name}.parquet", "--json")
        share = row["recall"] if name == "positive" else row["negative_kept"]
        assert json.loads(output)["preview"]["kept"] == pytest.approx(share * texts.num_rows)


def test_the_same_texts_give_the_same_model(folder, trained):
    code, output = call("classifier", "train", "--positive", folder / "science.parquet", "--negative", folder / "shop.parquet", "-o", folder / "again", "--buckets", 2000)
    assert code == 0 and "AUC" in output
    assert json.loads((folder / "again/classifier.json").read_text()) == trained
    assert (folder / "again/model.ftz").read_bytes() == (folder / "science/model.ftz").read_bytes()


def write_pack(path: Path) -> None:
    path.write_text(
        "pack: shops\nabout: No shops.\nclassifiers: {science: science}\nrules:\n  - id: not-science\n    why: Shops teach nothing.\n"
        '    drop_when: {classifier.science: "< 0.5"}\n    expect_drop: 1\n'
        "    examples:\n      drop: [buy now cheap offer click here to win the best price today]\n      keep: [the orbit of a planet and its moon measured in theory]\n"
    )


def test_its_score_is_a_rule_previewed_on_a_sample(folder, trained):
    write_pack(folder / "shops.yaml")
    code, output = call("check", folder / "shops.yaml", "--sample", folder / "shop.parquet", "--json")
    assert code == 0, output
    assert json.loads(output)["preview"]["kept"] < 20
    code, output = call("check", folder / "shops.yaml", "--sample", folder / "science.parquet", "--json")
    assert json.loads(output)["preview"]["kept"] > 270


def test_scores_of_documents_and_of_paragraphs(folder, trained):
    texts = ["buy now cheap offer\n\nthe orbit of a planet and its moon", "", "energy and mass \x1b[31m of cells"]
    pq.write_table(pa.table({"text": texts, "id": ["a", "b", "c"]}), folder / "few.parquet")
    code, output = call("classifier", "score", folder / "science", folder / "few.parquet", "--paragraphs", "--json")
    found = json.loads(output)
    assert code == 0 and [(row["id"], row["line"]) for row in found["scores"]][0] == ("a", 1) and found["texts"] == 3
    code, output = call("classifier", "score", folder / "science", folder / "few.parquet")
    assert code == 0 and "2 documents with words" in output and "\x1b" not in output


def test_what_cannot_be_learned_from(folder):
    write_texts(folder / "few_shops.parquet", SHOP, 30, 3)
    code, output = call("classifier", "train", "--positive", folder / "science.parquet", "--negative", folder / "few_shops.parquet", "-o", folder / "x")
    assert code == 2 and "too few different texts" in output and not (folder / "x").exists()
    code, output = call("classifier", "train", "--positive", folder / "shop.parquet", "--negative", folder / "shop.parquet", "-o", folder / "x")
    assert code == 2 and "0 to train on and 0 held out" in output
    code, output = call("classifier", "train", "--positive", folder / "shop.parquet", "--negative", folder / "shop.parquet", "-o", folder / "x", "--language", "de")
    assert code == 2 and "no document is in 'de'; found en (200)" in output
    code, output = call("classifier", "score", folder / "shop.parquet", folder / "shop.parquet")
    assert code == 2 and "which label of shop.parquet" in output


def test_the_walk_through_of_the_docs(shared_data, tmp_path):
    """Its commands, on English manuals and web pages, print what the page shows but for the figures, and those are as good."""
    for name, source in (("manuals", "sample"), ("web", "web")):
        table = pa.concat_tables([pq.read_table(path, columns=["id", "text", "lang"]) for path in sorted((shared_data / source).glob("*.parquet"))])
        if name == "web":
            table = table.set_column(2, "lang", identify(table["text"], LanguageSettings())[0])
        (tmp_path / name).mkdir()
        pq.write_table(table.filter(pc.fill_null(pc.equal(table["lang"], "en"), False)), tmp_path / name / "part.parquet")
    page = (ROOT / "docs/classifier.md").read_text(encoding="utf-8")
    (tmp_path / "manuals.yaml").write_text(page.partition("<!-- file: manuals.yaml -->\n```yaml\n")[2].partition("```")[0], encoding="utf-8")
    kept = []
    for command, shown in (pair for session in sessions(page) for pair in session):
        result = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, env=environment())
        assert result.returncode == 0, result.stderr
        assert fits([figureless(line) for line in shown], [figureless(line) for line in result.stdout.splitlines()]), result.stdout
        kept += [int(found[2]) / int(found[1]) for found in re.finditer(r"^(\d+) documents: (\d+) kept", result.stdout, re.M)]
    assert json.loads((tmp_path / "models/manuals/classifier.json").read_text())["held_out"]["auc"] > 0.95
    assert len(kept) == 2 and kept[0] < 0.2 and kept[1] > 0.9


def figureless(line: str) -> str:
    """A line whose figures and the spaces around them do not matter; three dots stay what they are."""
    return line if line == "..." else " ".join(re.sub(r"\d[\d.,]*", " # ", line).split())
