"""Decontamination against sets of n-grams in plain Python, and through whole runs."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_duplicates import run, table
from test_word_hashes import TEXTS

from curation.evaluation_items import EvaluationError, load_items
from curation.job import load_job
from curation.normalise import folded_character, normalised, word_spans
from curation.run import run_job
from curation.stages.decontaminate import DecontaminateSettings, decontaminate
from rules.places import Problems, SettingError


@settings(max_examples=100)
@given(TEXTS)
def test_word_spans_are_the_words(text):
    words = ["".join(map(folded_character, text[begin:end])) for begin, end in word_spans(text)]
    assert len(words) == len(normalised(text))
    assert ["".join(normalised(word)) for word in words] == [word for word in normalised(text)]


def plain_overlaps(text: str, items: list[str], ngram: int) -> list[tuple[str, int]]:
    """(shared text, n-grams) of every span."""
    words, places = normalised(text), word_spans(text)
    known = {tuple(w[k : k + ngram]) for w in map(normalised, items) for k in range(len(w) - ngram + 1)}
    hits = [k for k in range(len(words) - ngram + 1) if tuple(words[k : k + ngram]) in known]
    spans: list[list[int]] = []
    for k in hits:
        if spans and k - spans[-1][-1] <= ngram:
            spans[-1].append(k)
        else:
            spans.append([k])
    return [(text[places[s[0]][0] : places[s[-1] + ngram - 1][1]], len(s)) for s in spans]


WORDS = st.lists(st.sampled_from(["a", "B", "c,", "d\n", "漢", "é", "..."]), max_size=14).map(" ".join)


@settings(deadline=None, max_examples=80)  # the first call may compile
@given(st.lists(WORDS, max_size=5), st.lists(WORDS, min_size=1, max_size=4), st.integers(1, 4), st.integers(1, 2), st.sampled_from(["drop", "cut"]))
@example(["a b c d e f", "x"], ["B c d"], 3, 1, "cut")
@example(["a b c"], ["a B c"], 3, 1, "cut")
def test_overlaps_are_those_of_sets(tmp_path_factory, texts, items, ngram, least, action):
    file = tmp_path_factory.mktemp("items") / "items.jsonl"
    file.write_text("".join(json.dumps({"q": item, "no": [1, None]}) + "\n" for item in items))
    how = DecontaminateSettings(str(file), ("q",) if items else (), ngram=ngram, min_ngrams=least, action=action)
    documents = pa.table({"id": [str(n) for n in range(len(texts))], "text": pa.array(texts, pa.large_string())})
    outcome = decontaminate(documents, how)
    found = {str(n): plain_overlaps(text, items, ngram) for n, text in enumerate(texts)}
    expected = {name: spans for name, spans in found.items() if sum(count for _, count in spans) >= least}
    told: dict[str, list] = {}
    for row in outcome.overlaps.to_pylist() if outcome.overlaps is not None else []:
        told.setdefault(row["id"], []).append((row["text"], row["ngrams"]))
        assert documents["text"][int(row["id"])].as_py()[row["start"] : row["end"]] == row["text"]
    assert told == expected
    kept = dict(zip(outcome.kept["id"].to_pylist(), outcome.kept["text"].to_pylist()))
    removed = outcome.removed["id"].to_pylist() if outcome.removed is not None else []
    assert sorted([*kept, *removed]) == sorted(map(str, range(len(texts))))
    for number, text in enumerate(texts):
        left = text
        for shared, _ in expected.get(str(number), []) if action == "cut" else []:
            assert shared in left
            left = left.replace(shared, "", 1) if left.count(shared) == 1 else None
            if left is None:
                break
        if left is not None and str(number) in kept:
            assert kept[str(number)] == left
    if action == "drop":
        assert set(removed) == set(expected)


ITEM = "Which of these statements best explains why photosynthesis is the foundation of most food webs on the planet"
OTHER = "A man walks down the street and asks an old lady for the way to the nearest railway station in the town"


def corpus() -> list[dict]:
    text = "Some words before the question. {} And then some words after it, which nobody has asked about at all."
    rows = [{"id": f"d{n}", "text": text.format(f"Sentence number {n} is about something else.")} for n in range(5)]
    return [*rows, {"id": "bad", "text": text.format(ITEM.upper() + "?")}, {"id": "only", "text": ITEM}, {"id": "two", "text": text.format(OTHER) + "\n" + text.format(ITEM)}]


def evaluation(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "arc.jsonl").write_text(json.dumps({"key": "Q7", "query": ITEM, "choices": ["short", "choices"]}) + "\n" + json.dumps({"key": "Q8", "query": "too short"}) + "\n")
    with gzip.open(folder / "swag.jsonl.gz", "wt") as file:
        file.write("\n" + json.dumps({"context": {"text": [OTHER]}}) + "\n")


@pytest.mark.parametrize(("files", "workers"), [(1, "inline"), (3, "inline"), (2, 2)])
def test_a_run_removes_documents_and_names_the_item(tmp_path, files, workers):
    evaluation(tmp_path / "eval")
    output = run(tmp_path, corpus(), "decontaminate: {files: [eval/arc.jsonl, eval/*.gz], id_field: key}\nexact: {}", files, workers)
    assert {row["id"] for row in table(output, "clean")} == {f"d{n}" for n in range(5)}
    assert {row["reason"] for row in table(output, "removed")} == {"decontaminate/overlap"}
    overlaps = {(row["id"], row["file"], row["item"]): row["text"] for row in table(output, "overlaps")}
    assert overlaps == {("bad", "arc.jsonl", "Q7"): ITEM.upper(), ("only", "arc.jsonl", "Q7"): ITEM, ("two", "arc.jsonl", "Q7"): ITEM, ("two", "swag.jsonl.gz", "2"): OTHER}
    report = json.loads((output / "report/report.json").read_text())["evaluation"]
    assert [(item["file"], item["item"], item["documents"]) for item in report] == [("arc.jsonl", "Q7", 3), ("swag.jsonl.gz", "2", 1)]
    assert "photosynthesis" in (output / "report/report.md").read_text().lower()


def test_a_run_cuts_spans_and_a_changed_file_does_it_again(tmp_path):
    evaluation(tmp_path / "eval")
    output = run(tmp_path, corpus(), "decontaminate: {files: eval, action: cut}".replace("eval,", "eval/*,"))
    kept = {row["id"]: row["text"] for row in table(output, "clean")}
    assert set(kept) == {*(f"d{n}" for n in range(5)), "bad", "two"} and not any(ITEM in text or OTHER in text for text in kept.values())
    assert kept["bad"].startswith("Some words before the question. ? And then")
    assert {(row["id"], row["before"], row["after"], row["line"]) for row in table(output, "edits")} == {("bad", ITEM.upper(), "", 1), ("two", OTHER, "", 1), ("two", ITEM, "", 2)}
    (tmp_path / "eval/arc.jsonl").write_text(json.dumps({"query": "nothing of it"}) + "\n")
    run_job(load_job(tmp_path / "job.yaml"))
    assert len(table(output, "clean")) == 8


def test_mistakes_are_told_at_their_place(tmp_path):
    file = tmp_path / "items.jsonl"
    for text, message in (('{"a": "x"}\n{"a"', "items.jsonl:2: not JSON"), ("[1]", "expected an object, got list"), ('{"b": "x"}', "no text in a; its fields are b")):
        file.write_text(text)
        with pytest.raises(EvaluationError, match=message):
            load_items((str(file),), ("a",), None, 13)
    for text in ('{"a": ' + "9" * 5000 + "}", '{"a": ' + "[" * 100_000):
        file.write_text(text)
        with pytest.raises(EvaluationError, match="items.jsonl:1: not JSON"):
            load_items((str(file),), ("a",), None, 13)
    packed = gzip.compress(b'{"a": "x"}\n' * 1000)
    for data in (packed[:30], packed[:-8], packed[:20] + b"\xff" * 20 + packed[40:], b"no gzip"):
        (tmp_path / "items.jsonl.gz").write_bytes(data)
        with pytest.raises(EvaluationError, match="no whole gzip file after line"):
            load_items((str(tmp_path / "items.jsonl.gz"),), ("a",), None, 13)
    (tmp_path / "in.jsonl").write_text('{"text": "x"}\n')
    (tmp_path / "job.yaml").write_text("input: in.jsonl\noutput: out\ndecontaminate: {files: none/*.jsonl}\n")
    with pytest.raises(Problems, match=r"job\.yaml:3:24: R103 no evaluation file"):
        load_job(tmp_path / "job.yaml")
    for key, values in (("files", {"files": []}), ("ngram", {"files": "x", "ngram": 0}), ("min_ngrams", {"files": "x", "min_ngrams": 0})):
        with pytest.raises(SettingError) as error:
            DecontaminateSettings(**values)
        assert error.value.key == key
