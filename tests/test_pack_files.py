"""Files that a pack names: read with it, part of its hash, measured by its rules, and every mistake at its place."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import trained_classifiers
from profiles_of_texts import make_profile

from rules.engine import apply
from rules.format.pack import load_pack
from rules.format.pack_files import PackFile, check_unchanged, file_sha256
from rules.format.schema import pack_schema
from rules.identity import column_identities, texts_identity
from rules.models.classifiers import classify
from rules.models.profiles import measure_profile, write_parquet
from rules.places import Problems

GOOD = ["the moon orbits the earth once a month", "a glacier is a body of dense ice that moves"] * 4
BAD = ["buy now cheap cheap cheap offer", "click here to win a prize now"] * 4
RULE = "  - id: {id}\n    why: A test.\n    {body}\n    examples: {{drop: [{drop}], keep: [{keep}]}}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with a profile, a classifier, and the model of another."""
    folder = tmp_path_factory.mktemp("files")
    write_parquet(make_profile([*GOOD, *BAD], 20), folder / "web.parquet", {})
    model = trained_classifiers.train(folder, {"good": GOOD, "bad": BAD}, wordNgrams=2)
    (folder / "good").mkdir()
    shutil.copy(model, folder / "good/model.ftz")
    manifest = {"model": "model.ftz", "model_sha256": file_sha256(model), "label": "__label__good", "words": "unicode"}
    (folder / "good/classifier.json").write_text(json.dumps(manifest))
    return folder


def pack_of(folder: Path, head: str, body: str, name: str = "p", drop: str = '"x"', keep: str = '"y"'):
    path = folder / f"{name}.yaml"
    path.write_text(f"pack: {name}\nabout: A test.\n{head}\nrules:\n" + RULE.format(id="r", body=body, drop=drop, keep=keep))
    return load_pack(path)


def problems_of(folder: Path, head: str, body: str) -> list[str]:
    with pytest.raises(Problems) as found:
        pack_of(folder, head, body)
    return [str(problem).partition(".yaml:")[2] for problem in found.value.problems]


TEXTS = pa.array(["The moon, once a month", "cheap cheap offer now", "", "quagga"], pa.large_string())


def test_profiles_are_signals(folder):
    pack = pack_of(folder, "profiles: {web: web.parquet}", 'drop_when: {outlier_token_frac(web): "> 0.5", unigram_kl(web): "> 1", unigram_logprob(web): "< -2"}')
    found = apply([pack], TEXTS)
    wanted = measure_profile(TEXTS, make_profile([*GOOD, *BAD], 20).table())
    for name, values in wanted.items():
        np.testing.assert_array_equal(found.signals[f"p.{name}(web)"].to_numpy(), values)
    assert found.dropped.tolist() == [False, False, False, True]


def test_a_classifier_is_a_signal(folder):
    pack = pack_of(folder, "classifiers: {fine: good}", 'drop_when: {classifier.fine: "< 0.4"}')
    found = apply([pack], TEXTS)
    scores = found.signals["p.classifier.fine"].to_numpy()
    assert scores[0] > 0.6 and scores[1] < 0.4 and math.isnan(scores[2])
    assert found.dropped.tolist() == [False, True, False, scores[3] < 0.4]
    np.testing.assert_array_equal(scores, classify(TEXTS, pack.files["classifiers.fine"]))
    assert found.hits[1].as_py()[0] | {"value": 0} == {"rule": "p/r", "action": "drop", "signal": "classifier.fine", "comparison": "<", "threshold": 0.4, "value": 0}


def test_a_model_of_fasttext_needs_its_label(folder):
    pack = pack_of(folder, "classifiers: {fine: {file: model.bin, label: good, words: unicode}}", 'drop_when: {classifier.fine: "< 0.4"}')
    same = pack_of(folder, "classifiers: {fine: good}", 'drop_when: {classifier.fine: "< 0.4"}')
    np.testing.assert_array_equal(apply([pack], TEXTS).signals["p.classifier.fine"], apply([same], TEXTS).signals["p.classifier.fine"])
    assert "say fine: {file: ..., label: ...}" in problems_of(folder, "classifiers: {fine: model.bin}", 'drop_when: {classifier.fine: "< 0.4"}')[0].lower()


