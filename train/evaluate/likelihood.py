"""How likely a model finds continuations of contexts, with everything that texts share computed once.

What all texts of a call begin with (the begin token, the examples of a few-shot prompt) is read once into a KV cache.
What the texts of one item share after that (the question) is one stretch of a row, from which its texts branch off (the
answers): each token sees the prefix, the stretch, and its own branch. So no token is computed twice.

Algorithm and price: one forward pass over the distinct tokens, under an explicit mask of rows x tokens x slots.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from train.diverged import NotFinite
from train.kv_cache import KVCache
from train.proof import autocast
from train.saved_model import SavedModel
from train.world import choose_dtype

TOKENS_AT_ONCE = 8192
LOGITS_AT_ONCE = 1024


@dataclass(frozen=True)
class Request:
    """Token ids of a context, of at least one token, and of what follows it."""

    context: list[int]
    continuation: list[int]


@dataclass(frozen=True)
class Likelihood:
    """NLL of a continuation in nats, and whether each of its tokens was the most likely one."""

    nats: float
    greedy: bool


@dataclass(frozen=True)
class _Row:
    """The inputs of one item after the prefix: tokens, their positions, their branch (0: shared by all).

    `places` and `targets`: the token that follows each predicting place; `owner`: the request it belongs to.
    """

    tokens: np.ndarray
    positions: np.ndarray
    branch: np.ndarray
    places: np.ndarray
    targets: np.ndarray
    owner: np.ndarray


def likelihoods(saved: SavedModel, items: Sequence[Sequence[Request]]) -> list[list[Likelihood]]:
    """The likelihood of every request, in the order of `items`. Contexts too long lose tokens at their beginning."""
    fitted = [[_fitted(request, saved.model.config.context) for request in item] for item in items]
    prefix = _shared_prefix([request for item in fitted for request in item])
    rows = [_row(item, len(prefix)) for item in fitted]
    results: list[list[Likelihood]] = [[] for _ in items]
    with torch.inference_mode():
        cache = _prefix_cache(saved, prefix)
        for numbers in _batches(rows):
            for number, found in zip(numbers, _scored(saved, [rows[number] for number in numbers], cache, len(prefix))):
                results[number] = found
    return results


def _fitted(request: Request, context: int) -> Request:
    """All but the last token of a text are read, so it may have one more than the model's context."""
    surplus = len(request.context) + len(request.continuation) - (context + 1)
    return request if surplus <= 0 else Request(request.context[min(surplus, len(request.context) - 1) :], request.continuation[: context])


def _shared_prefix(requests: Sequence[Request]) -> list[int]:
    """The tokens all requests begin with, short of the last token of any context: that one predicts."""
    least = min((len(request.context) - 1 for request in requests), default=0)
    return requests[0].context[: _common([request.context[:least] for request in requests])] if requests else []


def _common(sequences: Sequence[list[int]]) -> int:
    """How many tokens all sequences begin with."""
    least, most = min(sequences), max(sequences)  # in the order of lists, what these two share, all share
    return next((place for place, pair in enumerate(zip(least, most)) if pair[0] != pair[1]), min(len(least), len(most)))


def _row(requests: Sequence[Request], prefix: int) -> _Row:
    inputs = [(request.context + request.continuation)[prefix:-1] for request in requests]
    stem = _common(inputs)
    branches = [tokens[stem:] for tokens in inputs]
    starts = np.cumsum([stem, *map(len, branches)])
    places, targets, owner = [], [], []
    for number, request in enumerate(requests):
        for step, token in enumerate(request.continuation):
            place = len(request.context) - 1 - prefix + step
            places.append(place if place < stem else place - stem + int(starts[number]))
            targets.append(token)
            owner.append(number)
    return _Row(
        tokens=np.array([*inputs[0][:stem], *(token for branch in branches for token in branch)], np.int64),
        positions=prefix + np.concatenate([np.arange(stem), *(stem + np.arange(len(branch)) for branch in branches)]).astype(np.int64),
        branch=np.repeat(np.arange(len(branches) + 1), [stem, *map(len, branches)]),
        places=np.array(places), targets=np.array(targets), owner=np.array(owner),
    )  # fmt: skip


