"""Next-token cross entropy from hidden states, a chunk of tokens at a time, so that logits are never whole.

16,384 tokens and a vocabulary of 128,256 make 8.4 GB of fp32 logits; a chunk of 2,048 makes 1 GB. The gradient of a
chunk follows from its softmax, which is at hand in the forward pass, so it is taken there and then: three matrix
products per chunk, where recomputing the logits in the backward pass takes four (1.5 times slower on a CPU).
Price: the gradient of the head weight, [V, dim] in fp32, lives from forward to backward.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from train.batch import IGNORED


def cross_entropy(hidden: Tensor, head_weight: Tensor, labels: Tensor, chunk_tokens: int) -> tuple[Tensor, Tensor]:
    """hidden [..., dim], head_weight [V, dim], labels [...] -> sum of NLL in nats (scalar), NLL of each token [...].

    Tokens labelled IGNORED have NLL 0. Divide the sum by the number of labels that count to get the mean. Gradients
    flow through the sum; NLLs of tokens are for reading. Matrix products run in the type of `hidden`, sums in fp32.
    """
    total, per_token = _ChunkedCrossEntropy.apply(
        hidden.flatten(0, -2), head_weight, labels.flatten(), chunk_tokens, torch.is_grad_enabled()
    )
    return total, per_token.view(labels.shape)


class _ChunkedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, hidden, head_weight, labels, chunk_tokens, with_gradient):
        per_token = torch.empty(len(labels), dtype=torch.float32, device=hidden.device)
        grad_hidden = torch.empty_like(hidden) if with_gradient else None
        grad_head = torch.zeros_like(head_weight, dtype=torch.float32) if with_gradient else None
        with torch.autocast(hidden.device.type, enabled=False):
            weight = head_weight.to(hidden.dtype)
            for first in range(0, len(labels), chunk_tokens):
                chunk = slice(first, first + chunk_tokens)
                nll, grad_logits = _chunk_nll(hidden[chunk], weight, labels[chunk], with_gradient)
                per_token[chunk] = nll
                if with_gradient:
                    grad_hidden[chunk] = grad_logits @ weight
                    _add_product(grad_head, grad_logits, hidden[chunk])
        if with_gradient:
            ctx.save_for_backward(grad_hidden, grad_head)
        ctx.mark_non_differentiable(per_token)
        return per_token.sum(), per_token

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_total, _):
        grad_hidden, grad_head = ctx.saved_tensors
        return grad_hidden * grad_total.to(grad_hidden.dtype), grad_head * grad_total, None, None, None


def _chunk_nll(hidden: Tensor, weight: Tensor, labels: Tensor, with_gradient: bool) -> tuple[Tensor, Tensor | None]:
    """NLL [T] fp32 and the gradient of its sum by the logits [T, V], in place of the logits."""
    counted = labels != IGNORED
    target = labels.clamp(min=0)[:, None]
    logits = (hidden @ weight.t()).float()
    highest = logits.amax(1, keepdim=True)
    target_logit = logits.gather(1, target)
    sums = logits.sub_(highest).exp_().sum(1, keepdim=True)
    nll = (sums.log() + highest - target_logit)[:, 0] * counted
    if not with_gradient:
        return nll, None
    logits.mul_(counted[:, None] / sums)
    logits.scatter_add_(1, target, -counted[:, None].to(logits.dtype))
    return nll, logits.to(hidden.dtype)


def _add_product(total: Tensor, grad_logits: Tensor, hidden: Tensor) -> None:
    """total [V, dim] fp32 += grad_logits' [V, T] @ hidden [T, dim]."""
    if grad_logits.dtype == total.dtype:
        total.addmm_(grad_logits.t(), hidden)
    else:
        total += grad_logits.t() @ hidden
