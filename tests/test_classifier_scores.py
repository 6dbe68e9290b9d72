"""Classifiers: the kernel's score is fastText's own, whatever the model and the text."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import fasttext
import numpy as np
import pyarrow as pa
import pytest
import trained_classifiers
from hostile_texts import any_texts
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.format.pack_files import PackFile, file_sha256
from rules.models.classifier_scores import can_score, classifier_scores, score_table
from rules.models.classifiers import classify
from rules.models.fasttext_file import ModelFileError, products, read_model
from rules.splitters.lower_words import spaced_words

GOOD = ["the moon orbits the earth once a month", "a glacier is a body of dense ice that moves", "漢字 は 文 字"] * 4
BAD = ["buy now cheap cheap cheap offer", "click here to win a prize now", "OFFER !! now"] * 4
OTHER = ["eins zwei drei vier", "guten tag liebe leute"] * 4
TWO, THREE = {"good": GOOD, "bad": BAD}, {"good": GOOD, "bad": BAD, "other": OTHER}
MODELS = {
    "words": (TWO, {"wordNgrams": 1}, None),
    "bigrams": (TWO, {"wordNgrams": 2}, None),
    "three labels": (THREE, {"wordNgrams": 3}, None),
    "quantised": (TWO, {"wordNgrams": 2}, {"qnorm": True, "retrain": False}),
    "pruned": (TWO, {"wordNgrams": 2, "bucket": 300}, {"qnorm": False, "cutoff": 280, "dsub": 3}),
}
CHARACTERS = (TWO, {"minn": 2, "maxn": 3}, None)

words = st.sampled_from([*" ".join([*GOOD, *BAD, *OTHER]).split(), "unseen", "</s>", "__label__bad", "The", "MOON"])
texts_of_words = st.lists(words | st.sampled_from(["\n", "\x00", "\x0b"]), max_size=20).map(" ".join)


@functools.cache
def model_of(name: str) -> Path:
    texts, wanted, quantise = CHARACTERS if name == "characters" else MODELS[name]
    return trained_classifiers.train(Path(tempfile.mkdtemp()), texts, quantise, **wanted)


@functools.cache
def loaded(name: str):
    return fasttext.load_model(str(model_of(name)))


def by_fasttext(name: str, lines: list[str]) -> list[float]:
    """The probability of __label__good; NaN where there is no word."""
    found = []
    for line in lines:
        labels, scores = loaded(name).f.multilinePredict([line + "\n"], -1, 0.0, "replace")
        there = any(part and not part.startswith("__label__") for part in line.replace("\0", " ").split(" "))
        found.append(dict(zip(labels[0], scores[0])).get("__label__good", np.nan) if there else np.nan)
    return found


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=40, deadline=None)
@given(texts=st.lists(any_texts | texts_of_words, min_size=1, max_size=5))
def test_lower_case_words_are_scored_as_fasttext_scores_them(name, texts):
    table = score_table(read_model(model_of(name)), "__label__good")
    found = classifier_scores(pa.array(texts, pa.large_string()), table, True)
    np.testing.assert_allclose(found, by_fasttext(name, spaced_words(pa.array(texts, pa.large_string())).to_pylist()), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["bigrams", "pruned"])
@settings(max_examples=40, deadline=None)
@given(texts=st.lists(any_texts | texts_of_words, min_size=1, max_size=5))
def test_plain_words_are_scored_as_fasttext_scores_them(name, texts):
    table = score_table(read_model(model_of(name)), "__label__good")
    found = classifier_scores(pa.array(texts, pa.large_string()), table, False)
    lines = [" ".join(part for part in text.translate(dict.fromkeys([*range(9, 14), 0], " ")).split(" ") if part and part != "</s>") for text in texts]
    np.testing.assert_allclose(found, by_fasttext(name, lines), rtol=0, atol=1e-4)


def test_long_texts():
    text = " ".join(f"{word} now" for word in " ".join([*GOOD, *BAD]).split() * 3000)
    table = score_table(read_model(model_of("bigrams")), "__label__good")
    found = classifier_scores(pa.array(["", text, "moon"]), table, True)
    np.testing.assert_allclose(found, by_fasttext("bigrams", ["", *spaced_words(pa.array([text, "moon"])).to_pylist()]), rtol=0, atol=1e-4)


def test_models_with_character_ngrams_go_through_fasttext():
    path = model_of("characters")
    assert not can_score(read_model(path))
    file = PackFile("classifiers", "good", path, file_sha256(path), "space", "__label__good")
    texts = ["the moon\norbits", " \n\x00", "click here </s> moon"]
    np.testing.assert_allclose(classify(pa.array(texts), file), by_fasttext("characters", ["the moon orbits", "", "click here   moon"]), rtol=0, atol=1e-4)


def test_the_matrices_are_those_of_fasttext():
    model = read_model(model_of("three labels"))
    assert model.words == [word.encode() for word in loaded("three labels").words] and sorted(model.labels) == ["__label__bad", "__label__good", "__label__other"]
    np.testing.assert_array_equal(products(model.input, np.eye(8, dtype=np.float32)), loaded("three labels").get_input_matrix())
    quantised = read_model(model_of("quantised"))
    rows = [loaded("quantised").get_input_vector(i) for i in range(len(quantised.words))]
    np.testing.assert_allclose(products(quantised.input, np.eye(8, dtype=np.float32))[: len(rows)], rows, atol=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_a_file_that_ends_early_is_no_model(tmp_path, share):
    whole = model_of("quantised").read_bytes()
    path = tmp_path / "cut.bin"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ModelFileError, match=r"cut\.bin|ends"):
        read_model(path)


def test_a_label_that_is_not_there():
    with pytest.raises(ValueError, match="no label '__label__fine'; it has"):
        score_table(read_model(model_of("words")), "__label__fine")
