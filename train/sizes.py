"""How large a model is and what it costs, counted from its configuration alone. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from train.config import ModelConfig


@dataclass(frozen=True)
class ParameterCounts:
    """`total` counts a tied head once; `matrix` are the weights every token is multiplied with (head included)."""

    total: int
    embedding: int
    head: int
    blocks: int
    matrix: int


def parameter_counts(config: ModelConfig) -> ParameterCounts:
    """Counted from the configuration alone, without building the model."""
    attention_dim = (config.query_heads + config.kv_heads) * config.head_dim
    block_matrix = 2 * config.dim * attention_dim + 3 * config.dim * config.ffn_dim
    embedding = config.vocab_size * config.dim
    head = 0 if config.tied_head else embedding
    blocks = config.layers * (block_matrix + 2 * config.dim)
    matrix = config.layers * block_matrix + embedding
    return ParameterCounts(embedding + head + blocks + config.dim, embedding, head, blocks, matrix)


def training_flops(config: ModelConfig, tokens: int, attention_pairs: float) -> float:
    """FLOPs of one forward and backward pass: 6 per matrix weight and token, and the attention really executed.

    Each query-key pair inside a document costs 2 D for its score and 2 D for its value in each head and layer, three
    times over with the backward pass. (PaLM's formula, arXiv 2204.02311 appendix B, with pairs instead of S per token.)
    """
    per_pair = 12 * config.layers * config.query_heads * config.head_dim
    return 6.0 * parameter_counts(config).matrix * tokens + float(per_pair) * attention_pairs


def kv_cache_bytes(config: ModelConfig, heads: int, value_bytes: int) -> int:
    """Keys and values of one token in all layers, where `heads` heads are kept."""
    return 2 * config.layers * heads * config.head_dim * value_bytes


def activation_bytes(config: ModelConfig) -> int:
    """What a token keeps from the forward to the backward pass in bf16, blocks not compiled (compiled ones keep less).

    Per layer: 20 bytes a number of the residual stream (two norms, in bf16 and fp32), 8 of SwiGLU's, 4 of queries, outputs
    of attention, keys and values; a log-sum per head.
    """
    heads = config.query_heads + config.kv_heads
    layer = 20 * config.dim + 8 * config.ffn_dim + 4 * heads * config.head_dim + 4 * config.query_heads + 8
    return config.layers * layer + 8 * config.dim + 4 * config.head_dim + 12
