"""gristmill tokenizer: from texts to a tokenizer, more tokens, measures and imports; mistakes exit 2 and say why."""

from __future__ import annotations

import base64
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from test_tokenizer import corpus

from curation.inputs import InputError
from curation.job import load_job
from curation.language_sample import language_bytes
from curation.sample import draw_sample
from curation.tokenizer import load_tokenizer, train_tokenizer
from curation.tokenizer_cli import tokenizer
from curation.tokenizer_measures import LanguageMeasure
from curation.vocabulary_extension import spelled_tokens
from rules.places import Problems


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


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (bytes(range(200, 256)) * 1000, "it is binary, no text"),
        (b"text" * 20_000, "it is no JSON: Expecting value: line 1 column 1"),
        (json.dumps({"paths": ["x" * 80_000]}).encode(), "its JSON has no added_tokens"),
        (json.dumps(["x" * 80_000]).encode(), "its JSON has no added_tokens"),
        (json.dumps({"added_tokens": [{"id": 0, "content": "</s>", "special": True}], "model": "x" * 80_000}).encode(), "is not a tokenizer that can be used"),
    ],
)
def test_what_is_no_tokenizer_is_told_in_short_and_found_by_check(texts, content, says):
    (texts / "u.json").write_bytes(content)
    said = run("measure", texts / "u.json", texts / "out", code=2)
    assert "u.json: is not a tokenizer" in said and says in said and len(said) < 600
    job = texts / "job.yaml"
    job.write_text("input: rows.jsonl\noutput: done\npack:\n  tokenizer: u.json\n")
    with pytest.raises(Problems) as found:
        load_job(job)
    [problem] = found.value.problems
    assert str(problem).startswith(f"{job}:4:14: R103 ") and says in str(problem) and len(str(problem)) < 600


def test_weights_that_the_texts_do_not_meet_are_told(texts):
    said = run("train", texts / "out", "--out", texts / "t.json", "--vocab-size", 300, "--weights", "ru=3,*=1")
    sizes = language_bytes([pq.read_table(texts / "out/clean")])
    assert f"warning: 'ru' is {sizes['ru'] / sum(sizes.values()):.1%} of the text, not 75.0%" in said and "'*' is" in said and "give more text of them" in said
    said = run("train", texts / "out", "--out", texts / "t.json", "--vocab-size", 300, "--weights", "ru=1,en=1", "--megabytes", "0.004")
    assert "learning from" in said and "of the text, not" not in said


@pytest.mark.parametrize("content", ["", "garbage\nmore garbage\n", '{"text": "  "}\n'])
def test_without_text_nothing_is_written(texts, content):
    (texts / "nothing.jsonl").write_text(content)
    run("train", texts / "out", "--out", texts / "base.json", "--vocab-size", 300)
    before = (texts / "base.json").read_bytes()
    for arguments in (["train"], ["extend", texts / "base.json", "--add", 5]):
        said = run(*arguments, texts / "nothing.jsonl", "--out", texts / "base.json" if arguments == ["train"] else texts / "more.json", code=2)
        assert "hold no text to learn from" in said, said
    assert (texts / "base.json").read_bytes() == before and not (texts / "more.json").exists()


def test_a_file_without_a_column_of_text_is_told_what_to_do(texts):
    pq.write_table(pa.table({"body": ["a text"]}), texts / "body.parquet")
    said = run("train", texts / "body.parquet", "--out", texts / "t.json", code=2)
    assert "has no column 'text'; its columns are: body" in said and "rename" in said and "Set read.text_column" not in said
    with pytest.raises(InputError, match="rename the column"):
        draw_sample([str(texts / "body.parquet")], texts)