def test_paragraphs_are_scored_one_by_one(folder):
    pack = pack_of(folder, "classifiers: {fine: good}", 'lines: drop\n    when: {classifier.fine: "< 0.4", line_words: "> 2"}')
    texts = pa.array(["the moon orbits\nclick here to win\nwin a prize now\nwin now", "no\n\nthe glacier moves"], pa.large_string())
    found = apply([pack], texts)
    assert found.texts.to_pylist() == ["the moon orbits\nwin now", "no\n\nthe glacier moves"]
    assert found.edits["before"].to_pylist() == ["click here to win", "win a prize now"]


def test_only_documents_that_a_rule_is_about_are_measured(folder):
    pack = pack_of(folder, "classifiers: {fine: good}\nlanguages: [en]", 'drop_when: {classifier.fine: "< 0.4"}')
    scores = apply([pack], TEXTS, ["de", "en", "en", None]).signals["p.classifier.fine"].to_numpy()
    assert np.isnan(scores).tolist() == [True, False, True, False]  # an empty text has no score; one whose language nobody knows has


def test_files_come_with_the_pack_that_is_extended(folder):
    pack_of(folder, "profiles: {web: web.parquet}", 'drop_when: {unigram_kl(web): "> 1"}', name="parent")
    (folder / "below").mkdir(exist_ok=True)
    (folder / "below/child.yaml").write_text("pack: child\nabout: A test.\nextends: [../parent.yaml]\nrules:\n  - id: r\n    drop_when: {unigram_kl(web): '> 3'}\n")
    child = load_pack(folder / "below/child.yaml")
    assert child.files["profiles.web"].path == folder / "web.parquet"
    assert apply([child], TEXTS).dropped.tolist() == [False, False, False, True]


def test_another_file_is_another_pack_and_another_column(folder, tmp_path):
    first = pack_of(folder, "profiles: {web: web.parquet}", 'drop_when: {unigram_kl(web): "> 1"}')
    write_parquet(make_profile(GOOD, 20), tmp_path / "web.parquet", {})
    second = pack_of(tmp_path, "profiles: {web: web.parquet}", 'drop_when: {unigram_kl(web): "> 1"}')
    renamed = dataclasses.replace(first, files={"profiles.web": dataclasses.replace(first.files["profiles.web"], path=Path("elsewhere"))})
    assert first.sha256 != second.sha256 and first.sha256 == renamed.sha256
    column = "p.unigram_kl(web)"
    assert column_identities([first])[column] != column_identities([second])[column] and column_identities([first]) == column_identities([renamed])


def test_another_classifier_of_lines_leaves_other_texts(folder):
    body = 'lines: drop\n    when: {classifier.fine: "< 0.4"}'
    first = pack_of(folder, "classifiers: {fine: good}", body)
    second = pack_of(folder, "classifiers: {fine: {file: model.bin, label: bad}}", body)
    assert texts_identity([first]) != texts_identity([second])


def test_a_file_that_changed_meanwhile_is_refused(folder, tmp_path):
    shutil.copy(folder / "web.parquet", tmp_path / "web.parquet")
    file = PackFile("profiles", "web", tmp_path / "web.parquet", file_sha256(tmp_path / "web.parquet"))
    check_unchanged(file)
    write_parquet(make_profile(["a b c"], 2), tmp_path / "web.parquet", {})
    with pytest.raises(ValueError, match=r"web\.parquet has changed since the pack was read"):
        check_unchanged(file)


