"""The order of rows by what is in them: two packed folders that share rows have these in the same order.

Each row has a key, a hash of its tokens; an epoch of a seed is the order of the keys, mixed anew. So runs on folders that
share most of their rows (the arms of an ablation) meet the shared rows one after the other alike, and differ only in what
stands between. Keys cost one pass over the tokens when a run begins, and 8 bytes a row.
"""

from __future__ import annotations

import functools

import numpy as np

from train.handoff import PackedSplit

ROWS_AT_ONCE = 4096
GOLDEN, FIRST_MULTIPLIER, SECOND_MULTIPLIER = (
    np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)


class RowKeys:
    """The keys of the rows of a split, uint64 [rows]; the n-th copy of a row has a key of its own."""

    def __init__(self, split: PackedSplit):
        hashes = [_token_hashes(block.tokens[first : first + ROWS_AT_ONCE]) for block in split.blocks for first in range(0, len(block.tokens), ROWS_AT_ONCE)]
        self.keys = mixed(np.concatenate([np.zeros(0, np.uint64), *hashes]) + _copy_numbers(hashes) * GOLDEN)

    def order(self, seed: int, epoch: int) -> np.ndarray:
        """The rows of an epoch in order, int64 [rows]."""
        return _order(self, seed, epoch)


def row_keys(split: PackedSplit, row_order: str) -> RowKeys | None:
    """The keys of `split` where rows are ordered by them."""
    return RowKeys(split) if row_order == "by_content" else None


@functools.lru_cache(maxsize=4)
def _order(rows: RowKeys, seed: int, epoch: int) -> np.ndarray:
    salt = mixed(np.array([seed], np.uint64) * FIRST_MULTIPLIER + np.uint64(epoch))
    return np.argsort(mixed(rows.keys ^ salt), kind="stable")


def mixed(keys: np.ndarray) -> np.ndarray:
    """SplitMix64's last steps: every bit of a key (uint64) depends on all."""
    keys = (keys ^ keys >> np.uint64(30)) * FIRST_MULTIPLIER
    keys = (keys ^ keys >> np.uint64(27)) * SECOND_MULTIPLIER
    return keys ^ keys >> np.uint64(31)


def _token_hashes(tokens: np.ndarray) -> np.ndarray:
    """One hash (uint64 [rows]) of tokens [rows, S]: a sum of tokens, each times an odd number of its place."""
    places = mixed((np.arange(tokens.shape[1], dtype=np.uint64) + np.uint64(1)) * GOLDEN) | np.uint64(1)
    return (tokens.astype(np.uint64) + np.uint64(1)) @ places


def _copy_numbers(hashes: list[np.ndarray]) -> np.ndarray:
    """How often each hash came before, uint64 [rows]."""
    keys = np.concatenate([np.zeros(0, np.uint64), *hashes])
    order = np.argsort(keys, kind="stable")
    begins = np.flatnonzero(np.diff(keys[order], prepend=~keys[order[:1]]))
    numbers = np.arange(len(keys)) - np.repeat(begins, np.diff(begins, append=len(keys)))
    found = np.empty(len(keys), np.uint64)
    found[order] = numbers
    return found
