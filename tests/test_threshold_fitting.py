"""Thresholds for a language: each method as its formula says, clamped and relaxed, and packs that can be read and hold."""

from __future__ import annotations

import importlib.util
import json
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import fitted_packs
from curation.fitted_packs import FitSettings, cross_validated, fit_packs, stop_words
from curation.stages.language import LanguageSettings
from curation.threshold_fitting import Bound, FitError, aim, bounds_of, drops, fitted, language_score_threshold, relaxed
from gristmill import gristmill
from rules.engine import apply
from rules.format.examples import example_problems
from rules.format.pack import load_pack, shipped_packs
from rules.rule import Comparison

ABOVE = Bound("dup-lines", "dup_line_frac", Comparison(">", 0.3))
BELOW = Bound("alpha-words", "alpha_word_frac", Comparison("<", 0.8))
values = st.lists(st.floats(0, 1, width=32), min_size=5, max_size=60).map(lambda found: np.array(found, np.float64))


@settings(max_examples=80)
@given(values, st.sampled_from([ABOVE, BELOW]), st.sampled_from([0.05, 0.1, 0.5]))
def test_tail_drops_no_more_than_its_share(found, bound, tail):
    one = fitted(bound, np.append(found, np.nan), None, "tail", tail)
    if one.threshold is not None and "clamped" not in one.note:
        assert one.dropped <= tail + 1 / len(found)  # between two values
        beyond = found > one.threshold if bound.above else found < one.threshold
        assert one.dropped == pytest.approx(beyond.mean())


def test_the_methods_are_their_formulas():
    english, here = np.linspace(0, 0.5, 1001), np.linspace(0, 0.4, 1001)  # four fifths of everything
    assert fitted(ABOVE, here, english, "quantile").threshold == pytest.approx(0.24, abs=0.003)  # as much lies beyond
    assert fitted(ABOVE, here, english, "median-ratio").threshold == 0.24
    assert fitted(ABOVE, here, english, "mean-std").threshold == pytest.approx(0.24, abs=0.001)
    wide = np.linspace(0.1, 0.5, 101)
    assert fitted(ABOVE, wide, None, "mean-std", deviations=1.5).threshold == pytest.approx(wide.mean() + 1.5 * wide.std(), abs=0.001)
    assert fitted(BELOW, wide, None, "mean-std", deviations=1).threshold == pytest.approx(wide.mean() - wide.std(), abs=0.001)


def test_wild_values_are_clamped_and_said():
    one = fitted(Bound("mean-word-length", "mean_word_chars", Comparison(">", 10)), np.array([5.0, 3141.0] * 20), None, "tail")
    assert one.threshold == 60 and one.note == "clamped from 3141"
    few, some, many = (fitted(ABOVE, np.zeros(count), None, "tail").threshold for count in (50, 1000, 1_000_000))
    assert (few, some, many) == (0.291, 0.213, 0.151)  # 0.3 / 2 ** (n / (n + 1000)), rounded up: the more texts, the stricter
    high = [fitted(BELOW, np.ones(count), None, "tail").threshold for count in (50, 1_000_000)]
    assert high == [0.806, 0.959]  # 0.8 * 1.2 ** (n / (n + 1000)), rounded down
    assert fitted(ABOVE, np.ones(50), None, "tail").threshold == 0.95
    off = fitted(BELOW, np.zeros(50), None, "tail")
    assert off.threshold is None and off.note == "the reference goes down to 0"
    assert fitted(BELOW, np.full(50, np.nan), None, "tail").threshold is None


def test_english_that_says_nothing_keeps_the_english_threshold():
    assert fitted(ABOVE, np.linspace(0, 1, 50), np.zeros(50), "median-ratio").note == "the English median is 0: the English threshold stays"
    assert fitted(ABOVE, np.linspace(0, 1, 50), np.zeros(50), "mean-std").threshold == 0.3
    with pytest.raises(FitError, match="needs English texts: give --english FILES"):
        fitted(ABOVE, np.ones(5), None, "quantile")


