"""Every count equals its plain definition, whatever the text, and bad bytes or huge texts do no harm."""

from __future__ import annotations

import threading

import definitions
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from hostile_texts import any_texts, raw_texts
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rules.measures.counts import CORE_MEANINGS, count
from rules.measures.mark_counts import MARK_COUNTS
from rules.splitters.words import CHUNK_BYTES
from rules.text.buffers import strings_from

SPLITTERS = ("space", "unicode")


def raw_array(raws: list[bytes]) -> pa.LargeStringArray:
    """A string array whose bytes are not checked to be UTF-8."""
    return strings_from(np.cumsum([0, *map(len, raws)]), np.frombuffer(b"".join(raws), np.uint8))


def assert_defined(texts: list[str], words: str) -> None:
    found = count(pa.array(texts, pa.large_string()), CORE_MEANINGS, words)
    assert list(found) == list(CORE_MEANINGS)
    for row, text in enumerate(texts):
        wanted = definitions.counts(text, words)
        assert {name: int(values[row]) for name, values in found.items()} == wanted, text


@pytest.mark.parametrize("words", SPLITTERS)
@settings(max_examples=600, deadline=None)
@given(texts=st.lists(any_texts, max_size=4))
@example(texts=[""])
@example(texts=["a b c d e f ab c d e f g a bc d e f g"])  # the same words, divided otherwise
@example(texts=["a b a b a b b a b a"])  # a tie goes to the first
@example(texts=["ab c d e f x a bc d e f", "x y", "", "\n", "\n\n", " \n x \n\n y \n "])
@example(texts=['He said: "Go." Then (he left.) No... Yes! "。"他说。」走。。'])
def test_equal_the_definitions(texts, words):
    assert_defined(texts, words)


@pytest.mark.parametrize("words", SPLITTERS)
@settings(max_examples=30, deadline=None)
@given(before=st.integers(CHUNK_BYTES - 12, CHUNK_BYTES + 3), piece=any_texts, filler=st.sampled_from(["a", "ab ", "漢", "é.", "\u0301-"]))
def test_chunk_borders_change_nothing(before, piece, filler, words):
    assert_defined([(filler * before)[:before] + piece + " end", filler * 40 + piece], words)


@settings(max_examples=300, deadline=None)
@given(st.lists(raw_texts, min_size=1, max_size=4), st.sampled_from(SPLITTERS))
def test_malformed_bytes_read_as_replacement_characters(raws, words):
    """All but the duplicates, which are told by bytes, are as if each bad byte were U+FFFD; neighbours do not matter."""
    found = count(raw_array(raws), CORE_MEANINGS, words)
    for row, raw in enumerate(raws):
        wanted = definitions.counts(definitions.read(raw), words) | {"bytes": len(raw)}
        same = [name for name in wanted if "dup" not in name and "top" not in name]
        assert {name: int(found[name][row]) for name in same} == {name: wanted[name] for name in same}


@settings(max_examples=600, deadline=None)
@given(before=st.integers(0, 300), raw=raw_texts, filler=st.sampled_from([b"a", b"{#\n", "漢".encode(), "é".encode(), "😀.".encode()]))
def test_characters_and_sentences_wherever_malformed_bytes_stand(before, raw, filler):
    raws = [(filler * before)[:before] + raw, raw + filler * before, raw * 30]
    found = count(raw_array(raws), ["chars", "sentence_ends"])
    for row, text in enumerate(map(definitions.read, raws)):
        wanted = definitions.character_counts(text)
        assert {name: int(found[name][row]) for name in MARK_COUNTS if name != "bytes"} == {name: wanted[name] for name in MARK_COUNTS if name != "bytes"}


def test_every_two_byte_beginning_reads_as_python_reads_it():
    """The number of characters in bytes of every kind, well formed or not."""
    tails = (b"", b"\x80", b"\xbf\x80", b"\x80\x80\x80", b"a")
    raws = [bytes((first, second)) + tail for first in range(0x7F, 0x100) for second in (0x20, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xE2, 0xFF) for tail in tails]
    found = count(raw_array([b"abc" + raw for raw in raws]), ["chars"])["chars"]
    assert found.tolist() == [3 + len(definitions.read(raw)) for raw in raws]


