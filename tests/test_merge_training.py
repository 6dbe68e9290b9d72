"""Training is what the trainer of `tokenizers` does: the same file, ties included."""

from __future__ import annotations

import collections

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile_texts import any_texts
from hypothesis import given, settings
from hypothesis import strategies as st
from test_pretokens import theirs
from test_tokenizer import HARD_TEXTS, corpus
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from curation.merge_training import learn_merges
from curation.pretoken_counts import PreTokenCounts
from curation.pretokens import GPT4_PATTERN, PATTERNS
from curation.tokenizer import SPECIALS, train_tokenizer


def reference(texts: list[str], vocab_size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(GPT4_PATTERN), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, min_frequency=2, special_tokens=list(SPECIALS), show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )  # fmt: skip
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(f"{SPECIALS[0]} $A", None, [(SPECIALS[0], 0)])
    return tokenizer


@settings(max_examples=40, deadline=None)
@given(texts=st.lists(any_texts | st.sampled_from(HARD_TEXTS), max_size=12), vocab_size=st.integers(259, 330))
def test_any_texts_make_the_file_of_the_reference(texts, vocab_size):
    assert train_tokenizer([texts], vocab_size).to_str() == reference(texts, vocab_size).to_str()


@pytest.mark.parametrize("vocab_size", [300, 5000])
def test_a_corpus_makes_the_file_of_the_reference(vocab_size):
    assert train_tokenizer([corpus()], vocab_size).to_str() == reference(corpus(), vocab_size).to_str()


def test_real_text_makes_the_file_of_the_reference(shared_data):
    texts = pq.read_table(shared_data / "sample/part-0000.parquet", columns=["text"])["text"].to_pylist()[:250]
    assert train_tokenizer([texts], 4000).to_str() == reference(texts, 4000).to_str()


@settings(max_examples=40, deadline=None)
@given(batches=st.lists(st.lists(any_texts, max_size=5), max_size=4))
def test_pre_tokens_are_counted_however_often_the_table_grows(batches):
    counts = PreTokenCounts(PATTERNS[GPT4_PATTERN], room=4)
    for batch in batches:
        counts.add(pa.array(batch, pa.large_string()))
    expected = collections.Counter(token for batch in batches for text in batch for token in theirs(text, GPT4_PATTERN))
    assert dict(zip(counts.texts.to_pylist(), counts.counts.tolist())) == expected


def plain_merges(spelled: list[bytes], words: list[list[int]], counts: list[int], limit: int) -> list[tuple[int, int]]:
    """The definition: count all pairs anew for every merge."""
    spelled, words, merges = list(spelled), [list(word) for word in words], []
    while len(spelled) < limit:
        pairs: collections.Counter = collections.Counter()
        for word, count in zip(words, counts):
            for pair in zip(word, word[1:]):
                pairs[pair] += count
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        if pairs[best] < 2:
            break
        joined = spelled[best[0]] + spelled[best[1]]
        if joined not in spelled:
            spelled.append(joined)
        merged = spelled.index(joined)
        merges.append(best)
        for word in words:
            place = 0
            while place + 1 < len(word):
                if (word[place], word[place + 1]) == best:
                    word[place : place + 2] = [merged]
                place += 1
    return merges


@settings(max_examples=80, deadline=None)
@given(
    words=st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=12), max_size=8), data=st.data(), limit=st.integers(5, 14)
)  # fmt: skip
def test_merges_over_known_tokens_are_those_of_the_definition(words, data, limit):
    """Tokens of one to two bytes, so that different pairs make the same token."""
    spelled = [b"a", b"b", b"ab", b"ba", b"aa"]
    counts = [data.draw(st.integers(1, 4)) for _ in words]
    offsets, tokens = np.cumsum([0, *map(len, words)]), np.array([token for word in words for token in word], np.int32)
    expected = plain_merges(spelled, words, counts, limit)
    assert learn_merges(list(spelled), offsets, tokens, np.array(counts, np.int64), limit, 2) == expected


def test_a_run_of_one_token_is_merged_from_its_start():
    """Also where the first of the run was made by a merge, and so was listed last."""
    spelled, words = [b"a", b"b", b"ab", b"ba", b"aa"], [[0, 0, 4, 4]]
    found = learn_merges(list(spelled), np.array([0, 4]), np.array(words[0], np.int32), np.array([2], np.int64), 7, 2)
    assert found == plain_merges(spelled, words, [2], 7) == [(0, 0), (4, 4), (5, 4)]
