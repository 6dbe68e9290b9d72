"""The proof before training: it passes on honest backends and refuses leaky ones."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from test_train_model import TINY, VARIANTS

from train.attention import PLANS, DensePlan, LoopPlan
from train.proof import ProofError, prove_isolation

torch.set_num_threads(1)
CPU = torch.device("cpu")


def whole_rows(batch) -> LoopPlan:
    """Plain causal attention over the row: what a trainer without document masks does."""
    rows, width = batch.input_ids.shape
    return LoopPlan([width] * rows)


def one_token_late(batch) -> LoopPlan:
    """A boundary that is off by one."""
    first, second, *rest = batch.lengths
    return LoopPlan([first + 1, second - 1, *rest])


def not_causal(batch) -> DensePlan:
    mask = PLANS["dense"](batch).mask
    return DensePlan(mask | mask.transpose(-1, -2))


def positions_that_stutter(batch) -> LoopPlan:
    """Isolated documents, wrong distances. (That positions do not restart changes nothing: rotation is relative.)"""
    batch.positions.floor_divide_(2)
    return PLANS["loop"](batch)


@pytest.mark.parametrize("name", ["loop", "dense"])
@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS.keys())
def test_honest_backends_pass(name: str, config) -> None:
    proof = prove_isolation(config, PLANS[name], name, CPU, torch.float32)
    assert proof.loss_difference < 1e-4 and proof.gradient_difference < 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("leak", [whole_rows, one_token_late, not_causal, positions_that_stutter])
def test_leaky_backends_are_refused(leak, dtype: torch.dtype) -> None:
    with pytest.raises(ProofError, match="'leaky' on cpu: packed documents are not kept apart.*Nothing was trained"):
        prove_isolation(TINY, leak, "leaky", CPU, dtype)


def test_half_precision_passes() -> None:
    prove_isolation(TINY, PLANS["loop"], "loop", CPU, torch.bfloat16)


def test_nan_is_refused() -> None:
    def poisoned(batch) -> DensePlan:
        return DensePlan(torch.zeros_like(PLANS["dense"](batch).mask))

    with pytest.raises(ProofError):
        prove_isolation(dataclasses.replace(TINY), poisoned, "poisoned", CPU, torch.float32)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["flex", "varlen", "dense"])
def test_cuda_backends_pass(name: str) -> None:
    config = dataclasses.replace(TINY, dim=512, query_heads=8, kv_heads=2)
    prove_isolation(config, PLANS[name], name, torch.device("cuda"), torch.bfloat16)
