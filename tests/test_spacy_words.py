"""`words: spacy` gives the tokens and sentences that spaCy gives for the whole text, whatever the text."""

from __future__ import annotations

import random
import string
import subprocess
import sys
import threading
from pathlib import Path

import definitions
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from hostile_texts import PIECES, any_texts, raw_texts
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("spacy", reason="needs spaCy: pip install 'gristmill[spacy]'")

import spacy

from rules.engine import apply
from rules.format.pack import load_pack
from rules.measures.counts import CORE_MEANINGS, count
from rules.measures.line_counts import LINE_COUNTS
from rules.measures.ngrams import NGRAM_COUNTS
from rules.measures.signals import measure
from rules.measures.word_counts import WORD_COUNTS
from rules.places import Problems
from rules.splitters import rewriting, spacy_words
from rules.splitters.chunk_memo import Entries, empty_memo, extended, find_entries
from rules.splitters.spacy_facts import CHANGED, END, FACTS, FLAGS, OTHER, PUNCTUATION, sentence_step
from rules.splitters.spacy_sentences import spacy_sentences
from rules.splitters.spacy_tokenizers import split_chunks, tokenizers
from rules.splitters.spacy_words import spacy_tokens
from rules.splitters.words import split_words
from rules.text.buffers import strings_from
from rules.text.kernels import kernel_texts

PIPELINE = spacy.blank("en")
PIPELINE.add_pipe("sentencizer")
PIPELINE.vocab["IS_ALPHA"]  # spaCy fails on this word from the second time on; datatrove then deletes it from the text

EXAMPLES = {
    "": "",
    " \n\t ": "",
    "Don't stop... e-mail #tag": "Do n't stop ... e - mail # tag",
    "http://a.b/c?d=1 and/or": "http://a.b / c?d=1 and/or",
    "f(x): y :)": "f(x ): y :)",
    "a\u0085b\u2028c\x1cd": "a b c d",
    "a\u200bb \x00 \x07c": "a\u200bb \x00 \x07c",
    "IS_ALPHA, is": "IS_ALPHA , is",
}


def pipeline(text: str):
    PIPELINE.max_length = len(text) + 10
    return PIPELINE(text)


def spacy_words_of(text: str) -> list[str]:
    """As datatrove takes them."""
    with PIPELINE.memory_zone():
        return [token.text.strip() for token in pipeline(text) if token.text.strip()]


def spacy_sentences_of(text: str) -> int:
    """As datatrove's C4 filter adds them up."""
    with PIPELINE.memory_zone():
        return sum(len(list(pipeline(line.strip()).sents)) for line in text.splitlines() if line.strip())


def assert_equal_spacy(texts: list[str]) -> None:
    column = pa.array(texts, pa.large_string())
    found, sentences = spacy_tokens(column).to_pylist(), spacy_sentences(column).tolist()
    for text, tokens, number in zip(texts, found, sentences):
        assert tokens == " ".join(spacy_words_of(text)), text
        assert number == spacy_sentences_of(text), text


def hostile_texts(seed: int, number: int) -> list[str]:
    """Texts of special cases, their parts, and other pieces, mostly with one space or nothing between two."""
    chance = random.Random(seed)
    cases = [case for case in PIPELINE.tokenizer.rules if not case.isspace()]
    marks = [case for case in cases if not case[0].isalnum() or not case[-1].isalnum()]
    parts = [case[i:j] for case in marks for i in range(len(case)) for j in range(i + 1, len(case) + 1)]
    ends = [*".!?,;:\"'()[]{}<>*#_=+-%$&/\\|~^@", "...", "..", "''", "’s", "'s", "—", "–", "10km", "3.5", "e.g.", "www.a.com", "a@b.c"]
    kinds = [cases, marks, parts, parts, ends, PIECES, ["x", "Word", "word", "1", "10"]]
    gaps = ["", "", " ", " ", " ", " ", "  ", "\n", "\t", "\u00a0", " \n", ". ", "\u2028"]
    texts = []
    for _ in range(number):
        pieces = [chance.choice(chance.choice(kinds)) + chance.choice(gaps) for _ in range(chance.randint(1, 14))]
        texts.append("".join(pieces))
    return texts


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples(text):
    assert spacy_tokens(pa.array([text])).to_pylist() == [EXAMPLES[text]]
    assert split_words(text, "spacy") == EXAMPLES[text].split()
    assert_equal_spacy([text])


@pytest.mark.parametrize("seed", range(4))
def test_special_cases_in_any_neighbourhood(seed):
    assert_equal_spacy(hostile_texts(seed, 1500))


def marked_texts(seed: int, number: int) -> list[str]:
    """Texts of words, such as special cases are made of, with marks before and after them."""
    chance = random.Random(seed)
    cores = [case.strip(string.punctuation + "’") for case in PIPELINE.tokenizer.rules if not case.isspace()]
    cores += ["ж", "Жук", "漢字", "é", "ab", "AB", "aB", "x", "D", "O", "3", "10", "ª", "ß", "İ", "kg", "km", "नमस्ते"] * 20
    before, after, gaps = ["", "", "", *string.punctuation], ["", "", *string.punctuation], [" ", " ", " ", "  ", "\n", "\u00a0"]
    pieces = (before, cores, after, after, gaps)
    return ["".join(chance.choice(kind) for _ in range(chance.randint(1, 8)) for kind in pieces) for _ in range(number)]


