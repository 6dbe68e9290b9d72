"""Repeated substrings against a search for every stretch of words in plain Python, and through whole runs."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_duplicates import run, table
from test_word_hashes import TEXTS

from curation.clusters import row_numbers, star_edges
from curation.evaluation_items import ngram_hashes
from curation.normalise import normalised, word_spans
from curation.stages.substrings import SubstringsSettings, cut_substrings, repeated_words
from curation.word_places import word_places
from rules.places import SettingError


@settings(deadline=None, max_examples=100)  # the first call may compile
@given(st.lists(TEXTS, max_size=4))
def test_places_are_the_words(texts):
    column = pa.array(texts, pa.large_string())
    places, raw = word_places(column), "".join(texts).encode()
    before = 0
    for number, text in enumerate(texts):
        mine = slice(places.first[number], places.first[number + 1])
        found = [(raw[b:e].decode(), b) for b, e in zip(places.starts[mine].tolist(), places.ends[mine].tolist())]
        assert found == [(text[b:e], before + len(text[:b].encode())) for b, e in word_spans(text)]
        assert ngram_hashes(column, 3)[1][number + 1] - ngram_hashes(column, 3)[1][number] == max(0, len(found) - 2)
        before += len(text.encode())


def plain_cut(texts: list[str], words: int) -> list[str]:
    """Every text without the stretches of `words` words or more that stand earlier, word windows compared one by one."""
    seen: dict[tuple, tuple[int, int]] = {}
    found = []
    for number, text in enumerate(texts):
        own, spans, gone = normalised(text), word_spans(text), set()
        for k in range(len(own) - words + 1):
            window = tuple(own[k : k + words])
            holder = seen.setdefault(window, (number, k))
            if holder != (number, k):
                begin = max(k, holder[1] + words) if holder[0] == number else k
                gone |= set(range(begin, k + words))
        left, at = "", 0
        for k in range(len(own) + 1):
            if k in gone and k - 1 not in gone:
                left += text[at : spans[k][0]]
            if k - 1 in gone and k not in gone:
                at = spans[k][0] if k < len(own) else spans[k - 1][1]
        found.append(left + text[at:])
    return found


WORDS = st.lists(st.sampled_from(["a", "B", "c,", "d\n", "漢", "é", "..."]), max_size=30).map(" ".join)


@settings(deadline=None, max_examples=100)
@given(st.lists(WORDS, max_size=6), st.integers(5, 7), st.integers(0, 6))
@example(["a b c d e f", "x a b c d e f y", "a b c d e f"], 5, 1)
@example(["a " * 30], 5, 0)
@example(["a b c " * 9 + "é", "b c a " * 5], 6, 1)
def test_cuts_are_those_of_the_definition(texts, words, cut):
    """The texts are two shards."""
    hashes, _ = ngram_hashes(pa.array(texts, pa.large_string()), words)
    edges = star_edges(hashes, row_numbers(np.arange(len(hashes))))
    pairs = edges[np.argsort(edges[:, 1])][:, ::-1].astype(np.int64)
    kept: dict[str, str] = {}
    removed: list[str] = []
    base = 0
    for begin, end in ((0, cut), (cut, len(texts))):
        documents = pa.table({"id": [str(n) for n in range(len(texts))][begin:end], "text": pa.array(texts[begin:end], pa.large_string())})
        first = 0
        for row in range(len(documents)):  # a batch of one
            outcome, first = cut_substrings(documents.slice(row, 1), pairs - base, first, SubstringsSettings(words))
            kept |= dict(zip(outcome.kept["id"].to_pylist(), outcome.kept["text"].to_pylist()))
            removed += outcome.removed["id"].to_pylist() if outcome.removed is not None else []
        base += first
    expected = plain_cut(texts, words)
    for number, text in enumerate(expected):
        if str(number) in kept:
            assert kept[str(number)] == text
        else:
            assert str(number) in removed and not text.strip() and text != texts[number]


def test_a_repeat_does_not_cut_into_its_first_occurrence():
    assert repeated_words(np.array([2, 3]), np.array([0, 1]), 8, 5).tolist() == [False] * 5 + [True] * 3
    assert repeated_words(np.array([0]), np.array([-9]), 5, 5).all()


def pages() -> list[dict]:
    rng = random.Random(4)
    words = [f"{a}{b}" for a in "sea river town stone bread light".split() for b in "abcdefghij"]
    passage = " ".join(rng.choice(words) for _ in range(80))
    rows = []
    for n in range(20):
        body = [" ".join(rng.choice(words) for _ in range(60)) for _ in range(2)]
        text = f"{body[0]}\n{passage}, and so on.\n{body[1]}" if n % 4 == 1 else "\n".join(body)
        rows.append({"id": f"p{n:02d}", "text": text})
    return rows, passage


@pytest.mark.parametrize(("files", "workers"), [(1, "inline"), (4, "inline"), (3, 2)])
def test_a_run_leaves_the_first_occurrence(tmp_path, files, workers):
    rows, passage = pages()
    output = run(tmp_path, rows, "substrings: {min_words: 50}", files, workers)
    texts = {row["id"]: row["text"] for row in table(output, "clean")}
    holders = [row["id"] for number in range(files) for row in rows[number::files] if passage in row["text"]]
    assert [name for name in holders if passage in texts[name]] == holders[:1] and len(holders) == 5
    edits = table(output, "edits")
    assert sorted(edit["id"] for edit in edits) == sorted(holders[1:])
    assert all(edit["before"] == passage + ", and so on" and edit["line"] == 2 and edit["after"] == "" for edit in edits)
    for row in rows:
        assert texts[row["id"]] == (row["text"].replace(passage + ", and so on.\n", "") if row["id"] in holders[1:] else row["text"])
    assert "substrings/repeated" in (output / "report/report.md").read_text()


def test_a_text_of_which_nothing_is_left_is_removed(tmp_path):
    text = " ".join(f"word{n}" for n in range(60))
    rows = [{"id": "a", "text": text}, {"id": "b", "text": text.upper()}]
    output = run(tmp_path, rows, "substrings: {}")
    assert [row["id"] for row in table(output, "clean")] == ["a"]
    assert [(row["id"], row["reason"], row["text"]) for row in table(output, "removed")] == [("b", "substrings/empty", text.upper())]


@pytest.mark.parametrize("words", [4, 1001])
def test_settings_that_make_no_sense(words):
    with pytest.raises(SettingError, match="words must be 5 to 1000"):
        SubstringsSettings(words)
