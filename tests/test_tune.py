"""A threshold that is moved counts what deciding again would: every operator, several conditions, several comparisons, lines."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_ui.judging import judge
from inspect_ui.session import Session
from rules.rule import Comparison

OPERATORS = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
COMPARISON = st.builds(Comparison, OPERATORS, st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.5, 7.0]))
PACK = """\
pack: p
about: x
words: space
rules:
  - id: both
    why: x
    drop_when: {words: ["< 1", "> 1"], mean_word_chars: ["< 1", "> 1"]}
  - {id: other, why: x, drop_when: {words: "== 3"}}
  - {id: tagged, why: x, action: tag, match: 'a', when: {line_chars: ["<= 1", "> 1"], line_words: "> 1"}}
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory) -> Session:
    folder = tmp_path_factory.mktemp("tune")
    rng = np.random.default_rng(3)
    rows = [{"id": str(i), "text": "\n".join(" ".join("a" * int(rng.integers(1, 6)) for _ in range(rng.integers(0, 5))) for _ in range(rng.integers(1, 4))), "lang": ["en", "de"][i % 2]} for i in range(60)]
    rows = [row for row in rows if row["text"].strip()]
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "p.yaml").write_text(PACK)
    return Session.open([str(folder / "a.jsonl")], [str(folder / "p.yaml")], labels=[folder / "l"], drafts=folder / "d.yaml")


def with_comparisons(session: Session, rule_id: str, field: str, comparisons: list[list[Comparison]]) -> Session:
    """The same session, with other comparisons in a rule."""
    pack = session.packs[0]
    rules = []
    for rule in pack.rules:
        if rule.id == rule_id:
            conditions = tuple(dataclasses.replace(c, any_of=tuple(some)) for c, some in zip(getattr(rule, field), comparisons))
            rule = dataclasses.replace(rule, **{field: conditions})
        rules.append(rule)
    changed = object.__new__(Session)
    changed.__dict__.update({name: value for name, value in session.__dict__.items() if name not in ("languages", "patterns")})
    changed.files = [dataclasses.replace(session.files[0], pack=dataclasses.replace(pack, rules=tuple(rules)))]
    changed.judged = judge(session.documents, changed.packs, session.judged)
    return changed


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(COMPARISON, min_size=1, max_size=2), min_size=2, max_size=2), st.integers(0, 3), st.sampled_from([0.0, 1.0, 2.0, 3.0, 3.5, 7.0, 100.0]))
def test_moving_counts_what_deciding_again_would(session, comparisons, which, threshold):
    changed = with_comparisons(session, "both", "drop_when", comparisons)
    tunings = changed.tunings("p/both")
    assert len(tunings) == sum(map(len, comparisons))
    number = which % len(tunings)
    flat = [(i, j) for i, some in enumerate(comparisons) for j in range(len(some))]
    i, j = flat[number]
    moved = tunings[number].move(threshold)
    after = [list(some) for some in comparisons]
    after[i][j] = Comparison(after[i][j].operator, threshold)
    hit = with_comparisons(session, "both", "drop_when", after).judged.decision.rule_hits["p/both"]
    others = changed.judged.decision.rule_hits["p/other"]
    assert (moved.documents, moved.words, moved.only) == (hit.sum(), changed.judged.words[hit].sum(), (hit & ~others).sum())
    assert moved.share == hit.mean()
    languages = np.array(session.documents["lang"].to_pylist())
    assert sum(moved.by_language.values()) <= moved.documents
    if len(comparisons[i]) == 1:
        assert moved.by_language == {name: int((hit & (languages == name)).sum()) for name in ("en", "de") if (hit & (languages == name)).any()}


@settings(max_examples=40, deadline=None)
@given(st.lists(COMPARISON, min_size=1, max_size=2), st.lists(COMPARISON, min_size=1, max_size=1), st.integers(0, 2), st.sampled_from([0.0, 1.0, 2.0, 3.0, 7.0, 12.0]))
def test_of_a_rule_that_finds_lines_it_counts_lines(session, chars, words, which, threshold):
    comparisons = [chars, words]
    changed = with_comparisons(session, "tagged", "when", comparisons)
    tunings = changed.tunings("p/tagged")
    number = which % len(tunings)
    i, j = [(i, j) for i, some in enumerate(comparisons) for j in range(len(some))][number]
    moved = tunings[number].move(threshold)
    comparisons[i] = [Comparison(one.operator, threshold) if k == j else one for k, one in enumerate(comparisons[i])]
    after = with_comparisons(session, "tagged", "when", comparisons)
    effect = after.effect(after.packs[0], "tagged")
    assert (moved.documents, moved.words, moved.only) == (effect.lines, effect.words, effect.lines - effect.already)
    hit, spared = tunings[number].nearest_places(threshold, 3)
    assert all(0 < line <= changed.text_of(row).count("\n") + 1 for row, line in [*hit, *spared])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.sampled_from([None, "en", "xx"]), st.sampled_from([(None, None), (0.0, 3.0), (5.0, 5.5)]))
def test_a_histogram_counts_every_document_once(session, bins, language, ends):
    [tuning] = session.tunings("p/other")
    shown = tuning.histogram(bins, language, *ends)
    expected = {None: session.count, "en": session.languages["en"], "xx": 0}[language]
    assert shown.below + int(shown.counts.sum()) + shown.above == expected and len(shown.edges) == bins + 1