def test_words_with_marks():
    assert_equal_spacy(marked_texts(1, 2500))


def test_long_chunks():
    """Longer than what is searched for a suffix."""
    ends = [case for case in PIPELINE.tokenizer.rules if not case.isspace()] + ["10km", "3°C.", "x.", "AB.", "Ab.", "5+", "5€", "٪", "...", "." * 90, ")" * 90]
    chance = random.Random(3)
    texts = ["".join(chance.choice(ends) for _ in range(chance.randint(5, 40))) + chance.choice(["", " x"]) for _ in range(600)]
    assert max(map(len, texts)) > 200
    assert_equal_spacy(texts)


def test_what_needs_no_spacy(monkeypatch):
    """Letters with at most one mark on either side, if neither they nor what a rule leaves of the chunk is a special case."""
    monkeypatch.setattr(spacy_words, "_memo", empty_memo(FACTS))
    spacy_tokens(pa.array(["x" * 50]))
    seen: list[str] = []
    monkeypatch.setattr(spacy_words, "split_chunks", lambda chunks: seen.extend(chunks.decode().split("\n")) or split_chunks(chunks))
    plain = "zebra (Zebra Zebra, (zebra) zebra. \"ぜぶら\" Жук! *zebra* #zebra"
    special = "ZEBRA. (dont ((zebra) zebra's z3bra Corp) ze-bra Жук. (he’s"
    assert spacy_tokens(pa.array([f"{plain} {special}"])).to_pylist() == [" ".join(spacy_words_of(f"{plain} {special}"))]
    assert sorted(seen) == sorted(special.split())


@settings(max_examples=300, deadline=None)
@given(st.lists(any_texts, max_size=4))
def test_any_text(texts):
    assert_equal_spacy(texts)


@settings(max_examples=200, deadline=None)
@given(st.lists(raw_texts, min_size=1, max_size=3))
def test_bad_bytes_read_as_replacement_characters(raws):
    column = strings_from(np.cumsum([0, *map(len, raws)]), np.frombuffer(b"".join(raws), np.uint8))
    for raw, tokens in zip(raws, spacy_tokens(column).to_pylist()):
        assert tokens == " ".join(spacy_words_of(definitions.read(raw)))


def test_a_match_across_a_space_hides_one_within_a_chunk():
    """Why chunks are not always split alone: "):" is one token, but not where "(-:" lies across the space."""
    texts = [text for text in hostile_texts(9, 4000) if " " in text]
    alone = [" ".join(word for chunk in text.split() for word in spacy_words_of(chunk)) for text in texts]
    differ = [text for text, tokens in zip(texts, alone) if " ".join(spacy_words_of(text)) != tokens]
    assert differ
    assert_equal_spacy(differ)


def test_letters_alone_are_one_token():
    """The tokenizer's regular expressions split no letter from others, in any script."""
    letters = [chr(code) for code in range(0x110000) if chr(code).isalpha()]
    assert_equal_spacy([" ".join(letter * 3 + " x" + letter + " " + letter + "y" for letter in letters[::7])])