def _batches(rows: Sequence[_Row]) -> Iterator[list[int]]:
    """Rows of like length together, TOKENS_AT_ONCE tokens at most (or one row)."""
    order = sorted(range(len(rows)), key=lambda number: -len(rows[number].tokens))
    while order:
        width = max(1, len(rows[order[0]].tokens))
        count = max(1, TOKENS_AT_ONCE // width)
        yield order[:count]
        order = order[count:]


def _prefix_cache(saved: SavedModel, prefix: list[int]) -> KVCache:
    cache = KVCache(saved.model.config, 1, len(prefix), saved.device, _cache_dtype(saved))
    if prefix:
        ids = torch.tensor([prefix], device=saved.device)
        with autocast(saved.device, choose_dtype("auto", saved.device)):
            saved.model(ids, torch.arange(len(prefix), device=saved.device)[None], cache.fill(), cache)
    return cache


def _cache_dtype(saved: SavedModel) -> torch.dtype:
    """What keys and values are computed in: products under autocast, else the weights."""
    dtype = choose_dtype("auto", saved.device)
    return dtype if dtype != torch.float32 else saved.model.embedding.weight.dtype


def _scored(saved: SavedModel, rows: Sequence[_Row], prefix: KVCache, prefix_tokens: int) -> list[list[Likelihood]]:
    width = max(1, max(len(row.tokens) for row in rows))
    tokens, positions, branch = (_padded([getattr(row, name) for row in rows], width, fill) for name, fill in
                                 (("tokens", 0), ("positions", 0), ("branch", -1)))  # fmt: skip
    device = saved.device
    cache = KVCache(saved.model.config, len(rows), prefix_tokens + width, device, prefix.keys.dtype)
    cache.start_from(prefix)
    slots = prefix_tokens + torch.arange(width, device=device).expand(len(rows), -1)
    plan = cache.branches(slots, _mask(branch.to(device), prefix_tokens))
    with autocast(device, choose_dtype("auto", device)):
        hidden = saved.model(tokens.to(device), positions.to(device), plan, cache)
    return _likelihoods(saved, hidden, rows)


def _padded(arrays: Sequence[np.ndarray], width: int, fill: int) -> Tensor:
    out = np.full((len(arrays), width), fill, np.int64)
    for number, array in enumerate(arrays):
        out[number, : len(array)] = array
    return torch.from_numpy(out)


def _mask(branch: Tensor, prefix: int) -> Tensor:
    """[B, S, prefix + S]: the prefix, and what stands before a token in its own branch or in the shared stretch."""
    order = torch.arange(branch.shape[1], device=branch.device)
    own = (branch[:, None, :] == branch[:, :, None]) | (branch[:, None, :] == 0)
    own = own & (order[None, None, :] <= order[None, :, None])
    return torch.cat((torch.ones(*branch.shape, prefix, dtype=torch.bool, device=branch.device), own), 2)


def _likelihoods(saved: SavedModel, hidden: Tensor, rows: Sequence[_Row]) -> list[list[Likelihood]]:
    which = np.repeat(np.arange(len(rows)), [len(row.places) for row in rows])
    places, targets = (np.concatenate([getattr(row, name) for row in rows]) for name in ("places", "targets"))
    chosen = hidden[torch.from_numpy(which), torch.from_numpy(places)]
    wanted = torch.from_numpy(targets).to(hidden.device)
    nats, greedy = [], []
    for first in range(0, len(chosen), LOGITS_AT_ONCE):
        logits = saved.model.logits(chosen[first : first + LOGITS_AT_ONCE])
        target = wanted[first : first + LOGITS_AT_ONCE]
        nats.append(torch.nn.functional.cross_entropy(logits, target, reduction="none").double().cpu().numpy())
        greedy.append((logits.argmax(1) == target).cpu().numpy())
    per_token, most_likely = np.concatenate(nats), np.concatenate(greedy)
    if np.isnan(per_token).any():
        raise NotFinite()
    found = []
    for number, row in enumerate(rows):
        own_nats, own_greedy = per_token[which == number], most_likely[which == number]
        found.append([Likelihood(float(own_nats[row.owner == owner].sum()), bool(own_greedy[row.owner == owner].all()))
                      for owner in range(int(row.owner.max()) + 1)])  # fmt: skip
    return found