def test_every_character_ends_a_sentence_as_defined():
    texts = [f"a{chr(code)} b{chr(code)}" for code in [*range(0xD800), *range(0xE000, 0x20000)]]
    wanted = [definitions.character_counts(text) for text in texts]
    found = count(pa.array(texts), ["sentence_ends"])
    for name in ("sentence_ends", "ellipses"):
        assert found[name].tolist() == [counts[name] for counts in wanted]


@pytest.mark.parametrize("words", SPLITTERS)
def test_a_text_of_one_long_line(words):
    text = "lorem ipsum dolor " * 40_000
    found = {name: int(values[0]) for name, values in count(pa.array([text]), CORE_MEANINGS, words).items()}
    assert found["words"] == 120_000 and found["lines"] == found["visible_rows"] == 1
    assert found["top_2_gram_chars"] == len("lorem ipsum") * 40_000
    assert found["dup_10_gram_chars"] == definitions.dup_ngram_chars(text.split(), 10)


@pytest.mark.parametrize(("text", "words"), [("x" * 50_000_000, 1), ("word " * 10_000_000, 10_000_000)], ids=["one word", "many words"])
def test_lines_of_50_mb(text, words):
    found = count(pa.array([text], pa.large_string()), CORE_MEANINGS)
    assert found["words"][0] == words and found["lines"][0] == 1 and found["chars"][0] == 50_000_000


@pytest.mark.parametrize("piece", ["x", "漢", "é", "-", "\u0301", "\n", " ", "a ", "! "])
@pytest.mark.parametrize("words", SPLITTERS)
def test_a_long_run_of_one_thing(piece, words):
    text = piece * 30_000
    found = {name: int(values[0]) for name, values in count(pa.array([text]), CORE_MEANINGS, words).items()}
    for names in (definitions.character_counts(text), definitions.word_counts(definitions.split_words(text, words))):
        assert {name: found[name] for name in names} == names


def test_only_what_is_wanted_is_counted():
    texts = pa.array(["a b", "c"])
    assert count(texts, ["chars"]).keys() < CORE_MEANINGS.keys()
    assert "top_2_gram_chars" not in count(texts, ["words"])
    for name in CORE_MEANINGS:
        assert (count(texts, [name])[name] == count(texts, CORE_MEANINGS)[name]).all()


def test_no_texts_chunks_slices_and_nulls():
    assert all(len(values) == 0 for values in count(pa.array([], pa.string()), CORE_MEANINGS).values())
    chunked = pa.chunked_array([pa.array(["x", None, "a b"])[1:], pa.array(["a b c"], pa.string())])
    assert count(chunked, ["words"])["words"].tolist() == [0, 2, 3]


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="'spaces'; it must be one of space, unicode"):
        count(pa.array(["x"]), ["words"], "spaces")
    with pytest.raises(ValueError, match="unknown counts: wrods"):
        count(pa.array(["x"]), ["wrods"])


def test_threads_do_not_disturb_each_other():
    texts = pa.array(["the cat sat on the mat. " * n for n in range(1, 200)])
    alone, results = count(texts, CORE_MEANINGS), [None] * 4
    threads = [threading.Thread(target=lambda k=k: results.__setitem__(k, count(texts, CORE_MEANINGS))) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((result[name] == alone[name]).all() for result in results for name in CORE_MEANINGS)


@pytest.mark.parametrize("words", SPLITTERS)
def test_equal_the_definitions_on_real_pages(shared_data, words):
    for name in ("web", "sample"):
        for file in sorted((shared_data / name).glob("*.parquet"))[:2]:
            texts = parquet.read_table(file, columns=["text"])["text"].to_pylist()
            assert_defined([text[:8000] for text in texts[:: max(1, len(texts) // 30)]], words)
