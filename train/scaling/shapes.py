"""Shapes of models for any size: one family, so that a grid of sizes differs in nothing else.

Width decides: depth is width / 32 up to a width of 512 and then grows slower, as in published models (16 to 25 layers from
512 to 2048, 32 at 4096); heads of about 16 to 128; two query heads share a KV head; SwiGLU three times the width.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from train.config import ModelConfig
from train.sizes import parameter_counts

WIDTHS = [
    *range(32, 128, 16), *range(128, 256, 32), *range(256, 768, 64), *range(768, 2048, 128), *range(2048, 4096, 256),
    *range(4096, 16_385, 512),
]  # fmt: skip
HEAD_WIDTHS = ((256, 16), (768, 32), (2048, 64), (math.inf, 128))  # below a width of the model, the width of its heads
GROUP = 2
LARGEST_TIED = 2048  # from this width on, the head has weights of its own


def shape(dim: int, vocab_size: int, context: int) -> ModelConfig:
    """The member of the family of width `dim` (one of WIDTHS)."""
    head_width = next(width for limit, width in HEAD_WIDTHS if dim < limit)
    kv_heads = max(1, round(dim / head_width / GROUP))
    depth = dim / (32 * max(1.0, dim / 512) ** (2 / 3))
    return ModelConfig(
        layers=max(1, round(depth)), dim=dim, query_heads=GROUP * kv_heads, kv_heads=kv_heads, ffn_dim=3 * dim,
        tied_head=dim < LARGEST_TIED, vocab_size=vocab_size, context=context,
    )  # fmt: skip


def family(vocab_size: int, context: int) -> list[ModelConfig]:
    """All shapes, the smallest first."""
    return [shape(dim, vocab_size, context) for dim in WIDTHS]


def nearest(shapes: list[ModelConfig], wanted: float, size: Callable[[ModelConfig], float] | None = None) -> ModelConfig:
    """The shape whose `size` (matrix parameters, by default) is nearest to `wanted` by ratio."""
    size = size or (lambda config: parameter_counts(config).matrix)
    return min(shapes, key=lambda config: abs(math.log(size(config) / wanted)))
