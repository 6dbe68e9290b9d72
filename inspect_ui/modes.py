"""Which documents to look at: at random, near a threshold, those that only one rule drops, and so on.

Every mode gives rows of the sample, in the order to be looked at, the same for the same seed. The mode is written into
every label, because only random ones may speak about recall.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from inspect_ui.judging import Judged
from inspect_ui.scores import Judgements
from inspect_ui.tune import Tuning, language_numbers


def random_rows(count: int, seed: int) -> np.ndarray:
    """All rows of a sample of `count`, shuffled."""
    return np.random.default_rng(seed).permutation(count)


def near_rows(tuning: Tuning, threshold: float) -> np.ndarray:
    """Documents by how far their value is from the threshold, nearest first."""
    at = np.argsort(np.abs(tuning.sorted.values - threshold), kind="stable")
    return tuning.sorted.rows[at]


def only_rows(judged: Judged, rule: str, seed: int) -> np.ndarray:
    """Documents that `rule` hits and no other rule drops, shuffled; of a line rule, the documents it changed."""
    if rule not in judged.decision.rule_hits:
        return _shuffled(judged.edit_documents.get(rule, np.zeros(0, np.int64)), seed)
    hit = judged.decision.rule_hits[rule]
    others = judged.drop_votes - hit if rule in judged.dropping else judged.drop_votes
    return _shuffled(np.flatnonzero(hit & (others == 0)), seed)


def disagreement_rows(judged: Judged, labelled: Judgements, rule: str) -> np.ndarray:
    """Labelled documents about which people and `rule` (empty: all rules) disagree; what people would drop first."""
    hit = judged.decision.dropped if not rule else judged.decision.rule_hits.get(rule, np.zeros(len(judged.texts), bool))
    whole = labelled.documents
    rows, drop = labelled.rows[whole], labelled.drop[whole]
    wrong = hit[rows] != drop
    return np.concatenate([rows[wrong & drop], rows[wrong & ~drop]])


def rare_host_rows(hosts: pa.Array, seed: int) -> np.ndarray:
    """Documents of the hosts that have the fewest; documents without a URL last."""
    encoded = hosts.dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    sizes = np.bincount(codes, minlength=len(encoded.dictionary))[codes].astype(np.int64)
    sizes[pc.equal(hosts, "").to_numpy(zero_copy_only=False)] = np.iinfo(np.int64).max
    return np.lexsort((random_rows(len(codes), seed), sizes))


def longest_rows(texts: pa.LargeStringArray) -> np.ndarray:
    """Documents by length, longest first."""
    return np.argsort(-pc.binary_length(texts).to_numpy(zero_copy_only=False), kind="stable")


def each_language_rows(langs: pa.ChunkedArray, seed: int) -> np.ndarray:
    """A document of each language, then another one of each, and so on; languages with most documents first."""
    codes, names = language_numbers(langs)
    shuffled = random_rows(len(codes), seed)
    counts = np.bincount(codes, minlength=len(names))
    grouped = shuffled[np.argsort(codes[shuffled], kind="stable")]
    rank = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    return grouped[np.lexsort((-counts[codes[grouped]], rank))]


def _shuffled(rows: np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(rows)
