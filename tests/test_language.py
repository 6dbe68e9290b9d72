"""Language identification against fastText itself, and the filter."""

import fasttext
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from curation.document import DOCUMENT
from curation.job import load_job
from curation.language_id.judging import judge
from curation.language_id.models import model_path
from curation.run import run_job
from curation.stages import language as stage
from curation.stages.language import (
    VENDORED,
    LanguageSettings,
    check_scripts,
    filter_language,
    identify,
    keeps,
    label_code,
    least_scores,
    load_model,
)
from rules.languages import normalise
from rules.places import Problems, SettingError, build, load

SENTENCES = {
    "en": "The committee will publish its report at the end of the month.",
    "fr": "Le comité publiera son rapport à la fin du mois prochain.",
    "de": "Der Ausschuss wird seinen Bericht am Ende des Monats veröffentlichen.",
    "ru": "Комитет опубликует свой отчёт в конце следующего месяца.",
    "zh": "委员会将在下个月底发表报告，请大家关注。",
    "ja": "委員会は来月末に報告書を公表する予定です。",
    "ko": "위원회는 다음 달 말에 보고서를 발표할 예정이다.",
    "hi": "समिति अगले महीने के अंत में अपनी रिपोर्ट प्रकाशित करेगी।",
    "th": "คณะกรรมการจะเผยแพร่รายงานในปลายเดือนหน้า",
    "ar": "ستنشر اللجنة تقريرها في نهاية الشهر القادم",
}


def test_languages_of_sentences():
    labels, scores = identify(pa.array(SENTENCES.values()), LanguageSettings())
    assert labels.to_pylist() == list(SENTENCES)
    assert scores.dtype == np.float32 and (scores > 0.5).all() and (scores <= 1).all()


def test_labels_and_scores_of_the_sample_are_those_of_fasttext(shared_data):
    column = parquet.read_table(shared_data / "sample" / "part-0000.parquet", columns=["text"])["text"][:400]
    labels, scores = identify(column, LanguageSettings())
    model = fasttext.load_model(str(VENDORED["lid.176"]))
    for text, label, score in zip(column.to_pylist(), labels.to_pylist(), scores, strict=True):
        (theirs,), (probability,) = model.predict(text.replace("\n", " "))
        assert label == {"als": "gsw"}.get(theirs[9:]) or label == normalise(theirs)
        assert score == pytest.approx(min(probability, 1.0), abs=1e-4)
    assert len(set(labels.to_pylist())) > 10


def test_every_label_of_the_model_has_a_code():
    codes = {label[9:]: label_code(label, "lid.176") for label in load_model("lid.176").labels}
    assert len(codes) == 176
    assert {label: code for label, code in codes.items() if label != code} == {"als": "gsw", "bh": "bih", "sh": "hbs"}
    assert label_code("__label__zxx_Zzzz", "glot.bin") == "zxx"
    assert label_code("__label__not a language", "glot.bin") == "not a language"


def test_texts_that_fasttext_takes_wrongly():
    french = SENTENCES["fr"]
    texts = [french, french.replace(" ", "\n"), french.replace(" ", "\r\n"), french.replace(" ", "\x00")]
    texts += [f"</s> {french}", f"{french}\u2028{french} 🎉"]
    labels, scores = identify(pa.array(texts), LanguageSettings())
    assert labels.to_pylist() == ["fr"] * 6
    assert scores[0] == pytest.approx(scores[1:5], abs=1e-6)


def test_texts_of_nothing_have_no_language():
    labels, scores = identify(pa.array(["", " \r\n\t", None, "\x00", "\u3000\u2028", "</s>"]), LanguageSettings())
    assert labels.to_pylist() == [None] * 6
    assert scores.tolist() == [0.0] * 6


