"""Shares of languages: by weight, no more than there is, and nothing lost of the budget while there is text."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.language_sample import (
    LanguageSample,
    WeightsError,
    language_budgets,
    language_bytes,
    parse_weights,
)

NAMES = ["en", "de", "ja", "unknown"]
sizes_of = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 5_000), max_size=4)
weights_of = st.dictionaries(st.sampled_from([*NAMES, "*"]), st.sampled_from([0, 0.5, 1, 3]), max_size=5)


@settings(max_examples=100, deadline=None)
@given(sizes=sizes_of, budget=st.integers(0, 20_000), weights=weights_of)
def test_budgets_are_shares_by_weight_of_what_there_is(sizes, budget, weights):
    budgets = language_budgets(sizes, budget, weights)
    named = {name for name, size in sizes.items() if size and (weights.get(name, 0) > 0 or (name not in weights and weights.get("*")))}
    assert budgets.keys() == named
    assert all(0 <= budgets[name] <= sizes[name] for name in named)
    spent, there = sum(budgets.values()), sum(sizes[name] for name in named)
    assert min(budget, there) - len(named) <= spent <= min(budget, there)
    limited = [name for name in named if budgets[name] < sizes[name] and name in weights]
    for name in limited:  # of two that have text left, the shares are as the weights
        for other in limited:
            assert budgets[name] * weights[other] == pytest.approx(budgets[other] * weights[name], abs=3 * max(weights.values()) + 1)


def documents(rows: list[tuple[str | None, str]]) -> pa.Table:
    return pa.table({
        "id": [f"d{k}" for k in range(len(rows))], "lang": pa.array([lang for lang, _ in rows], pa.string()),
        "text": pa.array([text for _, text in rows], pa.large_string()),
    })  # fmt: skip


def test_a_sample_holds_about_the_bytes_asked_of_each_language():
    table = documents([(("en", "de", None)[k % 3], ("en" if k % 3 == 0 else "xx") * 50) for k in range(600)])
    assert language_bytes([table.slice(0, 100), table.slice(100)]) == {"de": 20_000, "en": 20_000, "unknown": 20_000}
    sample = LanguageSample({"en": 5_000, "unknown": 1_000, "fr": 10, "de": 0})
    sample.add(table.slice(0, 350))
    sample.add(table.slice(350))
    found = dict.fromkeys(["en", "de", "unknown", "fr"], 0)
    for language, texts in sample.texts():
        found[language] += sum(len(text) for text in texts.to_pylist())
        assert language != "en" or set(texts.to_pylist()) == {"en" * 50}
    assert found == {"en": 5_000, "de": 0, "unknown": 1_000, "fr": 0}


def test_weights_are_read_as_written():
    assert parse_weights("en=3, de=0.5,*") == {"en": 3.0, "de": 0.5, "*": 1.0}
    for text, says in (("en=x", "not like"), ("en=-1", "numbers from 0"), ("en=inf", "numbers from 0"), ("en=nan", "numbers from 0"), ("en=0", "above 0")):
        with pytest.raises(WeightsError, match=says):
            parse_weights(text)
