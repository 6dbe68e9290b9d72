"""gristmill tokenizer: from texts to a tokenizer, more tokens, measures and imports; mistakes exit 2 and say why."""

from __future__ import annotations

import base64
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from test_tokenizer import corpus

from curation.tokenizer import load_tokenizer, train_tokenizer
from curation.tokenizer_cli import tokenizer
from curation.tokenizer_measures import LanguageMeasure
from curation.vocabulary_extension import spelled_tokens


@pytest.fixture
def texts(tmp_path):
    """A finished run's clean/ with two languages, and the same rows as JSON lines."""
    rows = [{"id": f"d{k}", "text": text, "lang": "en"} for k, text in enumerate(corpus())]
    rows += [{"id": f"r{k}", "text": "мельница мелет муку " * 20, "lang": "ru"} for k in range(20)]
    (tmp_path / "out/clean").mkdir(parents=True)
    (tmp_path / "out/run.json").write_text("{}")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "out/clean/00000.parquet")
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def run(*arguments, code: int = 0) -> str:
    result = CliRunner().invoke(tokenizer, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.output


def test_train_reads_runs_and_files_alike(texts):
    for source in ("out", "rows.jsonl"):
        said = run("train", texts / source, "--out", texts / f"{source}.json", "--vocab-size", 330)
        assert "330 tokens" in said
    assert (texts / "out.json").read_bytes() == (texts / "rows.jsonl.json").read_bytes()
    assert load_tokenizer(texts / "out.json")[1].vocab_size == 330


def test_weights_choose_the_languages(texts):
    said = run("train", texts / "out", "--out", texts / "t.json", "--vocab-size", 400, "--weights", "ru=1")
    assert "learning from (MB): ru 0.01" in said and "texts have no more pairs" in said
    assert "ĠÐ¼" in load_tokenizer(texts / "t.json")[0].get_vocab() and "the" not in load_tokenizer(texts / "t.json")[0].get_vocab()


def test_extend_and_measure(texts):
    run("train", texts / "out", "--out", texts / "base.json", "--vocab-size", 300, "--weights", "en=1")
    said = run("extend", texts / "base.json", texts / "out", "--add", 15, "--languages", "ru", "--out", texts / "more.json")
    assert "315 tokens" in said
    rows = json.loads(run("measure", texts / "more.json", texts / "out", "--against", texts / "base.json", "--json"))
    assert [row["language"] for row in rows] == ["en", "ru", "all"] or [row["language"] for row in rows] == ["ru", "en", "all"]
    by_language = {row["language"]: row for row in rows}
    russian, english = (by_language[name]["tokenizers"] for name in ("ru", "en"))
    assert russian[0]["tokens"] < russian[1]["tokens"] and by_language["ru"]["words"] == 60 * 20
    assert russian[0]["bytes_per_token"] == by_language["ru"]["bytes"] / russian[0]["tokens"]
    assert english[0]["tokens_per_word"] == english[0]["tokens"] / by_language["en"]["words"]
    shown = run("measure", texts / "more.json", texts / "out", "--against", texts / "base.json", "--plot", texts / "plot.png")
    assert "tokens ratio" in shown and (texts / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_measures_add_up_and_divide_by_nothing():
    one, two = LanguageMeasure("a", 1, 10, 8, 2, (4, 5)), LanguageMeasure("b", 2, 20, 9, 3, (1, 5))
    assert two + one == LanguageMeasure("b", 3, 30, 17, 5, (5, 10)) and (two + one).tokens_ratio == 0.5
    empty = LanguageMeasure("a", 0, 0, 0, 0, (0, 0))
    assert set(empty.figures().values()) == {0.0} and empty.tokens_ratio == 0.0


def test_import(texts):
    ranks = filter(None, spelled_tokens(json.loads(train_tokenizer([corpus()], 300).to_str())))
    (texts / "t.tiktoken").write_bytes(b"".join(base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(ranks)))
    assert "50,257 tokens" in run("import", texts / "t.tiktoken", "--like", "gpt2", "--out", texts / "a.json")
    run("import", texts / "t.tiktoken", "--like", "cl100k", "--special", "<s>", "--special", "</s>", "--out", texts / "b.json")
    assert load_tokenizer(texts / "b.json")[1].eos_id == 298


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train", "{}/out", "--out", "{}/x.json", "--vocab-size", "300", "--weights", "fr=1"], "no text is in fr; the texts are in en, ru"),
        (["train", "{}/out", "--out", "{}/x.json", "--weights", "en=-3"], "numbers from 0"),
        (["train", "{}/nothing", "--out", "{}/x.json"], "matches no file"),
        (["extend", "{}/rows.jsonl", "{}/out", "--add", "3", "--out", "{}/x.json"], "is not a tokenizer.json"),
        (["import", "{}/rows.jsonl", "--like", "gpt2", "--out", "{}/x.json"], "rows.jsonl:1: is not a token"),
        (["import", "{}/rows.jsonl", "--out", "{}/x.json"], "--like"),
        (["measure", "{}/rows.jsonl", "{}/out", "--plot", "x.docx"], "is not .png"),
    ],
)
def test_mistakes_exit_2_and_write_nothing(texts, arguments, says):
    assert says in run(*(argument.format(texts) for argument in arguments), code=2)
    assert not (texts / "x.json").exists()