def test_order_batches_and_column_type_do_not_matter():
    texts = list(SENTENCES.values()) * 120
    labels, scores = identify(pa.chunked_array([texts[:7], texts[7:]]), LanguageSettings())
    backwards, backward_scores = identify(pa.array(texts[::-1], pa.large_string()), LanguageSettings())
    assert labels.to_pylist() == list(SENTENCES) * 120 == backwards.to_pylist()[::-1]
    assert (scores == backward_scores[::-1]).all()
    assert identify(pa.array([], pa.string()), LanguageSettings())[0].to_pylist() == []


def test_a_line_of_50_mb_is_judged_by_its_start():
    texts = pa.array([SENTENCES["de"] * 700_000, "x" * 50_000_000], pa.large_string())
    labels, _ = identify(texts, LanguageSettings())
    assert labels.to_pylist()[0] == "de"


@pytest.mark.parametrize("keep", ["en", "eng", "eng_Latn", "English"])
def test_a_filter_keeps_its_language_however_it_is_called(keep):
    how = LanguageSettings(keep=(keep, "ko"), min_score=0.5)
    labels, scores = identify(pa.array([*SENTENCES.values(), "", None]), how)
    assert keeps(labels, scores, how).tolist() == [code in ("en", "ko") for code in [*SENTENCES, None, None]]


def test_a_least_score_alone_and_no_filter_at_all():
    labels, scores = pa.array(["en", "fr", None]), np.array([0.65, 0.64, 0.0], np.float32)
    assert keeps(labels, scores, LanguageSettings()).tolist() == [True, True, True]
    assert keeps(labels, scores, LanguageSettings(min_score=0.65)).tolist() == [True, False, False]
    assert keeps(labels, scores, LanguageSettings(keep=("fra",), min_score=0.65)).tolist() == [False] * 3


def batch(texts: list[str | None], langs: list[str | None]) -> pa.Table:
    count = len(texts)
    columns = [[f"d{n}" for n in range(count)], texts, [None] * count, ["s"] * count, langs, [None] * count]
    return pa.table(columns, schema=DOCUMENT).append_column("date", pa.array(range(count)))


def test_the_stage_labels_what_it_keeps_and_says_why_it_removes():
    texts = [SENTENCES["en"], SENTENCES["fr"], "1234 5678", SENTENCES["ko"], ""]
    documents = batch(texts, ["xx", None, None, "ko", None])
    outcome = filter_language(documents, LanguageSettings(keep=("eng", "kor_Hang"), min_score=0.5))
    assert outcome.kept.column_names == [*documents.column_names, "input_lang", "input_lang_score"]
    kept, removed = outcome.kept.to_pylist(), outcome.removed.to_pylist()
    assert [(row["id"], row["lang"], row["input_lang"], row["date"]) for row in kept] == [
        ("d0", "en", "xx", 0),
        ("d3", "ko", "ko", 3),
    ]
    assert [row["id"] for row in removed] == ["d1", "d2", "d4"]
    assert all(row["stage"] == "language" and len(row["hits"]) == 1 for row in removed)
    assert {row["id"]: row["reason"] for row in removed if row["id"] != "d2"} == dict.fromkeys(
        ("d1", "d4"), "language/other"
    )
    assert all(row["hits"][0]["rule"] == row["reason"] for row in removed)
    assert outcome.counts["languages_in"][""] == 1 and sum(outcome.counts["languages_in"].values()) == 5


def test_the_stage_removes_for_a_low_score_alone():
    outcome = filter_language(batch(["", SENTENCES["en"]], [None, None]), LanguageSettings(min_score=0.5))
    (removed,) = outcome.removed.to_pylist()
    assert removed["reason"] == "language/min_score"
    hit = removed["hits"][0]
    assert (hit["signal"], hit["value"], hit["comparison"], hit["threshold"]) == ("lang_score", 0.0, "<", 0.5)


def test_least_scores_of_single_languages():
    how = LanguageSettings(min_score=0.5, min_scores={"German": 0.9, "fra_Latn": 0.1})
    labels = pa.array(["en", "de", "fr", None])
    assert least_scores(labels, how).tolist() == [np.float32(least) for least in (0.5, 0.9, 0.1, 0.5)]
    assert keeps(labels, np.full(4, 0.4, np.float32), how).tolist() == [False, False, True, False]
    outcome = filter_language(batch([SENTENCES["en"], SENTENCES["de"]], [None, None]), LanguageSettings(min_scores={"de": 1.0}))
    (removed,) = outcome.removed.to_pylist()
    assert (removed["lang"], removed["reason"], removed["hits"][0]["threshold"]) == ("de", "language/min_score", 1.0)


