"""Every shipped pack is complete: examples that agree on both sides, a source, known false hits, nothing left unsaid."""

from __future__ import annotations

import pytest

from rules.format.examples import count_examples, example_problems
from rules.format.pack import load_pack, pattern_warnings, shipped_packs
from rules.languages import normalise

EXPECTED = {
    "c4", "c4_badwords", "c4_no_punct", "code_in_text", "datajuicer_default", "dolma_gopher", "fineweb", "fineweb_v1", "gopher_quality",
    "gopher_repetition", "llama3", "nemo_en", "pii", "text_repair", "web_chrome",
}  # fmt: skip
LANGUAGES = [name.removeprefix("fineweb2/") for name in shipped_packs() if name.startswith("fineweb2/")]
FITTED = [name.removeprefix("reference/") for name in shipped_packs() if name.startswith("reference/")]


def test_the_packs_that_are_promised_are_there():
    assert set(shipped_packs()) - {f"fineweb2/{code}" for code in LANGUAGES} - {f"reference/{code}" for code in FITTED} == EXPECTED
    assert len(FITTED) >= 15 and {"de", "zh", "ja", "th", "ar", "hi"} <= set(FITTED)
    assert len(LANGUAGES) > 50 and {"base", "de", "fr", "es", "ru", "pt", "it", "nl", "pl", "tr", "ar", "hi", "ko"} <= set(LANGUAGES)


@pytest.mark.parametrize("name", sorted(shipped_packs()))
def test_shipped_pack(name):
    pack = load_pack(name)
    assert pack.name == name
    assert example_problems(pack) == [] and pattern_warnings(pack) == []
    active = [rule for rule in pack.rules if not rule.variant and rule.action != "off"]
    assert count_examples(pack) >= 2 * len(active)
    for rule in active:
        assert rule.why.endswith("."), rule.id
        assert rule.source, rule.id
        assert rule.false_positives, rule.id


@pytest.mark.parametrize("code", [code for code in LANGUAGES if code != "base"])
def test_a_fineweb2_pack_is_for_its_language_alone(code):
    pack = load_pack(f"fineweb2/{code}")
    assert pack.languages == (normalise(code),) and len(pack.lists["stop"].entries) >= 2
    assert {"https", "github.com"} & set(pack.source.replace("://", "/").split("/"))
