"""Next-token cross entropy from hidden states, a chunk of tokens at a time, so that logits are never whole.

16,384 tokens and a vocabulary of 128,256 make 8.4 GB of fp32 logits; a chunk of 2,048 makes 1 GB. The gradient of a
chunk follows from its softmax, which is at hand in the forward pass, so it is taken there and then: three matrix
products per chunk, where recomputing the logits in the backward pass takes four (1.5 times slower on a CPU). On a CPU one
buffer serves all chunks and the softmax replaces the logits in place, a row at a time, in cache.
Price: the gradient of the head weight, [V, dim] in fp32, lives from forward to backward.

z-loss (PaLM, arXiv 2204.02311 section 5) adds `z_loss` times the square of the log of the softmax's denominator, which
keeps logits from drifting. Liger's fused kernel does the same on CUDA where liger-kernel is installed; the start-up proof
holds it to the chunks written here.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from train.batch import IGNORED
from train.config import TrainError

CPU_CHUNK_TOKENS = 256  # as many rows of logits as stay near the cache


def choose_loss(name: str, device: torch.device) -> str:
    """`auto` takes Liger's kernel on CUDA where it is installed, else the chunks. Raises TrainError for one that cannot."""
    there = importlib.util.find_spec("liger_kernel") is not None
    if name == "auto":
        return "liger" if there and device.type == "cuda" else "chunked"
    if name == "liger" and device.type != "cuda":
        raise TrainError(f"cross_entropy: liger runs on a CUDA device only, this is {device}. Use `cross_entropy: auto`.")
    if name == "liger" and not there:
        raise TrainError("cross_entropy: liger needs liger-kernel: pip install liger-kernel, or use `auto`.")
    return name


def cross_entropy(
    hidden: Tensor, head_weight: Tensor, labels: Tensor, chunk_tokens: int, z_loss: float = 0.0
) -> tuple[Tensor, Tensor]:
    """hidden [..., dim], head_weight [V, dim], labels [...] -> sum of NLL in nats (scalar), NLL of each token [...].

    Tokens labelled IGNORED have NLL 0. Divide the sum by the number of labels that count to get the mean. Gradients
    flow through the sum, which includes the z-loss; NLLs of tokens are for reading. Matrix products run in the type of
    `hidden`, sums in fp32.
    """
    if hidden.device.type == "cpu":
        chunk_tokens = min(chunk_tokens, CPU_CHUNK_TOKENS)
    total, per_token = _ChunkedCrossEntropy.apply(
        hidden.flatten(0, -2), head_weight, labels.flatten(), chunk_tokens, z_loss, torch.is_grad_enabled()
    )
    return total, per_token.view(labels.shape)


def liger_cross_entropy(hidden: Tensor, head_weight: Tensor, labels: Tensor, z_loss: float = 0.0) -> tuple[Tensor, Tensor]:
    """The sum to differentiate (z-loss included) and the sum of NLL in nats, by Liger's fused kernel."""
    settings = {"lse_square_scale": z_loss, "return_z_loss": True} if z_loss else {}
    loss = liger_kernel()(ignore_index=IGNORED, reduction="sum", **settings)
    with torch.autocast(hidden.device.type, enabled=False):
        found: Any = loss(head_weight.to(hidden.dtype), hidden.flatten(0, -2), labels.flatten())
    if not z_loss:
        return found, found.detach()
    total, penalty = (found.loss, found.z_loss) if hasattr(found, "z_loss") else found[:2]  # by version of Liger
    return total, (total - penalty).detach()


@functools.cache
def liger_kernel() -> Callable[..., Callable[..., tuple[Tensor, ...]]]:
    from liger_kernel.transformers import LigerFusedLinearCrossEntropyLoss

    return LigerFusedLinearCrossEntropyLoss


class _ChunkedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, hidden, head_weight, labels, chunk_tokens, z_loss, with_gradient):
        per_token = torch.empty(len(labels), dtype=torch.float32, device=hidden.device)
        penalty = torch.zeros((), dtype=torch.float32, device=hidden.device)
        grad_hidden: Any = torch.empty_like(hidden) if with_gradient else None
        grad_head = torch.zeros_like(head_weight, dtype=torch.float32) if with_gradient else None
        with torch.autocast(hidden.device.type, enabled=False):
            weight = head_weight.to(hidden.dtype)
            buffer = hidden.new_empty(min(chunk_tokens, len(labels)), len(weight))
            for first in range(0, len(labels), chunk_tokens):
                chunk = slice(first, first + chunk_tokens)
                logits = torch.mm(hidden[chunk], weight.t(), out=buffer[: len(labels[chunk])]).float()
                nll, chunk_penalty, grad_logits = _chunk_nll(logits, labels[chunk], z_loss, with_gradient)
                per_token[chunk] = nll
                penalty += chunk_penalty
                if grad_logits is not None:
                    grad_logits = grad_logits.to(hidden.dtype)
                    torch.mm(grad_logits, weight, out=grad_hidden[chunk])
                    _add_product(grad_head, grad_logits, hidden[chunk])
        if with_gradient:
            ctx.save_for_backward(grad_hidden, grad_head)
        ctx.mark_non_differentiable(per_token)
        return per_token.sum() + penalty, per_token

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_total, _):
        grad_hidden, grad_head = ctx.saved_tensors
        return grad_hidden * grad_total.to(grad_hidden.dtype), grad_head * grad_total, None, None, None, None


def _chunk_nll(
    logits: Tensor, labels: Tensor, z_loss: float, with_gradient: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """NLL [T], the z-loss (scalar), and the gradient of their sum by the logits [T, V] in place of the logits.

    The log of the denominator is the highest logit minus the log of its probability, which is at least 1 / V: exact
    where the probability of the label itself may be 0.
    """
    counted = labels != IGNORED
    target = labels.clamp(min=0)[:, None]
    target_logit = logits.gather(1, target)
    highest = logits.amax(1, keepdim=True)
    probabilities = _softmax_in_place(logits, highest)
    log_sum = highest - probabilities.amax(1, keepdim=True).log()
    nll = (log_sum - target_logit)[:, 0] * counted
    penalty = z_loss * (log_sum[:, 0] * counted).square().sum()
    if not with_gradient:
        return nll, penalty, None
    if z_loss:
        probabilities.mul_(1 + 2 * z_loss * log_sum)
    probabilities.scatter_add_(1, target, target_logit.new_full(target.shape, -1.0))
    if logits.device.type == "cpu":
        probabilities.index_fill_(0, (~counted).nonzero()[:, 0], 0.0)  # on CUDA, finding them would wait for it
    else:
        probabilities.masked_fill_(~counted[:, None], 0.0)
    return nll, penalty, probabilities


def _softmax_in_place(logits: Tensor, highest: Tensor) -> Tensor:
    """A CPU's kernel goes row by row and may write over its input; for other devices nobody promises that."""
    if logits.device.type == "cpu":
        return torch.softmax(logits, 1, out=logits)
    exponentials = logits.sub_(highest).exp_()
    return exponentials.div_(exponentials.sum(1, keepdim=True))


def _add_product(total: Tensor, grad_logits: Tensor, hidden: Tensor) -> None:
    """total [V, dim] fp32 += grad_logits' [V, T] @ hidden [T, dim]."""
    if grad_logits.dtype == total.dtype:
        total.addmm_(grad_logits.t(), hidden)
    else:
        total += grad_logits.t() @ hidden