@settings(max_examples=60)
@given(st.integers(0, 1000), st.floats(0.5, 1), st.floats(0, 0.4))
def test_relaxing_keeps_what_was_asked_for(seed, keep, others):
    rng = np.random.default_rng(seed)
    columns = {"dup_line_frac": rng.random(80), "alpha_word_frac": rng.random(80)}
    gone = rng.random(80) < others
    strict = [fitted(ABOVE, columns["dup_line_frac"], None, "tail", 0.4), fitted(BELOW, columns["alpha_word_frac"], None, "tail", 0.4)]
    found = relaxed(strict, columns, gone, keep)
    kept = 1 - (drops(found, columns, 80) | gone).mean()
    nothing_left = not drops(found, columns, 80).any()
    assert kept >= aim(keep, 80) or nothing_left
    assert found[0].threshold >= strict[0].threshold and (found[1].threshold or 0) <= strict[1].threshold


def test_of_few_texts_more_are_to_be_kept():
    assert aim(0.9, 100) == pytest.approx(0.9 + 1.645 * 0.03) and aim(0.9, 1_000_000) == pytest.approx(0.9, abs=0.001)
    assert aim(0.95, 30) == 1.0 and aim(1.0, 5) == 1.0 and aim(0.0, 0) == 0.0


def test_the_language_score():
    scores = np.array([0.2, 0.9, 0.95, 1.0])
    assert language_score_threshold(scores) == pytest.approx(0.925 - scores.std())
    assert language_score_threshold(np.array([0.1, 0.1])) == 0.3 and language_score_threshold(np.ones(5)) == 0.9


def test_stop_words_are_of_the_script_of_the_text():
    texts = pa.array(["και το σπίτι και python το και API το python ένα"] * 5)
    assert stop_words(texts) == ["και", "το", "ένα", "σπίτι"]


def test_what_can_be_fitted():
    found = bounds_of(load_pack("fineweb2/base"), ["mean_word_chars"])
    assert [(one.rule, str(one.comparison), one.above) for one in found] == [("mean-word-length", "< 3", False), ("mean-word-length", "> 10", True)]
    with pytest.raises(FitError, match="pack fineweb2/base compares no words_of_wisdom by itself; it does dup_line_frac, "):
        bounds_of(load_pack("fineweb2/base"), ["words_of_wisdom"])


# ---- the command


def sentence(rng: random.Random, words: list[str]) -> str:
    return " ".join(rng.choice(words) for _ in range(rng.randint(8, 16))) + "."


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> Path:
    """120 texts of invented German, long words and all, and 40 of invented Dutch."""
    rng, path = random.Random(5), tmp_path_factory.mktemp("fit") / "reference.parquet"
    german = "und die der ein Donaudampfschifffahrt Geschwindigkeitsbegrenzung Rechtsschutzversicherung Wettervorhersage im am".split()
    dutch = "en de het een fiets huis water land tussen boven groot klein".split()
    texts = ["\n".join(sentence(rng, german) for _ in range(rng.randint(6, 12))) for _ in range(120)]
    texts += ["\n".join(sentence(rng, dutch) for _ in range(rng.randint(6, 12))) for _ in range(40)]
    pq.write_table(pa.table({"text": texts, "lang": ["deu"] * 120 + ["nl"] * 40}), path)
    return path


