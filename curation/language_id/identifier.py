"""Labels of texts by a fastText model, straight from Arrow's bytes.

A text's vector is the mean of the rows of its words (word_sums.py), computed or remembered, and of the end of the line; a
tree gives the best labels (label_tree.py). Words are what stands between ASCII white space and NUL, 64 bytes at a time. A
line end is white space, a word `</s>` is passed over, and a text is judged by its first MiB.
On texts in 29 languages 130 to 150 MB/s a core, nine to ten times as fast as fastText itself (benchmarks/language.py).
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from curation.language_id.label_tree import best_labels, huffman_tree
from curation.language_id.model_file import read_model
from curation.language_id.ngram_rows import END_OF_TEXT, is_passed_over, rows_of
from curation.language_id.ownerless import ownerless
from curation.language_id.vectors import NUMBERS, add_vectors, load_vector, no_vector, scaled_vector
from curation.language_id.word_memo import empty_memo
from curation.language_id.word_sums import CHUNK_BYTES, new_scratch, words_sum
from rules.text.kernels import inlined, kernel, kernel_bytes, unowned
from rules.text.masks import BLOCK, LAST, ONE, between_mask, bits_up_to, block_at, equal_mask, push_ones

JUDGED_BYTES = 1 << 20


class Identifier:
    """A model ready to judge texts; several threads may use it at once."""

    def __init__(self, path: Path):
        model = read_model(path)
        self.labels = model.labels
        self._rows = rows_of(model)
        self._children = huffman_tree(model.label_counts)
        nodes = np.zeros((len(self._children), NUMBERS), np.float32)
        nodes[:, : model.header.numbers] = model.output[: len(nodes)]
        self._nodes = nodes.ravel()
        self._first = np.zeros(NUMBERS, np.float32)
        self._has_end = END_OF_TEXT in model.words
        if self._has_end:
            self._first[: model.header.numbers] = model.input[model.words.index(END_OF_TEXT)]
        self._local = threading.local()

    def best(self, offsets: np.ndarray, data: np.ndarray, k: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """The `k` best labels of each text data[offsets[d]:offsets[d + 1]], best first.

        Their numbers (int32 [docs, k], -1 where there are no more) and probabilities (float32 [docs, k]; fastText's, so
        they may pass 1 a little). A text without a word has none."""
        return self.best_of_spans(offsets[:-1], offsets[1:], data, k)

    def best_of_spans(self, begins: np.ndarray, ends: np.ndarray, data: np.ndarray, k: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """`best` of texts that stand anywhere in `data`, such as lines (begins and ends: int64 [texts])."""
        if not hasattr(self._local, "memo"):
            self._local.memo = empty_memo()
        begins, ends = (np.ascontiguousarray(places, np.int64) for places in (begins, ends))
        _, data = kernel_bytes(begins, data)
        places, scores = np.empty((len(begins), k), np.int32), np.empty((len(begins), k), np.float32)
        longest = int(min((ends - begins).max(initial=0), JUDGED_BYTES))
        judge_texts(begins, ends, data, longest, self._first, self._has_end, *self._rows, *self._local.memo, self._children, self._nodes, places, scores)
        return places, np.exp(scores)


@kernel
def judge_texts(
    begins, ends, data, longest, first, has_end, rows, ranks, words, word_begins, word_slots, shape,
    slots, pieces, numbers, state, children, nodes, places, scores,
):  # fmt: skip
    """Fill `places` and `scores` (logarithms) of each text data[begins[d]:ends[d]], the longest of which has `longest` bytes."""
    edges, stack = np.empty(CHUNK_BYTES + BLOCK + 16, np.int64), np.empty((2 * children.shape[0] + 2, 2), np.float32)
    scratch = new_scratch(longest, shape)
    model = (unowned(rows), unowned(ranks), unowned(words), unowned(word_begins), unowned(word_slots), unowned(shape))
    memo = (unowned(slots), unowned(pieces), unowned(numbers), unowned(state))
    for d in range(begins.size):
        end = judged_end(data, begins[d], ends[d])
        total, count, words_found = text_sum(unowned(data), begins[d], end, edges, scratch, model, memo)
        if words_found == 0 or (count == 0 and ends_only(data, begins[d], end)):
            places[d, :] = -1
            scores[d, :] = -np.inf
            continue
        if has_end:
            total, count = add_vectors(total, load_vector(first, np.uint64(0))), count + 1
        if count:
            total = scaled_vector(total, np.float32(1.0 / count))
        best_labels(total, unowned(children), unowned(nodes), stack, places[d], scores[d])


@inlined
def judged_end(data, i, end):
    """Where what is judged of data[i:end] ends: after JUDGED_BYTES at most, before a character that would be cut."""
    if end - i <= JUDGED_BYTES:
        return end
    end = i + JUDGED_BYTES
    while end > i and data[end] & np.uint8(0xC0) == np.uint8(0x80):
        end -= 1
    return end


@kernel
def ends_only(data, i, end):
    """Does data[i:end] hold no word but `</s>`?"""
    while i < end:
        byte = data[i]
        if byte == 32 or 9 <= byte <= 13 or byte == 0:
            i += 1
            continue
        last = i
        while last < end and not (data[last] == 32 or 9 <= data[last] <= 13 or data[last] == 0):
            last += 1
        if last - i != 4 or not is_passed_over(data, i, last):
            return False
        i = last
    return True


@inlined
def white_mask(block):
    """What divides words for fastText: space, tab to carriage return, NUL."""
    return between_mask(block, 9, 13) | equal_mask(block, 32) | equal_mask(block, 0)


@kernel
def text_sum(data, i, end, edges, scratch, model, memo):
    """The sum of all rows of the words of data[i:end], how many they are, and how many words."""
    data, edges, scratch, model, memo = ownerless((data, edges, scratch, model, memo))
    total, count, words, filled = no_vector(), 0, 0, 0
    inside = np.uint64(0)  # whether the last byte was of a word, which is then open: its begin is the last edge
    while i < end:
        stop = min(i + CHUNK_BYTES, end)
        while i < stop:
            visible = ~white_mask(block_at(data, i, end)) & bits_up_to(i, end)
            filled += push_ones(edges, filled, visible ^ (visible << ONE | inside), i)
            inside = visible >> LAST
            i += BLOCK
        if i >= end and filled & 1:
            edges[filled], filled = end, filled + 1
        found = filled >> 1
        vector, rows = words_sum(data, edges, found, scratch, model, memo)
        total, count, words = add_vectors(total, vector), count + rows, words + found
        edges[0], filled = edges[filled - 1 if filled & 1 else 0], filled & 1
    return total, count, words