def test_the_best_labels_are_kept():
    outcome = filter_language(batch([SENTENCES["de"], "", "1234"], [None] * 3), LanguageSettings(top_k=3))
    german, nothing, numbers = outcome.kept.to_pylist()
    assert nothing["lang_top"] == [] and len(german["lang_top"]) == len(numbers["lang_top"]) == 3
    assert german["lang_top"][0] == {"lang": "de", "score": german["lang_score"]}
    scores = [label["score"] for label in numbers["lang_top"]]
    assert scores == sorted(scores, reverse=True)


def test_a_script_that_is_not_of_the_language_is_flagged_or_removed():
    """fastText takes Russian in Latin letters for something else, so the label is set as a wrong model would."""
    texts = [SENTENCES["ru"], SENTENCES["ja"], "Komitet opublikuet svoy otchyot", "12345"]
    judged = judge(pa.array(texts))._replace(languages=pa.array(["ru", "ja", "ru", "ru"]))
    scripts, fractions, mismatch = check_scripts(pa.array(texts), judged)
    assert scripts.to_pylist() == ["Cyrl", "Hani", "Latn", None]
    assert fractions[:3].tolist() == [1.0, 1.0, 0.0] and np.isnan(fractions[3])
    assert mismatch.tolist() == [False, False, True, False]
    named = judged._replace(scripts=pa.array(["Latn", None, "Latn", None]))  # as `rus_Latn` says
    assert check_scripts(pa.array(texts), named)[2].tolist() == [True, False, False, False]
    kept = filter_language(batch(texts[:2], [None] * 2), LanguageSettings(script="tag")).kept
    assert kept["lang_script"].to_pylist() == ["Cyrl", "Hani"] and kept["script_mismatch"].to_pylist() == [False, False]


def test_a_document_whose_script_mismatches_is_removed(monkeypatch):
    wrong = judge(pa.array(["x y z"]))._replace(languages=pa.array(["ru"]))
    monkeypatch.setattr(stage, "_judged", lambda texts, settings: wrong)
    outcome = filter_language(batch(["x y z"], [None]), LanguageSettings(script="drop"))
    (removed,) = outcome.removed.to_pylist()
    assert removed["reason"] == "language/script" and removed["hits"][0]["value"] == 0.0
    assert outcome.counts["script_mismatch"] == {"ru": 1}


def test_lines_in_other_languages_are_told_and_removed_for():
    mixed = "\n".join([SENTENCES["de"], "", SENTENCES["ko"], SENTENCES["de"]])
    settings = LanguageSettings(lines=True, min_line_frac=0.6)
    outcome = filter_language(batch([SENTENCES["fr"], mixed, "", "\n"], [None] * 4), settings)
    sizes = {code: len(SENTENCES[code].encode()) for code in ("de", "ko", "fr")}
    rows = {row["id"]: row for table in (outcome.kept, outcome.removed) for row in table.to_pylist()}
    assert rows["d0"]["line_langs"] == [{"lang": "fr", "lines": 1, "bytes": sizes["fr"]}] and rows["d0"]["lang_line_frac"] == 1.0
    both = {"de": {"lang": "de", "lines": 2, "bytes": 2 * sizes["de"]}, "ko": {"lang": "ko", "lines": 1, "bytes": sizes["ko"]}}
    assert rows["d1"]["line_langs"] == [both["de"], both["ko"]]
    share = (2 * sizes["de"] if rows["d1"]["lang"] == "de" else sizes["ko"]) / (2 * sizes["de"] + sizes["ko"])
    assert rows["d1"]["lang_line_frac"] == pytest.approx(share)
    assert {row["id"] for row in outcome.removed.to_pylist()} == ({"d1"} if share < 0.6 else set())
    assert rows["d2"]["line_langs"] == [] and np.isnan(rows["d2"]["lang_line_frac"])


