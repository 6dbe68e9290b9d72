"""Rules that are not for a document's language: `why` names them, and they are those that the engine leaves out."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from curation.explain import story, story_lines
from curation.job import load_job
from curation.reports.rules_told import rules_for_others, told_rules
from curation.run import run_job
from rules.deciding import scope_of
from rules.rule import Pack, Rule

CODES = ("de", "en", "fr", "sv")
some_codes = st.lists(st.sampled_from(CODES), max_size=2, unique=True).map(tuple)


@st.composite
def rules(draw: st.DrawFn) -> list[Rule]:
    """A rule, and its forms for single languages, as a pack's reader makes them."""
    action, for_one = st.sampled_from(["drop", "tag", "off"]), draw(some_codes)
    rule = Rule("rule", "A test.", action=draw(action), languages=draw(some_codes), except_languages=for_one)
    return [rule, *(Rule("rule", "A test.", action=draw(action), languages=(code,), variant=True) for code in for_one)]


@settings(deadline=None)
@given(rules(), some_codes, st.sampled_from(CODES))
def test_rules_for_others_are_those_that_the_engine_leaves_out(forms, of_pack, lang):
    pack = Pack("pack", "A test.", tuple(forms), languages=of_pack)
    acting = [rule for rule in forms if rule.action != "off"]
    left_out = bool(acting) and not any(scope_of(pack, rule, [lang], 1)[0] for rule in acting)
    assert rules_for_others(lang, told_rules([pack]), {"pack": {"languages": list(of_pack)}}) == ["pack/rule"] * left_out


def test_why_names_the_rules_that_were_not_for_a_document(tmp_path):
    def pack(name: str, *rules: dict, **more: object) -> None:
        Path(tmp_path / f"{name}.yaml").write_text(json.dumps({"pack": name, "about": "A test.", **more, "rules": rules}))

    long = {"why": "Long.", "drop_when": {"words": "> 3"}, "examples": {"drop": ["This is too long"], "keep": ["Not this"]}}
    pack("german", {"id": "long", **long}, languages=["de"])
    pack("mixed", {"id": "long", **long}, {"id": "french", **long, "languages": ["fr"]}, {"id": "off", **long, "action": "off", "languages": ["fr"]})
    pack("swedish", *({"id": f"long-{number}", **long, "languages": ["sv"]} for number in range(5)))
    documents = [{"id": "de", "lang": "de", "text": "Guten Tag"}, {"id": "en", "lang": "en", "text": "Good day"}, {"id": "none", "text": "42"}, {"id": "removed", "lang": "en", "text": ""}]
    Path(tmp_path / "in.jsonl").write_text("".join(json.dumps(document) + "\n" for document in documents))
    Path(tmp_path / "job.yaml").write_text("input: in.jsonl\noutput: out\nworkers: inline\npacks: [german.yaml, mixed.yaml, swedish.yaml]\n")
    run_job(load_job(tmp_path / "job.yaml"))
    found = {name: story(tmp_path / "out", name) for name in ("de", "en", "none", "removed")}
    swedish = [f"swedish/long-{number}" for number in range(5)]
    assert {name: story["rules_for_others"] for name, story in found.items()} == {"de": ["mixed/french", *swedish], "en": ["german/long", "mixed/french", *swedish], "none": [], "removed": []}
    (told,) = (line for line in story_lines(found["en"]) if line.startswith("not for"))
    assert told == "not for documents in en: german/long, mixed/french, swedish/long-0, swedish/long-1, swedish/long-2 and 2 more (--json shows all)"
    assert not any(line.startswith("not for") for line in story_lines(found["none"]))
