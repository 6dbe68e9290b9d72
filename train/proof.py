"""The proof before training: on the backend in use, packed documents equal the same documents one at a time.

A tiny model with the real head width and grouping runs a batch whose rows hold one-token documents, documents that
cross and that fill attention blocks, a full row and padding; then it runs each document alone with plain causal
attention. Losses of tokens and gradients of all weights must agree. A boundary that leaks or lies one token off, wrong
distances, or a label that reaches into the next document shows as a difference of order one. Costs well under a second
on a CPU; on CUDA, the compilation of the attention kernel.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from train.attention import Plan, Planner, PrefixPlan
from train.batch import PackedBatch, Row, packed_batch
from train.config import ModelConfig, TrainError
from train.loss import cross_entropy, liger_cross_entropy
from train.model import Transformer, build_model
from train.objective import autocast

WIDTH = 192
DOCUMENTS = ((1, 70, 2, 90), (WIDTH,), (64, 64, 64), (130, 1, 61))  # rows; the first ends in padding
TOLERANCES = {torch.float32: 1e-3, torch.bfloat16: 0.1}  # rounding is 1e-6 and 1e-2, leaks are above 0.9 nats
CHUNK_TOKENS = 100


class ProofError(TrainError):
    """Packed and separate documents disagree."""


@dataclass(frozen=True)
class Proof:
    """The largest difference of a token's NLL (nats), the largest relative difference of a gradient, and where."""

    loss_difference: float
    gradient_difference: float
    worst_gradient: str
    seconds: float


def prove_isolation(
    config: ModelConfig, planner: Planner, backend: str, device: torch.device, dtype: torch.dtype, loss: str = "chunked"
) -> Proof:
    """Raises ProofError unless packed equals separate, forward and gradient. `dtype` is that of matrix products.

    Gradients of the packed batch are those of `loss`, the one in use; all else is by the chunks of loss.py.
    """
    began = time.perf_counter()
    model = _tiny_model(config).to(device)
    rows = _rows(model.config.vocab_size)
    packed_losses, packed_gradients = _packed(model, packed_batch(rows).to(device), planner, dtype, loss)
    alone_losses, alone_gradients = _alone(model, rows, device, dtype)
    differences = {
        name: float((packed_gradients[name] - alone).norm() / alone.norm()) for name, alone in alone_gradients.items()
    }
    worst = max(differences, key=lambda name: _nan_is_worst(differences[name]))
    loss_difference = float((packed_losses - alone_losses).abs().max())
    proof = Proof(loss_difference, differences[worst], worst, time.perf_counter() - began)
    _require(proof, TOLERANCES[dtype], backend, device)
    return proof


def _require(proof: Proof, tolerance: float, backend: str, device: torch.device) -> None:
    if proof.loss_difference <= tolerance and proof.gradient_difference <= tolerance:
        return
    raise ProofError(
        f"attention {backend!r} on {device}: packed documents are not kept apart. The same documents packed and alone "
        f"differ by {proof.loss_difference:.2g} nats in the loss of a token and by {proof.gradient_difference:.2g} in "
        f"the gradient of {proof.worst_gradient} (at most {tolerance:g} is rounding). Nothing was trained: every loss "
        f"would be wrong. Choose another `attention:` in the configuration."
    )


def _nan_is_worst(difference: float) -> float:
    return math.inf if math.isnan(difference) else difference


def _tiny_model(config: ModelConfig) -> Transformer:
    """Weights of unit scale, so that attention matters; the head width and grouping of the real model."""
    group = config.query_heads // config.kv_heads
    kv_heads = min(config.kv_heads, 2) if group * config.head_dim <= 256 else 1
    heads = group * kv_heads
    tiny = ModelConfig(
        layers=2, dim=heads * config.head_dim, query_heads=heads, kv_heads=kv_heads, ffn_dim=64, tied_head=False,
        rope_theta=config.rope_theta, rope_scaling=config.rope_scaling, norm_eps=config.norm_eps,
        vocab_size=61, context=WIDTH,
    )  # fmt: skip
    model = build_model(tiny, seed=0)
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        if parameter.dim() == 2:
            torch.nn.init.normal_(parameter, 0.0, 1 / math.sqrt(parameter.shape[1]), generator=generator)
    torch.nn.init.normal_(model.embedding.weight, generator=generator)
    return model


def _rows(vocab_size: int) -> list[Row]:
    random = np.random.default_rng(2)
    lengths = [np.array(row, dtype=np.int32) for row in DOCUMENTS]
    return [(random.integers(0, vocab_size, WIDTH), row, np.arange(len(row), dtype=np.int64)) for row in lengths]


def _packed(
    model: Transformer, batch: PackedBatch, planner: Planner, dtype: torch.dtype, loss: str
) -> tuple[Tensor, dict]:
    hidden = _hidden(model, batch, planner(batch), dtype)
    total, losses = cross_entropy(hidden, model.head_weight, batch.labels, CHUNK_TOKENS)
    if loss == "liger":
        total, nats = liger_cross_entropy(hidden, model.head_weight, batch.labels)
        losses = losses + (nats - losses.sum()) / batch.predicted_tokens  # what it counts wrongly shows in every token
    gradients = _gradients(model, total)
    pieces = losses.flatten().split(batch.lengths)
    return torch.cat([pieces[index] for index in batch.doc_index]), gradients


def _alone(model: Transformer, rows: list[Row], device: torch.device, dtype: torch.dtype) -> tuple[Tensor, dict]:
    total = torch.zeros((), device=device)
    losses: list[Tensor] = []
    for tokens, lengths, _ in rows:
        for document in np.split(tokens, np.cumsum(lengths))[: len(lengths)]:
            whole = (document, np.array([len(document)]), np.zeros(1, dtype=np.int64))
            batch = packed_batch([whole]).to(device)
            hidden = _hidden(model, batch, PrefixPlan(), dtype)
            nats, per_token = cross_entropy(hidden, model.head_weight, batch.labels, WIDTH)
            total, losses = total + nats, [*losses, per_token.flatten()]
    return torch.cat(losses), _gradients(model, total)


def _hidden(model: Transformer, batch: PackedBatch, plan: Plan, dtype: torch.dtype) -> Tensor:
    with autocast(batch.input_ids.device, dtype):
        return model(batch.input_ids, batch.positions, plan)


def _gradients(model: Transformer, total: Tensor) -> dict[str, Tensor]:
    names, parameters = zip(*model.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(total, parameters), strict=True))
