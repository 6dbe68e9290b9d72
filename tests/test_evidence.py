"""Evidence beside rules: read, shown, written in place without touching anything else, and no part of any hash."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.format.evidence import Evidence, is_current, told
from rules.format.evidence_writing import EvidenceError, write_evidence
from rules.format.pack import load_pack
from rules.places import Problems

FOUND = Evidence("2026-11-28", "better", -0.0123, (-0.015, -0.0096), "documents that both arms keep", 2_000_000, 3, 5_000_000, 1.2e14, "ab" * 32, "cd" * 32)
PACK = """# my rules
pack: mine
about: For tests.
rules:
  # the first
  - id: menu-pages   # menus
    why: Pages of short lines are menus.
    action: tag
    drop_when: {short_line_frac: "> 0.8"}
    examples:
      drop: ["Home\\nNews\\nContact"]
      keep: ["This is a line of ordinary length that belongs to an article.\\nHome"]
  - {id: short, why: Too short., drop_when: {words: "< 3"}, examples: {drop: [a], keep: [a b c d]}}
  - id: cookies
    why: Banners.
    lines: drop
    match: cookie
    examples: {drop: [cookie], keep: [cake]}
# the end
"""


def pack_file(tmp_path: Path, text: str = PACK) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["menu-pages", "cookies"])
def test_records_are_added_in_place_the_newest_first(tmp_path, name, end) -> None:
    path = pack_file(tmp_path, PACK.replace("\n", end))
    before = load_pack(path)
    assert write_evidence(before.rule(name), FOUND) == path
    newer = dataclasses.replace(FOUND, date="2026-11-29", verdict="not distinguishable", interval=(-0.01, 0.01))
    write_evidence(before.rule(name), newer)  # of a rule that was read before the first was written
    after = load_pack(path)
    rule = after.rule(name)
    assert [record.date for record in rule.evidence] == ["2026-11-29", "2026-11-28"]
    assert dataclasses.replace(rule.evidence[1], rule=FOUND.rule, ablation=FOUND.ablation) == FOUND
    assert after.sha256 == before.sha256 and after.rule_sha256(rule) == before.rule_sha256(rule)
    old, new = PACK.split("\n"), path.read_bytes().decode().split(end)
    added = [line for line in new if line not in old]
    assert [line for line in new if line in old] == old and len(added) == 7 and "\n" not in "".join(new)


def test_where_there_is_no_place_nothing_is_changed_and_the_text_to_add_is_told(tmp_path) -> None:
    path = pack_file(tmp_path)
    with pytest.raises(EvidenceError, match=r"(?s)one key a line.*evidence:\n.*verdict: better"):
        write_evidence(load_pack(path).rule("short"), FOUND)
    assert path.read_text() == PACK
    with pytest.raises(EvidenceError, match="comes with gristmill"):
        write_evidence(load_pack("gopher_quality").rule("word-count"), FOUND)
    rule = load_pack(path).rule("cookies")
    path.write_text(PACK.replace("id: cookies", "id: biscuits"))
    with pytest.raises(EvidenceError, match="no rule cookies any more"):
        write_evidence(rule, FOUND)


def test_mistakes_are_told_at_their_place(tmp_path) -> None:
    record = "{date: x, verdict: good, difference: 1, interval: [2, 1], on: x, tokens: 1, seeds: 1, parameters: 1, flops: 1, rule: x, ablation: x}"
    path = pack_file(tmp_path, PACK.replace("    action: tag\n", f"    action: tag\n    evidence: [{record}]\n"))
    with pytest.raises(Problems, match="expected one of better, worse"):
        load_pack(path)
    path.write_text(path.read_text().replace("good", "better"))
    with pytest.raises(Problems, match="mine.yaml:9:.*lower to its upper end"):
        load_pack(path)


def test_a_changed_rule_has_evidence_of_an_earlier_form(tmp_path) -> None:
    path = pack_file(tmp_path)
    pack = load_pack(path)
    sha = pack.rule_sha256(pack.rule("menu-pages"))
    write_evidence(pack.rule("menu-pages"), dataclasses.replace(FOUND, rule=sha))
    (record,) = load_pack(path).rule("menu-pages").evidence
    assert is_current(record, sha) and "earlier form" not in told(record, sha)
    path.write_text(path.read_text().replace("action: tag", "action: drop"))
    now = load_pack(path)
    assert now.rule_sha256(now.rule("menu-pages")) == sha and now.sha256 != pack.sha256
    path.write_text(path.read_text().replace("> 0.8", "> 0.7"))
    now = load_pack(path)
    assert "earlier form" in told(record, now.rule_sha256(now.rule("menu-pages")))


@settings(max_examples=50, deadline=None)
@given(
    st.floats(-9, 9), st.integers(1, 10**15), st.sampled_from(["better", "worse", "not distinguishable", "needs more tokens"]),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=40), st.floats(0, 1e30),
)
def test_any_record_is_read_back(tmp_path_factory, difference, tokens, verdict, on, flops) -> None:
    path = pack_file(tmp_path_factory.mktemp("pack"))
    record = dataclasses.replace(FOUND, difference=difference, interval=(difference, difference + 1), tokens=tokens, verdict=verdict, on=on, flops=flops)
    write_evidence(load_pack(path).rule("cookies"), record)
    (found,) = load_pack(path).rule("cookies").evidence
    assert (found.verdict, found.tokens, found.on) == (verdict, tokens, on)
    assert found.difference == pytest.approx(difference, abs=1e-5) and found.flops == pytest.approx(flops, rel=1e-3)
