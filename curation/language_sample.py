"""Texts to train or measure a tokenizer on, so many bytes of each language.

Shares of a budget follow weights: `{en: 3, de: 1, "*": 1}`, where "*" stands for all other languages together, divided by
their size. A language with less text than its share gives all it has, and the rest goes to the others. Which documents are
taken depends on their ids alone (sampling.py). Memory is twice the budget.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.sampling import TextSample

OTHERS, UNKNOWN = "*", "unknown"
MISSED = 0.01  # a share that is further from its weight is worth a word, as in mixtures of packing


def languages_of(documents: pa.Table) -> pa.ChunkedArray:
    """The language of each document (string); UNKNOWN where nobody said."""
    return pc.fill_null(documents["lang"].cast(pa.string()), UNKNOWN)


def language_bytes(batches: Iterable[pa.Table]) -> dict[str, int]:
    """Bytes of text in each language, by name."""
    sizes: dict[str, int] = {}
    for documents in batches:
        table = pa.table({"lang": languages_of(documents), "bytes": pc.binary_length(documents["text"])})
        for row in table.group_by("lang").aggregate([("bytes", "sum")]).to_pylist():
            sizes[row["lang"]] = sizes.get(row["lang"], 0) + int(row["bytes_sum"] or 0)
    return dict(sorted(sizes.items()))


def language_budgets(sizes: Mapping[str, int], budget_bytes: int, weights: Mapping[str, float]) -> dict[str, int]:
    """Bytes to take of each language of `sizes`; languages without a weight get none, unless "*" has one."""
    shares = _shares(sizes, weights)
    budgets: dict[str, int] = {}
    left = float(budget_bytes)
    while shares:
        total = sum(shares.values())
        small = [name for name, share in shares.items() if sizes[name] <= left * share / total]
        if not small:
            return dict(sorted((budgets | {name: int(left * share / total) for name, share in shares.items()}).items()))
        for name in small:
            budgets[name] = sizes[name]
            left -= sizes[name]
            del shares[name]
    return dict(sorted(budgets.items()))


def _shares(sizes: Mapping[str, int], weights: Mapping[str, float]) -> dict[str, float]:
    """The weight of every language that has one and has texts."""
    shares = {name: float(weight) for name, weight in weights.items() if name != OTHERS and weight > 0 and sizes.get(name)}
    others = {name: size for name, size in sizes.items() if name not in weights and size}
    total = sum(others.values())
    if weights.get(OTHERS):
        shares |= {name: weights[OTHERS] * size / total for name, size in others.items()}
    return shares


def missed_shares(budgets: Mapping[str, int], weights: Mapping[str, float]) -> list[str]:
    """Which weights the budgets do not come to, as some languages have too little text."""
    got = dict.fromkeys(weights, 0)
    for name, size in budgets.items():
        place = name if name in got else OTHERS
        got[place] = got.get(place, 0) + size
    there, total = sum(budgets.values()), sum(weights.values())
    return [
        f"{name!r} is {got[name] / there:.1%} of the text, not {weight / total:.1%}: there is too little of some languages for their weights; "
        "give more text of them, or fewer --megabytes"
        for name, weight in weights.items()
        if abs(got[name] / there - weight / total) > MISSED
    ]


class LanguageSample:
    """A sample of texts for each language of `budgets` (bytes)."""

    def __init__(self, budgets: Mapping[str, int]):
        self._samples = {name: TextSample(budget) for name, budget in budgets.items() if budget > 0}

    def add(self, documents: pa.Table) -> None:
        """Documents with the columns id, text and lang."""
        languages = languages_of(documents)
        codes = pc.index_in(languages, pa.array(list(self._samples), pa.string())).to_numpy(zero_copy_only=False)
        for number, sample in enumerate(self._samples.values()):
            rows = np.flatnonzero(codes == number)
            if len(rows):
                chosen = documents.take(pa.array(rows))
                sample.add(chosen["id"], chosen["text"])

    def texts(self) -> Iterator[tuple[str, pa.LargeStringArray]]:
        """The sample: language and texts, in order of the languages; several times where there is much of one."""
        for name, sample in self._samples.items():
            for texts in sample.batches():
                yield name, texts


class WeightsError(ValueError):
    """Weights that cannot be read or that fit no text."""


def parse_weights(text: str) -> dict[str, float]:
    """Weights as the command line has them: `en=3,de=1,*=0.5`. Raises WeightsError."""
    weights: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, number = part.partition("=")
        try:
            weights[name.strip()] = float(number) if equals else 1.0
        except ValueError:
            raise WeightsError(f"weight {part!r} is not like en=3") from None
    problem = weights_problem(weights)
    if problem:
        raise WeightsError(problem)
    return weights


def weights_problem(weights: Mapping[str, float]) -> str:
    """What is wrong with weights; empty where nothing is."""
    bad = [f"{name}={weight}" for name, weight in weights.items() if not 0 <= weight < float("inf")]
    if bad:
        return f"weights are numbers from 0, got {', '.join(bad)}"
    return "at least one weight must be above 0" if weights and not any(weights.values()) else ""
