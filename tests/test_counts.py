"""Every count of every text equals its plain definition, for both word splitters."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from definitions import counts as plain_counts
from hypothesis import example, given, settings
from hypothesis import strategies as st
from web_texts import web_texts

from rules.buffers import strings_from
from rules.counts import MEANINGS, count


def check(texts: list[str], words: str) -> None:
    got = count(pa.array(texts, pa.large_string()), MEANINGS, words)
    for row, text in enumerate(texts):
        expected = plain_counts(text, words)
        assert {name: int(got[name][row]) for name in expected} == expected, repr(text)


def test_every_count_has_a_definition():
    assert set(plain_counts("")) == set(MEANINGS)


@settings(max_examples=400, deadline=None)
@given(st.lists(web_texts, max_size=4), st.sampled_from(["space", "unicode"]))
@example(["", " ", "\n", "\n\n", "word", "a\r\nb", "a\u2028b", "\x00", "e\u0301"], "space")
@example(["hello world foo bar", "...", "......", "…", "- a\n-b\n • c", "#", "##a"], "unicode")
@example(["a b c d e f g " * 12, "ab c d e f a bc d e f", "\n\na\n\n"], "space")
def test_counts_equal_their_definitions(texts, words):
    check(texts, words)


@pytest.mark.parametrize("words", ["space", "unicode"])
@pytest.mark.parametrize("size", [1, 7, 8, 9, 15, 16, 17, 31, 64, 4095, 4096, 4097, 9000])
def test_words_and_lines_across_chunk_borders(size, words):
    check(["x" * size, "x" * size + " y" * 5, "é" * size, "a " * size, "漢" * size, "." * size, "\n" * size, ("ab " * 3 + "\n") * (size // 10)], words)


@pytest.mark.parametrize("words", ["space", "unicode"])
def test_texts_in_the_middle_of_a_column(words):
    texts = pa.array(["before. " * 3, "the middle\nof it...", "", "after {"], pa.large_string())
    got = count(texts.slice(1, 2), MEANINGS, words)
    for row, text in enumerate(["the middle\nof it...", ""]):
        assert {n: int(got[n][row]) for n in MEANINGS} == plain_counts(text, words)


def test_malformed_utf8_is_counted_and_never_read_beyond():
    broken = [b"\xff\xfe", b"abc\xe2\x82", b"\xf0\x9f", b"\x80\x80 a", b"\xed\xa0\x80", b"\xc0\xaf", b"ok", b"\xf4\x90\x80\x80"]
    offsets = np.cumsum([0, *map(len, broken)])
    array = strings_from(offsets, np.frombuffer(b"".join(broken), np.uint8))
    for words in ("space", "unicode"):
        got = count(array, MEANINGS, words)
        assert got["words"][6] == 1 and got["chars"][6] == 2
        assert all(len(column) == len(broken) for column in got.columns.values())


@pytest.mark.parametrize(("text", "words"), [("x" * 50_000_000, 1), ("word " * 10_000_000, 10_000_000)])
def test_lines_of_50_mb(text, words):
    got = count(pa.array([text], pa.large_string()), MEANINGS, "unicode")
    assert got["words"][0] == words and got["lines"][0] == 1 and got["chars"][0] == 50_000_000


@pytest.mark.parametrize("words", ["space", "unicode"])
def test_real_documents(shared_data, words):
    for name in ("sample/part-0001.parquet", "web"):
        files = [shared_data / name] if name.endswith("parquet") else sorted((shared_data / name).glob("*.parquet"))
        for file in files:
            texts = pq.read_table(file, columns=["text"])["text"].to_pylist()
            check([t for t in texts[:: max(1, len(texts) // 60)] if t], words)
