"""Documents chosen by a hash of their id: the held-out split, and the texts a tokenizer is trained on.

A document is chosen for its id alone, so the choice is the same however documents are divided into files, whatever
else the corpus holds, and from one run to the next: two corpora that share documents hold out the same ones.

The hash is FNV-1a over the bytes of the id, mixed by the last steps of MurmurHash3 (64 bits): 30 million ids a second.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rules.text.buffers import large_strings, string_buffers
from rules.text.kernels import kernel

FNV_BASIS = np.uint64(0xCBF29CE484222325)
FNV_PRIME = np.uint64(0x100000001B3)
FIRST_MULTIPLIER = np.uint64(0xFF51AFD7ED558CCD)
SECOND_MULTIPLIER = np.uint64(0xC4CEB9FE1A85EC53)
SHIFT = np.uint64(33)

HELD_OUT_SALT, SAMPLE_SALT, MIXTURE_SALT, FOLD_SALT = 0, 1, 2, 3  # so that one choice says nothing about the other
SAMPLE_CHARACTERS = 1 << 16  # no document may rule the sample


def id_hashes(ids: pa.Array | pa.ChunkedArray, salt: int) -> np.ndarray:
    """A hash of each id (uint64 [docs]); another `salt`, an independent hash."""
    offsets, data = string_buffers(ids)
    hashes = np.empty(len(offsets) - 1, np.uint64)
    _hash_ids(offsets, data, np.uint64(salt), hashes)
    return hashes


def is_held_out(ids: pa.Array | pa.ChunkedArray, fraction: float) -> np.ndarray:
    """Which documents are held out (bool [docs]): about `fraction` of them, 0 to 1."""
    if fraction >= 1.0:
        return np.ones(len(ids), np.bool_)
    return id_hashes(ids, HELD_OUT_SALT) < np.uint64(int(fraction * 2.0**64))


class TextSample:
    """The texts with the lowest hashes, as many as `budget_bytes` need; the first 65,536 characters of each.

    Memory is twice the budget and one batch. The text that crosses the budget is in.
    """

    def __init__(self, budget_bytes: int):
        self.budget_bytes = budget_bytes
        self._hashes: list[np.ndarray] = []
        self._texts: list[pa.LargeStringArray] = []
        self._held_bytes = 0
        self._limit = np.iinfo(np.uint64).max  # no text with a higher hash can be in

    def add(self, ids: pa.Array | pa.ChunkedArray, texts: pa.Array | pa.ChunkedArray) -> None:
        hashes = id_hashes(ids, SAMPLE_SALT)
        chosen = np.flatnonzero(hashes <= self._limit)
        self._hold(hashes[chosen], _beginnings(large_strings(texts).take(pa.array(chosen))))
        if self._held_bytes > 2 * self.budget_bytes:
            self._prune()

    def batches(self) -> Iterator[pa.LargeStringArray]:
        """The sample, in the order the texts came."""
        self._prune()
        yield from self._texts

    def _hold(self, hashes: np.ndarray, texts: pa.LargeStringArray) -> None:
        self._hashes.append(hashes)
        self._texts.append(texts)
        self._held_bytes += int(pc.sum(pc.binary_length(texts)).as_py() or 0)

    def _prune(self) -> None:
        """Keep the lowest hashes that come before the budget is spent. What goes could never come back."""
        if not self._texts:
            return
        hashes, texts = np.concatenate(self._hashes), pa.concat_arrays(self._texts)
        sizes = pc.binary_length(texts).to_numpy(zero_copy_only=False)
        order = np.argsort(hashes, kind="stable")
        spent_before = np.cumsum(sizes[order]) - sizes[order]
        kept = np.sort(order[spent_before < self.budget_bytes])
        self._hashes, self._texts, self._held_bytes = [], [], 0
        self._limit = hashes[kept].max() if len(kept) < len(hashes) else self._limit
        self._hold(hashes[kept], texts.take(pa.array(kept)))


def _beginnings(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    longest = pc.max(pc.binary_length(texts)).as_py() or 0
    return pc.utf8_slice_codeunits(texts, 0, SAMPLE_CHARACTERS) if longest > SAMPLE_CHARACTERS else texts


@kernel
def _hash_ids(offsets, data, salt, hashes):
    for row in range(len(hashes)):
        state = FNV_BASIS ^ salt * FIRST_MULTIPLIER
        for i in range(offsets[row], offsets[row + 1]):
            state = (state ^ np.uint64(data[i])) * FNV_PRIME
        state = (state ^ state >> SHIFT) * FIRST_MULTIPLIER
        state = (state ^ state >> SHIFT) * SECOND_MULTIPLIER
        hashes[row] = state ^ state >> SHIFT
