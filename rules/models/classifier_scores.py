"""What a linear text classifier says of each text: every word and n-gram is a number, their mean is the score's logit.

fastText (Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification") takes the mean of the vectors of words and
word n-grams, and gives its softmax over labels. That mean times a label's vector is the mean of each row times it, so the
rows are multiplied once, when a model is read, and a text costs one look-up a word and one an n-gram: 15 ns a byte with
bigrams, whatever the model's dimension. Scores equal fastText's own but for the rounding of its single precision and
the 1e-5 that it adds to probabilities.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from rules.models.fasttext_file import FastTextModel, plain, products
from rules.splitters.words import CHUNK_BYTES, span, span_scratch, take_spans
from rules.text.characters import character_classes
from rules.text.hash_sets import bytes_hash, find_slot, known_slot, slot_bits
from rules.text.kernels import Scratch, inlined, int64, kernel, kernel_texts, unowned
from rules.text.lower_case import ROOM, lower_cases, lower_word

END_OF_LINE = b"</s>"
LABEL_PREFIX = b"__label__"
MOST_LABELS = 16  # of a model that is scored here; others go through fastText
FNV_BASIS, FNV_PRIME = np.uint32(2166136261), np.uint32(16777619)
NGRAM_STEP = np.uint64(116049371)  # of fastText's hash of word n-grams


class ScoreTable(NamedTuple):
    """A model for one of its labels, t: for each row the differences of the other labels' logits from t's."""

    keys: np.ndarray  # uint64 [1 << bits]: hashes of words
    rows: np.ndarray  # int64 [1 << bits]: their rows
    values: np.ndarray  # float32 [rows, labels - 1]
    ngrams: np.ndarray  # int64 [buckets]: the row of each bucket of n-grams, -1 where pruning left none
    word_ngrams: int
    end_row: int  # of the word that ends a line; -1 where the model has none


def can_score(model: FastTextModel) -> bool:
    """Are the model's scores those of words and word n-grams with a softmax over few labels?"""
    settings = model.settings
    return model.loss == "softmax" and settings["maxn"] == 0 and settings["model"] == 3 and 2 <= len(model.labels) <= MOST_LABELS


def score_table(model: FastTextModel, label: str) -> ScoreTable:
    """The table that gives the probability of `label`. Only for models that `can_score`; ValueError without the label."""
    if label not in model.labels:
        raise ValueError(f"the model has no label {label!r}; it has {', '.join(model.labels)}")
    target = model.labels.index(label)
    output = plain(model.output)
    values = products(model.input, np.ascontiguousarray((np.delete(output, target, 0) - output[target]).T))
    offsets, data = kernel_texts(pa.array(model.words, pa.large_binary()).view(pa.large_string()))
    bits = slot_bits.py_func(len(model.words))
    keys, rows = np.zeros(1 << bits, np.uint64), np.zeros(1 << bits, np.int64)
    fill_rows(offsets, data, keys, rows)
    end_row = model.words.index(END_OF_LINE) if END_OF_LINE in model.words else -1
    return ScoreTable(keys, rows, np.ascontiguousarray(values, np.float32), _ngram_rows(model), max(1, model.settings["word_ngrams"]), end_row)


def _ngram_rows(model: FastTextModel) -> np.ndarray:
    """The row of each bucket of n-grams."""
    if model.settings["word_ngrams"] < 2:
        return np.full(1, -1)
    buckets, words = model.settings["bucket"], len(model.words)
    if model.pruned is None:
        return words + np.arange(max(buckets, 1))
    rows = np.full(max(buckets, 1), -1)
    rows[model.pruned[:, 0]] = words + model.pruned[:, 1]
    return rows


