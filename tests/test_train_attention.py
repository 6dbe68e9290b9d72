"""Packed documents equal the same documents alone: outputs and gradients, loop and dense, and the flex block mask."""

from __future__ import annotations

import types

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from test_train_batch import WIDTH, document_rows, rows_of
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from train import attention
from train.attention import PLANS, CachePlan, PrefixPlan, attend, choose_backend, document_block_mask
from train.batch import packed_batch
from train.config import TrainError

torch.set_num_threads(1)


def heads_of(rows: int, width: int, query_heads: int, kv_heads: int, seed: int) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    shapes = [(rows, width, heads, 8) for heads in (query_heads, kv_heads, kv_heads)]
    return [torch.randn(shape, generator=random, requires_grad=True) for shape in shapes]


def by_hand(query, key, value, lengths: list[list[int]]) -> torch.Tensor:
    """The definition: softmax(q k / sqrt(D)) v over earlier tokens of the same document, heads repeated."""
    group = query.shape[2] // key.shape[2]
    key, value = key.repeat_interleave(group, 2), value.repeat_interleave(group, 2)
    out = query * 0 + 0 * (key.sum() + value.sum())  # so that gradients exist where there is no document
    for row, documents in enumerate(lengths):
        first = 0
        for length in documents:
            part = slice(first, first + length)
            scores = torch.einsum("qhd,khd->hqk", query[row, part], key[row, part]) / query.shape[3] ** 0.5
            scores = scores.masked_fill(~torch.ones(length, length, dtype=torch.bool).tril(), -torch.inf)
            out[row, part] = torch.einsum("hqk,khd->qhd", scores.softmax(-1), value[row, part])
            first += length
    return out


def document_mask(batch) -> torch.Tensor:
    """[B, S, 1, 1]: 1 for tokens of documents, 0 for padding."""
    flags = torch.zeros(len(batch.lengths))
    flags[torch.from_numpy(batch.doc_index)] = 1
    return flags.repeat_interleave(torch.tensor(batch.lengths)).view(*batch.input_ids.shape, 1, 1)


@pytest.mark.parametrize("backend", ["loop", "dense"])
@settings(max_examples=40, deadline=None)
@given(lengths=document_rows(), heads=st.sampled_from([(4, 2), (4, 1), (2, 2), (6, 2)]))
def test_packed_equals_separate(backend: str, lengths: list[list[int]], heads: tuple[int, int]) -> None:
    batch = packed_batch(rows_of(lengths))
    tensors = heads_of(len(lengths), WIDTH, *heads, seed=len(lengths))
    counted = document_mask(batch)
    weights = torch.randn(tensors[0].shape, generator=torch.Generator().manual_seed(9)) * counted
    expected = by_hand(*tensors, lengths)
    found = attend(*tensors, PLANS[backend](batch))
    assert torch.allclose(found * counted, expected, atol=1e-5)
    expected_gradients = torch.autograd.grad((expected * weights).sum(), tensors)
    found_gradients = torch.autograd.grad((found * weights).sum(), tensors)
    for one, other in zip(found_gradients, expected_gradients, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@settings(max_examples=10, deadline=None)
@given(lengths=document_rows(), heads=st.sampled_from([(4, 2), (4, 1), (2, 2)]))
def test_flex_gives_the_same_forward_on_the_cpu(lengths: list[list[int]], heads: tuple[int, int]) -> None:
    """FlexAttention has no backward pass on a CPU; its forward pass, not compiled, takes our block mask as CUDA does."""
    batch = packed_batch(rows_of(lengths))
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention, "compiled_flex", lambda: flex_attention)
        query, key, value = (F.pad(tensor, (0, 8)) for tensor in heads_of(len(lengths), WIDTH, *heads, seed=len(lengths)))
        found = attend(query * 2**0.5, key, value, PLANS["flex"](batch))  # as wide as 16, scaled as for 8
        expected = attend(query[..., :8], key[..., :8], value[..., :8], PLANS["dense"](batch))
    assert torch.allclose(found[..., :8], expected, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([1, 100, 128, 256, 300, 384]).flatmap(lambda n: st.tuples(st.just(n), document_rows(n))))
def test_block_mask_equals_the_one_built_from_all_positions(case: tuple[int, list[list[int]]]) -> None:
    width, lengths = case
    doc_starts = packed_batch(rows_of(lengths, width)).doc_starts

    def visible(row, head, query, key):
        return (query >= key) & (key >= doc_starts[row, query])

    expected = create_block_mask(visible, len(lengths), None, width, width, device="cpu")
    found = document_block_mask(doc_starts)
    assert found.shape == expected.shape and found.BLOCK_SIZE == expected.BLOCK_SIZE
    assert torch.equal(found.to_dense(), expected.to_dense())
    for kind in ("kv", "full_kv", "q", "full_q"):
        counts, indices = getattr(found, f"{kind}_num_blocks"), getattr(found, f"{kind}_indices")
        expected_counts = getattr(expected, f"{kind}_num_blocks")
        expected_indices = getattr(expected, f"{kind}_indices")
        assert torch.equal(counts, expected_counts), kind
        used = torch.arange(indices.shape[-1]) < counts[..., None]
        assert torch.equal(indices[used], expected_indices[used]), kind


