"""How often each training document is packed: by mixture weights or epochs, cluster size, and a budget of tokens.

A document has a rate, copies by cluster size times epochs of its group, and is packed floor(rate + 1 - u) times, where u in
(0, 1] is drawn from its id: so 2.3 is two or three times, three for the same 30 % of ids in every run, and more of a
group means the same documents and some more. Weights are shares of the tokens; budgets are met to within a document.
Held-out documents are packed once, whatever the mixture.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.document import CLUSTER_SIZE
from curation.inputs import InputError
from curation.language_sample import OTHERS, UNKNOWN
from curation.pack_settings import MixtureSettings, PackSettings
from curation.sampling import MIXTURE_SALT, id_hashes
from rules.places import did_you_mean

BISECTIONS = 50  # halvings of a factor: finer than any real budget
MOST_RAISED = 4.0  # a rate is raised no further to spend what chance left of a budget


class DocumentRates(NamedTuple):
    """Of each document: its group (int32, an index into names), copies by cluster size (float32) and u (float64)."""

    group: np.ndarray
    rehydrated: np.ndarray
    chance: np.ndarray


class RateColumns:
    """Collects what mixing needs to know of the pieces as they are listed."""

    def __init__(self, settings: PackSettings):
        self._by = settings.mixture.column if settings.mixture else "source"
        self._copies = settings.copies_by_size
        self.names: list[str] = []
        self._found: list[DocumentRates] = []

    def add(self, columns: pa.RecordBatch) -> None:
        values = pc.fill_null(columns[self._by], UNKNOWN)
        self.names += [name for name in values.unique().to_pylist() if name not in self.names]
        group = pc.index_in(values, pa.array(self.names, pa.string())).to_numpy(zero_copy_only=False)
        hashes = id_hashes(columns["document"], MIXTURE_SALT)
        chance = (hashes >> np.uint64(11)).astype(np.float64) / 2.0**53
        self._found.append(DocumentRates(group.astype(np.int32), self._rehydrated(columns), 1.0 - chance))

    def _rehydrated(self, columns: pa.RecordBatch) -> np.ndarray:
        if not self._copies:
            return np.ones(len(columns), np.float32)
        sizes = pc.fill_null(columns[CLUSTER_SIZE].cast(pa.int64()), 1).to_numpy(zero_copy_only=False)
        return copies_of_sizes(sizes, self._copies)

    def rates(self) -> DocumentRates:
        """All pieces in order."""
        empty = DocumentRates(np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros(0))
        return DocumentRates(*(np.concatenate(column) for column in zip(empty, *self._found)))


def copies_of_sizes(sizes: np.ndarray, table: Mapping[int, float]) -> np.ndarray:
    """Copies (float32) by cluster size: those of the largest size of `table` up to it; once below all of them."""
    known = np.array(sorted(table), np.int64)
    copies = np.array([1.0, *(table[size] for size in known.tolist())], np.float32)
    return copies[np.searchsorted(known, sizes, side="right")]


def copies_of_documents(
    rates: DocumentRates, tokens: np.ndarray, names: list[str], settings: PackSettings
) -> tuple[np.ndarray, dict[str, Any]]:
    """How often to pack each training document (int64 [documents]), and what the manifest says of it.

    `rates` and `tokens` (int64) are of documents.
    """
    if settings.mixture and settings.mixture.weights:
        copies = _weighted_copies(rates, tokens, names, settings)
    else:
        epochs = np.array([_epochs_of(name, settings) for name in names] or [1.0])
        budget = settings.token_budget or float("inf")
        copies = copies_within(rates.rehydrated * epochs[rates.group], rates.chance, tokens, budget)
    return copies, _statistics(rates, tokens, copies, names, settings)


def _weighted_copies(rates: DocumentRates, tokens: np.ndarray, names: list[str], settings: PackSettings) -> np.ndarray:
    """Copies by weight. Groups without one of their own are one group, "*"."""
    weights = settings.mixture.weights if settings.mixture else {}
    if names and OTHERS not in weights and not any(weights.get(name) for name in names):
        by = settings.mixture.by if settings.mixture else ""
        there = ", ".join(map(repr, names[:10])) + (" and others" if len(names) > 10 else "")
        raise InputError(f"pack.mixture: no training document has a {by} with a weight ({', '.join(map(repr, weights))}); there are {there}. Mend the names, or give '*' a weight")
    weighted = [name if name in weights else OTHERS for name in names]
    places = [list(weights).index(name) if name in weights else len(weights) for name in weighted]
    group = np.array(places or [0])[rates.group]
    available = np.bincount(group, tokens * rates.rehydrated.astype(np.float64), len(weights) + 1)
    targets = weighted_targets(dict(zip(weights, available.tolist())), settings)
    copies = np.zeros(len(tokens), np.int64)
    for number, name in enumerate(weights):
        chosen = np.flatnonzero(group == number)
        if len(chosen) and targets[name]:
            rate = rates.rehydrated[chosen] * (targets[name] / available[number])
            copies[chosen] = copies_within(rate, rates.chance[chosen], tokens[chosen], targets[name], reach=True)
    return copies


def _epochs_of(name: str, settings: PackSettings) -> float:
    epochs = settings.mixture.epochs if settings.mixture else {}
    return epochs.get(name, epochs.get(OTHERS, 1.0))


def weighted_targets(available: Mapping[str, float], settings: PackSettings) -> dict[str, float]:
    """Tokens of each group by its weight. None gets more than `max_epochs` of it; what is over, the others get."""
    weights = settings.mixture.weights if settings.mixture else {}
    shares = {name: weights[name] for name, tokens in available.items() if weights[name] and tokens}
    left = float(settings.token_budget or sum(available[name] for name in shares))
    most = {name: available[name] * settings.max_epochs for name in shares}
    targets = dict.fromkeys(available, 0.0)
    while shares:
        total = sum(shares.values())
        full = [name for name, share in shares.items() if most[name] < left * share / total]
        if not full:
            return targets | {name: left * share / total for name, share in shares.items()}
        for name in full:
            targets[name] = most[name]
            left -= most[name]
            del shares[name]
    return targets


def copies_within(rates: np.ndarray, chance: np.ndarray, tokens: np.ndarray, budget: float, reach: bool = False) -> np.ndarray:
    """Copies (int64) by rate. All rates are lowered by one factor, the largest with which the tokens stay in `budget`;
    with `reach`, raised as well where chance left it unspent."""

    def copies_at(factor: float) -> np.ndarray:
        return np.floor(rates * factor + 1.0 - chance).astype(np.int64)

    def fits(factor: float) -> bool:
        return float(copies_at(factor) @ tokens) <= budget

    low, high = 0.0, 1.0
    while fits(high):
        if not reach or high > MOST_RAISED:
            return copies_at(high)
        low, high = high, 2 * high
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return copies_at(low)


def repeated_refs(refs: np.ndarray, pieces_of_document: np.ndarray, copies: np.ndarray) -> np.ndarray:
    """The pieces `refs` once for every copy: all documents that are packed at all, then all that are packed twice, ..."""
    of_piece = np.repeat(copies, pieces_of_document)
    passes = [refs[of_piece > number] for number in range(int(copies.max(initial=0)))]
    return np.concatenate([refs[:0], *passes])


def _statistics(
    rates: DocumentRates, tokens: np.ndarray, copies: np.ndarray, names: list[str], settings: PackSettings
) -> dict[str, Any]:
    packed = np.bincount(rates.group, copies * tokens, len(names))
    there, documents = np.bincount(rates.group, tokens, len(names)), np.bincount(rates.group, minlength=len(names))
    left_out = np.bincount(rates.group[copies == 0], minlength=len(names))
    total = float(packed.sum())
    groups = {
        name: {
            "documents": int(documents[k]), "documents_left_out": int(left_out[k]), "tokens_there": int(there[k]),
            "tokens": int(packed[k]), "tokens_frac": packed[k] / total if total else 0.0, "epochs": packed[k] / there[k] if there[k] else 0.0,
        }
        for k, name in enumerate(names)
    }  # fmt: skip
    found: dict[str, Any] = {
        "documents_left_out": int(left_out.sum()), "documents_distinct": int((copies > 0).sum()), "copies_most": int(copies.max(initial=0)),
        "mixture": {"by": settings.mixture.by if settings.mixture else "source", "groups": dict(sorted(groups.items()))},
    }  # fmt: skip
    return found | {"mixture_warnings": _warnings(groups, settings)}


def _warnings(groups: Mapping[str, Mapping[str, Any]], settings: PackSettings) -> list[str]:
    """Where what came out is not what the job asked for."""
    if settings.mixture is None:
        return []
    asked = settings.mixture.weights or settings.mixture.epochs
    found = [f"mixture: no training document has {settings.mixture.by} {name!r}{did_you_mean(name, groups)}" for name in asked if name != OTHERS and name not in groups]
    weights = settings.mixture.weights
    if weights and OTHERS not in weights:
        found += [f"mixture: {settings.mixture.by} {name!r} has no weight and is left out" for name in groups if name not in weights]
    return found + _missed_shares(groups, settings.mixture)


def _missed_shares(groups: Mapping[str, Mapping[str, Any]], mixture: MixtureSettings) -> list[str]:
    got = dict.fromkeys(mixture.weights, 0.0)
    for name, group in groups.items():
        name = name if name in got else OTHERS
        got[name] = got.get(name, 0.0) + group["tokens_frac"]
    total = sum(mixture.weights.values())
    return [
        f"mixture: {mixture.by} {name!r} is {got[name]:.1%} of the tokens, not {weight / total:.1%}: the documents of some are too"
        " few for their weights, or too long; a larger token_budget or max_epochs brings them nearer"
        for name, weight in mixture.weights.items()
        if abs(got[name] - weight / total) > 0.01 and (name in groups or name == OTHERS)
    ]