def classifier_scores(texts: pa.Array | pa.ChunkedArray, table: ScoreTable, lower_words: bool) -> np.ndarray:
    """The probability of the table's label for each text, float64 [docs]; NaN in a text without words.

    With `lower_words`, words are `unicode` words in lower case; else what is between white space of ASCII, as fastText
    divides a text whose line feeds became spaces."""
    offsets, data = kernel_texts(texts)
    scores = np.empty(len(offsets) - 1)
    score_documents(offsets, data, character_classes(), lower_cases(), lower_words, table.keys, table.rows, table.values, table.ngrams, table.word_ngrams, table.end_row, scores)
    return scores


# ---- kernels


@kernel
def fill_rows(offsets: np.ndarray, data: np.ndarray, keys: np.ndarray, rows: np.ndarray) -> None:
    """Put each word's row in the slot of its hash."""
    bits = slot_bits(offsets.size - 1)
    for k in range(offsets.size - 1):
        slot, _ = find_slot(keys, bits, bytes_hash(data, offsets[k], offsets[k + 1]))
        rows[slot] = k


@kernel
def score_documents(
    offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, lower: np.ndarray, lower_words: bool, keys: np.ndarray,
    rows: np.ndarray, values: np.ndarray, ngrams: np.ndarray, word_ngrams: int, end_row: int, scores: np.ndarray,
) -> None:
    """Fill `scores` (float64 [docs])."""
    spans, sums = span_scratch(), np.zeros(values.shape[1])
    room = 4 * CHUNK_BYTES
    word_keys, hashes, buffer = word_scratch(room)
    for d in range(offsets.size - 1):
        begin, end = offsets[d], offsets[d + 1]
        if end - begin > room:
            room = 2 * (end - begin)
            word_keys, hashes, buffer = word_scratch(room)
        if lower_words:
            found = hash_lower(data, begin, end, classes, lower, spans, buffer, word_keys, hashes)
        else:
            found = hash_plain(data, begin, end, word_keys, hashes)
        scores[d] = probability(word_keys, hashes, found, keys, rows, values, ngrams, word_ngrams, end_row, sums) if found else np.nan


@kernel
def word_scratch(size: int) -> Scratch:
    """Room for a text of `size` bytes: two hashes of each word and of the end, and one word in lower case."""
    return np.empty(size + 1, np.uint64), np.empty(size + 1, np.uint32), np.zeros(3 * size + ROOM, np.uint8)


@kernel
def hash_lower(
    data: np.ndarray, i: int, end: int, classes: np.ndarray, lower: np.ndarray, spans: np.ndarray, buffer: np.ndarray,
    word_keys: np.ndarray, hashes: np.ndarray,
) -> int:
    """Fill `word_keys` and `hashes` with those of the words of data[i:end] in lower case: how many there are.

    NULs, which only begin a word, are left out: fastText reads them as white space."""
    data, classes, lower, spans, buffer = unowned(data), unowned(classes), unowned(lower), unowned(spans), unowned(buffer)
    word_keys, hashes, found = unowned(word_keys), unowned(hashes), 0
    while i < end:
        filled, i = take_spans(data, i, end, classes, True, spans)
        for k in range(filled):
            start, stop = span(spans, k)
            while start < stop and data[start] == 0:
                start += 1
            if start < stop:
                size = lower_word(data, start, stop, lower, buffer)
                word_keys[np.uint64(found)], hashes[np.uint64(found)] = bytes_hash(buffer, 0, size), fnv_hash(buffer, 0, size)
                found += 1
    return found


@kernel
def hash_plain(data: np.ndarray, i: int, end: int, word_keys: np.ndarray, hashes: np.ndarray) -> int:
    """As `hash_lower`, of what is between white space of ASCII and NULs; labels and what ends a line are no words."""
    data, word_keys, hashes = unowned(data), unowned(word_keys), unowned(hashes)
    found, begin = 0, i
    while begin < end:
        while begin < end and is_blank(data[begin]):
            begin += 1
        stop = begin
        while stop < end and not is_blank(data[stop]):
            stop += 1
        if stop > begin and not is_special(data, begin, stop):
            word_keys[found], hashes[found] = bytes_hash(data, begin, stop), fnv_hash(data, begin, stop)
            found += 1
        begin = stop
    return found