def test_the_last_queries_of_a_sequence_see_all_before_them() -> None:
    """SDPA's is_causal aligns at the top left: with one query and ten keys it would see the first key only."""
    query, key, value = heads_of(1, 10, 4, 2, seed=1)
    whole = attend(query, key, value, PrefixPlan())
    assert torch.allclose(whole, by_hand(query, key, value, [[10]]), atol=1e-5)
    slots = torch.arange(14)
    rubbish = torch.full((1, 4, 2, key.shape[-1]), 9.0)
    kept = [torch.cat((tensor, rubbish), 1) for tensor in (key, value)]  # slots that no query may see
    for tokens in (1, 3, 9):
        mask = (slots <= torch.arange(10 - tokens, 10)[:, None])[None, None]
        last = attend(query[:, -tokens:], *kept, CachePlan(mask))
        assert torch.allclose(last, whole[:, -tokens:], atol=1e-5)
    with pytest.raises(ValueError, match="as many queries as keys"):
        attend(query[:, -1:], key, value, PrefixPlan())


def test_backends_by_device() -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert choose_backend("auto", cpu, torch.float32) == "loop"
    assert choose_backend("auto", cuda, torch.bfloat16) == "flex"
    assert choose_backend("dense", cpu, torch.float32) == "dense"
    for name in ("flex", "varlen"):
        with pytest.raises(TrainError, match=f"{name} trains on a CUDA device only"):
            choose_backend(name, cpu, torch.float32)
    with pytest.raises(TrainError, match="varlen computes in bf16 only"):
        choose_backend("varlen", cuda, torch.float32)


@pytest.mark.parametrize("knows_groups", [True, False])
def test_varlen_is_called_as_each_torch_version_wants(monkeypatch, knows_groups: bool) -> None:
    """torch 2.11 has no enable_gqa argument; 2.13 refuses fewer KV heads without it."""

    def by_documents(query, key, value, cu_q, cu_k, max_q, max_k, *, window_size, **arguments):
        assert arguments == ({"enable_gqa": True} if knows_groups else {})
        assert window_size == (-1, 0) and cu_q is cu_k and max_q == max_k == WIDTH
        spans = cu_q.diff().tolist()
        pieces = zip(*(tensor.split(spans) for tensor in (query, key, value)), strict=True)
        outs = [by_hand(*(piece[None] for piece in document), [[len(document[0])]]) for document in pieces]
        return torch.cat([out[0] for out in outs])

    def new_signature(query, key, value, cu_q, cu_k, max_q, max_k, *, window_size=(-1, -1), enable_gqa=False):
        return by_documents(query, key, value, cu_q, cu_k, max_q, max_k, window_size=window_size, enable_gqa=enable_gqa)

    def old_signature(query, key, value, cu_q, cu_k, max_q, max_k, *, window_size=(-1, -1)):
        return by_documents(query, key, value, cu_q, cu_k, max_q, max_k, window_size=window_size)

    module = types.ModuleType("varlen")
    module.varlen_attn = new_signature if knows_groups else old_signature
    monkeypatch.setitem(__import__("sys").modules, "torch.nn.attention.varlen", module)
    monkeypatch.setattr(torch.nn.attention, "varlen", module, raising=False)
    attention.varlen_function.cache_clear()
    batch = packed_batch(rows_of([[10, 4], [24]]), slots=9)
    tensors = heads_of(2, WIDTH, 4, 2, seed=3)
    found = attend(*tensors, PLANS["varlen"](batch))
    attention.varlen_function.cache_clear()
    assert torch.allclose(found, attend(*tensors, PLANS["dense"](batch)), atol=1e-5)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(
    ("backend", "dtype"), [("flex", torch.float32), ("flex", torch.bfloat16), ("varlen", torch.bfloat16)]
)
@pytest.mark.parametrize("heads", [(4, 4), (4, 2), (4, 1)])
def test_cuda_backends_equal_dense(backend: str, dtype: torch.dtype, heads: tuple[int, int]) -> None:
    device, width = torch.device("cuda"), 512
    batch = packed_batch(rows_of([[1, 200, 311], [512], [128, 128, 100]], width), slots=20).to(device)
    counted = document_mask(packed_batch(rows_of([[1, 200, 311], [512], [128, 128, 100]], width))).to(device)
    random = torch.Generator(device).manual_seed(0)
    shapes = [(3, width, count, 64) for count in (heads[0], heads[1], heads[1])]
    tensors = [torch.randn(shape, generator=random, device=device, requires_grad=True) for shape in shapes]
    weights = torch.randn(tensors[0].shape, generator=random, device=device) * counted
    found = attend(*(tensor.to(dtype) for tensor in tensors), PLANS[backend](batch)).float()
    expected = attend(*tensors, PLANS["dense"](batch))
    tolerance = 2e-2 if dtype == torch.bfloat16 else 1e-3
    assert F.mse_loss(found * counted, expected * counted).sqrt() < tolerance
    gradients = (torch.autograd.grad((out * weights).sum(), tensors) for out in (found, expected))
    for one, other in zip(*gradients, strict=True):
        assert (one - other).norm() / other.norm() < tolerance
