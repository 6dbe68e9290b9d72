"""Every shipped pack is complete: examples that agree on both sides, a source or a reason, nothing left unsaid."""

from __future__ import annotations

import pytest

from rules.examples import count_examples, example_problems
from rules.pack import load_pack, shipped_packs

EXPECTED = {"c4", "fineweb", "gopher_quality", "gopher_repetition", "web_chrome"}


def test_the_packs_that_are_promised_are_there():
    assert set(shipped_packs()) >= EXPECTED


@pytest.mark.parametrize("name", sorted(shipped_packs()))
def test_shipped_pack(name):
    pack = load_pack(shipped_packs()[name])
    assert pack.name == name
    assert example_problems(pack) == []
    assert count_examples(pack) >= 2 * sum(not rule.variant for rule in pack.rules)
    for rule in pack.rules:
        assert rule.why.endswith("."), rule.id