@inlined
def is_blank(byte: int) -> bool:
    return byte == 32 or 9 <= byte <= 13 or byte == 0


@inlined
def is_special(data: np.ndarray, begin: int, stop: int) -> bool:
    """Is it a label, or the word that ends a line?"""
    return starts_with(data, begin, stop, LABEL_PREFIX) or (stop - begin == 4 and starts_with(data, begin, stop, END_OF_LINE))


@inlined
def starts_with(data: np.ndarray, begin: int, stop: int, prefix: bytes) -> bool:
    if stop - begin < len(prefix):
        return False
    for k in range(len(prefix)):
        if data[begin + k] != prefix[k]:
            return False
    return True


@inlined
def fnv_hash(data: np.ndarray, i: int, end: int) -> np.uint32:
    """fastText's hash of a word: FNV-1a in 32 bits, with bytes taken as signed."""
    state = FNV_BASIS
    while i < end:
        state = np.uint32(state ^ np.uint32(np.int32(np.int8(data[np.uint64(i)])))) * FNV_PRIME
        state = np.uint32(state)
        i += 1
    return state


@kernel
def probability(
    word_keys: np.ndarray, hashes: np.ndarray, found: int, keys: np.ndarray, rows: np.ndarray, values: np.ndarray,
    ngrams: np.ndarray, word_ngrams: int, end_row: int, sums: np.ndarray,
) -> float:
    """The probability of the label for a text of `found` words."""
    keys, rows, values, ngrams, sums = unowned(keys), unowned(rows), unowned(values), unowned(ngrams), unowned(sums)
    word_keys, hashes = unowned(word_keys), unowned(hashes)
    bits, parts = 6, 0
    while 1 << bits < keys.size:
        bits += 1
    sums[:] = 0.0
    for k in range(found):
        row = word_row(word_keys[np.uint64(k)], bits, keys, rows)
        parts += add_row(row, values, sums)
    parts += add_row(end_row, values, sums)
    if word_ngrams > 1:
        if end_row >= 0:
            hashes[found] = fnv_end()
            found += 1
        parts += add_ngrams(hashes, found, word_ngrams, ngrams, values, sums)
    return softmax(sums, parts)


@inlined
def word_row(key: np.uint64, bits: int, keys: np.ndarray, rows: np.ndarray) -> int:
    """The row of the word with this hash, or -1."""
    slot, known = known_slot(keys, bits, key)
    return rows[slot] if known else int64(-1)


@inlined
def add_row(row: int, values: np.ndarray, sums: np.ndarray) -> int:
    """Add a row of `values` to `sums`, if there is one: how many were added."""
    if row < 0:
        return 0
    for k in range(sums.size):
        sums[k] += values[np.uint64(row), k]
    return 1


@inlined
def add_ngrams(hashes: np.ndarray, found: int, word_ngrams: int, ngrams: np.ndarray, values: np.ndarray, sums: np.ndarray) -> int:
    """Add the rows of all n-grams of two words and more: how many were added."""
    parts, buckets = 0, np.uint64(ngrams.size)
    for k in range(found):
        state = np.uint64(int64(np.int32(hashes[k])))
        for j in range(k + 1, min(found, k + word_ngrams)):
            state = state * NGRAM_STEP + np.uint64(int64(np.int32(hashes[j])))
            parts += add_row(ngrams[state % buckets], values, sums)
    return parts


@inlined
def fnv_end() -> np.uint32:
    state = FNV_BASIS
    for byte in END_OF_LINE:
        state = np.uint32(np.uint32(state ^ np.uint32(byte)) * FNV_PRIME)
    return state


@inlined
def softmax(sums: np.ndarray, parts: int) -> float:
    """1 / (1 + the sum of exp of the mean differences); 1 / labels where nothing is known of a text."""
    total = 1.0
    for k in range(sums.size):
        total += math.exp(min(sums[k] / parts, 700.0)) if parts else 1.0
    return 1.0 / total