@pytest.mark.parametrize(
    ("head", "body", "message"),
    [
        ("profiles: {web: absent.parquet}", 'drop_when: {unigram_kl(web): "> 1"}', "3:17: R103 cannot read 'absent.parquet': No such file or directory"),
        ("profiles: {web: p.yaml}", 'drop_when: {unigram_kl(web): "> 1"}', "3:17: R103"),
        ("profiles: {web: web.parquet}", 'drop_when: {unigram_kl(wed): "> 1"}', "7:17: R102 the pack has no profile 'wed', did you mean 'web'?; give its file: profiles: {wed: PATH}"),
        ("about2: no", 'drop_when: {classifier.good: "> 1"}', "R102 the pack has no classifier 'good'; give its file: classifiers: {good: PATH}"),
        ("about2: no", 'drop_when: {unigram_kl: "> 1"}', "unknown signal 'unigram_kl', which needs a file of the pack: unigram_kl(name)"),
        ("classifiers: {fine: {file: model.bin, label: great}}", 'drop_when: {classifier.fine: "> 1"}', "has no label '__label__great'; it has"),
        ("classifiers: {fine: web.parquet, Bad: good}", 'drop_when: {classifier.Bad: "> 1"}', "the name of a file is lower-case words joined by _"),
        ("classifiers: {fine: {file: web.parquet, label: x}}", 'drop_when: {classifier.fine: "> 1"}', "web.parquet is not a fastText model: it does not begin like one of version 11 or 12"),
        ("classifiers: {fine: [good]}", 'drop_when: {classifier.fine: "> 1"}', "3:21: R103 expected text, got a list"),
        ("profiles: {web: web.parquet}", 'lines: drop\n    when: {listed_words(x): "> 1"}', "R102 unknown signal 'listed_words'"),
    ],
)
def test_mistakes_are_told_at_their_place(folder, head, body, message):
    found = problems_of(folder, head, body)
    assert any(message in problem for problem in found), found


def test_a_manifest_of_another_model_is_refused(folder, tmp_path):
    shutil.copytree(folder / "good", tmp_path / "good")
    with open(tmp_path / "good/model.ftz", "ab") as file:
        file.write(b"x")
    assert "is not the model that classifier.json is about: train it again" in problems_of(tmp_path, "classifiers: {fine: good}", 'drop_when: {classifier.fine: "> 1"}')[0]
    (tmp_path / "good/classifier.json").write_text("[1]")
    assert "is no manifest of a classifier" in problems_of(tmp_path, "classifiers: {fine: good}", 'drop_when: {classifier.fine: "> 1"}')[0]


def test_editors_know_the_signals_of_files():
    import jsonschema

    rule = {"id": "r", "why": "A test.", "drop_when": {"unigram_kl(web)": "> 1", "classifier.fine": "< 1"}, "when": {"perplexity(wiki)": "> 1"}}
    pack = {"pack": "p", "about": "A test.", "profiles": {"web": "p.parquet"}, "classifiers": {"fine": {"file": "m.bin", "label": "x"}}, "rules": [rule]}
    jsonschema.validate(pack, pack_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(pack | {"rules": [rule | {"drop_when": {"unigram_lk(web)": "> 1"}}]}, pack_schema())


ARPA = """\\data\\
ngram 1=6
ngram 2=3

\\1-grams:
-2.0\t<unk>
-99\t<s>\t-0.3
-0.7\t</s>
-0.5\tthe\t-0.2
-0.9\tmoon\t-0.1
-1.1\t.

\\2-grams:
-0.2\t<s> the
-0.3\tthe moon
-0.4\tmoon </s>

\\end\\
"""


@pytest.mark.skipif(importlib.util.find_spec("kenlm") is None, reason="kenlm is an extra")
def test_perplexity_by_hand(folder):
    (folder / "wiki.arpa").write_text(ARPA)
    pack = pack_of(folder, "language_models: {wiki: wiki.arpa}", 'drop_when: {perplexity(wiki): "> 10"}')
    found = apply([pack], pa.array(["The MOON", "the moon\n\nmoon sun", " \n", ""], pa.large_string())).signals["p.perplexity(wiki)"].to_pylist()
    first = -0.2 - 0.3 - 0.4
    second = (-0.3 - 0.9) + (-0.1 - 2.0) - 0.7  # <s> backs off to moon, moon to the unknown word, which has no weight of its own
    assert found[0] == pytest.approx(10 ** (-first / 3), rel=1e-5)
    assert found[1] == pytest.approx(10 ** (-(first + second) / 6), rel=1e-5)
    assert math.isnan(found[2]) and math.isnan(found[3])


@pytest.mark.skipif(importlib.util.find_spec("kenlm") is not None, reason="kenlm is installed")
def test_without_kenlm_the_pack_says_how_to_install_it(folder):
    assert "pip install 'gristmill[kenlm]'" in problems_of(folder, "language_models: {wiki: wiki.arpa}", 'drop_when: {perplexity(wiki): "> 10"}')[0]
