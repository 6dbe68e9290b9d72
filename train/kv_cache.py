"""The keys and values of what a model has read, kept for the tokens to come: static memory, KV heads only.

The token at position p of a row stands in slot p, so rows of different lengths share one cache: a query sees the slots
up to its own position, and whatever a shorter prompt left behind its end is overwritten before it can be seen. Shapes
depend on the number of rows and on the window alone, never on how far a row is.

Memory: 2 * layers * rows * slots * KV heads * D numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor

from train.attention import CachePlan, PrefixPlan
from train.config import ModelConfig


class KVCache:
    """`keys` and `values` are [layers, B, slots, Hkv, D]; heads lie before slots in memory, as attention reads them."""

    def __init__(self, config: ModelConfig, rows: int, slots: int, device: torch.device, dtype: torch.dtype):
        shape = (config.layers, rows, config.kv_heads, slots, config.head_dim)
        self.keys, self.values = (torch.zeros(shape, device=device, dtype=dtype).transpose(2, 3) for _ in range(2))
        self.rows = torch.arange(rows, device=device)[:, None]
        self.slots = torch.arange(slots, device=device)
        self._positions: Tensor | None = None
        self._window = slots

    def fill(self) -> PrefixPlan:
        """The next forward pass reads rows from their start (positions 0, 1, ...); nothing was read before."""
        self._positions = None
        return PrefixPlan()

    def at(self, positions: Tensor, window: int | None = None) -> CachePlan:
        """The next forward pass reads tokens at `positions` [B, S], which lie in the first `window` slots."""
        self._positions = positions
        self._window = len(self.slots) if window is None else window
        return CachePlan((self.slots[: self._window] <= positions[:, :, None])[:, None])

    def branches(self, slots: Tensor, mask: Tensor) -> CachePlan:
        """The next forward pass stores tokens in `slots` [B, S], and each sees what `mask` [B, S, all slots] says.

        For texts that branch: slots are then places in memory only, while positions are places in a text.
        """
        self._positions, self._window = slots, len(self.slots)
        return CachePlan(mask[:, None])

    def start_from(self, prefix: KVCache) -> None:
        """Begin every row with what the one row of `prefix` holds."""
        width = len(prefix.slots)
        self.keys[:, :, :width] = prefix.keys
        self.values[:, :, :width] = prefix.values

    def extend(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Store [B, S, Hkv, D] of the pass under way; returns the keys and values that its queries may see."""
        if self._positions is None:
            self.keys[layer, :, : key.shape[1]] = key
            self.values[layer, :, : key.shape[1]] = value
            return key, value
        self.keys[layer][self.rows, self._positions] = key.to(self.keys.dtype)
        self.values[layer][self.rows, self._positions] = value.to(self.values.dtype)
        return self.keys[layer, :, : self._window], self.values[layer, :, : self._window]
