"""fastText's hierarchical softmax: a Huffman tree of labels, and the likeliest labels of a vector.

A node has a vector; the sigmoid of its product with the text's is the probability of going right. A label's score is the
product along its path, and the search follows the likelier child first and leaves what cannot come among the best any
more. For one label that is some 15 of 175 nodes. As in fastText, 1e-5 is added to each probability before its
logarithm, so scores may pass 1, and labels that come to less than 1e-5 are not told.
"""

from __future__ import annotations

import numpy as np

from curation.language_id.vectors import NUMBERS, dot_product, load_vector
from rules.models.fasttext_file import NEVER
from rules.text.kernels import inlined, kernel

ADDED = 1e-5
LEAST_SCORE = np.float32(np.log(ADDED))  # of a label that is told


def huffman_tree(counts: np.ndarray) -> np.ndarray:
    """The children of each node but the labels, int32 [labels - 1, 2]; children below `labels` are labels.

    `counts` fall, as they do in a model; ties are broken as fastText breaks them."""
    labels = len(counts)
    seen = np.full(2 * labels - 1, NEVER, np.int64)
    seen[:labels] = counts
    children = np.zeros((labels - 1, 2), np.int32)
    leaf, node = labels - 1, labels
    for parent in range(labels, 2 * labels - 1):
        for side in range(2):
            if leaf >= 0 and seen[leaf] < seen[node]:
                children[parent - labels, side], leaf = leaf, leaf - 1
            else:
                children[parent - labels, side], node = node, node + 1
        seen[parent] = seen[children[parent - labels]].sum()
    return children


@inlined
def logarithm(probability):
    """As fastText takes it."""
    return np.float32(np.log(np.float64(probability) + ADDED))


@kernel
def best_labels(text, children, nodes, stack, places, scores):
    """Fill `places` (int32 [k]) and `scores` (float32 [k]) with the best labels of a vector, best first; -1 where there
    are no more. `nodes` (float32, flat) has the vectors of nodes; `stack` (float32 [labels * 2, 2]) is scratch."""
    k, labels = places.size, children.shape[0] + 1
    for rank in range(k):
        places[rank], scores[rank] = -1, LEAST_SCORE
    depth = 1
    stack[0, 0], stack[0, 1] = np.float32(2 * labels - 2), np.float32(0.0)
    while depth:
        depth -= 1
        node, score = np.int64(stack[depth, 0]), stack[depth, 1]
        if score < scores[k - 1] or (score == scores[k - 1] and places[k - 1] >= 0):
            continue
        if node < labels:
            insert(node, score, places, scores)
            continue
        inner = node - labels
        product = dot_product(text, load_vector(nodes, np.uint64(inner * NUMBERS)))
        right = np.float32(1.0 / np.float64(np.float32(1.0) + np.exp(-product)))
        left_score, right_score = score + logarithm(1.0 - np.float64(right)), score + logarithm(right)
        is_right = np.int64(right_score >= left_score)
        stack[depth, 0], stack[depth, 1] = children[inner, 1 - is_right], min(left_score, right_score)
        stack[depth + 1, 0], stack[depth + 1, 1] = children[inner, is_right], max(left_score, right_score)
        depth += 2


@inlined
def insert(label, score, places, scores):
    """Put a label among the best, the worst of which it beats."""
    rank = places.size - 1
    while rank > 0 and (places[rank - 1] < 0 or scores[rank - 1] < score):
        places[rank], scores[rank] = places[rank - 1], scores[rank - 1]
        rank -= 1
    places[rank], scores[rank] = label, score