@pytest.mark.parametrize("folder", ["web", "sample"])
def test_real_text(shared_data, folder):
    texts = [text for path in sorted((shared_data / folder).glob("*.parquet")) for text in parquet.read_table(path, columns=["text"])["text"].to_pylist()]
    assert_equal_spacy(texts[:: len(texts) // 150])


def test_sentence_steps():
    assert sentence_step(np.array([OTHER, END, END, PUNCTUATION, OTHER, OTHER], np.uint8), 0) == 1 << 1
    assert sentence_step(np.array([OTHER, END], np.uint8), 1) == 1 << 1 | 1
    assert sentence_step(np.array([PUNCTUATION], np.uint8), 1) == 1


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(any_texts, min_size=1, max_size=3))
def test_counts_of_words_are_of_tokens_and_all_others_of_the_text(texts):
    column = pa.array(texts, pa.large_string())
    found, plain = count(column, CORE_MEANINGS, "spacy"), count(column, CORE_MEANINGS, "space")
    assert list(found) == list(CORE_MEANINGS)
    for row, text in enumerate(texts):
        wanted = definitions.word_counts(spacy_words_of(text))
        assert {name: int(found[name][row]) for name in (*WORD_COUNTS, *NGRAM_COUNTS)} == wanted
        assert all(found[name][row] == plain[name][row] for name in (*LINE_COUNTS, "chars", "hashes"))
    assert measure(column, ["sentences"], "spacy")["sentences"].tolist() == list(map(spacy_sentences_of, texts))


def test_slices_and_chunked_columns():
    texts = pa.array(["skipped", "a, word.", None, "c (d)"])
    assert spacy_tokens(texts.slice(1)).to_pylist() == ["a , word .", "", "c ( d )"]
    assert spacy_tokens(pa.chunked_array([["xx."], ["yy."]])).to_pylist() == ["xx .", "yy ."]
    assert spacy_tokens(pa.array([], pa.string())).to_pylist() == [] and spacy_sentences(pa.array([], pa.string())).tolist() == []


def test_blocks_and_portions_do_not_show(monkeypatch):
    monkeypatch.setattr(spacy_words, "BLOCK_BYTES", 50)
    monkeypatch.setattr(spacy_words, "SPLIT_BYTES", 7)
    assert_equal_spacy(hostile_texts(5, 200))


# ---- the memo


def test_a_full_memo_starts_anew(monkeypatch):
    monkeypatch.setattr(spacy_words, "MOST_BYTES", 4000)
    monkeypatch.setattr(spacy_words, "BLOCK_BYTES", 400)
    monkeypatch.setattr(spacy_words, "_memo", empty_memo(FACTS))
    assert_equal_spacy(hostile_texts(6, 500))
    assert spacy_words._memo.bytes <= 4000


def test_known_chunks_do_not_go_through_spacy_again(monkeypatch):
    column = pa.array(["Known words, (all) of them."])
    first = spacy_tokens(column)
    monkeypatch.setattr(spacy_words, "split_chunks", lambda chunks: pytest.fail(f"split again: {chunks!r}"))
    assert spacy_tokens(column) == first


def test_threads(monkeypatch):
    monkeypatch.setattr(spacy_words, "_memo", empty_memo(FACTS))
    monkeypatch.setattr(spacy_words, "MOST_BYTES", 100_000)
    texts = [hostile_texts(20 + k, 300) for k in range(4)]
    found: list = [None] * 4
    threads = [threading.Thread(target=lambda k=k: found.__setitem__(k, spacy_tokens(pa.array(texts[k])).to_pylist())) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(4):
        assert found[k] == [" ".join(spacy_words_of(text)) for text in texts[k]]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sets(st.binary(min_size=1, max_size=20), max_size=30), max_size=4), st.booleans())
def test_a_memo_finds_what_it_was_given_and_nothing_else(groups, copy):
    memo, known = empty_memo(1), {}
    for group in groups:
        new = sorted(group - known.keys())
        known |= {chunk: len(known) + 1 + k for k, chunk in enumerate(new)}
        data, begins, ends = _column(new)
        before = memo
        memo = extended(memo, data, begins, ends, Entries(data, np.concatenate([[0], ends]), np.full((len(new), 1), 7, np.uint32)), copy=copy)
        assert before.entries + len(new) == memo.entries
    data, begins, ends = _column([*known, b"never given: \x00"])
    found, marks = np.empty(len(begins), np.uint32), np.empty(len(begins), np.uint8)
    assert find_entries(data, begins, ends, memo.slots, memo.rows, memo.keys, found, marks) == 1
    assert found.tolist() == [*known.values(), 0] and marks.tolist() == [7] * len(known) + [0]


def _column(chunks: list[bytes]):
    ends = np.cumsum([len(chunk) for chunk in chunks], dtype=np.int64)
    _, data = kernel_texts(strings_from(np.array([0, ends[-1] if len(ends) else 0]), np.frombuffer(b"".join(chunks), np.uint8)))
    return data, np.concatenate([[0], ends[:-1]]) if len(ends) else ends, ends


def test_only_chunks_that_the_last_step_changes_are_marked():
    texts = ["f(x):", "plain", ":)", "(a)", "word:)"]
    read = spacy_words.read_chunks(*kernel_texts(pa.array(texts)))
    assert [bool(read.memo.facts[entry, FLAGS] & CHANGED) for entry in read.found] == [True, False, False, False, True]
    assert [token.text for token in tokenizers().unmatched("f(x):")] == ["f(x", ")", ":"]


# ---- packs


PACK = """
pack: tokens
about: Counts tokens.
words: spacy
rules:
  - id: few
    why: Too few.
    drop_when: {words: "< 4"}
"""


def test_a_pack_with_spacy_words(tmp_path):
    path = tmp_path / "pack.yaml"
    path.write_text(PACK)
    pack = load_pack(path)
    assert apply([pack], pa.array(["Don't go.", "Do go"])).dropped.tolist() == [False, True]


def test_without_spacy_it_says_what_to_install(tmp_path, monkeypatch):
    path = tmp_path / "pack.yaml"
    path.write_text(PACK)
    pack = load_pack(path)
    monkeypatch.setattr(rewriting.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'gristmill\[spacy\]'"):
        apply([pack], pa.array(["a"]))
    with pytest.raises(ValueError, match=r"pip install 'gristmill\[spacy\]'"):
        measure(pa.array(["a"]), ["sentences"], "spacy")
    with pytest.raises(Problems, match=r"pack.yaml:4:8: R103 .*pip install 'gristmill\[spacy\]'"):
        load_pack(path)


def test_rules_do_not_import_spacy_before_they_need_it():
    code = "import rules.engine, rules.format.pack, rules.measures.counts, sys; print('spacy' in sys.modules)"
    root = Path(__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True).stdout.strip() == "False"
