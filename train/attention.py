"""Causal grouped-query attention that never crosses a document, on four backends behind one function.

    plan = PLANS["loop"](batch)          # once per batch; every layer shares it
    out = attend(query, key, value, plan)

flex    CUDA, training default. Compiled FlexAttention. Its block mask is written down directly from where documents
        start, in O((S/128)^2) per row, without ever looking at S x S positions.
varlen  CUDA, bf16. FlashAttention over the flattened batch with cumulative lengths.
loop    CPU, training default. One causal SDPA per document: work is the sum of squares of document lengths, several
        times less than a dense mask, and exact.
dense   One SDPA with a boolean [B, 1, S, S] mask: O(S^2) for everything, the oracle of the tests.

Query is [B, S, query heads, D]; key and value are [B, S, KV heads, D]; the output is shaped like the query. Key and
value heads are never repeated in memory. Works on torch 2.11 (no `enable_gqa` in varlen_attn) and later.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from train.batch import PackedBatch
from train.config import TrainError

if TYPE_CHECKING:  # FlexAttention brings the whole compiler along, a second that a CPU run need not spend
    from torch.nn.attention.flex_attention import BlockMask

BLOCK = 128
CUDA_ONLY = ("flex", "varlen")


@dataclass(frozen=True)
class DensePlan:
    mask: Tensor  # [B, 1, S, S] bool


@dataclass(frozen=True)
class LoopPlan:
    lengths: list[int]


@dataclass(frozen=True)
class VarlenPlan:
    cu_seqlens: Tensor  # [slots] int32
    max_tokens: int


@dataclass(frozen=True)
class FlexPlan:
    block_mask: BlockMask


@dataclass(frozen=True)
class PrefixPlan:
    """Every row is one sequence from its start; there are as many queries as keys."""


@dataclass(frozen=True)
class CachePlan:
    """Generation after the first pass: each query [B, 1, S, slots] sees the slots of a KV cache up to its own."""

    mask: Tensor


Plan = DensePlan | LoopPlan | VarlenPlan | FlexPlan | PrefixPlan | CachePlan
Planner = Callable[[PackedBatch], Plan]


def dense_plan(batch: PackedBatch) -> DensePlan:
    """Which key each query sees: earlier or itself, and of the same document."""
    places = torch.arange(batch.input_ids.shape[1], device=batch.input_ids.device)
    mask = (places[None, None, :] >= batch.doc_starts[:, :, None]) & (places[None, None, :] <= places[None, :, None])
    return DensePlan(mask[:, None])


def loop_plan(batch: PackedBatch) -> LoopPlan:
    return LoopPlan(list(batch.lengths))


def varlen_plan(batch: PackedBatch) -> VarlenPlan:
    return VarlenPlan(batch.cu_seqlens, batch.input_ids.shape[1])


def flex_plan(batch: PackedBatch) -> FlexPlan:
    return FlexPlan(document_block_mask(batch.doc_starts))


PLANS: dict[str, Planner] = {"flex": flex_plan, "varlen": varlen_plan, "loop": loop_plan, "dense": dense_plan}


def choose_backend(name: str, device: torch.device, dtype: torch.dtype) -> str:
    """The backend for `device`: `auto` takes flex on CUDA and loop elsewhere. Raises TrainError for one that cannot."""
    if name == "auto":
        return "flex" if device.type == "cuda" else "loop"
    if name in CUDA_ONLY and device.type != "cuda":
        raise TrainError(f"attention: {name} trains on a CUDA device only, this is {device}. Use `attention: auto`.")
    if name == "varlen" and dtype == torch.float32:
        raise TrainError("attention: varlen computes in bf16 only. Use `precision: bf16`, or `attention: flex`.")
    return name


def attend(query: Tensor, key: Tensor, value: Tensor, plan: Plan) -> Tensor:
    """Causal attention inside documents. query [B, S, Hq, D], key and value [B, Sk, Hkv, D] -> [B, S, Hq, D]."""
    if isinstance(plan, LoopPlan):
        return _attend_loop(query, key, value, plan)
    if isinstance(plan, VarlenPlan):
        return _attend_varlen(query, key, value, plan)
    if isinstance(plan, CachePlan):
        return _attend_cache(query, key, value, plan.mask)
    query, key, value = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
    if isinstance(plan, FlexPlan):
        out = _attend_flex(query, key, value, plan)
    elif isinstance(plan, DensePlan):
        out = F.scaled_dot_product_attention(query, key, value, attn_mask=plan.mask, enable_gqa=True)
    elif query.shape[2] != key.shape[2]:  # is_causal aligns masks at the top left
        raise ValueError("a PrefixPlan needs as many queries as keys")
    else:
        out = _attend_causal(query, key, value)
    return out.transpose(1, 2)


def _attend_loop(query: Tensor, key: Tensor, value: Tensor, plan: LoopPlan) -> Tensor:
    """`split` and `cat` have cheap gradients; slicing would add a whole tensor of zeros per document."""
    pieces = zip(*(tensor.flatten(0, 1).split(plan.lengths) for tensor in (query, key, value)), strict=True)
    outs = [_attend_causal(*(piece.transpose(0, 1)[None] for piece in document)) for document in pieces]
    return torch.cat([out[0].transpose(0, 1) for out in outs]).view(query.shape)


def _attend_causal(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)


def _attend_cache(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """The query heads that share a KV head become queries of that head: keys and values are never repeated, and every
    SDPA kernel will do. is_causal would align its mask at the top left, so the mask is always explicit.
    """
    rows, tokens, query_heads, width = query.shape
    kv_heads, slots = key.shape[2], key.shape[1]
    group = query_heads // kv_heads
    grouped = query.view(rows, tokens, kv_heads, group, width).permute(0, 2, 3, 1, 4).reshape(rows, kv_heads, -1, width)
    mask = mask.expand(rows, group, tokens, slots).reshape(rows, 1, -1, slots)
    key, value = key.to(query.dtype), value.to(query.dtype)  # shards compute in bf16 beside a cache in fp32
    out = F.scaled_dot_product_attention(grouped, key.transpose(1, 2), value.transpose(1, 2), attn_mask=mask)
    return out.view(rows, kv_heads, group, tokens, width).permute(0, 3, 1, 2, 4).reshape(query.shape)


def _attend_flex(query: Tensor, key: Tensor, value: Tensor, plan: FlexPlan) -> Tensor:
    """Inside a compiled block FlexAttention is compiled with it; elsewhere it is compiled by itself."""
    from torch.nn.attention.flex_attention import flex_attention

    flex = flex_attention if torch.compiler.is_compiling() else compiled_flex()
    return flex(query, key, value, block_mask=plan.block_mask, enable_gqa=True)


def _attend_varlen(query: Tensor, key: Tensor, value: Tensor, plan: VarlenPlan) -> Tensor:
    varlen_attn, arguments = varlen_function()
    flat = (tensor.flatten(0, 1) for tensor in (query, key, value))
    limits = (plan.cu_seqlens, plan.cu_seqlens, plan.max_tokens, plan.max_tokens)
    return varlen_attn(*flat, *limits, window_size=(-1, 0), **arguments).view(query.shape)


@functools.cache
def varlen_function() -> tuple[Callable[..., Tensor], dict[str, bool]]:
    """varlen_attn and what it wants to be told about grouped heads: 2.11 takes fewer KV heads without being told."""
    from torch.nn.attention.varlen import varlen_attn

    knows_groups = "enable_gqa" in inspect.signature(varlen_attn).parameters
    return varlen_attn, {"enable_gqa": True} if knows_groups else {}


@functools.cache
def compiled_flex() -> Callable[..., Tensor]:
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention, dynamic=False)


def document_block_mask(doc_starts: Tensor) -> BlockMask:
    """The block mask of causal attention inside documents. doc_starts [B, S]: where each token's document starts.

    Equals `create_block_mask` for `q >= k and k >= doc_starts[q]`. Documents are contiguous, so a block of queries sees
    the key blocks from that of its earliest start up to its own; those before its own that lie wholly after its
    latest start need no mask inside.
    """
    from torch.nn.attention.flex_attention import BlockMask

    rows, width = doc_starts.shape
    blocks = -(-width // BLOCK)
    padded = F.pad(doc_starts, (0, blocks * BLOCK - width), value=width)  # a ragged last block is never whole
    by_block = padded.view(rows, blocks, BLOCK)
    earliest, latest = by_block.amin(-1)[..., None], by_block.amax(-1)[..., None]
    key_block = torch.arange(blocks, device=doc_starts.device)
    query_block = key_block[:, None]
    seen = (key_block <= query_block) & (key_block >= earliest // BLOCK)
    whole = (key_block < query_block) & (key_block * BLOCK >= latest)
    counts, indices = _ordered_blocks(seen & ~whole)
    whole_counts, whole_indices = _ordered_blocks(whole)

    def visible(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (query >= key) & (key >= doc_starts[row, query])

    return BlockMask.from_kv_blocks(
        counts, indices, whole_counts, whole_indices, BLOCK, mask_mod=visible, seq_lengths=(width, width)
    )


def _ordered_blocks(mask: Tensor) -> tuple[Tensor, Tensor]:
    """[B, blocks, blocks] bool -> how many key blocks each query block has [B, 1, blocks], and which come first."""
    order = torch.argsort(mask.to(torch.int8), dim=-1, descending=True, stable=True)
    return mask.sum(-1, dtype=torch.int32)[:, None], order.to(torch.int32)[:, None]