def test_a_model_by_url_is_fetched_once(tmp_path, monkeypatch):
    monkeypatch.setenv("GRISTMILL_CACHE", str(tmp_path / "cache"))
    url = VENDORED["lid.176"].as_uri().replace("file://", "local://")
    path = model_path(url)
    assert path.read_bytes() == VENDORED["lid.176"].read_bytes() and path.is_relative_to(tmp_path / "cache")
    before = path.stat().st_mtime_ns
    assert model_path(url) == path and path.stat().st_mtime_ns == before
    left = [file.name for file in path.parent.iterdir() if not file.name.endswith(".lock")]
    assert left == [path.name]
    with pytest.raises(FileNotFoundError, match="cannot fetch the language model .*give its path"):
        model_path("local:///nowhere/model.bin")
    assert [file.name for file in path.parent.iterdir() if not file.name.endswith(".lock")] == left


def test_the_stage_leaves_an_input_column_of_its_name_and_takes_an_empty_batch():
    documents = batch([SENTENCES["en"]], [None]).append_column("input_lang", pa.array([["list", "of"]]))
    outcome = filter_language(documents, LanguageSettings())
    assert outcome.kept.to_pylist()[0]["input_lang"] == ["list", "of"] and len(outcome.removed) == 0
    nothing = filter_language(documents.slice(0, 0), LanguageSettings(keep=("en",)))
    assert len(nothing.kept) == len(nothing.removed) == 0 and nothing.kept.schema == outcome.kept.schema


def test_settings_that_make_no_sense(tmp_path):
    with pytest.raises(SettingError, match="0 to 1"):
        LanguageSettings(min_score=65)
    with pytest.raises(SettingError, match="keep is a list"):
        LanguageSettings(keep="en")
    with pytest.raises(FileNotFoundError, match="lid.176"):
        identify(pa.array(["x"]), LanguageSettings(model="lid.177"))
    for wrong in ({"top_k": 0}, {"windows": -1}, {"window_bytes": 3}, {"min_scores": {"de": 2.0}}, {"min_scores": {"germn": 0.5}}, {"min_line_frac": 0.5}):
        with pytest.raises(SettingError):
            LanguageSettings(**wrong)
    job = tmp_path / "job.yaml"
    job.write_text("min_score: 0.5\nkeep: [en, germn]\n")
    with pytest.raises(Problems, match=r"job\.yaml:2:\d+.*unknown language 'germn', did you mean 'german'"):
        build(LanguageSettings, load(job))
    job.write_text("min_score: 65\nkeep: [germn, en, klingn]\nmin_scores: {de: 2.0}\nmin_line_frac: 0.5\nwindows: -1\n")
    with pytest.raises(Problems) as caught:
        build(LanguageSettings, load(job))
    assert [problem.line for problem in caught.value.problems] == [1, 2, 2, 3, 4, 5]
    (tmp_path / "notes.bin").write_text("no model, though it is a file that is there and that is long enough")
    (tmp_path / "whole.yaml").write_text("input: in\noutput: out\nlanguage: {model: notes.bin}\n")
    with pytest.raises(Problems, match=r"whole\.yaml:3:\d+.*notes\.bin is not a fastText model"):
        load_job(tmp_path / "whole.yaml")
    (tmp_path / "in.jsonl").write_text('{"text": "a text"}\n')
    (tmp_path / "url.yaml").write_text("input: in.jsonl\noutput: out\nworkers: inline\nlanguage: {model: 'local:///nowhere/model.bin'}\n")
    with pytest.raises(FileNotFoundError, match="cannot fetch the language model"):  # and not: every document in quarantine
        run_job(load_job(tmp_path / "url.yaml"))
    job.write_text("keep: [no, nb]\n")
    assert build(LanguageSettings, load(job)).kept_codes == ["no", "no"]
