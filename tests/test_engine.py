"""The engine decides: all hits recorded, the first drop in order is the reason, scopes and tags are honoured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.engine import apply, piece_bounds
from rules.measures.shared_signals import SharedSignals
from rules.measures.signals import measure
from rules.rule import Comparison, Condition, Pack, Rule


def when(signal: str, *comparisons: tuple[str, float]) -> Condition:
    return Condition(signal, tuple(Comparison(o, t) for o, t in comparisons))


LONG = Rule("long", "w", drop_when=(when("words", (">", 4)),))
SHORT = Rule("short", "w", drop_when=(when("words", ("<", 2), (">", 6)),))
BOTH = Rule("both", "w", drop_when=(when("words", (">", 1)), when("chars", (">", 12))))
TAG = Rule("tag", "w", action="tag", drop_when=(when("words", (">", 0)),))
OFF = Rule("off", "w", action="off", drop_when=(when("words", (">=", 0)),))


def test_all_hits_are_recorded_and_the_first_drop_is_the_reason():
    pack = Pack("p", "", (TAG, LONG, SHORT, BOTH, OFF), words="space")
    applied = apply([pack], pa.array(["one", "one two three", "a b c d e f g h i"]))
    assert applied.dropped.tolist() == [True, True, True]
    assert applied.reasons.to_pylist() == ["p/short", "p/both", "p/long"]
    rules = [[hit["rule"] for hit in hits] for hits in applied.hits.to_pylist()]
    assert rules == [["p/tag", "p/short"], ["p/tag", "p/both", "p/both"], ["p/tag", "p/long", "p/short", "p/both", "p/both"]]
    hit = applied.hits.to_pylist()[2][2]
    assert hit == {"rule": "p/short", "action": "drop", "signal": "words", "value": 9.0, "comparison": ">", "threshold": 6.0}


def test_a_tag_alone_keeps():
    applied = apply([Pack("p", "", (TAG,), words="space")], pa.array(["one two"]))
    assert not applied.dropped[0] and applied.reasons[0].as_py() is None and len(applied.hits[0]) == 1


def test_no_documents_and_empty_documents():
    pack = Pack("p", "", (LONG, SHORT, BOTH), words="space")
    assert len(apply([pack], pa.array([], pa.large_string())).texts) == 0
    applied = apply([pack], pa.array([""]))
    assert applied.reasons.to_pylist() == ["p/short"]


def test_a_signal_that_an_empty_document_lacks_meets_no_comparison():
    rules = tuple(Rule(f"r{i}", "w", drop_when=(when("mean_word_chars", (o, 3.0)),)) for i, o in enumerate(["<", "<=", ">", ">=", "==", "!="]))
    assert not apply([Pack("p", "", rules)], pa.array(["", "  "])).dropped.any()


def test_signals_are_measured_again_after_an_edit_and_shared_otherwise():
    edit = Pack("edit", "", (Rule("cut", "w", lines="trim", match=" x+$"),), words="space")
    count = Rule("many", "w", drop_when=(when("words", (">", 2)),))
    first, second = (Pack(name, "", (count,), words="space") for name in ("first", "second"))
    applied = apply([first, edit, second], pa.array(["a b xxx", "a b c d"]))
    assert applied.signals["first.words"].to_pylist() == [3, 4]
    assert applied.signals["second.words"].to_pylist() == [2, 4]
    assert applied.reasons.to_pylist() == ["first/many", "first/many"]
    assert applied.texts.to_pylist() == ["a b", "a b c d"]
    assert applied.edits.to_pylist() == [{"row": 0, "rule": "edit/cut", "line": 1, "before": "a b xxx", "after": "a b"}]


EDITS = (
    Rule("cut", "w", lines="trim", match=" x+$"),
    Rule("gone", "w", lines="drop", match="^#"),
    Rule("few", "w", lines="drop", when=(when("line_words", ("<", 2)),)),
    Rule("mark", "w", lines="replace", match="a", with_="b b"),
)
NAMES = ("words", "chars", "sentences", "newline_word_ratio", "dup_line_frac", "mean_word_chars", "top_2_gram_char_frac", "alpha_word_frac")
measuring_packs = st.tuples(
    st.lists(st.sampled_from(EDITS), max_size=1), st.lists(st.sampled_from(NAMES), max_size=4, unique=True), st.sampled_from(["space", "unicode"])
)


@settings(max_examples=400, deadline=None)
@given(
    described=st.lists(measuring_packs, min_size=1, max_size=5),
    texts=st.lists(st.text("ab#. é\n", max_size=12) | st.sampled_from(["a b x", "# b\na b c.", "c", ""]), min_size=1, max_size=12),
)
def test_packs_together_measure_what_each_measures_by_itself(described, texts):
    """Of the text as the packs before it left it, whichever texts they changed."""
    packs = []
    for i, (edits, names, words) in enumerate(described):
        rules = tuple(Rule(f"r{k}", "w", drop_when=(when(name, (">", 1)),)) for k, name in enumerate(names))
        packs.append(Pack(f"p{i}", "", (*edits, *rules), words=words))
    together, array = apply(packs, pa.array(texts)), pa.array(texts)
    edits = []
    for pack in packs:
        alone = apply([pack], array)
        for name in alone.signals.column_names:
            if name != "words":
                assert together.signals[name].to_pylist() == pytest.approx(alone.signals[name].to_pylist(), abs=0, rel=0, nan_ok=True)
        for name, hits in alone.rule_hits.items():
            assert (together.rule_hits[name] == hits).all()
        edits += alone.edits.to_pylist()
        array = alone.texts
    assert together.texts.to_pylist() == array.to_pylist()
    assert together.edits.to_pylist() == sorted(edits, key=lambda edit: edit["row"])
    assert together.signals["words"].to_pylist() == measure(pa.array(texts), ["words"], words=packs[0].words)["words"].tolist()


def test_only_changed_texts_are_measured_again():
    before, after = pa.array(["a", "b", "c"], pa.large_string()), pa.array(["a", "b b", "c"], pa.large_string())
    signals = SharedSignals()
    signals.measure(before, ["words", "chars"], "space")
    signals.values["words"] = np.array([7.0, 8.0, 9.0])  # so that it shows what is measured
    signals.forget(np.array([1, 1]), 3)
    assert not signals.has("words")
    signals.measure(after, ["words", "lines"], "space")
    assert signals.values["words"].tolist() == [7, 2, 9] and signals.values["lines"].tolist() == [1, 1, 1]
    assert signals.has("words") and not signals.has("chars")
    signals.forget(np.array([0, 1]), 3)
    signals.measure(after, ["words"], "space")
    assert signals.values["words"].tolist() == [1, 2, 1], "most changed: all are measured"
    assert signals.values["chars"].tolist() == [1, 1, 1]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text("ab", max_size=9), max_size=12), st.integers(1, 20))
def test_pieces_are_all_texts_in_order(texts, size):
    bounds = piece_bounds(pa.array(["before", *texts], pa.large_string())[1:], size)
    assert [row for begin, end in bounds for row in range(begin, end)] == list(range(len(texts)))
    assert all(begin < end for begin, end in bounds) or bounds == [(0, 0)]
    assert all(sum(map(len, texts[begin : end - 1])) <= size for begin, end in bounds)


def test_a_big_batch_is_decided_as_its_documents_are():
    texts = ["a b x\nc\n", "# d\na b.\n" * 900_000, "", "e x\n" * 2_400_000, "a b c d", "f g\n" * 2_400_000, "# h"]
    assert len(piece_bounds(pa.array(texts, pa.large_string()))) > 1
    rules = (*EDITS[:2], Rule("many", "w", drop_when=(when("words", (">", 3)),)), Rule("b", "w", match="b$", action="tag"))
    packs = [Pack("p", "", rules, languages=("en",), words="space"), Pack("q", "", (LONG, BOTH), words="space")]
    langs, known = ["en", "de", "en", "en", "en", "de", "en"], {"q.chars": np.arange(7.0)}
    together = apply(packs, pa.array(texts), langs, known=known)
    alone = [apply(packs, pa.array([text]), [lang], known={"q.chars": np.array([float(row)])}) for row, (text, lang) in enumerate(zip(texts, langs))]
    assert together.texts.equals(pa.concat_arrays([one.texts for one in alone]))
    assert together.reasons.to_pylist() == [one.reasons[0].as_py() for one in alone]
    assert together.hits.to_pylist() == [one.hits[0].as_py() for one in alone]
    assert together.signals.equals(pa.concat_tables([one.signals for one in alone]).combine_chunks())
    assert together.edits["row"].to_pylist() == [row for row, one in enumerate(alone) for _ in range(len(one.edits))]
    assert together.edits.drop(["row"]).equals(pa.concat_tables([one.edits for one in alone]).drop(["row"]))


def test_languages_limit_packs_and_rules():
    english = Pack("english", "", (LONG,), languages=("en",), words="space")
    german_rule = Pack("mixed", "", (Rule("de", "w", languages=("de",), drop_when=(when("words", (">", 4)),)),), words="space")
    texts = pa.array(["a b c d e"] * 3)
    applied = apply([english, german_rule], texts, ["en", "de", None])
    assert applied.reasons.to_pylist() == ["english/long", "mixed/de", "english/long"], "a document without one meets them all"
    assert apply([english], texts).dropped.all(), "without languages, rules act on every text"


def test_forms_of_a_rule_by_language():
    rule = Rule("r", "w", drop_when=(when("words", (">", 4)),), except_languages=("zh", "no"))
    strict = Rule("r", "w", drop_when=(when("words", (">", 1)),), languages=("no",), variant=True)
    applied = apply([Pack("p", "", (rule, strict), words="space")], pa.array(["a b c", "a b c", "a b c d e", "a b c d e"]), ["no", "en", "zh", "en"])
    assert applied.dropped.tolist() == [True, False, False, True]
    assert applied.rule_hits["p/r"].tolist() == [True, False, False, True]
    assert apply([Pack("p", "", (rule, strict), words="space")], pa.array(["a b c"])).dropped.tolist() == [False]


def test_which_documents_are_in_a_batch_changes_no_verdict():
    """One without a language is judged as it would be alone, whatever others have."""
    forms = (Rule("r", "w", drop_when=(when("words", (">", 4)),), except_languages=("de",)), Rule("r", "w", drop_when=(when("words", (">", 1)),), languages=("de",), variant=True))
    packs = [Pack("en", "", (LONG,), words="space", languages=("en",)), Pack("own", "", (replace(SHORT, languages=("fr",)), *forms), words="space")]
    texts, langs = ["one two three four five", "one", "one two three"] * 4, [*["en"] * 3, *["de"] * 3, *[None] * 3, *["fr"] * 3]
    together = apply(packs, pa.array(texts), langs)
    alone = [apply(packs, pa.array([text]), [lang]) for text, lang in zip(texts, langs)]
    assert together.hits.to_pylist() == [one.hits.to_pylist()[0] for one in alone]
    unlabelled = apply(packs, pa.array(texts[:3]))
    assert together.hits.to_pylist()[6:9] == unlabelled.hits.to_pylist()
    assert together.reasons.to_pylist()[6:9] == ["en/long", "own/short", None]


def test_a_document_rule_by_pattern_counts_lines():
    pack = Pack("p", "", (Rule("curly", "w", match="\\{"), Rule("gone", "w", lines="drop", match="^#"), Rule("hash", "w", match="#")))
    applied = apply([pack], pa.array(["{\n{", "#x", "x#", "plain"]))
    assert applied.reasons.to_pylist() == ["p/curly", None, "p/hash", None]
    assert applied.hits[0][0].as_py()["value"] == 2


def test_removed_line_frac_is_a_signal():
    rules = (Rule("gone", "w", lines="drop", match="^#"), Rule("most", "w", drop_when=(when("removed_line_frac", (">", 0.5)),)))
    assert apply([Pack("p", "", rules)], pa.array(["#\n#\nx", "#\nx\ny"])).dropped.tolist() == [True, False]


rules_strategy = st.lists(
    st.tuples(
        st.sampled_from(["drop", "tag", "off"]),
        st.lists(
            st.tuples(st.sampled_from(["words", "chars", "mean_word_chars", "hash_word_ratio"]), st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), st.integers(0, 6)),
            min_size=1, max_size=3,
        ),
    ),
    max_size=5,
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(rules_strategy, st.lists(st.text("ab # é\n", max_size=12), max_size=6))
def test_verdicts_equal_a_plain_loop(described, texts):
    rules = tuple(
        Rule(f"r{i}", "w", action=action, drop_when=tuple(when(s, (o, float(t))) for s, o, t in tests))
        for i, (action, tests) in enumerate(described)
    )
    array = pa.array(texts, pa.large_string())
    names = sorted({c.signal for r in rules for c in r.drop_when})
    signals = measure(array, names, words="space")
    applied = apply([Pack("p", "", rules, words="space")], array)
    compare = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal, "!=": np.not_equal}
    for row in range(len(texts)):
        def holds(condition, row=row):
            value = signals[condition.signal][row]
            return not np.isnan(value) and any(compare[c.operator](value, c.threshold) for c in condition.any_of)

        hit = [r for r in rules if r.action != "off" and all(holds(c) for c in r.drop_when)]
        drops = [r for r in hit if r.action == "drop"]
        assert applied.dropped[row] == bool(drops)
        assert applied.reasons[row].as_py() == (f"p/{drops[0].id}" if drops else None)
        assert list(dict.fromkeys(h["rule"] for h in applied.hits[row].as_py())) == [f"p/{r.id}" for r in hit]


def test_unknown_operator_is_a_bug_not_a_silence():
    with pytest.raises(KeyError):
        apply([Pack("p", "", (Rule("r", "w", drop_when=(when("words", ("~", 1)),)),))], pa.array(["x"]))


def test_every_rule_says_what_it_took():
    pack = Pack("p", "", (Rule("line", "w", lines="drop", match="x"), TAG), words="space")
    applied = apply([pack], pa.array(["one two x\nthree"] * 50))
    assert set(applied.seconds) == {"p/line", "p (lines)", "p (signals)", f"p/{TAG.id}"}
    assert all(seconds > 0 for seconds in applied.seconds.values())