def call(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(gristmill, [str(argument) for argument in arguments], catch_exceptions=False)
    return result.exit_code, result.output


def test_a_pack_is_written_that_keeps_the_reference(reference):
    out = reference.parent / "german.yaml"
    code, output = call("fit-thresholds", "--reference", reference, "--language", "German", "-o", out, "--keep", 0.97, "--json")
    found = json.loads(output)["packs"][0]
    assert code == 0 and found["language"] == "de" and found["kept"] >= 0.97 and found["documents"] == 120 and found["folds"] == 5
    pack = load_pack(out)
    assert pack.languages == ("de",) and not example_problems(pack)
    assert {"und", "die", "der"} <= set(pack.lists["stop"].entries) == set(found["stop_words"])
    [longest] = [c for c in pack.rule("mean-word-length").drop_when[0].any_of if c.operator == ">"]
    assert longest.threshold > 10  # where the English one would drop them all
    texts = pq.read_table(reference)["text"].slice(0, 120)
    assert apply([pack], texts).dropped.mean() < 0.15 < apply([load_pack("fineweb2/base")], texts).dropped.mean()
    head = out.read_text()
    assert "reference.parquet sha256 " in head and "method tail of 10%" in head and "Language identification should give a score from" in head


def test_a_folder_holds_a_pack_for_each_language(reference):
    out = reference.parent / "fitted"
    code, output = call("fit-thresholds", "--reference", reference, "-o", out, "--signals", "mean_word_chars,dup_line_frac", "--min-texts", "35", "--folds", 0)
    assert code == 0 and output.count("keeps") == 2 and "not fitted on" not in output
    pack = load_pack(out / "nl.yaml")
    setting = yaml.safe_load(output.partition("for the job that uses them:\n")[2])["language"]
    scores = LanguageSettings(**setting).least_scores
    assert scores.keys() == {"de", "nl"} and all(0.3 <= score <= 0.9 for score in scores.values())
    assert pack.name == "fitted/nl" and str(pack.rule("word-count").drop_when[0].any_of[0]) == "< 50"  # not asked for


def test_what_cannot_be_fitted(reference):
    out = reference.parent / "x.yaml"
    for arguments, message in (
        (["--language", "sv"], "no language has 30 texts; there are none"),
        (["--language", "nl", "--min-texts", "50"], "no language has 50 texts; there are nl (40)"),
        ([], "the texts are in de, nl: name one with --language, or give a folder for --out"),
        (["--language", "de", "--method", "quantile"], "method quantile needs English texts"),
        (["--language", "de", "--like", "gofer_quality"], "did you mean 'gopher_quality'"),
        (["--language", "de", "--english", reference], "--english: 0 English texts"),
        (["--language", "de", "--folds", "1"], "--folds 1 leaves nothing to fit on"),
        (["--language", "Klingonese"], "unknown language 'Klingonese'"),
    ):
        code, output = call("fit-thresholds", "--reference", reference, "-o", out, *arguments)
        assert code == 2 and message in output, output
    assert not out.exists()


def test_cross_validation_judges_texts_by_packs_that_never_saw_them(monkeypatch):
    """Whatever is fitted to texts keeps them; of texts left out it keeps those without a word that the others lack."""
    texts = pa.array([f"{word} text number {i}" for i, word in enumerate(["odd"] * 4 + ["even"] * 16)] + ["even text number 4"] * 5, pa.large_string())
    reference = fitted_packs._Reference("en", texts, load_pack("fineweb2/base"), (), None, FitSettings(folds=5))
    asked: list[tuple[set[str], set[str]]] = []

    def fit(some):
        asked.append((set(texts.filter(pa.array(some)).to_pylist()), set()))
        return [], [], asked[-1][0]

    def kept(seen, some):
        judged = texts.filter(pa.array(some)).to_pylist()
        asked[-1][1].update(judged)
        assert not seen & set(judged), "a text is never judged by a pack that was fitted to it, nor to its copy"
        return sum(text.startswith("even") for text in judged) / len(judged)

    monkeypatch.setattr(reference, "fit", fit)
    monkeypatch.setattr(reference, "kept", kept)
    assert cross_validated(reference) == pytest.approx(21 / 25)
    assert set().union(*(judged for _, judged in asked)) == set(texts.to_pylist())


@pytest.fixture
def shipped_reference(shared_data):
    """scripts/reference_packs.py, and the texts that it fits packs to."""
    spec = importlib.util.spec_from_file_location("reference_packs", Path(__file__).parents[1] / "scripts/reference_packs.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script, script.reference(shared_data / "sample")


def test_shipped_packs_keep_the_reference(shipped_reference):
    documents = shipped_reference[1]
    languages = [name.partition("/")[2] for name in shipped_packs() if name.startswith("reference/")]
    kept = {}
    for language in languages:
        texts = documents.filter(pc.equal(documents["lang"], language))["text"]
        kept[language] = 1 - apply([load_pack(f"reference/{language}")], texts).dropped.mean()
    assert len(kept) >= 15 and min(kept.values()) >= 0.85, kept


def test_packs_fitted_as_the_shipped_ones_keep_texts_they_never_saw(shipped_reference, tmp_path):
    script, documents = shipped_reference
    pq.write_table(documents, tmp_path / "reference.parquet")
    fits, _ = fit_packs([str(tmp_path)], script.SETTINGS)
    held_out = {fit.code: fit.held_out_kept for fit in fits}
    assert len(held_out) >= 15 and min(held_out.values()) >= 0.85, held_out
    for fit in fits:
        said = (Path(__file__).parents[1] / f"rules/packs/reference/{fit.code}.yaml").read_text().splitlines()[1]
        assert f"Packs fitted to the other folds keep {fit.held_out_kept:.1%} (cross-validation, 5 folds)" in said, "what the shipped pack says"
